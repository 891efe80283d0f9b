"""tests: the packed passes against one forward pass an intervention with hooks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.replay import (
    Constant,
    Donor,
    Intervention,
    Readout,
    Replay,
    ResidualZero,
    Zero,
    kl,
    log_probability,
    logit_difference,
    logits,
    top1,
    top5_overlap,
)
from mi_atlas.specs.sites import SITE_KINDS, Site, parse_site
from torch import Tensor

from .conftest import LENGTHS, every_intervention, tokens
from .models import PACKED, VOCABULARY, micro

PROMPTS = tokens()
TOLERANCE = 1e-5
"""nats, for KL in float32."""


def largest(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max())


def agree(one: Replay, other: Replay, interventions: list, readout: Readout | None = None) -> None:
    """Two ways give the same quantities, and the interventions do something."""
    ours, theirs = (replay.run(PROMPTS, interventions, readout) for replay in (one, other))
    for name, value in theirs.values.items():
        assert largest(ours.values[name], value) < TOLERANCE, name
        assert largest(ours.clean[name], theirs.clean[name]) < TOLERANCE, name
    assert theirs.values["kl"].max() > 0.1


@pytest.mark.parametrize("architecture", PACKED)
def test_every_site_and_value_is_as_with_hooks(architecture: str) -> None:
    model = micro(architecture)
    replay = Replay(model)
    assert replay.fallback is None
    agree(replay, Replay(model, packed=False), every_intervention(replay, PROMPTS))


SOME = ((0, 3), (8, -2), (), (2,), (5, 11))
"""Positions of each prompt."""


@pytest.mark.parametrize("architecture", ["Qwen2", "Lfm2", "Gemma3"])
@pytest.mark.parametrize("positions", [(-1,), SOME], ids=["last", "some"])
def test_positions_are_as_with_hooks(architecture: str, positions: tuple) -> None:
    model = micro(architecture)
    replay = Replay(model)
    several = [replace(one, positions=positions) for one in every_intervention(replay, PROMPTS)[::3]]
    read = Readout(positions=((1, 4), (7, 8), (0,), (0, -1), (3, 5, 10)))
    agree(replay, Replay(model, packed=False), several[::2])
    agree(replay, Replay(model, packed=False), several[1::2], read)


@pytest.mark.parametrize("architecture", ["Llama", "Lfm2", "Gemma2"])
def test_interventions_that_act_together_are_as_with_hooks(architecture: str) -> None:
    model = micro(architecture)
    replay = Replay(model)
    every = every_intervention(replay, PROMPTS)
    half = [replace(one, strength=0.5) for one in every]
    at = [replace(one, positions=SOME) for one in every]
    step = len(every) // 7
    pairs = [(every[i], half[-1 - i]) for i in range(0, len(every) // 2, 3)]
    circuits = [tuple((every, half, at)[i % 3][i] for i in range(start, len(every), step)) for start in range(step)]
    layers = tuple(Intervention(Site(i, "layer"), Zero()) for i in range(3))
    agree(replay, Replay(model, packed=False), [*pairs, *circuits, layers, (layers[1], at[0]), ()])


def test_quantities_and_strengths_are_as_with_hooks() -> None:
    model = micro("Qwen2")
    replay = Replay(model)
    targets, wrong = [i % VOCABULARY for i in range(5)], [i + 9 for i in range(5)]
    quantities = {
        "kl": kl,
        "target": log_probability(targets),
        "difference": logit_difference(targets, wrong),
        "top1": top1,
        "top5": top5_overlap,
        "logits": logits,
    }
    some = [
        replace(one, strength=strength) for one in every_intervention(replay, PROMPTS)[::9] for strength in (-1, 0.3)
    ]
    agree(replay, Replay(model, packed=False), some, Readout(quantities))
    agree(replay, Replay(model, packed=False), some, Readout(quantities, ((0, -1), *[(-1,)] * 4)))


@pytest.mark.parametrize("architecture", ["Qwen2", "Lfm2"])
def test_a_tiny_memory_budget_changes_nothing(architecture: str) -> None:
    model = micro(architecture)
    replay = Replay(model)
    some = every_intervention(replay, PROMPTS)[::11]
    some += [replace(one, positions=SOME) for one in some]
    agree(Replay(model, memory=1), replay, some)
    agree(Replay(model, memory=100_000), replay, some)


@pytest.mark.parametrize("architecture", PACKED)
def test_captures_are_as_with_hooks(architecture: str) -> None:
    model = micro(architecture)
    replay, hooked = Replay(model), Replay(model, packed=False)
    sites = replay.anatomy.sites(SITE_KINDS)
    edited = Intervention(sites[1], Zero(), SOME), Intervention(Site(1, "mlp"), Zero())
    for under in ((), edited):
        ours, theirs = replay.captures(PROMPTS, sites, under), hooked.captures(PROMPTS, sites, under)
        for site in sites:
            assert len(ours[site]) == sum(LENGTHS)
            assert largest(ours[site], theirs[site]) <= 1e-4 * float(theirs[site].abs().max()), site.label


def test_what_edits_leave_alone_is_exactly_clean() -> None:
    model = micro("Qwen2")
    replay = Replay(model)
    sites = [parse_site(f"L1{part}") for part in ("", ".operator", ".mlp", ".head2", ".residual")]
    own = replay.captures(PROMPTS, sites)
    same = torch.arange(sum(LENGTHS))
    patched = [Intervention(site, Donor(own[site], same)) for site in sites]
    no_op = [Intervention(site, Zero(), strength=0.0) for site in sites[:4]]
    measured = replay.run(PROMPTS, [*patched, *no_op, ()], Readout({"kl": kl, "logits": logits}))
    for value in measured.values["logits"]:
        assert torch.equal(value, measured.clean["logits"])
    assert measured.values["kl"].abs().max() == 0


def test_a_part_that_writes_nothing_has_no_effect_at_all() -> None:
    model = micro("Llama")
    for parameter in (model.model.layers[1].mlp.down_proj.weight, model.model.layers[1].mlp.down_proj.bias):
        parameter.zero_()
    ablated = [Intervention(Site(1, "mlp"), Zero()), Intervention(Site(1, "down_proj"), Zero())]
    values = Replay(model).run(PROMPTS, [*ablated, Intervention(Site(0, "mlp"), Zero())]).values["kl"]
    assert (values[:2] == 0).all()
    assert (values[2] > 0).all()


def test_patching_everything_gives_the_donor() -> None:
    model = micro("Lfm2")
    replay, other = Replay(model), tokens(seed=1)
    stream = Site(0, "residual")
    donor = Donor(replay.captures(other, [stream])[stream], torch.arange(sum(LENGTHS)))
    patched = replay.run(PROMPTS, [Intervention(stream, donor)], Readout({"logits": logits}))
    expected = replay.run(other, [], Readout({"logits": logits}))
    assert torch.equal(patched.values["logits"][0], expected.clean["logits"])


def test_a_model_is_left_as_it_was() -> None:
    model = micro("Qwen2")
    before = model(torch.tensor([PROMPTS[4]])).logits
    implementation = model.config._attn_implementation
    replay = Replay(model)
    with pytest.raises(RuntimeError):
        replay.run(PROMPTS, [Intervention(Site(1, "q_proj"), Constant(torch.zeros(3)))])
    hooks = [module for module in model.modules() if module._forward_hooks or module._forward_pre_hooks]
    assert not hooks
    assert model.config._attn_implementation == implementation
    assert torch.equal(model(torch.tensor([PROMPTS[4]])).logits, before)


@pytest.mark.parametrize("architecture", ["Granite", "Cohere", "Phi"])
def test_architectures_that_are_not_packed_run_with_hooks_and_say_so(architecture: str) -> None:
    replay = Replay(micro(architecture))
    measured = replay.run(PROMPTS, [Intervention(Site(1, "mlp"), Zero()), ()])
    assert measured.fallback
    assert measured.fallback == replay.fallback
    assert (measured.values["kl"][0] > 0).all()
    assert (measured.values["kl"][1] == 0).all()


@pytest.mark.parametrize(
    ("intervention", "code"),
    [
        (Intervention(Site(7, "mlp"), Zero()), "no_such_site"),
        (Intervention(Site(1, "head", 4), Zero()), "no_such_site"),
        (Intervention(Site(1, "conv"), Zero()), "no_such_site"),
        (Intervention(Site(1, "mlp"), Zero(), (5,)), "no_such_position"),
        (Intervention(Site(1, "mlp"), ResidualZero()), "no_such_intervention"),
        (Intervention(Site(1, "residual"), Zero()), "no_such_intervention"),
    ],
)
def test_what_is_not_there_is_not_evaluated(intervention: Intervention, code: str) -> None:
    with pytest.raises(NotEvaluated) as error:
        Replay(micro("Qwen2")).run(PROMPTS, [intervention])
    assert error.value.code == code


def test_a_run_needs_tokens() -> None:
    with pytest.raises(NotEvaluated, match="a token"):
        Replay(micro("Qwen2")).run([[1], []], [])


def test_a_window_that_shows_only_in_long_prompts_makes_the_run_fall_back() -> None:
    model = micro("Mistral", sliding_window=10)
    own = model.model.layers[1].self_attn.forward

    def told_nothing(*args: Any, **kwargs: Any) -> Any:
        """An attention whose window is in its mask alone."""
        config = model.model.layers[1].self_attn.config
        config.sliding_window, window = None, config.sliding_window
        try:
            return own(*args, **kwargs)
        finally:
            config.sliding_window = window

    model.model.layers[1].self_attn.forward = told_nothing
    replay = Replay(model)
    assert replay.fallback is None
    measured = replay.run(PROMPTS, [Intervention(Site(0, "mlp"), Zero())])
    expected = Replay(model, packed=False).run(PROMPTS, [Intervention(Site(0, "mlp"), Zero())])
    assert measured.fallback == "layer 1 is not what its parts give for 12 tokens"
    assert torch.equal(measured.values["kl"], expected.values["kl"])


def test_long_prompts_attend_by_the_fused_kernel() -> None:
    model = micro("Mistral", max_position_embeddings=256)
    prompts = tokens((150, 131, 20))
    some = [Intervention(Site(i, "operator"), Zero(), positions) for i in range(3) for positions in (None, (-1,), (9,))]
    ours, theirs = (Replay(model, packed=way).run(prompts, some).values["kl"] for way in (True, False))
    assert largest(ours, theirs) < TOLERANCE
