"""engine: form `non_inferiority`: one effect falls short of another by less than a stated margin.

Estimand: as for `equality`, in one direction: the mean over families of the mean over templates of reference - test
where larger values are better (exact_match), test - reference where they are worse (kl, exact_match_drop). Unit,
minimum and the guard for values of 0 and 1 as there.
High: the upper limit of the shortfall is below the margin. Refuted: its lower limit is above it.
Control: draws stand in for the test, and must fall short by more than the test does: a metric under which nothing does
worse shows no non-inferiority (assay sensitivity).
Source: ICH E9, E10; Piaggio et al. 2012 (CONSORT, non-inferiority).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....specs.forms import Efficiency, NonInferiority
from ..question import Arm, Question
from ..words import quantity
from . import form
from .equality import EqualityForm, both, difference, expect_of, scale_of
from .ratio import name_of, side_of

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Answer
    from ..evidence import Floats


@form("non_inferiority")
class NonInferiorityForm(EqualityForm):
    """The paired shortfall of one effect from another against a margin."""

    def question(self, arm: Arm) -> Question:
        """One contrast: the shortfall."""

        units = _sign(arm.claim) * difference(arm, *both(arm))
        return Question(("",), units[:, None], scale_of(arm.claim))

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The shortfall, and that of the draws."""
        (test, reference), sign = both(arm), _sign(arm.claim)
        drawn = side_of(expect_of(arm.claim).test, arm, lambda ref: arm.draws(ref, draws))
        return sign * difference(arm, test, reference), sign * difference(arm, drawn, reference)

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3 falls short of L4 by 0.01`, `L3 is 1.1x L4`."""
        return _said(claim, answer, answer.value)

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """The same."""
        return _said(claim, answer, answer.adversary_value)

    def negative(self, claim: MeasuredClaim) -> bool:
        """Never: to be no worse is what was asked for."""
        return False


def _sign(claim: MeasuredClaim) -> int:
    """Of test - reference, as a shortfall."""
    assert isinstance(claim.expect, NonInferiority | Efficiency)
    return -1 if claim.expect.larger == "better" else 1


def _said(claim: MeasuredClaim, answer: Answer, value: float) -> str:
    expect, size = expect_of(claim), quantity(answer.shown(value), answer.scale.unit)
    names = [name_of(expect.test), name_of(expect.reference)]
    if answer.scale.logarithmic:
        first, second = names if _sign(claim) > 0 else names[::-1]
        return f"{first} is {size} {second}"
    verb = "exceeds" if _sign(claim) > 0 else "falls short of"
    return f"{names[0]} {verb} {names[1]} by {size}"
