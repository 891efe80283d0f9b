"""evaluators/replay: what is read of intervened passes: numbers of their next-token distributions, at some positions.

A quantity is a function of a `Contrast`, so that a caller can add its own; logits are dropped once the quantities of a
tile are taken, unless `logits` is one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from .prompts import Positions, Prompts

COLUMNS = 4096
"""Of the vocabulary taken at a time in float64."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The clean logits at some rows."""

    logits: Tensor
    """[row, vocabulary]"""
    prompt: Tensor
    """Which prompt of the run each row is of, [row]."""

    @cached_property
    def normaliser(self) -> Tensor:
        """log sum exp, float64, [row]."""
        return torch.stack([self.logits[:, columns].double().logsumexp(-1) for columns in self.chunks]).logsumexp(0)

    @cached_property
    def most(self) -> Tensor:
        """The most likely token, [row]."""
        return self.logits.argmax(-1)

    @property
    def chunks(self) -> list[slice]:
        """The vocabulary, so many columns at a time that float64 is no burden."""
        return [slice(start, start + COLUMNS) for start in range(0, self.logits.shape[-1], COLUMNS)]


@dataclass(frozen=True, eq=False)
class Contrast:
    """Logits of several sets of interventions beside the clean ones."""

    clean: Reference
    other: Tensor
    """[set, row, vocabulary]"""

    @cached_property
    def kl(self) -> Tensor:
        """KL(clean || other) in nats, float64, [set, row]; the formula and its reasons: `quantities.kl_divergence`."""
        _, mean, grown = self._moments
        return (grown - mean).clamp_min(0)

    @cached_property
    def normaliser(self) -> Tensor:
        """log sum exp of the other logits, float64, [set, row]."""
        top, _, grown = self._moments
        return self.clean.normaliser + top + grown

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor, Tensor]:
        """t, E_p[d - t] and log E_p[e^(d - t)] under p = softmax(clean), float64, [set, row] each.

        With d = other - clean, and t the d of the clean pass's most likely token: E_p[e^(d - t)] is no less than that
        token's p, so that t serves as well as the mean of d, which would take a pass of its own.
        """
        clean, other = self.clean, self.other
        most = clean.most.expand(other.shape[:2])[..., None]
        top = other.gather(-1, most).double() - clean.logits.gather(-1, most[0]).double()
        mean, gain = clean.normaliser.new_zeros(2, *other.shape[:2])
        for columns in clean.chunks:
            logits = clean.logits[:, columns].double()
            p = (logits - clean.normaliser[:, None]).exp_()
            d = other[..., columns].double().sub_(logits).sub_(top)
            mean += (d * p).sum(-1)
            gain += d.exp_().sub_(1).mul_(p).sum(-1)
        top, grown = top[..., 0], gain.log1p()
        if (far := ~gain.isfinite()).any():
            grown[far] = self._normaliser_of(far) - (clean.normaliser + top)[far]
        return top, mean, grown

    def _normaliser_of(self, rows: Tensor) -> Tensor:
        chunks = [self.other[..., columns][rows].double().logsumexp(-1) for columns in self.clean.chunks]
        return torch.stack(chunks).logsumexp(0)


Quantity = Callable[[Contrast], Tensor]
"""Contrast -> [set, row] or [set, row, ...]."""


def kl(contrast: Contrast) -> Tensor:
    """KL(clean || intervened) in nats."""
    return contrast.kl


def log_probability(tokens: Sequence[int]) -> Quantity:
    """log p in nats of one token for each prompt of the run."""
    return lambda contrast: _picked(contrast, tokens) - contrast.normaliser


def logit_difference(targets: Sequence[int], wrong: Sequence[int]) -> Quantity:
    """logit(target) - logit(wrong target), one pair of tokens for each prompt of the run."""
    return lambda contrast: _picked(contrast, targets) - _picked(contrast, wrong)


def top1(contrast: Contrast) -> Tensor:
    """The most likely token."""
    return contrast.other.argmax(-1)


def top5_overlap(contrast: Contrast) -> Tensor:
    """Share of the clean pass's five most likely tokens that are among the five most likely still."""
    ours, clean = contrast.other.topk(5).indices, contrast.clean.logits.topk(5).indices
    return (ours[..., :, None] == clean[..., None, :]).any(-1).double().mean(-1)


def logits(contrast: Contrast) -> Tensor:
    """The logits themselves, [set, row, vocabulary]."""
    return contrast.other.clone()


def _picked(contrast: Contrast, tokens: Sequence[int]) -> Tensor:
    token = torch.tensor(tokens, device=contrast.other.device)[contrast.clean.prompt]
    return contrast.other.gather(-1, token.expand(contrast.other.shape[:2])[..., None])[..., 0].double()


@dataclass(frozen=True, eq=False)
class Readout:
    """What a run measures, and after which tokens."""

    quantities: Mapping[str, Quantity] = field(default_factory=lambda: {"kl": kl})
    positions: Positions = (-1,)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a run gave. A row is one measured position of one prompt, in the order of prompts and positions."""

    values: Mapping[str, Tensor]
    """Of each quantity, [set, row] or [set, row, ...], on the CPU."""
    clean: Mapping[str, Tensor]
    """The same of the clean pass, [row] or [row, ...]."""
    prompt: Tensor
    """Prompt of each row."""
    position: Tensor
    """Position of each row in its prompt."""
    fallback: str | None
    """Why the passes were run one by one with hooks; None where they were packed."""


class Collector:
    """Puts together what the tiles of a run give."""

    def __init__(self, prompts: Prompts, readout: Readout, sets: int) -> None:
        self.prompts, self.readout, self.sets = prompts, readout, sets
        self._rows = prompts.rows(readout.positions)
        self.counts = tuple(len(rows) for rows in self._rows)
        """How many rows of each prompt are read."""
        self._slots = tuple(accumulate(self.counts, initial=0))
        self._values: dict[str, Tensor] = {}
        self._clean: dict[str, Tensor] = {}

    def rows(self, which: Sequence[int]) -> Tensor:
        """The measured rows of some prompts taken together, as rows of theirs, on the CPU."""
        starts = accumulate((self.prompts.lengths[i] for i in which), initial=0)
        rows = [
            row - self.prompts.starts[i] + start
            for i, start in zip(which, starts, strict=False)
            for row in self._rows[i]
        ]
        return torch.tensor(rows, dtype=torch.long)

    def add(self, which: Sequence[int], numbers: Sequence[int], contrast: Contrast) -> None:
        """Take the quantities of some sets, or for none of the clean pass, over some prompts."""
        slots = torch.cat([torch.arange(self._slots[i], self._slots[i + 1]) for i in which])
        kept, count = (self._values, self.sets) if numbers else (self._clean, 1)
        for name, quantity in self.readout.quantities.items():
            value = quantity(contrast).cpu()
            if name not in kept:
                kept[name] = value.new_zeros(count, self._slots[-1], *value.shape[2:])
            kept[name][torch.tensor(numbers or [0])[:, None], slots] = value

    def measured(self, fallback: str | None) -> Measured:
        """Everything."""
        rows = torch.tensor([row for rows in self._rows for row in rows], device=self.prompts.ids.device)
        clean = {name: value[0] for name, value in self._clean.items()}
        values = {name: self._values.get(name, value.new_zeros(0, *value.shape)) for name, value in clean.items()}
        where = self.prompts.prompt[rows].cpu(), self.prompts.position[rows].cpu()
        return Measured(values, clean, *where, fallback)
