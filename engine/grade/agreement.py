"""engine: how far judges agree with people, and with themselves. Imported only when grading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from .evidence import Floats

Level = Literal["nominal", "ordinal", "interval"]


def krippendorff(values: Floats, level: Level = "interval") -> float:
    """Krippendorff's alpha of values (coders, units), NaN where a coder gave none: 1 - observed / expected difference.

    1: all agree; 0: as by chance; below 0: they contradict each other. Units with fewer than two values say nothing
    and are left out. 0 where all values are one: nothing shows that the coders tell units apart. The difference of two
    values is 0 or 1 (nominal), that of their mean ranks among all values (ordinal), or their own (interval), squared.

    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability.
    """
    there = ~np.isnan(values)
    counts = there.sum(axis=0)
    pairable = there & (counts >= 2)
    number = int(pairable.sum())
    if not number:
        return 0.0
    flat = values[pairable]
    kinds, codes, sizes = np.unique(flat, return_inverse=True, return_counts=True)
    if len(kinds) == 1:
        return 0.0
    coded = np.full(values.shape, np.nan)
    if level == "nominal":
        coded[pairable] = codes
        each = [
            np.where(pairable & (coded == code), 1.0, np.where(pairable, 0.0, np.nan)) for code in range(len(kinds))
        ]
    else:
        points = np.cumsum(sizes) - (sizes - 1) / 2 if level == "ordinal" else kinds
        coded[pairable] = points[codes]
        each = [coded]
    observed = sum(_within(one, counts) for one in each) / number
    expected = sum(float(((one - np.nanmean(one)) ** 2)[pairable].sum()) for one in each) / (number - 1)
    return 1 - observed / expected


def _within(values: Floats, counts: Floats) -> float:
    """Half the squared differences of ordered pairs within units, a unit of m values weighing m / (m - 1).

    sum over pairs i, j of (v_i - v_j)^2 is 2 m sum (v_i - mean)^2.
    """
    used = counts >= 2
    centred = values[:, used] - np.nanmean(values[:, used], axis=0)
    return float((np.nansum(centred**2, axis=0) * counts[used] / (counts[used] - 1)).sum())


def side(values: Floats, low: float, high: float) -> Floats:
    """-1, 0 or 1: below, at or above the middle of the scale; at it is what lies within half a step, exclusive.

    On 1-5: 2.5 is below, 2.67 and 3.33 are at the middle, 3.5 is above.
    """
    away = values - (low + high) / 2
    return np.where(np.abs(away) < 0.5, 0.0, np.sign(away))
