"""evaluators/replay: packed passes in tiles that fit a memory budget.

A tile is some prompts of similar length, whose clean pass is taped once, times some sets of interventions that join the
pass at about the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ...specs.sites import Site, SiteKind
from .body import Body
from .layout import Tile
from .memory import keep_freed_memory
from .prompts import Prompts
from .rolling import HEADS, LEAVING, MIDDLE, Pass, Tape, joining
from .values import Together

CPU_ROWS = 4096
"""Rows of a tile beyond which a CPU gains nothing."""

NEEDS: dict[int, tuple[SiteKind, ...]] = {
    HEADS: ("head", "residual"),
    MIDDLE: ("operator", "residual"),
    LEAVING: ("operator", "mlp", "residual"),
}
"""What sets that join at a stage take from the tape; those that enter with the stream take that."""


class Tiling:
    """Cuts the work of one model's packed passes."""

    def __init__(self, body: Body, memory: int) -> None:
        self.body, self.memory = body, memory
        anatomy = body.anatomy
        itemsize = anatomy.dtype.itemsize
        self._row = itemsize * (4 * anatomy.hidden + 12 * anatomy.width)
        self._tape_row = itemsize * 3 * anatomy.width * len(anatomy.layers)
        self._logits_row = 4 * anatomy.vocabulary
        self._rows = max(1, memory // 2 // self._row)
        if anatomy.device.type == "cpu":
            keep_freed_memory()
            self._rows = min(self._rows, CPU_ROWS)

    def batches(self, prompts: Prompts, read: Sequence[int]) -> Iterator[list[int]]:
        """Which prompts share a tape: similar in length, as many as fit; `read`: how many rows of each."""
        most_tokens = min(self._rows, self.memory // 4 // self._tape_row)
        most_read = self.memory // 8 // self._logits_row
        batch: list[int] = []
        tokens = rows = 0
        for i in sorted(range(len(prompts.lengths)), key=prompts.lengths.__getitem__):
            if batch and (tokens + prompts.lengths[i] > most_tokens or rows + read[i] > most_read):
                yield batch
                batch, tokens, rows = [], 0, 0
            batch.append(i)
            tokens, rows = tokens + prompts.lengths[i], rows + read[i]
        yield batch

    def logits(
        self, prompts: Prompts, measured: Tensor, sets: Sequence[Together]
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Logits [set, measured row, vocabulary]: the clean ones for no set, then those of some sets at a time.

        A set whose edits leave every number as it was, bit for bit, has by definition the clean pass's logits.
        """
        ends, starts = _ends(prompts, measured), [_starts(together, prompts) for together in sets]
        kinds = [(layer, NEEDS.get(stage, ("residual",))) for layer, stage in map(joining, sets)]
        points = frozenset((layer, kind) for layer, needs in kinds for kind in needs)
        tape = Tape(prompts, self.body.embed(prompts))
        whole = Tile(prompts, [[0] * len(ends)], ends, measured)
        clean_pass = Pass(self.body, whole, [()], tape).recording(points, notes=any(map(any, starts)))
        clean = self.body.logits(clean_pass.run()).float()
        yield [], clean[None]
        tile = whole
        for numbers in self._cut(sets, starts, ends):
            if (mine := [starts[k] for k in numbers]) != tile.starts:
                tile = Tile(prompts, mine, ends, measured)
            rolling = Pass(self.body, tile, [sets[k] for k in numbers], tape)
            stream, at_once = rolling.run(), max(1, self.memory // 4 // len(clean) // self._logits_row)
            for first in range(0, len(numbers), at_once):
                some = range(first, min(first + at_once, len(numbers)))
                yield [numbers[k] for k in some], self._logits(rolling, stream, some, clean)

    def captures(self, prompts: Prompts, sites: Iterable[Site], under: Together) -> dict[Site, Tensor]:
        """What passes some sites, [row of the prompts, width], under interventions or, without any, as it is."""
        anatomy, every = self.body.anatomy, torch.arange(len(prompts.ids))
        tape = Tape(prompts, self.body.embed(prompts))
        tile = Tile(prompts, [[0] * len(prompts.lengths)], prompts.lengths, every)
        points = frozenset((site.layer, site.granularity) for site in sites)
        Pass(self.body, tile, [under], tape).recording(points, notes=False).run()
        seen = {site: tape.seen[site.layer, site.granularity] for site in sites}
        heads = {site: anatomy.port(site).columns for site in sites if site.granularity == "head"}
        return {site: tensor[:, heads.get(site) or slice(None)] for site, tensor in seen.items()}

    def _logits(self, rolling: Pass, stream: Tensor, some: range, clean: Tensor) -> Tensor:
        """The logits of some of a tile's sets, [set, measured row, vocabulary]."""
        layout, _, slot = rolling.tile.last
        rows = slice(layout.bounds[some.start], layout.bounds[some.stop])
        prompt = rolling.tile.prompts.prompt[layout.source[rows]]
        changed = rolling.touched[slot[rows] // len(clean), prompt] > 0
        if len(changed) == len(some) * len(clean) and changed.all():
            return self.body.logits(stream[rows]).float().view(len(some), *clean.shape)
        other = clean.expand(len(some), *clean.shape).clone()
        if changed.any():
            place = slot[rows][changed] - some.start * len(clean)
            other.view(-1, clean.shape[1])[place] = self.body.logits(stream[rows][changed]).float()
        return other

    def _cut(
        self, sets: Sequence[Together], starts: Sequence[Sequence[int]], ends: Sequence[int]
    ) -> Iterator[list[int]]:
        """Sets by where they join, as many as a tile has room for."""
        numbers: list[int] = []
        total = 0
        for k in sorted(range(len(sets)), key=lambda k: joining(sets[k])):
            rows = sum(max(0, end - start) for start, end in zip(starts[k], ends, strict=True))
            if numbers and total + rows > self._rows:
                yield numbers
                numbers, total = [], 0
            numbers.append(k)
            total += rows
        if numbers:
            yield numbers


def _starts(together: Together, prompts: Prompts) -> list[int]:
    """The first position that a set touches, for each prompt."""
    firsts = [one.firsts(prompts) for one in together]
    return [min(position) for position in zip(*firsts, strict=True)] if firsts else list(prompts.lengths)


def _ends(prompts: Prompts, measured: Tensor) -> list[int]:
    """The position behind the last one read, for each prompt; 0 where none is."""
    ends = torch.zeros(len(prompts.lengths), dtype=torch.long)
    ends.scatter_reduce_(0, prompts.prompt.cpu()[measured], prompts.position.cpu()[measured] + 1, "amax")
    return ends.tolist()
