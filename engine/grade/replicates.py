"""engine: which replicates are really one: cells that agree are the same measurement twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtr  # type: ignore[import-untyped]

from .remember import remembered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .evidence import Floats

    Places = NDArray[np.intp]

TOLERANCE = 1e-4
"""Two cells are equal within this relative difference."""

SHARE = 0.99
"""Replicates with at least this share of equal cells are one."""

FEW = 64
"""So many replicates are compared pair by pair."""

TOO_ALIKE = 0.001
"""Lower tail of F below which replicates are too alike to be independent."""


@remembered(256)
def distinct(cells: Floats, least: int = 1) -> list[int]:
    """Indices of the replicates that are no clone of an earlier one.

    `cells` is (replicates, cells). Cells that are zero in both replicates are left out; with fewer than
    `least` others two replicates cannot be told to be clones.
    """
    count, width = cells.shape
    if width < least:
        return list(range(count))
    every = np.arange(count)
    near = [[every]] * count if count <= FEW else _candidates(cells)
    dropped = np.zeros(count, dtype=bool)
    for first, windows in enumerate(near):
        if dropped[first] or not windows:
            continue
        rivals = np.unique(np.concatenate(windows)) if len(windows) > 1 else np.sort(windows[0])
        rivals = rivals[(rivals > first) & ~dropped[rivals]]
        if rivals.size:
            dropped[rivals[_same(cells[first], cells[rivals], least)]] = True
    return [int(index) for index in np.flatnonzero(~dropped)]


def unlike(
    cells: Floats, marks: Sequence[str], by_values: Callable[[Floats], list[int]] = distinct, by_chance: bool = False
) -> list[int]:
    """Indices of the replicates (replicates, cells) that are no clone of an earlier one: by values, and by marks.

    A replicate's mark is the digest of all that was measured in it; there may be none. Where there are, values that
    agree `by_chance`, as bytes do, tell nothing more, nor does any that is 0 or 1, as a count or a ratio of floors is.
    """
    if not marks:
        return by_values(cells)
    first = {mark: index for index, mark in reversed(list(enumerate(marks)))}.values()
    if by_chance:
        return sorted(first)
    telling = np.where(np.isin(cells, (-1.0, 1.0)), 0.0, cells)
    return sorted(set(first) & set(by_values(telling)))


def too_alike(units: Floats) -> bool:
    """Whether draws vary far less than their own scatter implies.

    `units` is (draws, units). Two-way layout: the mean square between draws over the residual mean square,
    against the .001 lower tail of F.
    """
    draws, count = units.shape
    residual = units - units.mean(axis=0) - units.mean(axis=1, keepdims=True) + units.mean()
    degrees = (draws - 1) * (count - 1)
    scatter = float((residual**2).sum()) / degrees if degrees else 0.0
    if scatter <= 1e-20:
        return False
    between = count * float(units.mean(axis=1).var(ddof=1))
    return bool(fdtr(draws - 1, degrees, between / scatter) < TOO_ALIKE)


def _candidates(cells: Floats) -> list[list[Places]]:
    """For each replicate, those that agree with it in one probe, probe by probe.

    Clones that differ in at most m cells agree in one of any m + 1 that are not zero. So probes, those first that tell
    most replicates apart, are taken until each replicate is not zero in m + 1 of them.
    """
    wanted = int((1 - SHARE) * cells.shape[1]) + 1
    ordered = np.sort(cells, axis=0)
    apart = (np.diff(ordered, axis=0) > 0).sum(axis=0)
    left = np.full(len(cells), wanted)
    near: list[list[Places]] = [[] for _ in cells]
    for column in cells[:, np.argsort(-apart, kind="stable")].T:
        if not (left > 0).any():
            break
        left -= column != 0
        order = np.argsort(column, kind="stable")
        order = order[column[order] != 0]
        values, slack = column[order], 1.01 * TOLERANCE * np.abs(column[order])
        starts, ends = np.searchsorted(values, values - slack), np.searchsorted(values, values + slack, side="right")
        for place in np.flatnonzero(ends - starts > 1):
            near[order[place]].append(order[starts[place] : ends[place]])
    return near


def _same(one: Floats, others: Floats, least: int) -> Floats:
    compared = (others != 0) | (one != 0)
    equal = np.abs(others - one) <= TOLERANCE * np.maximum(np.abs(others), np.abs(one))
    count = compared.sum(axis=1)
    return np.asarray((count >= least) & ((equal & compared).sum(axis=1) >= SHARE * count))
