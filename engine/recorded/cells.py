"""engine: recorded rows as numbers by unit: the mean of each cell, and which replicate is which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALL = "all"
"""The one unit of a table that has neither families nor prompts."""

Place = tuple[str, str]
"""Intervention and component."""

Key = tuple[Place, str, str]
"""Place; control and draw, empty for an effect; unit."""

Replicate = tuple[str, str, str, str]
"""Intervention, component, file, seed."""


@dataclass
class Cell:
    """The recorded numbers of one place in one unit."""

    values: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """Prompts behind each value."""
    replicates: set[tuple[str, str]] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """One more number."""
        self.values.append(row.value)
        self.counts.append(row.n)
        self.replicates.add((row.file, row.seed))

    @property
    def mean(self) -> float:
        """Over prompts and replicates."""
        return sum(self.values) / len(self.values)

    @property
    def prompts(self) -> int:
        """In one replicate."""
        return sum(self.counts) // len(self.replicates)


def cells_of(rows: Sequence[Row], counts: bool) -> dict[Key, Cell]:
    """Every cell; units are families where there are several, unless items are counted one by one."""
    by_family = len({row.family for row in rows if not row.control}) > 1
    by_family = by_family and not (counts and all(row.prompt for row in rows))
    cells: dict[Key, Cell] = defaultdict(Cell)
    for row in rows:
        unit = row.family if by_family else f"{row.family} {row.prompt}".strip() or ALL
        cells[(row.intervention, row.component), f"{row.control}#{row.draw}" if row.control else "", unit].add(row)
    return cells


def units_of(cells: Mapping[Key, Cell], effects: set[Place]) -> tuple[str, ...]:
    """The units of which every effect that the claim needs is recorded."""
    every = dict.fromkeys(unit for _, drawn, unit in cells if not drawn)
    return tuple(unit for unit in every if effects and all((place, "", unit) in cells for place in effects))


def series_of(cells: Mapping[Key, Cell], units: tuple[str, ...]) -> dict[tuple[Place, str], Floats]:
    """(place, control and draw) -> its mean in every unit, where it is recorded in all of them."""
    import numpy as np

    found = {}
    for place, drawn in dict.fromkeys((place, drawn) for place, drawn, _ in cells):
        there = [cells.get((place, drawn, unit)) for unit in units]
        if all(there):
            found[place, drawn] = np.array([cell.mean for cell in there if cell])
    return found


def replicate_of(row: Row) -> Replicate:
    """Which replicate of which thing a number is of."""
    return row.intervention, row.component, row.file, row.seed


def numbered(rows: Sequence[Row]) -> dict[Replicate, int]:
    """Each replicate of each thing -> its number among those of that thing, from 1."""
    found: dict[Place, dict[Replicate, int]] = defaultdict(dict)
    for row in rows:
        mine = found[row.intervention, row.component]
        mine.setdefault(replicate_of(row), len(mine) + 1)
    return {replicate: number for mine in found.values() for replicate, number in mine.items()}
