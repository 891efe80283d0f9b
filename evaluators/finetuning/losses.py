"""evaluators/finetuning: what a step of training minimises, as one small protocol, and the plain cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..anatomy import Anatomy

if TYPE_CHECKING:
    from .rows import Row

PART = 8192
"""Tokens, padding included, that go through the model at once; more rows than that are taken in parts."""

MANY = 1024
"""Tokens of a part from which another pass costs less than much padding."""


@dataclass(frozen=True)
class Learner:
    """A model in training."""

    module: nn.Module
    """The causal language model, with what is trained live in it."""
    anatomy: Anatomy
    """Of the module."""
    reference: Callable[[], AbstractContextManager[None]]
    """Within it, the module is what it was before the first step."""
    device: torch.device


class Loss(Protocol):
    """Rows of one step -> the number that is minimised."""

    def begin(self, learner: Learner, rows: Sequence[Row]) -> None:
        """Before the first step, with all rows of the training: for what needs the model as it was."""
        ...

    def weight(self, row: Row) -> float:
        """How much a row counts in its step's mean: its answer's tokens, or 1."""
        ...

    def parts(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """The rows of a step, in parts that go through the model together."""
        ...

    def __call__(self, learner: Learner, rows: Sequence[Row]) -> Tensor:
        """Mean over the rows of a part, each counted with its weight; a number with a gradient."""
        ...


@dataclass(frozen=True)
class Padded:
    """Rows of tokens, padded on the right: causal models do not look at the padding."""

    ids: Tensor
    """[row, position]"""
    rows: Tensor
    """[token]: row of each token that the loss is on."""
    before: Tensor
    """[token]: position before it, where it is predicted."""
    labels: Tensor
    """[token]: the token."""


@dataclass(frozen=True)
class TokenLoss:
    """Mean over tokens of -log p(token | what stands before it), nats: of answers, or of whole texts."""

    whole: bool = False
    """Whether every token counts, as in pretraining, or the answer's only."""

    def begin(self, learner: Learner, rows: Sequence[Row]) -> None:
        """Nothing is needed of the model as it was."""

    def weight(self, row: Row) -> float:
        """How many tokens count."""
        return len(counted(row, self.whole))

    def parts(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Rows of similar length together."""
        return by_length(rows, lambda row: len(row.prompt) + len(row.target))

    def __call__(self, learner: Learner, rows: Sequence[Row]) -> Tensor:
        """The mean over all tokens that count in these rows."""
        return token_losses(learner, pad(rows, learner.device, self.whole)).mean()


def token_losses(learner: Learner, padded: Padded) -> Tensor:
    """[token]: -log p, nats, float32; only where a token counts is there an unembedding."""
    hidden = learner.anatomy.decoder(input_ids=padded.ids, use_cache=False).last_hidden_state
    logits = learner.anatomy.unembedding(hidden[padded.rows, padded.before])
    return F.cross_entropy(logits.float(), padded.labels, reduction="none")


def counted(row: Row, whole: bool = False) -> Sequence[int]:
    """Positions, in prompt and target, of the tokens that the loss is on; the first token of all is never predicted."""
    length = len(row.prompt) + len(row.target)
    if whole:
        return range(1, length)
    return [place for place in row.counted if place] if row.counted else range(max(1, len(row.prompt)), length)


def pad(rows: Sequence[Row], device: torch.device, whole: bool = False) -> Padded:
    """Rows as tensors; padded with token 0, which no loss is on and no token before it sees."""
    texts = [(*row.prompt, *row.target) for row in rows]
    width = max(map(len, texts))
    places = [(i, place) for i, row in enumerate(rows) for place in counted(row, whole)]
    numbers = torch.tensor([[i, place - 1, texts[i][place]] for i, place in places], dtype=torch.long).to(device)
    ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts]).to(device)
    return Padded(ids, *numbers.reshape(-1, 3).unbind(1))


def by_length(rows: Sequence[Row], length: Callable[[Row], int], most: int = PART) -> Iterator[Sequence[Row]]:
    """Rows, the longest first, in parts of at most `most` tokens with their padding; one row at least.

    In a part of many tokens no row is less than half as long as the longest.
    """
    waiting = sorted(rows, key=length, reverse=True)
    while waiting:
        longest = max(1, length(waiting[0]))
        part = waiting[: max(1, most // longest)]
        if len(part) * longest > MANY:
            part = [row for row in part if 2 * length(row) >= longest]
        yield part
        waiting = waiting[len(part) :]
