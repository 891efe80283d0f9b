"""engine: form `threshold`: a site's typical effect is at least, or at most, a stated size.

Estimand: KL on the log scale: the mean over families of the mean over templates of the mean log KL of a
template's examples (floored); shown as exp of it, the typical KL in nats. The signed quantities
(target_logprob_drop in nats, logit_diff_drop in logits) have no log: their plain mean, on their own scale. A share
(a recovery) is a ratio of means a / b: a / b > theta is tested as a - theta b > 0, template by template (Fieller),
and shown as theta + (a - theta b) / b; where b is not clearly above zero it means nothing.
Unit: template in_suite, family beyond_suite. Minimum: 30 distinct templates, 10 a family where there are
several; 12 families. Default 12 families x 10 templates; operators x 30.
"At most" is the mirror image of "at least", and so is its control: there the draws must exceed the effect.
Degenerate: nothing moves at the site, not even under the control; a constant; a bound on KL under the log floor.
Source: design rule of the project, "typical effect"; Miller, arXiv 2411.00640 (clustered standard errors).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....specs.forms import Threshold
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..words import component, quantity
from . import Form, form, require_component

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Answer
    from ..evidence import Floats

SURE_ALPHA = 0.001
"""At which the mean of what a share is a share of must exceed zero."""


LEAST_EVENTS = 10
"""Templates with an event, and without: fewer, and their mean is no number with a normal error."""


@form("threshold")
class ThresholdForm(Form):
    """A site's typical effect against a bound."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The site itself."""
        require_component(_expect(claim).component, sweep)
        return (Ref(None, _expect(claim).component),)

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The same."""
        return self.effects(claim, sweep)

    def question(self, arm: Arm) -> Question:
        """One contrast: the site's effect."""

        units = arm.typical(_series(arm))
        return Question(("",), units[:, None], _scale(arm))

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The site's effect and the draws' at the site."""
        effect, drawn = arm.series(_ref(arm)), arm.draws(_ref(arm), draws)
        return arm.typical(effect), arm.typical(drawn)

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op (unless the control moves the site), constant, or a bound that cannot be told from the floor."""
        from ..degenerate import constant, no_op

        if fault := _meaningless_share(arm):
            return fault
        values, table, scale = arm.series(_ref(arm)), arm.table, _scale(arm)
        if scale.logarithmic and math.exp(scale.bound) <= table.log_floor:
            return Fault(
                "bound_below_floor",
                f"the bound {scale.shown(scale.bound):.2g} nats is not above the floor {table.log_floor:.2g} nats, "
                "under which effects are not told apart",
            )
        if fault := _too_few_events(arm, values):
            return fault
        acts = arm.claim.metric.judging is None
        silent = no_op(table, values) if acts and not table.moved_by_control(_ref(arm).site) else None
        return silent or constant(values, table)

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3: typical KL 0.21 nats`."""
        name = "KL" if claim.metric.quantity == "kl" else claim.metric.quantity.replace("_", " ")
        kind = {"log": "typical ", "linear": "mean ", "share": ""}[claim.metric.kind.scale]
        value = quantity(answer.shown(answer.value), answer.scale.unit)
        return f"{component(_expect(claim).component)}: {kind}{name} {value}"

    def negative(self, claim: MeasuredClaim) -> bool:
        """An effect of at most so much."""
        return _expect(claim).at_most is not None


def _too_few_events(arm: Arm, values: Floats) -> Fault | None:
    """Counts of which so few differ that their spread says nothing: t needs some on either side."""
    import numpy as np

    kind = arm.claim.metric.kind
    if kind.unit or kind.scale != "linear" or not np.isin(values, (-1.0, 0.0, 1.0)).all():
        return None
    happens = arm.table.template_means(np.abs(values)) > 0
    rarer = int(min(happens.sum(), (~happens).sum()))
    if rarer >= LEAST_EVENTS:
        return None
    what = f"{arm.claim.metric.quantity} is 0 or 1, and only {rarer} of {len(happens)} templates differ from the others"
    return Fault("too_few_events", f"{what}; needs {LEAST_EVENTS}, or form null or proportion, which count exactly")


def _expect(claim: MeasuredClaim) -> Threshold:
    assert isinstance(claim.expect, Threshold)
    return claim.expect


def _ref(arm: Arm) -> Ref:
    return Ref(None, _expect(arm.claim).component)


def _series(arm: Arm) -> Floats:
    """The site's effect; of a share what of it exceeds the bound."""
    values = arm.series(_ref(arm))
    if arm.claim.metric.kind.scale != "share":
        return values
    return values - _limit(arm.claim) * arm.denominators(_ref(arm))


def _limit(claim: MeasuredClaim) -> float:
    expect = _expect(claim)
    limit = expect.at_least if expect.at_least is not None else expect.at_most
    assert limit is not None
    return limit


def _scale(arm: Arm) -> Scale:
    claim, kind = arm.claim, arm.claim.metric.kind
    limit, sign = _limit(claim), 1 if _expect(claim).at_most is None else -1
    if kind.scale == "share":
        whole = float(arm.table.family_means(arm.denominators(_ref(arm))).mean())
        return Scale(False, kind.unit, 0.0, 0.0, sign, origin=limit, per=whole)
    bound = math.log(limit) if kind.scale == "log" else limit
    return Scale(kind.scale == "log", kind.unit, bound, bound, sign)


def _meaningless_share(arm: Arm) -> Fault | None:
    if arm.claim.metric.kind.scale != "share":
        return None
    from ..inference import Sample

    whole = Sample(arm.table.template_means(arm.denominators(_ref(arm)))[:, None], arm.table.layout)
    if float(whole.within.below(0.0)[0]) < SURE_ALPHA:
        return None
    mean = float(whole.within.value[0])
    what = f"{arm.claim.metric.quantity} is a share of a mean of {mean:.2g}, which is not clearly above zero"
    return Fault("denominator_in_noise", f"{what}: it is not evaluated")
