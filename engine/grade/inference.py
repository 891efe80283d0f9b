"""engine: means, standard errors and p-values over templates within families, and over families.

Imported only when something is graded (numpy, scipy.special). Arrays of units have templates on the
first axis, sorted by family, and one column a contrast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtrc, stdtr, stdtrit  # type: ignore[import-untyped]

from .remember import remembered

if TYPE_CHECKING:
    from .evidence import Floats

FAMILY_ALPHA = 0.05
"""A family counts, beyond the suite, when its own one-sided bound at this alpha decides."""

LEAST_SKEWNESS = 1e-6
"""Below it Hall's transformation is Student's t."""

POWER_QUANTILE = 0.8416
"""Normal quantile of 80 %, the power that "about n = ..." promises."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How templates (sorted by family) fall into families."""

    families: tuple[str, ...]
    starts: tuple[int, ...]
    """Index of each family's first template."""
    sizes: Floats
    """Templates in each family."""

    def means(self, units: Floats) -> Floats:
        """(templates, ...) -> (families, ...)."""
        sizes = self.sizes.reshape(-1, *[1] * (units.ndim - 1))
        return np.asarray(np.add.reduceat(units, self.starts, axis=0) / sizes)


@dataclass(frozen=True, eq=False)
class Mean:
    """Mean of family means of some contrasts, with its standard error; each attribute has one entry a contrast.

    With a skewness, p-values and limits are the more cautious of Student's t and Hall's transformation of it
    (Hall 1992): units that are skewed to one side make t alone wrong up to six times too often on the other.
    """

    value: Floats
    se: Floats
    df: Floats
    skewness: Floats
    """Of `value`; 0 where it is not corrected for."""

    def below(self, bound: float) -> Floats:
        """p-values of "not above the bound"."""
        return t_probability(bound - self.value, self.se, self.df, -self.skewness)

    def above(self, bound: float) -> Floats:
        """p-values of "not below the bound"."""
        return t_probability(self.value - bound, self.se, self.df, self.skewness)

    def widened(self, levels: Floats) -> Mean:
        """Over new repetitions (trainings, sessions) too, whose means are `levels` (repetitions, contrasts).

        SE^2 + s^2 / S, with S - 1 df at most: that of items alone would take one training for all of them.
        """
        count = len(levels)
        se = np.sqrt(self.se**2 + levels.var(axis=0, ddof=1) / count)
        shrunk = np.divide(self.se, se, out=np.ones_like(se), where=se > 0) ** 3
        return Mean(self.value, se, np.minimum(self.df, count - 1.0), self.skewness * shrunk)

    def limit(self, alpha: float, side: int) -> Floats:
        """One-sided confidence limits: lower for side -1, upper for side +1."""
        return _limit(self, alpha, side)


@lru_cache(maxsize=4096)
def _limit(mean: Mean, alpha: float, side: int) -> Floats:
    quantile = -side * stdtrit(mean.df, 1 - alpha)
    skewness = np.where(np.abs(mean.skewness) > LEAST_SKEWNESS, mean.skewness, np.nan)
    hall = 3 / skewness * (np.cbrt(1 + skewness * (quantile - skewness / 6)) - 1)
    farthest = np.fmax(-side * quantile, -side * hall)
    return np.asarray(mean.value + side * farthest * mean.se)


@dataclass(frozen=True, eq=False)
class Sample:
    """Units (templates, contrasts) in their families."""

    units: Floats
    layout: Layout

    @cached_property
    def family_means(self) -> Floats:
        """(families, contrasts)."""
        return self.layout.means(self.units)

    @cached_property
    def _residuals(self) -> Floats:
        return self.units - np.repeat(self.family_means, self.layout.sizes.astype(int), axis=0)

    @cached_property
    def _variances(self) -> Floats:
        """Variance of each family's mean, (families, contrasts); infinite in a family of one template."""
        sizes = self.layout.sizes
        squares = np.add.reduceat(self._residuals**2, self.layout.starts, axis=0)
        degrees = np.where(sizes > 1, sizes - 1, np.nan)[:, None]
        return np.asarray(np.nan_to_num(squares / degrees / sizes[:, None], nan=math.inf))

    @cached_property
    def within(self) -> Mean:
        """Over new templates of these families: SE = sqrt(sum s_f^2 / n_f) / F, Satterthwaite df."""
        total = self._variances.sum(axis=0)
        degrees = np.maximum(self.layout.sizes - 1, 1)[:, None]
        spread = (self._variances**2 / degrees).sum(axis=0)
        df = np.divide(total**2, spread, out=np.full_like(total, degrees.sum()), where=spread > 0)
        se = np.sqrt(total) / len(self.layout.families)
        return Mean(self.family_means.mean(axis=0), se, df, np.zeros_like(se))

    @cached_property
    def guarded(self) -> Mean:
        """The same, guarded against skewed units."""
        sizes = self.layout.sizes[:, None]
        cubes = np.add.reduceat(self._residuals**3, self.layout.starts, axis=0)
        thirds = (cubes / np.maximum((sizes - 1) * (sizes - 2) * sizes, 1)).sum(axis=0)
        total = self._variances.sum(axis=0)
        return replace(self.within, skewness=np.divide(thirds, total**1.5, out=np.zeros_like(total), where=total > 0))

    @cached_property
    def between(self) -> Mean:
        """Over new families: a t over family means, F - 1 df."""
        count = len(self.layout.families)
        se = self.family_means.std(axis=0, ddof=1) / math.sqrt(count)
        return Mean(self.family_means.mean(axis=0), se, np.full(se.shape, count - 1.0), np.zeros_like(se))

    @cached_property
    def each_family(self) -> Mean:
        """Every family for itself; attributes are (families, contrasts)."""
        df = np.broadcast_to(np.maximum(self.layout.sizes - 1, 1)[:, None], self.family_means.shape)
        return Mean(self.family_means, np.sqrt(self._variances), df, np.zeros_like(df))


@remembered(1024)
def sample_of(units: Floats, layout: Layout) -> Sample:
    """The sample of these units."""
    return Sample(units, layout)


def t_probability(distance: Floats, se: Floats, df: Floats, skewness: Floats | float = 0.0) -> Floats:
    """P(T <= distance / se), or that of Hall's transformation where it is larger.

    Without any spread the sign of the distance decides, and 0 decides nothing.
    """
    spread = np.asarray(se) > 0
    ratio = np.divide(distance, se, out=np.zeros_like(np.asarray(se) * distance), where=spread)
    hall = ratio + skewness * ratio**2 / 3 + skewness**2 * ratio**3 / 27 + skewness / 6
    certain = np.where(np.asarray(distance) < 0, 0.0, 1.0)
    return np.where(spread, stdtr(df, np.maximum(ratio, hall)), certain)


def more_than_half(count: int, of: int) -> float:
    """Exact p-value of "at most half of families", where `count` of `of` were decided for the claim."""
    return float(bdtrc(count - 1, of, 0.5)) if count > 0 else 1.0


def missable_share(families: int, alpha: float) -> float:
    """The largest share of family types that could be absent from a suite of so many families."""
    return float(1 - alpha ** (1 / families))


def needed(units: int, distance: float, se: float, alpha: float) -> int | None:
    """Units that would decide with 80 % power, if mean and spread stay as they are; None where none would.

    Rounded up to two digits; at least one more than there are.
    """
    if not distance > 0 or not math.isfinite(se):
        return None
    quantile = float(stdtrit(max(units - 1, 1), 1 - alpha)) + POWER_QUANTILE
    wanted = units * (quantile * se / distance) ** 2
    if wanted > 1000 * units:
        return None
    step = int(10 ** max(math.floor(math.log10(max(wanted, 1))) - 1, 0))
    return max(math.ceil(wanted / step) * step, units + 1)
