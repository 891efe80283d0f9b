"""engine: form `ratio`: one effect is at least k times another, typically and example by example.

Estimand: the mean over families of the mean over templates of log KL (numerator) - log KL (denominator),
both floored and paired in each example; shown as exp of it, a factor. A side `L*.mlp` is the mean KL over
the MLPs of all layers within each example. Unit: template in_suite, family beyond_suite. Minimum: 30
distinct templates, 10 a family where there are several; 12 families. Default as for threshold.
Control: the same ratio on control draws at both sides. Where the draws cannot tell the sides apart (noise of
one norm at one site), they stand in for the numerator only, and the denominator keeps its measured value.
Degenerate: the two sides are one measurement; > 10 % of denominators (for k < 1 also of numerators) below
the numeric floor; a constant.
Source: design rule of the project; the log of an average is not the average of logs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ....specs.forms import Ratio, Side, Speed
from ....specs.sites import matches
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale, mean
from ..words import quantity
from . import Form, FormError, form, require_component

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Answer
    from ..evidence import Floats


@form("ratio")
class RatioForm(Form):
    """One effect against a multiple of another."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The sites of both sides, each at the side's own intervention value where it names one."""
        numerator, denominator = (refs_of(side, sweep) for side in _both(claim))
        if numerator == denominator:
            raise FormError("identical_arms", "numerator and denominator are the same effect")
        return tuple(dict.fromkeys(numerator + denominator))

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The same: the draws show the ratio that needs no explanation."""
        return self.effects(claim, sweep)

    def question(self, arm: Arm) -> Question:
        """One contrast: the log ratio."""

        numerator, denominator = _sides(arm)
        units = arm.table.logs(numerator) - arm.table.logs(denominator)
        bound = math.log(_expect(arm.claim).at_least)
        return Question(("",), units[:, None], Scale(True, "x", bound, bound))

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The log ratio, and the log ratio on the draws."""
        from ..degenerate import identical

        numerator, denominator = _sides(arm)
        effect = arm.table.logs(numerator) - arm.table.logs(denominator)
        drawn, below = (side_of(side, arm, lambda ref: arm.draws(ref, draws)) for side in _both(arm.claim))
        if identical(drawn.reshape(-1), below.reshape(-1)):
            below = denominator
        return effect, arm.table.logs(drawn) - arm.table.logs(below)

    def degenerate(self, arm: Arm) -> Fault | None:
        """Dead denominators, sides that are one measurement, constants."""
        from ..degenerate import constant, dead_denominators, identical

        (numerator, denominator), table = _sides(arm), arm.table
        fault = dead_denominators(table, denominator)
        if fault is None and _expect(arm.claim).at_least < 1:
            fault = dead_denominators(table, numerator, "numerator")
        if fault is None and identical(numerator, denominator):
            fault = Fault("identical_arms", "numerator and denominator are equal example by example: one measurement")
        return fault or constant(numerator, table) or constant(denominator, table)

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L0.mlp is 3.1x L0.operator`."""
        numerator, denominator = map(name_of, _both(claim))
        return f"{numerator} is {quantity(answer.shown(answer.value), 'x')} {denominator}"


def _expect(claim: MeasuredClaim) -> Ratio | Speed:
    assert isinstance(claim.expect, Ratio | Speed)
    return claim.expect


def _both(claim: MeasuredClaim) -> tuple[Side, Side]:
    """Numerator and denominator; of a speed whatever makes a large ratio say that the test is fast."""
    expect = _expect(claim)
    if isinstance(expect, Ratio):
        return expect.numerator, expect.denominator
    return (expect.test, expect.reference) if expect.larger == "faster" else (expect.reference, expect.test)


def _sides(arm: Arm) -> tuple[Floats, Floats]:
    numerator, denominator = (side_of(side, arm, arm.series) for side in _both(arm.claim))
    return numerator, denominator


def side_of(side: Side, arm: Arm, read: Callable[[Ref], Floats]) -> Floats:
    """Mean over the side's sites within each example."""
    return mean([read(ref) for ref in refs_of(side, arm.sweep)])


def refs_of(side: Side, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
    """The series of a side's sites.

    Raises:
        FormError: the model has no such site.
    """
    if "*" not in side.component:
        require_component(side.component, sweep)
        return (Ref(side.intervention, side.component),)
    return tuple(Ref(side.intervention, label) for label in sweep if matches(side.component, label))


def name_of(side: Side) -> str:
    """`L0 (residual_zero)`, `the mean of L*.mlp`."""
    name = f"the mean of {side.component}" if "*" in side.component else side.component
    return f"{name} ({side.intervention})" if side.intervention else name
