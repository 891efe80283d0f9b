"""engine: form `proportion`: the rate of an event is at least, or at most, a stated share.

Estimand: the share of templates in which a quantity that is 0 or 1 in each example is 1. A value of -1 (a drop that
is a gain) is no event and offsets none. Unit: in_suite the distinct template, a template of several prompts counted
at its worst for the claim (`rates`); beyond_suite the template too, of which a family's many count as few (ICC >= .3),
and the rate is that over new families. Minimum: 30 distinct templates, 10 a family where there are several; beyond
the suite 12 families, and as many as an ICC of .3 leaves any hope with: 32 for a rate of .05. The exact limits do the
rest: "at most .05" is High from 104 templates without an event. Beyond the suite Medium at most: where families are
more alike within than an ICC of .3 (simulated: .8), a false claim would be High in 3.6 % of cases.
High, Medium and Refuted: Clopper-Pearson limits. Control: the rate of the draws, as for `threshold`; for "at most" the
event must happen clearly more often there, or else nothing shows that it could.
Degenerate: values other than 0, 1, -1; for "at least", a site at which nothing happens, not even under the control.
Source: Clopper & Pearson 1934; Hoeffding 1956 (unequal rates); Korn & Graubard 1998 (clusters).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..verdict import Condition
from ..words import number
from . import Form, FormError, form, require_component

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas, Answer
    from ..evidence import Floats


@form("proportion")
class ProportionForm(Form):
    """The rate of an event at a site against a bound."""

    COUNTS = True

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The site itself."""
        quantity, kind = claim.metric.quantity, claim.metric.kind
        if kind.scale != "linear" or kind.unit:
            raise FormError(
                "not_a_rate",
                f"{quantity} is a size, not 0 or 1 in each example: form {claim.expect.form} counts events, such as "
                "top1_change, exact_match_drop or flipped; for sizes there is form threshold",
            )
        require_component(claim.expect.component, sweep)
        return (Ref(None, claim.expect.component),)

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The same."""
        return self.effects(claim, sweep)

    def question(self, arm: Arm) -> Question:
        """One contrast: the rate in each template."""

        units = arm.table.template_means(_events(arm.series(_ref(arm))))
        return Question(("",), units[:, None], _scale(arm.claim))

    def answer(self, arm: Arm, beyond: bool, alphas: Alphas) -> Answer:
        """Counts of templates, and their exact limits."""
        from ..rates import rate_answer

        return rate_answer(_events(arm.series(_ref(arm))), arm.table, _scale(arm.claim), beyond, alphas)

    def conditions(self, arm: Arm, alphas: Alphas) -> Iterator[Condition]:
        """In the suite; beyond it the true correlation within families may be far above what twelve of them show."""
        beyond = arm.claim.expect.scope == "beyond_suite"
        what = "families could be more alike within than these show: a rate beyond the suite is Medium at most"
        yield Condition("scope", not beyond, what if beyond else "in the suite")

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The rate in each template, and the draws'."""
        means, drawn = arm.table.template_means, arm.draws(_ref(arm), draws)
        return means(_events(arm.series(_ref(arm)))), means(_events(drawn))

    def degenerate(self, arm: Arm) -> Fault | None:
        """Values that are no counts; too few families; for "at least", a site at which nothing happens."""
        import numpy as np

        from ..degenerate import no_op

        values = arm.series(_ref(arm))
        if not np.isin(values, (-1.0, 0.0, 1.0)).all():
            odd = float(values[~np.isin(values, (-1.0, 0.0, 1.0))][0])
            return Fault("not_a_rate", f"{arm.claim.metric.quantity} is not 0 or 1 in each example, but also {odd:.6g}")
        if fault := _too_few_families(arm):
            return fault
        acts = arm.claim.metric.judging is None
        if _scale(arm.claim).sign < 0 or not acts or arm.table.moved_by_control(_ref(arm).site):
            return None
        return no_op(arm.table, values)

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3: top1_change in 2 of 120 templates (a rate of 0.017)`."""
        return _said(claim, answer, against=False)

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """The same, of the count that speaks most for the claim."""
        return _said(claim, answer, against=True)

    def negative(self, claim: MeasuredClaim) -> bool:
        """A rate of at most so much."""
        return _scale(claim).sign < 0


def _ref(arm: Arm) -> Ref:
    return Ref(None, arm.claim.expect.component)


def _events(values: Floats) -> Floats:
    import numpy as np

    return np.asarray(values > 0, dtype=float)


def _scale(claim: MeasuredClaim) -> Scale:
    least = getattr(claim.expect, "at_least", None)
    bound = claim.expect.at_most if least is None else least
    return Scale(False, "", bound, bound, -1 if least is None else 1)


def _too_few_families(arm: Arm) -> Fault | None:
    from ..rates import least_families

    if arm.claim.expect.scope != "beyond_suite":
        return None
    scale = _scale(arm.claim)
    share = scale.bound if scale.sign < 0 else 1 - scale.bound
    wanted, has = least_families(share, 1 - arm.claim.threshold.high), len(arm.table.layout.families)
    if has >= wanted:
        return None
    return Fault("too_few_units", f"needs n = {wanted} families for a rate of {number(scale.bound)}; has {has}")


def _said(claim: MeasuredClaim, answer: Answer, against: bool) -> str:
    from ..rates import RateAnswer

    assert isinstance(answer, RateAnswer)
    count = answer.count_against if against else answer.count
    rate = abs(answer.adversary_value if against else answer.value)
    differ = answer.count != answer.count_against
    each = "" if not differ else ", in any of its prompts" if (answer.scale.sign < 0) != against else ", in all prompts"
    worth = f"; with an ICC of {number(answer.icc)} they count as {math.floor(answer.effective)}" if answer.icc else ""
    return (
        f"{claim.expect.component}: {claim.metric.quantity} in {count} of {answer.trials} templates{each} "
        f"(a rate of {number(rate)}{worth})"
    )
