"""engine: whether a claim's effect exceeds that of its control draws by the stated margin. Imported only when grading.

Estimand: the effect less what a *typical draw* of the control does, where draws are a sample: 20 of them
are 20 observations, whatever the number of prompts. With d = effect - mean of draws (paired in each
template), s the spread of the draws and SE that of d over templates,

    S^2      = s^2 (1 + 1/R)     + SE^2      d beyond a new draw:        d > t(alpha / 2) S
    S_bar^2  = s^2 (1 + 1/R) / R + SE^2      the typical draw's margin:  d - t(alpha) S_bar > log ratio

and the effect beats every draw. df is R - 1 in the suite, but no more than the templates have, and
families - 1 beyond it; skewed templates are guarded against as elsewhere (Hall 1992). Where the claim is
"at most", everything is mirrored: the draws must exceed the effect. A signed quantity has no logarithm:
there the margin is effect - ratio x mean of draws > 0 ("at most": mean of draws - ratio x effect > 0),
which is the same statement without dividing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .inference import Layout, needed, sample_of, t_probability
from .question import Arm, Fault, Scale
from .remember import remembered
from .replicates import too_alike, unlike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .evidence import Floats, Ref
    from .table import Table

LEAST_DRAWS = 20


@dataclass(frozen=True)
class Specificity:
    """How the effect stands against its control."""

    draws: int
    p_for: float
    """The larger p of the two conditions; 1 where some draw is not beaten."""
    p_against: float
    """Against "the margin is reached"."""
    beaten: bool
    """Whether the effect beats every draw."""
    reached: float
    """The typical draw: as a share of the effect on a log scale, else in the quantity's unit."""
    distance: float
    """From the margin; positive where it is exceeded."""
    se: float
    n_units: int

    def needed(self, alpha: float) -> int | None:
        """Units (templates or families) that would show the margin, with draws in proportion."""
        return needed(self.n_units, self.distance, self.se, alpha) if self.beaten else None


def usable_draws(arm: Arm, refs: Sequence[Ref], numbers: Sequence[int]) -> list[int] | Fault:
    """The distinct draws of a control, or what is wrong with them."""
    if len(numbers) < LEAST_DRAWS:
        return Fault("too_few_draws", f"needs {LEAST_DRAWS} control draws, has {len(numbers)}")
    by_chance = arm.claim.metric.quantity in arm.claim.metric.OF_MACHINE
    return _usable_draws(arm.table, tuple(map(arm.drawn, refs)), tuple(numbers), by_chance)


@lru_cache(maxsize=256)
def _usable_draws(
    table: Table, places: tuple[tuple[str, str], ...], numbers: tuple[int, ...], by_chance: bool
) -> list[int] | Fault:
    cells = np.concatenate([table.draws(place, numbers) for place in places], axis=1)
    if not np.isfinite(cells).all():
        return Fault("not_finite", "some control draws hold values that are no numbers")
    if not np.any(np.abs(cells) > table.numeric_floor):
        return Fault("dead_control", "no control draw changes anything: it was not applied, or cannot fail")
    kept = unlike(cells, table.draw_marks(numbers), by_chance=by_chance)
    if len(kept) < LEAST_DRAWS:
        return Fault(
            "cloned_draws",
            f"only {len(kept)} of {len(numbers)} control draws are distinct (the others repeat them cell by cell); "
            f"needs {LEAST_DRAWS}",
        )
    return [numbers[index] for index in kept]


def specificity(
    effect: Floats,
    draws: Floats,
    scale: Scale,
    ratio: float,
    layout: Layout,
    beyond: bool,
    levels: Floats | None = None,
) -> Specificity | Fault:
    """The comparison of an effect (templates,) with control draws (draws, templates), on the scale of the claim.

    `levels` (repetitions,) are the effect's means in repeated trainings or sessions.
    """
    return _specificity(effect, draws, scale.sign, scale.logarithmic, ratio, layout, beyond, levels)


@remembered(512)
def _specificity(
    effect: Floats,
    draws: Floats,
    sign: int,
    logarithmic: bool,
    ratio: float,
    layout: Layout,
    beyond: bool,
    levels: Floats | None,
) -> Specificity | Fault:
    if too_alike(draws):
        return Fault("draws_too_alike", "the control draws differ far less than their own scatter implies")
    count = len(draws)
    of_effect, of_draws, shift = _margin(sign, logarithmic, ratio)
    typical = draws.mean(axis=0)
    columns = np.stack([sign * (effect - typical), of_effect * effect + of_draws * typical - shift], axis=1)
    sample = sample_of(columns, layout)
    mean = sample.between if beyond else sample.guarded
    if levels is not None:
        mean = mean.widened(np.outer(levels, [sign, of_effect]))
    drawn = layout.means(draws.T).mean(axis=0)
    level = float(layout.means(effect).mean())
    spread = float(drawn.var(ddof=1)) * (1 + 1 / count)
    errors = np.sqrt(np.array([spread, of_draws**2 * spread / count]) + mean.se**2)
    df = mean.df if beyond else np.minimum(mean.df, count - 1)
    skewness = mean.skewness * np.divide(mean.se, errors, out=np.ones_like(errors), where=errors > 0) ** 3
    fails = t_probability(-mean.value, errors, df, -skewness)
    short = t_probability(mean.value, errors, df, skewness)
    beaten = bool((sign * (level - drawn) > 0).all())
    return Specificity(
        draws=count,
        p_for=float(min(max(2 * fails[0], fails[1]), 1.0)) if beaten else 1.0,
        p_against=float(short[1]),
        beaten=beaten,
        reached=math.exp(drawn.mean() - level) if logarithmic else float(drawn.mean()),
        distance=float(mean.value[1]),
        se=float(errors[1]),
        n_units=len(layout.families) if beyond else len(effect),
    )


def _margin(sign: int, logarithmic: bool, ratio: float) -> tuple[float, float, float]:
    """Coefficients of effect and draws, and what their sum must exceed, to say "by this factor"."""
    if logarithmic:
        return sign, -sign, math.log(ratio)
    return (1.0, -ratio, 0.0) if sign > 0 else (-ratio, 1.0, 0.0)
