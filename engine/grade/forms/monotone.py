"""engine: form `monotone`: along an order of components, or of doses at one component, every step raises the effect.

Estimand: for every two neighbours of the order the paired difference, as in `top_component`: the mean over families of
the mean over templates of log KL (later) - log KL (earlier), shown as a factor; of others the plain difference.
For order falling, earlier less later. Unit: template in_suite, family beyond_suite; a family counts when every step of
its own does. Minimum: 30 distinct templates, 10 a family where there are several; 12 families.
High: every step is above zero (intersection-union): the order of the *true* typical effects is the one stated. Two
neighbours that tie make the claim false, and each test alone keeps that at alpha. A permutation test of the order says
less, since it speaks of "no order at all", yet it bounds what any order of M steps can show, if steps are what varies:
1 / M!. So 6 steps are the least for High at .995 (1/720), 4 for Medium at .95 (1/24).
Refuted: a step goes the other way, corrected for the number of steps, on the raw mean too, with a material effect.
Control: draws at both ends of the order; the whole rise must exceed theirs. Where draws cannot tell the ends apart
(doses at one site), they stand in for the upper end only. Doses are one method, whatever their number: Medium at most.
Degenerate: a no-op, constants, two neighbours that are one measurement (+s and -s), no material rise from end to end.
Source: Berger & Hsu 1996 (intersection-union); design rule of the project (1 / M!).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ....specs.forms import Monotone
from ....specs.interventions import word
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..verdict import Condition
from ..words import probability, quantity
from . import Form, FormError, form, require_component
from .top_component import LEAST_EFFECT, RAW_ALPHA

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas, Answer
    from ..evidence import Floats


@form("monotone")
class MonotoneForm(Form):
    """Every step of an order against none."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """Every step, in the stated order."""
        expect = _expect(claim)
        for site in expect.components or (expect.site,):
            require_component(str(site), sweep)
        known, kind = claim.metric.INTERVENTIONS, claim.counterfactual.intervention
        for dose in expect.doses or ():
            if known is not None and dose.intervention not in known:
                what = f"evaluator {claim.metric.evaluator} knows {', '.join(known)}, not {dose.intervention}"
                raise FormError("no_such_intervention", what)
        if expect.doses and word(claim.counterfactual) not in map(word, expect.doses):
            raise FormError("no_such_dose", f"the counterfactual, {word(claim.counterfactual)}, is none of the doses")
        if expect.doses and any(value.intervention == kind for value in claim.robustness):
            raise FormError("no_such_dose", f"robustness repeats {kind}: doses of one kind are one method")
        return _steps(claim)

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The end that is claimed to be the largest, and the other."""
        self.effects(claim, sweep)
        return _ends(claim)

    def question(self, arm: Arm) -> Question:
        """One contrast a step."""
        import numpy as np

        values, names, sign = _values(arm), _names(arm.claim), _sign(arm.claim)
        means = arm.table.family_means(values)
        raw = np.concatenate([means.mean(axis=1, keepdims=True), means], axis=1)
        eligible = (sign * np.diff(raw, axis=0) <= 0) & (np.maximum(raw[1:], raw[:-1]) >= LEAST_EFFECT)
        units = sign * np.diff(arm.typical(values), axis=0).T
        return Question(
            tuple(f"{one} to {other}" for one, other in pairwise(names)),
            units,
            _scale(arm),
            eligible.T if _logarithmic(arm.claim) else None,
        )

    def answer(self, arm: Arm, beyond: bool, alphas: Alphas) -> Answer:
        """All steps together, and never below what so few steps can show."""
        found, least = super().answer(arm, beyond, alphas), _chance(arm.claim)
        return replace(found, p_for=max(found.p_for, least), p_mean=max(found.p_mean, least))

    def conditions(self, arm: Arm, alphas: Alphas) -> Iterator[Condition]:
        """Enough steps."""
        yield Condition("steps", _chance(arm.claim) < alphas.high, _few(arm.claim, alphas.high))

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The whole rise, and that of the draws."""
        from ..degenerate import identical

        top, low = _ends(arm.claim)
        upper, lower = arm.series(top), arm.series(low)
        drawn, below = arm.draws(top, draws), arm.draws(low, draws)
        if identical(drawn.reshape(-1), below.reshape(-1)):
            below = lower
        return arm.typical(upper) - arm.typical(lower), arm.typical(drawn) - arm.typical(below)

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op, constants, neighbours that are one measurement."""
        from ..degenerate import constant, identical, no_op

        values = _values(arm)
        if fault := no_op(arm.table, values):
            return fault
        for (one, other), (first, second) in zip(pairwise(_names(arm.claim)), pairwise(values), strict=True):
            if identical(first, second):
                return Fault("identical_arms", f"{one} and {other} are equal example by example: one measurement")
        return next(filter(None, (constant(each, arm.table) for each in values)), None)

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """Too few steps for any grade, no material rise, a typical and an average order that disagree."""
        import numpy as np

        if _chance(arm.claim) >= alphas.medium:
            return Fault("too_few_steps", _few(arm.claim, alphas.medium))
        values, sign, unit = _values(arm), _sign(arm.claim), arm.claim.metric.kind.unit
        means = sign * arm.table.family_means(values).mean(axis=1)
        if (rise := float(means[-1] - means[0])) < LEAST_EFFECT:
            return Fault(
                "no_material_effect", f"from end to end the mean {_verb(arm.claim)}s by {quantity(rise, unit)}"
            )
        if not _logarithmic(arm.claim) or answer.p_mean >= alphas.medium:
            return None
        from ..inference import Sample

        raw = sign * np.diff(arm.table.template_means(values), axis=0)
        sample = Sample(raw.T, arm.table.layout)
        back = np.flatnonzero((sample.between if answer.beyond else sample.within).above(0.0) < RAW_ALPHA)
        if not back.size:
            return None
        step, verb = _at(self.asked(arm).names[int(back[0])]), _verb(arm.claim)
        what = f"{step} the typical effect {verb}s, and the average does not"
        return Fault("typical_average_disagree", f"typical and average effect disagree: {what}")

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`the least rise is 1.4x, from L2 to L3`."""
        size = quantity(answer.shown(answer.value), answer.scale.unit)
        return f"the least {_verb(claim)} is {size}, {_at(answer.hardest)}"

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`the rise from L2 to L3 is 0.5x`."""
        size = quantity(answer.shown(answer.adversary_value), answer.scale.unit)
        return f"the {_verb(claim)} {_at(answer.adversary)} is {size}"


def _expect(claim: MeasuredClaim) -> Monotone:
    assert isinstance(claim.expect, Monotone)
    return claim.expect


def _steps(claim: MeasuredClaim) -> tuple[Ref, ...]:
    expect = _expect(claim)
    if expect.components:
        return tuple(Ref(None, component) for component in expect.components)
    return tuple(Ref(word(dose), str(expect.site)) for dose in expect.doses or ())


def _ends(claim: MeasuredClaim) -> tuple[Ref, Ref]:
    first, *_, last = _steps(claim)
    return (last, first) if _sign(claim) > 0 else (first, last)


def _names(claim: MeasuredClaim) -> list[str]:
    return [ref.intervention or ref.site for ref in _steps(claim)]


def _sign(claim: MeasuredClaim) -> int:
    return 1 if _expect(claim).order == "rising" else -1


def _verb(claim: MeasuredClaim) -> str:
    return "rise" if _sign(claim) > 0 else "fall"


def _at(step: str) -> str:
    return f"from {step}"


def _logarithmic(claim: MeasuredClaim) -> bool:
    return bool(claim.metric.kind.scale == "log")


def _scale(arm: Arm) -> Scale:
    logarithmic = _logarithmic(arm.claim)
    return Scale(logarithmic, "x" if logarithmic else arm.claim.metric.kind.unit, 0.0, 0.0)


def _values(arm: Arm) -> Floats:
    """(steps, n)."""
    import numpy as np

    return np.stack([arm.series(ref) for ref in _steps(arm.claim)])


def _chance(claim: MeasuredClaim) -> float:
    """Of any one order of so many steps."""
    return 1 / math.factorial(len(_steps(claim)))


def _few(claim: MeasuredClaim, alpha: float) -> str:
    """`6 steps have 720 orders (p = .0014)`, `4 steps have only 24 orders (p = .042); needs n = 6`."""
    steps, least = len(_steps(claim)), 4
    while 1 / math.factorial(least) >= alpha:
        least += 1
    orders = f"{math.factorial(steps):,} orders (p {probability(_chance(claim))})"
    return f"{steps} steps have {orders}" if steps >= least else f"{steps} steps have only {orders}; needs n = {least}"
