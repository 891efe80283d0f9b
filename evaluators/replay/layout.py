"""evaluators/replay: which rows a tile of interventions has, and which of them attend to which.

A tile holds several sets of interventions over the same prompts. A set's rows are, for each prompt, the tokens
from the first it touches to the last that is read: one segment. Earlier tokens are those of the clean pass.
Sets stand in the order in which they join the pass, so that those under way are always the first rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from .prompts import Prompts

ROUNDING = 8
"""Segments whose lengths round up to the same multiple of this attend together."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The rows of a tile, set by set."""

    source: Tensor
    """Row of the prompts that each row is about, [row]."""
    bounds: tuple[int, ...]
    """Rows of set k: bounds[k] to bounds[k + 1]."""


@dataclass(frozen=True, eq=False)
class Group:
    """Segments of equal start and similar length: they attend in one call, padded on the right to one length."""

    start: int
    """Position of a segment's first row; the tokens before it are the clean pass's."""
    rows: Tensor
    """Rows of the tile, [segment, position from start]; behind a segment's end its last row again."""
    prefix: Tensor
    """Rows of the prompts before each segment, [segment, position below start]."""
    counts: tuple[int, ...]
    """How many segments belong to the first k sets, for every k."""
    real: Tensor | None
    """Which of the flattened `rows` are no padding; None if the tile's rows are these rows, in order."""
    real_counts: tuple[int, ...]
    """How many of these belong to the first k sets, for every k."""


class Tile:
    """The segments of some sets of interventions over some prompts; index tensors are on the prompts' device."""

    def __init__(
        self, prompts: Prompts, starts: Sequence[Sequence[int]], ends: Sequence[int], measured: Tensor
    ) -> None:
        """From the first position each set touches, [set][prompt], and the position behind the last read, [prompt].

        Args:
            measured: rows of the prompts that are read, sorted, on the CPU, [measured row].
        """
        self.prompts, self.starts, self.sets, self.measured = prompts, starts, len(starts), measured
        start = torch.tensor(starts).reshape(len(starts), len(ends))
        length = torch.tensor(ends) - start
        self._owner, prompt = (length > 0).nonzero(as_tuple=True)
        self._start, self._length = start[self._owner, prompt], length[self._owner, prompt]
        self._row = self._length.cumsum(0) - self._length
        self._source = torch.tensor(prompts.starts)[prompt] + self._start
        self.reads_prefixes = bool((self._start > 0).any())
        """Whether some segment starts behind its prompt's first token."""
        self._taps: dict[int, Tensor] = {}

    @cached_property
    def full(self) -> Layout:
        """All rows."""
        return Layout(self._here(self._sources), self._bounds(self._owners))

    @cached_property
    def positions(self) -> Tensor:
        """Position in its prompt of every row."""
        return self.prompts.position[self.full.source]

    @cached_property
    def last(self) -> tuple[Layout, Tensor, Tensor]:
        """The measured rows alone.

        Returns:
            Their layout; which rows of the full layout they are; and the slot of each, set * measured rows + measured
            row.
        """
        slots = torch.full((len(self.prompts.ids),), -1)
        slots[self.measured] = torch.arange(len(self.measured))
        keep = (slots[self._sources] >= 0).nonzero()[:, 0]
        source, owner = self._sources[keep], self._owners[keep]
        slot = owner * len(self.measured) + slots[source]
        return Layout(self._here(source), self._bounds(owner)), self._here(keep), self._here(slot)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The segments by start and rounded length."""
        rounded = -(-self._length // ROUNDING)
        kinds, kind = torch.unique(torch.stack([self._start, rounded], 1), dim=0, return_inverse=True)
        alone = len(kinds) == 1 and len(self._length) > 0 and bool((self._length == self._length[0]).all())
        groups, sets = [], torch.arange(self.sets + 1)
        for i, (start, _) in enumerate(kinds.tolist()):
            mine = (kind == i).nonzero()[:, 0]
            length, owner = self._length[mine, None], self._owner[mine].contiguous()
            place = torch.arange(int(length.max()))
            rows = self._row[mine, None] + torch.minimum(place, length - 1)
            prefix = self._source[mine, None] - start + torch.arange(start)
            counts = torch.searchsorted(owner, sets)
            real_counts = torch.cat([torch.zeros(1, dtype=torch.long), length[:, 0].cumsum(0)])[counts]
            real = None if alone else self._here((place < length).flatten().nonzero()[:, 0])
            both = tuple(counts.tolist()), real, tuple(real_counts.tolist())
            groups.append(Group(start, self._here(rows), self._here(prefix), *both))
        return tuple(groups)

    def taps(self, reach: int) -> Tensor:
        """Where each row finds itself and the `reach` - 1 tokens before it, [tap, row].

        Places count in a table of one row of zeros, the rows of the prompts if any prefix is read, and the rows of
        the tile.
        """
        if reach not in self._taps:
            back = torch.arange(reach)[:, None]
            within = torch.arange(len(self._owners)) - self._spread(self._row)
            own = 1 + len(self.prompts.ids) * self.reads_prefixes + torch.arange(len(self._owners)) - back
            before_any = self._spread(self._start) + within < back
            clean = torch.where(before_any, 0, 1 + self._sources - back)
            self._taps[reach] = self._here(torch.where(within >= back, own, clean))
        return self._taps[reach]

    @cached_property
    def _owners(self) -> Tensor:
        """Set of each row."""
        return self._spread(self._owner)

    @cached_property
    def _sources(self) -> Tensor:
        """Row of the prompts of each row."""
        return self._spread(self._source - self._row) + torch.arange(int(self._length.sum()))

    def _spread(self, by_segment: Tensor) -> Tensor:
        return torch.repeat_interleave(by_segment, self._length)

    def _bounds(self, owners: Tensor) -> tuple[int, ...]:
        return tuple(accumulate(torch.bincount(owners, minlength=self.sets).tolist(), initial=0))

    def _here(self, index: Tensor) -> Tensor:
        return index.to(self.prompts.ids.device)
