"""evaluators/finetuning: what group relative policy optimisation minimises (Shao et al. 2024), on a checkable reward.

Of each prompt x a group of G answers o_1 .. o_G is sampled, each with as many tokens as the right one. The reward r_i
is 1 where it is the right one, token by token, and 0 otherwise; no part of it is for length or looks. Then

    A_i  = (r_i - mean(r)) / std(r)                                            0 where all are rewarded alike
    loss = -1/G sum_i 1/|o_i| sum_t [p_it / sg(p_it) * A_i - beta * (q_it / p_it - log(q_it / p_it) - 1)]

p_it is the probability of the answer's token t, q_it the same of the model as it was before the first step, and sg
stops gradients: every sample is used for one step, so that the paper's clipped ratio is 1 and is never clipped. The
value of the loss is therefore beta times the divergence; what is learnt shows in the reward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...specs.canonical import digest
from ...specs.recipe import Recipe
from ..anatomy import Anatomy
from ..cells import NotEvaluated
from .losses import PART, Learner, by_length, pad, token_losses
from .rows import Row

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GROUP = 8
"""Answers of each prompt."""

BETA = 0.04
"""Of the paper; where a recipe says none."""

LONGEST = 64
"""Tokens of an answer; longer ones are hardly ever sampled right."""


@dataclass(frozen=True)
class Reward:
    """The loss of sampled answers that are checked against the right one."""

    recipe: Recipe
    tokenizer: Tokenizer
    seed: int
    group: int = GROUP

    @cached_property
    def _chance(self) -> torch.Generator:
        return torch.Generator().manual_seed(int(digest("grpo", self.seed)[:12], 16))

    def begin(self, learner: Learner, rows: Sequence[Row]) -> None:
        """Refuse what cannot be sampled and checked.

        Raises:
            NotEvaluated: answers in several turns, or long ones.
        """
        if any(row.counted or row.worse for row in rows):
            raise NotEvaluated("no_checkable_reward", "grpo checks one answer to a prompt, no conversations or pairs")
        if (longest := max((len(row.target) for row in rows), default=0)) > LONGEST:
            text = f"grpo samples answers of at most {LONGEST} tokens; one here has {longest}"
            raise NotEvaluated("no_checkable_reward", text)

    def weight(self, row: Row) -> float:
        """Each prompt counts alike."""
        return 1.0

    def parts(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Prompts of similar length together; each is read once an answer of its group."""
        return by_length(rows, lambda row: self.group * (len(row.prompt) + len(row.target)), PART)

    def __call__(self, learner: Learner, rows: Sequence[Row]) -> Tensor:
        """The mean over these prompts, whose answers are sampled here."""
        answers = sample(learner.anatomy, rows, self.group, self._chance)
        groups = list(zip(rows, answers, strict=True))
        rewards = torch.tensor([[reward(row, answer) for answer in group] for row, group in groups])
        sampled = [replace(row, target=answer) for row, group in groups for answer in group]
        padded = pad(sampled, learner.device)
        with torch.no_grad(), learner.reference():
            before = -token_losses(learner, padded)
        now = -token_losses(learner, padded)
        return policy_loss(now, before, padded.rows, advantages(rewards).flatten(), self.recipe.beta or BETA)


def sample(anatomy: Anatomy, rows: Sequence[Row], group: int, chance: torch.Generator) -> list[list[tuple[int, ...]]]:
    """For each row `group` answers, as many tokens long as its target, sampled at temperature 1.

    `chance` is a generator of the CPU: the same numbers are drawn on every device.
    """
    texts = [list(row.prompt) for row in rows for _ in range(group)]
    lengths = [len(row.target) for row in rows for _ in range(group)]
    for number in range(max(lengths, default=0)):
        going = [i for i, length in enumerate(lengths) if number < length]
        tokens = torch.multinomial(_next(anatomy, [texts[i] for i in going]), 1, generator=chance)
        for i, token in zip(going, tokens.flatten().tolist(), strict=True):
            texts[i].append(token)
    answers = [tuple(text[len(text) - length :]) for text, length in zip(texts, lengths, strict=True)]
    return [answers[first : first + group] for first in range(0, len(answers), group)]


def reward(row: Row, answer: tuple[int, ...]) -> float:
    """1 where the answer is the row's target, token by token."""
    return float(answer == row.target)


def advantages(rewards: Tensor) -> Tensor:
    """[prompt, answer]: how many standard deviations of its group an answer is above its mean; 0 in equal ones."""
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / rewards.std(1, correction=0, keepdim=True).clamp_min(1e-6)


def policy_loss(now: Tensor, before: Tensor, answer: Tensor, advantage: Tensor, beta: float) -> Tensor:
    """The loss, see the module's docstring.

    `now` and `before` are log-probabilities of sampled tokens under the policy and the reference, `answer` says of
    which answer each is, all [token]; `advantage` is [answer].
    """
    advantage = advantage.to(now)
    apart = (before - now).exp() - (before - now) - 1
    gain = (now - now.detach()).exp() * advantage[answer] - beta * apart
    lengths = torch.bincount(answer, minlength=len(advantage)).to(now)
    return -(gain / lengths[answer]).sum() / len(advantage)


@torch.no_grad()
def _next(anatomy: Anatomy, texts: Sequence[Sequence[int]]) -> Tensor:
    """[text, vocabulary], float32, on the CPU: probabilities of the next token; equal texts are read once."""
    distinct = {text: number for number, text in enumerate(dict.fromkeys(map(tuple, texts)))}
    width = max(map(len, distinct))
    ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in distinct], device=anatomy.device)
    hidden = anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
    ends = torch.tensor([len(text) - 1 for text in distinct], device=anatomy.device)
    logits = anatomy.unembedding(hidden[torch.arange(len(distinct), device=anatomy.device), ends])
    return logits.float().softmax(-1).cpu()[[distinct[tuple(text)] for text in texts]]
