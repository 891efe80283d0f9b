"""engine: form `spread_ratio`: effects differ k times as much between some conditions as between others.

Estimand: the ratio of two standard deviations over conditions (components of the sweep), each of the typical effect at
a condition: mean over families of template means, of a KL the mean log. Sampling noise is taken off both variances, as
in module `spread`: where prompts are few, noise alone makes conditions differ. The conditions are those that the claim
names, and no sample of others; three a side are the least. Unit: template in_suite, left out in turn (jackknife of the
log ratio, guarded against skewed units as elsewhere). Minimum: 30 distinct templates, 10 a family where there are
several.
Beyond the suite it is not offered: the spread within a single family is mostly noise.
High: lower limit above log k. Refuted: upper limit below it.
Pending where the variance of the denominator is not above zero at .001: the smaller spread is not told apart from
noise, and a ratio to it is none.
Control: the ratio of the draws' spreads at the same conditions, which the claim's must exceed by the control's factor:
it fails where noise of matched norm, or an untrained model, differs between the same conditions as unequally.
Where trainings or sessions are repeated, their own spread is noise too, and each is left out in turn.
Degenerate: nothing moves; > 10 % of the denominator's values below the numeric floor, where they have one; constants.
Source: Miller 1968, Ann. Math. Statist. 39 (jackknifing variances); Searle, Casella & McCulloch 1992 (components of
variance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ....specs.forms.conditions import SpreadRatio
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..sweeps import conditions_of, effects_of, enough, said, series
from ..words import quantity
from . import Form, FormError, form
from .threshold import SURE_ALPHA

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas, Answer
    from ..evidence import Floats
    from ..inference import Layout
    from ..spread import Variance

LEAST_CONDITIONS = 3


@form("spread_ratio")
class SpreadRatioForm(Form):
    """The spread over some conditions against a multiple of that over others."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """Every condition of both sides."""
        if claim.metric.kind.scale == "share":
            what = f"{claim.metric.quantity} is a share: spreads are those of a KL, or of a quantity in its own unit"
            raise FormError("no_share", what)
        upper, lower = _sides(claim, sweep)
        if set(upper) == set(lower):
            raise FormError("identical_arms", "numerator and denominator are the same conditions")
        return tuple(Ref(None, label) for label in dict.fromkeys(upper + lower))

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The same: the draws show the ratio that needs no explanation."""
        return self.effects(claim, sweep)

    def question(self, arm: Arm) -> Question:
        """One contrast: the log ratio, as pseudo-values."""

        upper, lower = (_observed(arm, labels) for labels in _sides(arm.claim, arm.sweep))
        bound = math.log(_expect(arm.claim).at_least)
        units = _pseudo_values(upper, lower, arm.table.layout)[:, None]
        return Question(("",), units, Scale(True, "x", bound, bound), levels=_levels(upper, lower))

    def asked(self, arm: Arm) -> Question:
        """The same: it takes all repetitions at once."""
        return self.question(arm)

    def answer(self, arm: Arm, beyond: bool, alphas: Alphas) -> Answer:
        """That of the log ratio; none where the smaller spread may be noise."""
        found = super().answer(arm, beyond, alphas)
        if _clear(arm):
            return found
        return replace(found, p_for=1.0, p_mean=1.0, p_against=1.0, p_against_blind=1.0)

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The log ratio, and that of each draw."""
        upper, lower = _sides(arm.claim, arm.sweep)
        layout = arm.table.layout
        drawn = _pseudo_values(_drawn(arm, upper, draws), _drawn(arm, lower, draws), layout)
        return _pseudo_values(_observed(arm, upper), _observed(arm, lower), layout), drawn

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op, dead denominators, constants."""
        import numpy as np

        from ..degenerate import constant, dead_denominators, no_op

        upper, lower = (series(arm, labels) for labels in _sides(arm.claim, arm.sweep))
        every = np.concatenate([upper, lower])
        fault = no_op(arm.table, every)
        if fault is None and arm.claim.metric.kind.scale == "log":
            fault = dead_denominators(arm.table, lower.reshape(-1))
        if fault or np.isin(every, (-1.0, 0.0, 1.0)).all():
            return fault
        return next(filter(None, (constant(each, arm.table) for each in every)), None)

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """A denominator that may be noise."""
        if _clear(arm):
            return None
        what = f"effects at {said(_expect(arm.claim).denominator.conditions)} hardly differ"
        return Fault("spread_in_noise", f"the smaller spread is not told apart from noise: {what}")

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`the spread over L*.operator is 2.9x that over L*.mlp`."""
        expect, factor = _expect(claim), quantity(answer.shown(answer.value), "x")
        return f"the spread over {said(expect.numerator.conditions)} is {factor} that over " + said(
            expect.denominator.conditions
        )


class _Observed(NamedTuple):
    """A variance over conditions, and without each template and repetition."""

    whole: Variance
    without_template: Variance
    without_repetition: Variance | None


def _expect(claim: MeasuredClaim) -> SpreadRatio:
    assert isinstance(claim.expect, SpreadRatio)
    return claim.expect


def _sides(claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    sides = _expect(claim).numerator, _expect(claim).denominator
    upper, lower = (enough(conditions_of(side.conditions, sweep), LEAST_CONDITIONS, "a side") for side in sides)
    return upper, lower


def _observed(arm: Arm, labels: tuple[str, ...]) -> _Observed:
    from ..spread import variance, without_each

    units, layout = effects_of(arm, labels), arm.table.layout
    if len(units) == 1:
        return _Observed(*variance(units[0], layout), None)
    repeats, mean = layout.means(units.T).mean(axis=0).T, units.mean(axis=0)
    return _Observed(*variance(mean, layout, repeats), without_each(mean, layout, repeats))


def _drawn(arm: Arm, labels: tuple[str, ...], draws: Sequence[int]) -> _Observed:
    import numpy as np

    from ..spread import variance

    drawn = np.stack([arm.draws(Ref(None, label), draws) for label in labels], axis=1)
    return _Observed(*variance(arm.typical(drawn), arm.table.layout), None)


def _pseudo_values(upper: _Observed, lower: _Observed, layout: Layout) -> Floats:
    """Of the log ratio (..., templates)."""
    from ..spread import pseudo_values

    left = upper.without_template.log - lower.without_template.log
    return pseudo_values(upper.whole.log - lower.whole.log, left, layout)


def _levels(upper: _Observed, lower: _Observed) -> Floats | None:
    """Pseudo-values of the log ratio (repetitions, 1)."""
    if upper.without_repetition is None or lower.without_repetition is None:
        return None
    left = upper.without_repetition.log - lower.without_repetition.log
    return (len(left) * (upper.whole.log - lower.whole.log) - (len(left) - 1) * left)[:, None]


def _clear(arm: Arm) -> bool:
    """Whether the denominator's variance is above zero."""
    from ..inference import Sample
    from ..spread import pseudo_values

    found, layout = _observed(arm, _sides(arm.claim, arm.sweep)[1]), arm.table.layout
    units = pseudo_values(found.whole.value, found.without_template.value, layout)
    mean = Sample(units[:, None], layout).guarded
    if found.without_repetition is not None:
        left = found.without_repetition.value
        mean = mean.widened((len(left) * found.whole.value - (len(left) - 1) * left)[:, None])
    return bool(mean.below(0.0)[0] < SURE_ALPHA)
