"""engine: how far conditions differ, with the part taken off that is sampling noise. Imported only when grading.

With d_c the mean of a condition's effects (over families of template means) less that of all K conditions, and se_c its
standard error, V = (sum d_c^2 - sum se_c^2) / (K - 1) has the mean that the variance of the true effects is; what all
conditions of a template have in common cancels. Its own error is seen by leaving out each template in turn, within its
family: with t_j what is then left, t + F (n_f - 1) (mean of t_j over the family - t_j) are pseudo-values whose mean
over families is t and whose standard error over templates is the jackknife's. It is log sqrt V that is compared, since
the logarithm of a spread is less skewed than the spread. A variance within its own noise counts as that noise.
Where trainings (or sessions) were repeated, their spread is noise as well, and each of them is left out in turn.
Source: Tukey 1958; Miller 1968, Ann. Math. Statist. 39 (jackknifing variances).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .evidence import Floats
    from .inference import Layout

LEAST_VARIANCE = 1e-300
"""Of which there still is a logarithm."""


@dataclass(frozen=True, eq=False)
class Variance:
    """Of true effects over conditions; several at once have leading axes."""

    value: Floats
    """Without the noise; may be negative."""
    noise: Floats
    """What was taken off."""

    @property
    def log(self) -> Floats:
        """log of the standard deviation."""
        return np.asarray(0.5 * np.log(np.maximum(np.maximum(self.value, self.noise), LEAST_VARIANCE)))


def variance(units: Floats, layout: Layout, repeats: Floats | None = None) -> tuple[Variance, Variance]:
    """Of effects (..., conditions, templates), three templates a family or more, and without each template.

    `repeats` (repetitions, conditions) are the suite's means in the repetitions whose mean the effects are.
    """
    families, conditions = len(layout.families), units.shape[-2]
    place = np.repeat(np.arange(families), layout.sizes.astype(int))
    size = layout.sizes[place]
    units = units - units.mean(axis=-2, keepdims=True)
    means = np.add.reduceat(units, layout.starts, axis=-1) / layout.sizes
    whole, apart = means.mean(axis=-1), units - means[..., place]
    squares = (apart**2).sum(axis=-2)
    sums = np.add.reduceat(squares, layout.starts, axis=-1)
    parts = sums / (layout.sizes - 1) / layout.sizes
    parts_left = (sums[..., place] - squares * size / (size - 1)) / (size - 2) / (size - 1)
    total, more = parts.sum(axis=-1), 0.0 if repeats is None else _noise(repeats)
    noise = (total / families**2 + more) / (conditions - 1)
    noise_left = ((total[..., None] - parts[..., place] + parts_left) / families**2 + more) / (conditions - 1)
    moved = whole[..., None] - apart / ((size - 1) * families)
    return (
        Variance((whole**2).sum(axis=-1) / (conditions - 1) - noise, noise),
        Variance((moved**2).sum(axis=-2) / (conditions - 1) - noise_left, noise_left),
    )


def without_each(units: Floats, layout: Layout, repeats: Floats) -> Variance:
    """(repetitions,): what `variance` is without each of the repetitions."""
    conditions = repeats.shape[1]
    of_items = variance(units, layout)[0].noise
    rest = [np.delete(repeats, i, axis=0) for i in range(len(repeats))]
    noise = np.array([of_items + _noise(each) / (conditions - 1) for each in rest])
    return Variance(np.array([each.mean(axis=0).var(ddof=1) for each in rest]) - noise, noise)


def pseudo_values(value: Floats, left: Floats, layout: Layout) -> Floats:
    """(..., templates), of a statistic (...,) and the same without each template."""
    place = np.repeat(np.arange(len(layout.families)), layout.sizes.astype(int))
    means = np.add.reduceat(left, layout.starts, axis=-1) / layout.sizes
    reach = len(layout.families) * (layout.sizes[place] - 1)
    return np.asarray(value[..., None] + reach * (means[..., place] - left))


def _noise(repeats: Floats) -> float:
    """Summed over conditions: the variance of the repetitions' mean."""
    apart = repeats - repeats.mean(axis=1, keepdims=True)
    return float(apart.var(axis=0, ddof=1).sum()) / len(repeats)
