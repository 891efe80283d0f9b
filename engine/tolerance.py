"""engine: when two results of one run are the same but for numerics.

The floors are declared for each number format, and `mi-atlas doctor --model` measures on a model how far other batch
shapes and thread counts move its numbers, so that one sees whether they hold there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .machine import TIMED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OF_MACHINE = frozenset({"duration", "peak_memory"})
"""Quantities of a machine and a moment: two of them are never the same."""

MOST_FLIPPED = 0.01
"""Share of outcomes (0 or 1) that may come out the other way, where two tokens are equally likely."""


class Floor(NamedTuple):
    """How far numerics alone may move a number."""

    absolute: float
    relative: float


FLOORS = {"float32": Floor(1e-5, 1e-3), "float64": Floor(1e-9, 1e-6)}
LOW_PRECISION = Floor(5e-3, 0.05)
"""Of every other number format: bf16 moves small KLs by up to 1e-3, and by 2 % above .01."""


def agree(
    parts: Mapping[str, str], ours: Mapping[str, NDArray[np.float64]], theirs: Mapping[str, NDArray[np.float64]]
) -> bool:
    """Whether two results of a run with these parts are the same but for numerics."""
    if parts.get("evaluator", "").partition("@")[0] in TIMED:
        return True
    if ours.keys() != theirs.keys():
        return False
    floor = floor_of(parts)
    return all(same(ours[name], theirs[name], floor) for name in ours if name not in OF_MACHINE)


def floor_of(parts: Mapping[str, str]) -> Floor:
    """The floor of the format that a run's model was held in."""
    plain = parts.get("model.quantization", "none") in ("none", "-")
    return FLOORS.get(parts.get("model.dtype", ""), LOW_PRECISION) if plain else LOW_PRECISION


def same(ours: NDArray[np.float64], theirs: NDArray[np.float64], floor: Floor) -> bool:
    """Whether two series of one quantity are the same but for numerics; NaN is the same as NaN."""
    import numpy as np

    if ours.shape != theirs.shape:
        return False
    near = np.isclose(ours, theirs, rtol=floor.relative, atol=floor.absolute, equal_nan=True)
    if bool(near.all()):
        return True
    outcomes = np.isin(ours, (0.0, 1.0)).all() and np.isin(theirs, (0.0, 1.0)).all()
    return bool(outcomes) and float((~near).mean()) <= MOST_FLIPPED
