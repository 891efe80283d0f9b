"""evaluators/replay: prompts of mixed lengths as packed rows: one row a token, no padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from ..cells import NotEvaluated

Positions = tuple[int, ...] | tuple[tuple[int, ...], ...]
"""Positions of a prompt's tokens, from 0 or, negative, from its end: the same of every prompt, or a tuple a prompt."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Some prompts of a run, packed: row t is a token, the prompts stand one behind the other."""

    numbers: tuple[int, ...]
    """Which prompts of the run these are."""
    lengths: tuple[int, ...]
    """Tokens of each."""
    ids: Tensor
    """Token ids, [row]."""
    token: Tensor
    """Which token of the whole run's packed rows each row is, [row]."""
    prompt: Tensor
    """Which of `numbers` each row belongs to, counted from 0, [row]."""
    position: Tensor
    """Position in its prompt, [row]."""

    @classmethod
    def of(cls, prompts: Sequence[Sequence[int]], device: torch.device) -> Prompts:
        """The prompts of a run.

        Raises:
            NotEvaluated: there is none, or one is empty.
        """
        lengths = tuple(len(prompt) for prompt in prompts)
        if not lengths or 0 in lengths:
            raise NotEvaluated("no_tokens", "a run needs prompts, and every prompt a token")
        ids = torch.tensor([token for prompt in prompts for token in prompt], device=device)
        return cls(
            tuple(range(len(prompts))), lengths, ids, torch.arange(len(ids), device=device), *_where(lengths, ids)
        )

    def take(self, which: Sequence[int]) -> Prompts:
        """Some of these prompts, by their place in `numbers`, in the order given."""
        lengths = tuple(self.lengths[i] for i in which)
        rows = [torch.arange(self.starts[i], self.starts[i] + self.lengths[i]) for i in which]
        index = torch.cat(rows).to(self.ids.device)
        numbers = tuple(self.numbers[i] for i in which)
        return Prompts(numbers, lengths, self.ids[index], self.token[index], *_where(lengths, self.ids))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First row of each prompt."""
        return tuple(accumulate(self.lengths, initial=0))[:-1]

    @cached_property
    def padded(self) -> Tensor:
        """Row of each token, [prompt, position]; behind a prompt's end its last row again."""
        last = torch.tensor(self.lengths)[:, None] - 1
        position = torch.minimum(torch.arange(max(self.lengths))[None], last)
        return (torch.tensor(self.starts)[:, None] + position).to(self.ids.device)

    def rows(self, positions: Positions) -> list[list[int]]:
        """The rows of some positions, sorted, for each prompt.

        Raises:
            NotEvaluated: a prompt has no such position.
        """
        return [
            sorted({start + self._position(i, position) for position in chosen(positions, number)})
            for i, (number, start) in enumerate(zip(self.numbers, self.starts, strict=True))
        ]

    def gaussian(self, seed: int, width: int) -> Tensor:
        """Normal numbers [row, width] that depend on the seed, the prompt's number and its length, on nothing else."""
        generator, drawn = torch.Generator(), []
        for number, length in zip(self.numbers, self.lengths, strict=True):
            generator.manual_seed((seed * 1_000_003 + number) % 2**63)
            drawn.append(torch.randn(length, width, generator=generator))
        return torch.cat(drawn).to(self.ids.device)

    def _position(self, i: int, position: int) -> int:
        length = self.lengths[i]
        if not -length <= position < length:
            raise NotEvaluated(
                "no_such_position", f"prompt {self.numbers[i]} has {length} tokens, no position {position}"
            )
        return position % length


def chosen(positions: Positions, number: int) -> tuple[int, ...]:
    """The positions meant for one prompt of the run."""
    mine = positions if not positions or isinstance(positions[0], int) else positions[number]
    return mine  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Rows:
    """Which tokens the rows of a tensor [..., width] belong to."""

    prompts: Prompts
    at: Tensor
    """Row of `prompts` for each, [...]."""


def _where(lengths: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    """(prompt, position) of every packed row."""
    counts = torch.tensor(lengths)
    prompt = torch.repeat_interleave(torch.arange(len(lengths)), counts)
    position = torch.arange(int(counts.sum())) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    return prompt.to(like.device), position.to(like.device)
