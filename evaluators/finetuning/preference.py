"""evaluators/finetuning: what direct preference optimisation minimises (Rafailov et al. 2023).

Of a prompt x with a better answer y+ and a worse y-, and the model p0 as it was before the first step:

    -log sigmoid(beta * (log p(y+|x) - log p0(y+|x) - log p(y-|x) + log p0(y-|x)))

where log p(y|x) is the sum over the answer's tokens. Before the first step that is log 2. p0 is the same module without
what is trained. The library trl has this loss too, behind a trainer that brings accelerate and datasets along.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..cells import NotEvaluated
from .losses import Learner, by_length, pad, token_losses
from .rows import Row

BETA = 0.1
"""Of the paper; where a recipe says none."""


@dataclass(frozen=True)
class Preference:
    """The loss of a better answer beside a worse one."""

    beta: float | None = BETA
    reference: dict[Row, Tensor] = field(default_factory=dict)
    """Row -> log p0(y+|x) - log p0(y-|x), nats."""

    def begin(self, learner: Learner, rows: Sequence[Row]) -> None:
        """What the model makes of both answers as it is before the first step.

        Raises:
            NotEvaluated: a row has no worse answer.
        """
        if any(row.worse is None for row in rows):
            text = "dpo is trained on a better and a worse answer: say `pairs: preference` in the recipe's data"
            raise NotEvaluated("no_preferences", text)
        with torch.no_grad(), learner.reference():
            for part in self.parts(list(dict.fromkeys(rows))):
                self.reference.update(zip(part, margins(learner, part), strict=True))

    def weight(self, row: Row) -> float:
        """Each pair counts alike."""
        return 1.0

    def parts(self, rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """Pairs of similar length together; each is two texts."""
        return by_length(rows, lambda row: 2 * (len(row.prompt) + max(len(row.target), len(row.worse or ()))))

    def __call__(self, learner: Learner, rows: Sequence[Row]) -> Tensor:
        """The mean over these pairs."""
        before = torch.stack([self.reference[row] for row in rows])
        return preference_loss(margins(learner, rows), before, self.beta or BETA)


def preference_loss(margin: Tensor, before: Tensor, beta: float) -> Tensor:
    """Mean over pairs of -log sigmoid(beta (margin - before)); both are log p(y+|x) - log p(y-|x), [pair], nats."""
    return -F.logsigmoid(beta * (margin - before)).mean()


def margins(learner: Learner, rows: Sequence[Row]) -> Tensor:
    """[row]: log p(y+|x) - log p(y-|x), nats, of whole answers."""
    worse = [replace(row, target=row.worse or (), worse=None, counted=()) for row in rows]
    padded = pad([*rows, *worse], learner.device)
    losses = token_losses(learner, padded)
    sums = torch.zeros(2 * len(rows), device=losses.device).index_add(0, padded.rows, -losses)
    return sums[: len(rows)] - sums[len(rows) :]
