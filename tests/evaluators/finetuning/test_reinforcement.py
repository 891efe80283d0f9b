"""tests: group relative policy optimisation, against its formula."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.finetuning.losses import Learner
from mi_atlas.evaluators.finetuning.reinforcement import Reward, advantages, policy_loss, reward, sample
from mi_atlas.evaluators.finetuning.rows import Row
from mi_atlas.specs.recipe import Data, Recipe
from tokenizers import Tokenizer
from tokenizers.models import BPE
from torch import nn

from ..conftest import VOCABULARY, micro

RECIPE = Recipe(training="grpo", data=Data(families=("arithmetic",)), beta=0.04)
ROWS = [Row((3, 9, 4), (7, 2)), Row((1, 8), (6,)), Row((2, 2, 5, 30), (12,))]


def learner(module: nn.Module) -> Learner:
    return Learner(module, dissect(module), nullcontext, torch.device("cpu"))


def grpo(seed: int = 0, group: int = 8) -> Reward:
    return Reward(RECIPE, Tokenizer(BPE()), seed, group)


def test_advantages_by_hand() -> None:
    """Rewards 1 0 0 0: mean 1/4, standard deviation sqrt(3)/4, so sqrt(3) and -1/sqrt(3); equal ones: 0."""
    found = advantages(torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]))
    root = 3**0.5
    assert found[0].tolist() == pytest.approx([root, -1 / root, -1 / root, -1 / root], abs=1e-5)
    assert not found[1:].any()


def test_the_formula_and_its_gradient_by_hand() -> None:
    """Two answers, of one token and of two. The ratio is 1 in value, and its gradient is that of log p."""
    now = torch.tensor([-1.0, -2.0, -0.5], requires_grad=True)
    before = torch.tensor([-1.5, -2.0, -0.25])
    loss = policy_loss(now, before, torch.tensor([0, 1, 1]), torch.tensor([2.0, -1.0]), 0.1)
    e = torch.tensor([-0.5, 0.0, 0.25]).exp()
    k3 = e - torch.tensor([-0.5, 0.0, 0.25]) - 1
    expected = -((2.0 - 0.1 * k3[0]) + ((-1.0 - 0.1 * k3[1]) + (-1.0 - 0.1 * k3[2])) / 2) / 2
    assert float(loss.detach()) == pytest.approx(float(expected), abs=1e-6)
    loss.backward()
    slope = 0.1 * (1 - e)  # of beta k3
    by_hand = [-(2.0 - slope[0]) / 2, -(-1.0 - slope[1]) / 4, -(-1.0 - slope[2]) / 4]
    assert now.grad is not None
    assert now.grad.tolist() == pytest.approx([float(each) for each in by_hand], abs=1e-6)


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "lfm2"])
def test_answers_are_sampled_from_the_model(architecture: str) -> None:
    module = micro(architecture)
    count = 3_000
    (one,) = sample(dissect(module), [ROWS[0]], count, torch.Generator().manual_seed(1))
    assert {len(answer) for answer in one} == {2}
    first = module(torch.tensor([ROWS[0].prompt])).logits[0, -1].softmax(-1)
    often = int(first.argmax())
    then = module(torch.tensor([[*ROWS[0].prompt, often]])).logits[0, -1].softmax(-1)
    followed = Counter(answer[1] for answer in one if answer[0] == often)
    drawn = torch.tensor([Counter(answer[0] for answer in one)[token] / count for token in range(VOCABULARY)])
    assert float((drawn - first).abs().max()) < 4 * (0.25 / count) ** 0.5
    after = torch.tensor([followed[token] / followed.total() for token in range(VOCABULARY)])
    assert float((after - then).abs().max()) < 4 * (0.25 / followed.total()) ** 0.5


def test_samples_are_the_seeds() -> None:
    anatomy = dissect(micro("lfm2"))
    one, same, other = (sample(anatomy, ROWS, 8, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert [[len(answer) for answer in group] for group in one] == [[2] * 8, [1] * 8, [1] * 8]
    assert reward(ROWS[0], (7, 2)) == 1
    assert reward(ROWS[0], (7, 3)) == reward(ROWS[1], (7,)) == 0


def test_what_is_rewarded_becomes_likelier() -> None:
    module = micro("qwen2").requires_grad_(True)
    one, loss, rows = learner(module), grpo(seed=3, group=16), ROWS[1:]
    loss.begin(one, rows)
    before = [float(module(torch.tensor([row.prompt])).logits[0, -1].softmax(-1)[row.target[0]]) for row in rows]
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(25):
        optimizer.zero_grad()
        loss(one, rows).backward()
        optimizer.step()
    after = [float(module(torch.tensor([row.prompt])).logits[0, -1].softmax(-1)[row.target[0]]) for row in rows]
    assert max(before) < 0.2
    assert max(after) > 0.5
    assert all(late >= early / 2 for early, late in zip(before, after, strict=True))


def test_the_same_seed_gives_the_same_losses() -> None:
    module = micro("llama").requires_grad_(True)
    values = []
    for seed in (1, 1, 2):
        loss = grpo(seed)
        loss(learner(module), ROWS).backward()
        values.append(next(module.parameters()).grad.clone())  # type: ignore[union-attr]
        module.zero_grad()
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


def test_what_cannot_be_checked_is_refused() -> None:
    one = learner(micro("qwen2"))
    for row, text in (
        (Row((1,), (2,), (3,)), "no conversations or pairs"),
        (Row((1,), (2, 3, 4), counted=(1, 3)), "no conversations or pairs"),
        (Row((1,), (2,) * 65), "at most 64 tokens; one here has 65"),
    ):
        with pytest.raises(NotEvaluated, match=text) as error:
            grpo().begin(one, [row])
        assert error.value.code == "no_checkable_reward"
