"""engine: which replicates are really one: cells that agree are the same measurement twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtr  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from .evidence import Floats

TOLERANCE = 1e-4
"""Two cells are equal within this relative difference."""

SHARE = 0.99
"""Replicates with at least this share of equal cells are one."""

FEW = 64
"""So many replicates are compared pair by pair."""

LEAST_PROBES = 8

TOO_ALIKE = 0.001
"""Lower tail of F below which replicates are too alike to be independent."""


def distinct(cells: Floats, least: int = 1) -> list[int]:
    """Indices of the replicates that are no clone of an earlier one.

    `cells` is (replicates, cells). Cells that are zero in both replicates are left out; with fewer than
    `least` others two replicates cannot be told to be clones.
    """
    count, width = cells.shape
    dropped = np.zeros(count, dtype=bool)
    if width < least:
        return list(range(count))
    pairs = {i: set(range(i + 1, count)) for i in range(count - 1)} if count <= FEW else _candidates(cells)
    for first, later in sorted(pairs.items()):
        rivals = np.array(sorted(later))
        rivals = rivals[~dropped[rivals]]
        if not dropped[first] and rivals.size:
            dropped[rivals[_same(cells[first], cells[rivals], least)]] = True
    return [int(index) for index in np.flatnonzero(~dropped)]


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


def _candidates(cells: Floats) -> dict[int, set[int]]:
    """Replicate -> later ones that agree with it in at least one of some probes.

    Clones that differ in m cells agree in one of any m + 1 that are not zero: hardly a pair is missed.
    """
    most_unequal = int((1 - SHARE) * cells.shape[1])
    probes = np.argsort(-np.count_nonzero(cells, axis=0), kind="stable")[: max(2 * (most_unequal + 1), LEAST_PROBES)]
    found: dict[int, set[int]] = {}
    for column in cells[:, probes].T:
        order = np.argsort(column, kind="stable")
        order = order[column[order] != 0]
        values = column[order]
        ends = np.searchsorted(values, values + 1.01 * TOLERANCE * np.abs(values), side="right")
        for start in np.flatnonzero(ends > np.arange(1, len(values) + 1)):
            for other in order[start + 1 : ends[start]]:
                first, second = sorted((int(order[start]), int(other)))
                found.setdefault(first, set()).add(second)
    return found


def _same(one: Floats, others: Floats, least: int) -> Floats:
    compared = (others != 0) | (one != 0)
    equal = np.abs(others - one) <= TOLERANCE * np.maximum(np.abs(others), np.abs(one))
    count = compared.sum(axis=1)
    return np.asarray((count >= least) & ((equal & compared).sum(axis=1) >= SHARE * count))
