"""engine: form `interaction`: what several components do together, against k times the sum of what each does.

Estimand: the mean over families of the mean over templates of log KL (together) - log (KL (first) + KL (second) + ...),
both floored and paired in each example; shown as exp of it, a factor. Above 1 the components stand in for each other
(back-up, super-additive), below 1 they do one thing one after the other (sub-additive). The bound is at least k or at
most k. Unit: template in_suite, family beyond_suite. Minimum: 30 distinct templates, 10 a family where there are
several; 12 families. Default as for threshold.
Control: the same factor on control draws at all of these places. KL grows with the square of a small disturbance, so
that even noise at several sites at once does more than the sum; k says nothing of that, the control does.
Degenerate: > 10 % of the sums ("at most": also of the joint effects) below the numeric floor; the joint effect is the
sum, example by example; constants.
Source: design rule of the project, as for ratio; McGrath et al., arXiv 2307.15771 (back-up, the Hydra effect).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ....specs.forms import Interaction
from ....specs.sites import Component, parse_component
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..words import quantity
from . import Form, FormError, form, require_component

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Answer
    from ..evidence import Floats


@form("interaction")
class InteractionForm(Form):
    """A joint effect against a multiple of the sum of single effects."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The components together, and each alone."""
        if claim.metric.kind.scale != "log":
            what = f"{claim.metric.quantity} can be negative: an interaction compares on the log scale and needs a KL"
            raise FormError("needs_log_scale", what)
        for component in _expect(claim).components:
            require_component(component, sweep)
        return (Ref(None, _together(claim)), *_alone(claim))

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The same: the draws show the factor that needs no explanation."""
        return self.effects(claim, sweep)

    def question(self, arm: Arm) -> Question:
        """One contrast: the log factor."""

        joint, total = _sides(arm, arm.series)
        units = arm.table.logs(joint) - arm.table.logs(total)
        return Question(("",), units[:, None], _scale(arm.claim))

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The log factor, and that of the draws."""
        joint, total = _sides(arm, arm.series)
        drawn, below = _sides(arm, lambda ref: arm.draws(ref, draws))
        return arm.table.logs(joint) - arm.table.logs(total), arm.table.logs(drawn) - arm.table.logs(below)

    def degenerate(self, arm: Arm) -> Fault | None:
        """Dead sums, a joint effect that is the sum, constants."""
        from ..degenerate import constant, dead_denominators, identical

        (joint, total), table = _sides(arm, arm.series), arm.table
        fault = dead_denominators(table, total)
        if fault is None and _expect(arm.claim).at_most is not None:
            fault = dead_denominators(table, joint, "numerator")
        if fault is None and identical(joint, total):
            fault = Fault("identical_arms", "the joint effect is the sum of the others example by example")
        return fault or constant(joint, table) or constant(total, table)

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L1+L3 is 3.1x the sum of L1 and L3 alone`."""
        names = " and ".join(_expect(claim).components)
        return f"{_together(claim)} is {quantity(answer.shown(answer.value), 'x')} the sum of {names} alone"

    def negative(self, claim: MeasuredClaim) -> bool:
        """Never: less than the sum is a finding too."""
        return False


def _expect(claim: MeasuredClaim) -> Interaction:
    assert isinstance(claim.expect, Interaction)
    return claim.expect


def _together(claim: MeasuredClaim) -> str:
    """`L1+L3@last`: its sites in the order in which a sweep of several at once names them."""
    parts = [parse_component(component) for component in _expect(claim).components]
    if len({part.positions for part in parts}) > 1:
        raise FormError("different_positions", "components that are intervened on together share their positions")
    sites = sorted((site for part in parts for site in part.sites), key=lambda site: (site.layer, site.head or 0))
    return Component(tuple(sites), parts[0].positions).label


def _alone(claim: MeasuredClaim) -> tuple[Ref, ...]:
    return tuple(Ref(None, component) for component in _expect(claim).components)


def _sides(arm: Arm, read: Callable[[Ref], Floats]) -> tuple[Floats, Floats]:
    """The joint effect and the sum of the single ones, within each example."""
    first, *others = (read(ref) for ref in _alone(arm.claim))
    return read(Ref(None, _together(arm.claim))), sum(others, first)


def _scale(claim: MeasuredClaim) -> Scale:
    expect = _expect(claim)
    k = expect.at_most if expect.at_least is None else expect.at_least
    assert k is not None
    return Scale(True, "x", math.log(k), math.log(k), -1 if expect.at_least is None else 1)
