"""tests: attention patterns against weights computed from queries and keys by hand, and against a planted induction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.engine.controls import Effect, control_runs
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.attention_pattern import AttentionPattern, last_weights
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.models.locate import Located
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.registry import Materials
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from mi_atlas.specs.metrics.representation import RandomPositions
from mi_atlas.specs.model import Model, Source
from pydantic import ValidationError
from torch import Tensor, nn

from .conftest import block, micro, wrap

LAYER = 1
"""Of each micro model, with attention."""


def measure(module: nn.Module, *cells: Cell) -> dict[Cell, dict[str, list[float]]]:
    materials = Materials([block("made"), block("other", n=5)])
    return {r.cell: dict(r.values) for r in AttentionPattern().measure(wrap(module), materials, cells)}


def by_hand(module: Any, ids: tuple[int, ...], layer: int) -> Tensor:
    """softmax(q k' / sqrt d) of the last token, [head, position], from the projections, with rotary positions."""
    attention, seen = module.model.layers[layer].self_attn, {}
    hooks = [
        getattr(attention, name).register_forward_hook(lambda m, a, out, n=name: seen.__setitem__(n, out[0]))
        for name in ("q_proj", "k_proj")
    ]
    module(input_ids=torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    heads = {name: tensor.view(len(ids), -1, 4) for name, tensor in seen.items()}  # [position, head, 4]
    if hasattr(attention, "q_layernorm"):
        heads = {"q_proj": attention.q_layernorm(heads["q_proj"]), "k_proj": attention.k_layernorm(heads["k_proj"])}
    base = float(module.config.rope_parameters["rope_theta"])
    angles = torch.arange(len(ids))[:, None] * base ** (-torch.arange(0, 4, 2) / 4)[None]
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]

    def rotated(x: Tensor) -> Tensor:
        a, b = x[..., :2], x[..., 2:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    query, keys = rotated(heads["q_proj"])[-1], rotated(heads["k_proj"])
    return torch.stack([(keys[:, head // 2] @ query[head] / 2).softmax(0) for head in range(4)])


def test_weights_are_those_of_queries_and_keys(architecture: str) -> None:
    module, layer = micro(architecture), LAYER
    cells = [Cell("made", f"L{layer}.head{head}", "observe") for head in range(4)]
    got = measure(module, *cells)
    for row, example in enumerate(block().examples):
        weights = by_hand(module, example.clean_ids, layer)
        pairs = enumerate(zip(example.clean_ids, example.corrupt_ids, strict=True))
        subject = [i for i, (one, other) in pairs if one != other]
        for head, cell in enumerate(cells):
            assert got[cell]["attention_to_first"][row] == pytest.approx(float(weights[head, 0]), abs=1e-5)
            assert got[cell]["attention_to_subject"][row] == pytest.approx(
                float(weights[head, subject].sum()), abs=1e-5
            )
            assert got[cell]["applies"][row] == float(bool(subject))


def test_the_model_is_left_as_it_was(architecture: str) -> None:
    module: Any = micro(architecture)
    before, name = module(input_ids=torch.tensor([[1, 2, 3]])).logits, module.config._attn_implementation
    last_weights(dissect(module), [[1, 2, 3, 4], [5, 6]])
    assert module.config._attn_implementation == name
    assert torch.equal(module(input_ids=torch.tensor([[1, 2, 3]])).logits, before)


@pytest.mark.parametrize("seed", range(2))
def test_the_heads_of_a_planted_induction_look_one_back_and_at_what_the_answer_depends_on(seed: int) -> None:
    planted = build("induction", seed)
    some = planted.examples(20)
    (first, one), (second, other) = planted.truth.facts["previous"], planted.truth.facts["matching"]
    cells = [Cell(some.family, f"L{layer}.head{head}", "observe") for layer, head in ((first, one), (second, other))]
    results = AttentionPattern().measure(planted.loaded(), Materials([some]), cells)
    previous, matching = (result.values["attention_to_subject"] for result in results)
    assert sum(matching) / 20 > 0.8
    assert sum(previous) / 20 < 0.2
    weights = last_weights(dissect(planted.module), [example.clean_ids for example in some.examples])
    assert sum(float(of_layer[first][one][-2]) for of_layer in weights) / 20 > 0.8


def test_random_positions_are_others_and_differ_from_draw_to_draw() -> None:
    module = micro("qwen2")
    cells = [Cell("made", "L1.head2", "observe|random_positions", seed) for seed in range(20)]
    got = measure(module, Cell("other", "L1.head2", "observe"), *cells)
    assert len({tuple(got[cell]["attention_to_first"]) for cell in cells}) == 20
    assert measure(module, cells[4])[cells[4]] == got[cells[4]]
    weights = last_weights(dissect(module), [example.clean_ids for example in block().examples])
    for row, of_layer in enumerate(weights):
        others = of_layer[1][2][1:].tolist()
        assert all(got[cell]["attention_to_first"][row] in others for cell in cells)


def test_the_engine_tells_the_evaluator_of_random_positions() -> None:
    located = Located(Model(model="m", source=Source(path="m")), Path(), {}, 3, "Any", Path(), {}, 0)
    runs = control_runs(RandomPositions(kind="random_positions"), located, [Effect("observe", 0, "L1.head2")], ())
    assert [(run.intervention, run.seed) for run in runs] == [("observe|random_positions", i) for i in range(20)]


@pytest.mark.parametrize(
    ("site", "word", "code"),
    [
        ("L0.head1", "observe", "no_such_site"),  # a convolution
        ("L1.head7", "observe", "no_such_site"),
        ("L1.operator", "observe", "no_such_site"),
        ("L1.head1", "observe(every)", "no_such_intervention"),
        ("L1.head1", "zero", "no_such_intervention"),
    ],
)
def test_what_has_no_pattern_is_not_evaluated(site: str, word: str, code: str) -> None:
    with pytest.raises(NotEvaluated) as error:
        measure(micro("lfm2"), Cell("made", site, word))
    assert error.value.code == code


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda output: setattr(output, "attentions", ()), "0 of 3 layers"),
        (lambda output: setattr(output, "last_hidden_state", 2 * output.last_hidden_state), "the weights are others"),
    ],
)
def test_weights_that_are_not_the_models_own_are_not_evaluated(spoil: Callable[[Any], None], says: str) -> None:
    module: Any = micro("llama")

    def spoilt(m: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if kwargs.get("output_attentions"):
            spoil(output)

    module.model.register_forward_hook(spoilt, with_kwargs=True)
    with pytest.raises(NotEvaluated, match=says) as error:
        last_weights(dissect(module), [[1, 2, 3]])
    assert error.value.code == "no_weights"


CLAIM: dict[str, Any] = {
    "claim": "pocket-qwen/looks-first",
    "statement": "Head 2 of layer 3 looks at the first token most of the time.",
    "model": "pocket-qwen",
    "suite": "main-12",
    "metric": {
        "evaluator": "attention_pattern",
        "quantity": "attention_to_first",
        "sites": {"granularity": "head"},
        "descriptive": True,
    },
    "counterfactual": {"intervention": "observe"},
    "control": {"kind": "random_positions"},
    "expect": {"form": "threshold", "component": "L3.head2", "at_least": 0.5},
    "threshold": {"high": 0.995, "medium": 0.95},
}


def claim(**changes: Any) -> MeasuredClaim:
    made = ClaimAdapter.validate_python(CLAIM | changes)
    assert isinstance(made, MeasuredClaim)
    return made


def metric(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**CLAIM["metric"], **changes}.items() if value is not None}


def test_a_descriptive_claim_is_valid_and_has_no_settings() -> None:
    assert claim().metric.settings() == {}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"counterfactual": {"intervention": "zero"}}, "knows observe"),
        ({"robustness": [{"intervention": "mean"}]}, "knows observe"),
        ({"metric": metric(descriptive=None)}, "descriptive"),
        ({"metric": metric(descriptive=False)}, "descriptive"),
        ({"metric": metric(sites={"granularity": "operator"})}, "one head"),
        ({"metric": metric(sites={"granularity": "head", "together": 2})}, "one head"),
    ],
)
def test_a_causal_claim_about_a_pattern_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        claim(**changes)
