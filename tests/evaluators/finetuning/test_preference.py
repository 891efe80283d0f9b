"""tests: direct preference optimisation, against its formula."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.finetuning.losses import Learner
from mi_atlas.evaluators.finetuning.preference import Preference, margins, preference_loss
from mi_atlas.evaluators.finetuning.rows import Row
from torch import nn

from ..conftest import micro

ROWS = [Row((3, 9, 4), (7, 2), (5,)), Row((1, 8), (6,), (4, 4, 4)), Row((2, 2, 5, 30, 11), (12,), (13,))]


def learner(module: nn.Module) -> Learner:
    return Learner(module, dissect(module), nullcontext, torch.device("cpu"))


@torch.no_grad()
def literally(module: nn.Module, prompt: tuple[int, ...], answer: tuple[int, ...]) -> float:
    """log p(answer | prompt), nats: one token after the other."""
    total = 0.0
    for number, token in enumerate(answer):
        logits = module(torch.tensor([prompt + answer[:number]])).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[token])
    return total


def test_the_formula_by_hand() -> None:
    """beta (margin - before) = 0.5 * (1.0 - 0.25) = 0.375 and 0.5 * (-2 - 0) = -1."""
    margin, before = torch.tensor([1.0, -2.0]), torch.tensor([0.25, 0.0])
    expected = (math.log1p(math.exp(-0.375)) + math.log1p(math.exp(1.0))) / 2
    assert float(preference_loss(margin, before, 0.5)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "lfm2"])
def test_margins_are_of_whole_answers(architecture: str) -> None:
    module = micro(architecture)
    expected = [literally(module, r.prompt, r.target) - literally(module, r.prompt, r.worse or ()) for r in ROWS]
    assert margins(learner(module), ROWS).tolist() == pytest.approx(expected, abs=1e-4)


def test_it_starts_at_log_two_and_learns_what_is_better() -> None:
    module = micro("qwen2")
    base = [literally(module, r.prompt, r.target) - literally(module, r.prompt, r.worse or ()) for r in ROWS]
    module.requires_grad_(True)
    one, loss = learner(module), Preference(0.1)
    loss.begin(one, [*ROWS, ROWS[0]])
    assert loss(one, ROWS).item() == pytest.approx(math.log(2), abs=1e-6)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        loss(one, ROWS).backward()
        optimizer.step()
    now = [literally(module, r.prompt, r.target) - literally(module, r.prompt, r.worse or ()) for r in ROWS]
    assert sum(now) > sum(base)
    by_hand = sum(math.log1p(math.exp(-0.1 * (n - b))) for n, b in zip(now, base, strict=True)) / 3
    assert loss(one, ROWS).item() == pytest.approx(by_hand, abs=1e-5)
    assert by_hand < math.log(2)


def test_parts_are_weighed_alike() -> None:
    loss, one = Preference(0.1), learner(micro("qwen2"))
    loss.begin(one, ROWS)
    assert sorted(row.prompt for part in loss.parts(ROWS) for row in part) == sorted(row.prompt for row in ROWS)
    assert {loss.weight(row) for row in ROWS} == {1.0}
    with pytest.raises(NotEvaluated, match="say `pairs: preference`"):
        loss.begin(one, [Row((1,), (2,))])
