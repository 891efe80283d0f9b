"""engine: form `equality`: two effects are the same but for a stated margin, in either direction.

Estimand: the mean over families of the mean over templates of test - reference, paired in each example; of a KL the
log ratio, and the margin a factor. Unit: template in_suite, family beyond_suite. Minimum: 30 distinct templates, 10 a
family where there are several; 12 families.
High: both one-sided limits lie within the margin (two one-sided tests, TOST, each at alpha). Refuted: either lies
beyond it, at alpha / 2. That no difference is seen is no evidence: with few templates the limits are wide.
Values of 0 and 1 (exact_match): where fewer than 10 templates differ at all, t has no spread to go by, and those that
differ must be few by their Clopper-Pearson limit too; both effects may be at their ceiling then. In suite only.
Control: draws stand in for the test; they must differ from the reference more than the test does, in the mean absolute
difference of a template (differences of opposite sign do not cancel), or else the metric could not show a difference.
Degenerate: sides that are one measurement; nothing moves on either; scores that are all at their ceiling, where the
exact limit is not narrow enough; of a KL, > 10 % of either side below the numeric floor, where everything is equal.
Source: Schuirmann 1987 (TOST); Berger & Hsu 1996; ICH E10 (a trial must be able to show a difference).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....specs.forms import Efficiency, Equality, NonInferiority
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..words import quantity
from . import Form, FormError, form
from .ratio import name_of, refs_of, side_of

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas, Answer
    from ..evidence import Floats

LEAST_DIFFERENT = 10
"""Templates that must differ before the spread of 0/1 differences is taken from themselves."""


@form("equality")
class EqualityForm(Form):
    """The paired difference of two effects against a margin on both sides."""

    COUNTS = True

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The sites of both sides, each at the side's own intervention value where it names one."""
        expect, kind = expect_of(claim), claim.metric.kind
        if kind.scale == "share":
            raise FormError("no_difference_of_shares", f"{claim.metric.quantity} is a share: form threshold bounds it")
        if (kind.scale == "log") != (expect.factor is not None):
            wanted, given = ("factor", "difference") if kind.scale == "log" else ("difference", "factor")
            raise FormError("wrong_margin", f"the margin of {claim.metric.quantity} is a {wanted}, not a {given}")
        test, reference = refs_of(expect.test, sweep), refs_of(expect.reference, sweep)
        if test == reference:
            raise FormError("identical_arms", "test and reference are the same effect")
        return tuple(dict.fromkeys(test + reference))

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The sites of the test."""
        self.effects(claim, sweep)
        return refs_of(expect_of(claim).test, sweep)

    def question(self, arm: Arm) -> Question:
        """Two contrasts: by how much the test exceeds the reference, and falls short of it."""
        import numpy as np

        over, expect = difference(arm, *both(arm)), expect_of(arm.claim)
        test, reference = name_of(expect.test), name_of(expect.reference)
        names = (f"{test} over {reference}", f"{reference} over {test}")
        return Question(names, np.stack([over, -over], axis=1), scale_of(arm.claim))

    def answer(self, arm: Arm, beyond: bool, alphas: Alphas) -> Answer:
        """Two one-sided tests, guarded where hardly any count differs."""
        from ..answer import answer
        from ..rates import guarded

        question, sides = self.asked(arm), [side for one in arm.each() for side in both(one)]
        found = answer(question, arm.table.layout, beyond, alphas)
        if not _counts(sides) or int((question.units != 0).any(axis=1).sum()) >= LEAST_DIFFERENT:
            return found
        most = 1.0 if min(float(side.min()) for side in sides) >= 0 else 2.0
        return guarded(found, question.units, most, alphas)

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """How much the test differs from the reference in each template, and how much the draws do."""
        test, reference = both(arm)
        drawn = side_of(expect_of(arm.claim).test, arm, lambda ref: arm.draws(ref, draws))
        return abs(difference(arm, test, reference)), abs(difference(arm, drawn, reference))

    def degenerate(self, arm: Arm) -> Fault | None:
        """Sides that are one measurement, or that do not move; counts over families."""
        from ..degenerate import dead_denominators, identical, no_op

        (test, reference), table = both(arm), arm.table
        if arm.claim.metric.kind.scale == "log":
            if fault := dead_denominators(table, reference) or dead_denominators(table, test, "numerator"):
                return fault
        elif not any(table.moved_by_control(site) for site in {ref.site for ref in _tested(arm)}) and (
            fault := no_op(table, test) and no_op(table, reference)
        ):
            return fault
        if _counts((test, reference)):
            return _of_counts(arm)
        if identical(test, reference):
            return Fault("identical_arms", "test and reference are equal example by example: one measurement")
        return None

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """Both sides at their ceiling, unless their exact limits are narrow enough."""
        from ..degenerate import ceiling

        sides = both(arm)
        if not _counts(sides) or answer.p_for < alphas.medium:
            return None
        return ceiling(*sides, answer.needed(alphas.high))

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3 over L4: 0.01 logits`, the direction in which they differ most."""
        return f"{answer.hardest}: {quantity(answer.shown(answer.value), answer.scale.unit)}"

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """The same, of the direction that speaks most against the claim."""
        return f"{answer.adversary}: {quantity(answer.shown(answer.adversary_value), answer.scale.unit)}"

    def negative(self, claim: MeasuredClaim) -> bool:
        """Always: that there is no difference worth the name."""
        return True


def expect_of(claim: MeasuredClaim) -> Equality | NonInferiority | Efficiency:
    """The claim's expectation."""
    assert isinstance(claim.expect, Equality | NonInferiority | Efficiency)
    return claim.expect


def both(arm: Arm) -> tuple[Floats, Floats]:
    """Values of test and reference (n,)."""
    expect = expect_of(arm.claim)
    return side_of(expect.test, arm, arm.series), side_of(expect.reference, arm, arm.series)


def difference(arm: Arm, test: Floats, reference: Floats) -> Floats:
    """(..., n) and (n,) -> (..., templates): test less reference; of a KL the log ratio."""
    if arm.claim.metric.kind.scale == "log":
        return arm.table.logs(test) - arm.table.logs(reference)
    return arm.table.template_means(test - reference)


def scale_of(claim: MeasuredClaim) -> Scale:
    """At most the margin."""
    expect = expect_of(claim)
    if expect.factor is not None:
        return Scale(True, "x", math.log(expect.factor), math.log(expect.factor), -1)
    assert expect.difference is not None
    return Scale(False, claim.metric.kind.unit, expect.difference, expect.difference, -1)


def _tested(arm: Arm) -> tuple[Ref, ...]:
    return refs_of(expect_of(arm.claim).test, arm.sweep)


def _counts(sides: Sequence[Floats]) -> bool:
    import numpy as np

    return bool(np.isin(np.concatenate(sides), (-1.0, 0.0, 1.0)).all())


def _of_counts(arm: Arm) -> Fault | None:
    if arm.claim.expect.scope == "in_suite":
        return None
    what = "ten templates of a family say too little of a quantity that is 0 or 1"
    return Fault("counts_in_suite_only", f"{what}: such a comparison is graded in_suite only")
