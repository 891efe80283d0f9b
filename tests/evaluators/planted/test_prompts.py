"""tests: prompts of planted models, and the means of their proofs, against longer ways."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from mi_atlas.evaluators.planted import KINDS
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.planted.prompts import last_logits
from mi_atlas.evaluators.planted.proof import Measured, stream, without_heads
from mi_atlas.evaluators.tasks.example import Block


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_unique_aligned_and_spread_over_thirty_templates(kind: str) -> None:
    planted = build(kind, 0)
    block = planted.examples(90)
    assert set(Counter(example.template for example in block.examples).values()) == {3}
    assert len({example.template for example in block.examples}) == 30
    assert len({example.clean for example in block.examples}) == 90
    for example in block.examples:
        encoded = [tuple(planted.tokenizer.encode(text).ids) for text in (example.clean, example.corrupt)]
        assert encoded == [example.clean_ids, example.corrupt_ids]
        assert len(example.clean_ids) == len(example.corrupt_ids) == example.answer_position + 1
        assert 0 not in example.clean_ids + example.corrupt_ids + example.target_ids + example.wrong_target_ids
        assert example.target_ids != example.wrong_target_ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_answers_clean_and_corrupt_prompts_as_the_examples_say(kind: str) -> None:
    planted = build(kind, 1)
    examples = planted.examples(60).examples
    for prompts, answers in (
        ([e.clean_ids for e in examples], [e.target_ids[0] for e in examples]),
        ([e.corrupt_ids for e in examples], [e.wrong_target_ids[0] for e in examples]),
    ):
        said = last_logits(planted.module, prompts).argmax(-1).tolist()
        assert sum(a == b for a, b in zip(said, answers, strict=True)) >= 0.95 * len(examples)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_and_seeds_and_splits_share_no_more_than_they_may(kind: str) -> None:
    planted = build(kind, 0)

    def prompts(block: Block) -> set[str]:
        return {example.clean for example in block.examples}

    first, second = planted.examples(30), planted.examples(30, draw=2)
    assert planted.examples(30) == first
    assert not prompts(first) & prompts(second)
    assert planted.examples(30, seed=1).digest != first.digest
    discovery = planted.examples(30, split="discovery")
    assert len({e.template for e in discovery.examples}) == 10
    assert not {e.template for e in discovery.examples} & {e.template for e in first.examples}


def test_templates_differ_in_more_than_their_fillers() -> None:
    rows: dict[str, list[list[str]]] = {}
    for example in build("lookup", 0).examples(180).examples:
        rows.setdefault(example.template, []).append(example.clean.split())
    fixed = [tuple(w[0] if len(set(w)) == 1 else "" for w in zip(*some, strict=True)) for some in rows.values()]
    assert len(set(fixed)) == 30


def test_more_examples_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="only"):
        build("steering_direction", 0).examples(30 * 500)


def test_last_logits_are_those_of_single_prompts() -> None:
    planted = build("single_hub", 1)
    prompts = [example.clean_ids for example in planted.examples(30).examples]
    alone = torch.cat([planted.module(input_ids=torch.tensor([p]), use_cache=False).logits[:, -1] for p in prompts])
    assert torch.allclose(last_logits(planted.module, prompts), alone, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_stream_is_what_transformers_calls_hidden_states(seed: int) -> None:
    planted = build("dead_layer", seed)
    prompts = [example.clean_ids for example in planted.examples(30).examples]
    hidden = [
        planted.module(input_ids=torch.tensor([p]), use_cache=False, output_hidden_states=True).hidden_states
        for p in prompts
    ]
    points = stream(planted, prompts)
    assert len(points) == planted.truth.layers + 1
    for i, point in enumerate(points[:-1]):  # transformers norms the last
        assert torch.allclose(point, torch.cat([h[i][0] for h in hidden]), atol=1e-4)


def test_heads_come_back() -> None:
    planted = build("induction", 0)
    measured = Measured(planted)

    def explode() -> None:
        with without_heads(planted, planted.truth.facts["matching"]):
            assert not torch.allclose(last_logits(planted.module, measured.prompts), measured.clean)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        explode()
    assert torch.equal(last_logits(planted.module, measured.prompts), measured.clean)
