"""tests: generation with the cache against recomputing every pass from the first token."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.replay import (
    Add,
    Constant,
    Donor,
    Intervention,
    MatchedNormNoise,
    Readout,
    Replay,
    Zero,
    logits,
)
from mi_atlas.specs.sites import Site

from .conftest import tokens
from .models import micro

PROMPTS = tokens((4, 6, 4))
COUNT = 4


def reached(one: Intervention, length: int) -> Intervention:
    """The intervention on a text that is so long: at those of its absolute positions which are there."""
    if one.positions is None:
        return one
    return replace(one, positions=(tuple(p for p in one.positions if p < length),))


def recomputed(replay: Replay, prompt: list[int], entry: list[Intervention]) -> tuple[list[int], list[float]]:
    """Greedy tokens and their log-probabilities, each from a pass over everything before it, without a cache."""
    text, chances = list(prompt), []
    for _ in range(COUNT):
        given = replay.run([text], [[reached(one, len(text)) for one in entry]], Readout({"logits": logits}))
        chance, token = given.values["logits"][0, 0].double().log_softmax(-1).max(-1)
        text.append(int(token))
        chances.append(float(chance))
    return text[len(prompt) :], chances


VECTOR = torch.randn(16, generator=torch.Generator().manual_seed(0))
STEER = Intervention(Site(1, "residual"), Add(VECTOR), strength=2.0)

ENTRIES: dict[str, list[Intervention]] = {
    "clean": [],
    "everywhere": [STEER],
    "prompt and tokens to come": [Intervention(Site(1, "mlp"), Constant(VECTOR), (1, 3, 5, 6))],
    "together": [Intervention(Site(1, "head", 1), Zero()), Intervention(Site(2, "operator"), Zero(), (0, 6)), STEER],
    "inside": [Intervention(Site(1, "k_proj"), Zero(), (2, 5)), Intervention(Site(2, "layer"), Zero())],
}


@pytest.mark.parametrize("architecture", ["Qwen2", "Lfm2", "Gemma3"])
def test_the_cache_changes_nothing(architecture: str) -> None:
    replay = Replay(micro(architecture))
    generated = replay.generate(PROMPTS, list(ENTRIES.values()), COUNT)
    for k, entry in enumerate(ENTRIES.values()):
        for i, prompt in enumerate(PROMPTS):
            expected, chances = recomputed(replay, prompt, entry)
            assert generated.tokens[k, i].tolist() == expected
            assert generated.log_probability[k, i].tolist() == pytest.approx(chances, abs=1e-5)
    assert not torch.equal(generated.log_probability[0], generated.log_probability[1])


def test_positions_from_the_end_are_the_prompts() -> None:
    replay = Replay(micro("Llama"))
    last = Intervention(Site(1, "mlp"), Zero(), (-1,))
    same = Intervention(Site(1, "mlp"), Zero(), ((3,), (5,), (3,)))
    one, other = replay.generate(PROMPTS, [last, same], COUNT).log_probability
    assert torch.equal(one, other)


def test_values_of_the_prompts_own_tokens_need_positions_there() -> None:
    replay, site = Replay(micro("Llama")), Site(1, "mlp")
    donor = Donor(torch.zeros(14, 16), torch.arange(14))
    at_prompt = [Intervention(site, value, (0, 3)) for value in (donor, Zero())]
    one, other = replay.generate(PROMPTS, at_prompt, COUNT).log_probability
    assert torch.equal(one, other)
    for value in (donor, MatchedNormNoise(0)):
        for positions in (None, (5,)):
            with pytest.raises(NotEvaluated):
                replay.generate(PROMPTS, [Intervention(site, value, positions)], COUNT)


def test_a_position_that_is_never_reached_is_not_evaluated() -> None:
    with pytest.raises(NotEvaluated, match="no position 7 before 7"):
        Replay(micro("Llama")).generate(PROMPTS, [Intervention(Site(1, "mlp"), Zero(), (7,))], COUNT)
