"""engine: form `ratio_of_means`: how a `ratio` is graded where only means are recorded, of which logs say nothing.

Estimand: the ratio of the mean effects a / b over families: a - k b > 0 is tested, family by family (Fieller), and
shown as k + (a - k b) / b. The log of an average is no typical log: a false claim is High in 8 to 46 % of cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..question import Arm, Question, Scale
from . import form
from .ratio import RatioForm, side_of

if TYPE_CHECKING:
    from ..evidence import Floats, Ref


@form("ratio_of_means")
class RatioOfMeansForm(RatioForm):
    """One mean effect against a multiple of another."""

    def question(self, arm: Arm) -> Question:
        """One contrast: what the numerator has more than k times the denominator."""

        numerator, denominator = _sides(arm, arm.series)
        limit, below = arm.claim.expect.at_least, arm.table.template_means(denominator)
        units = arm.table.template_means(numerator) - limit * below
        scale = Scale(False, "x", 0.0, 0.0, origin=limit, per=float(below.mean()))
        return Question(("",), units[:, None], scale)

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The excess, and that of the draws."""
        limit, means = arm.claim.expect.at_least, arm.table.template_means
        (above, below), (drawn, under) = _sides(arm, arm.series), _sides(arm, lambda ref: arm.draws(ref, draws))
        return means(above) - limit * means(below), means(drawn) - limit * means(under)


def _sides(arm: Arm, read: Callable[[Ref], Floats]) -> tuple[Floats, Floats]:
    expect = arm.claim.expect
    return side_of(expect.numerator, arm, read), side_of(expect.denominator, arm, read)
