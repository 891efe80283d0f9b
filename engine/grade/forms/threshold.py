"""engine: form `threshold`: a site's typical effect is at least, or at most, a stated size.

Estimand: KL on the log scale: the mean over families of the mean over templates of the mean log KL of a
template's examples (floored); shown as exp of it, the typical KL in nats. The signed quantities
(target_logprob_drop in nats, logit_diff_drop in logits) have no log: their plain mean, on their own scale.
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
from ..words import quantity
from . import form, require_site

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ....specs.sites import Site
    from ..answer import Alphas, Answer
    from ..evidence import Floats

UNITS = {"kl": "nats", "target_logprob_drop": "nats", "logit_diff_drop": "logits"}


@form("threshold")
class ThresholdForm:
    """A site's typical effect against a bound."""

    def effects(self, claim: MeasuredClaim, sites: tuple[Site, ...]) -> tuple[Ref, ...]:
        """The site itself."""
        require_site(_expect(claim).component, sites)
        return (Ref(None, _expect(claim).component),)

    def controls(self, claim: MeasuredClaim, sites: tuple[Site, ...]) -> tuple[Ref, ...]:
        """The same."""
        return self.effects(claim, sites)

    def question(self, arm: Arm) -> Question:
        """One contrast: the site's effect."""
        import numpy as np

        units = _units(arm, arm.series(_ref(arm)))
        eligible = np.ones((1 + len(arm.table.layout.families), 1), dtype=bool)
        return Question(("",), units[:, None], _scale(arm.claim), eligible)

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The site's effect and the draws' at the site."""
        return _units(arm, arm.series(_ref(arm))), _units(arm, arm.draws(_ref(arm), draws))

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op (unless the control moves the site), constant, or a bound that cannot be told from the floor."""
        from ..degenerate import constant, no_op

        values, table, scale = arm.series(_ref(arm)), arm.table, _scale(arm.claim)
        if scale.logarithmic and math.exp(scale.bound) <= table.log_floor:
            return Fault(
                "bound_below_floor",
                f"the bound {scale.shown(scale.bound):.2g} nats is not above the floor {table.log_floor:.2g} nats, "
                "under which effects are not told apart",
            )
        silent = None if table.moved_by_control(_ref(arm).site) else no_op(table, values)
        return silent or constant(values, table)

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """Nothing else."""
        return None

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3: typical KL 0.21 nats`."""
        name = "KL" if claim.metric.quantity == "kl" else claim.metric.quantity.replace("_", " ")
        kind = "typical" if answer.scale.logarithmic else "mean"
        return f"{_expect(claim).component}: {kind} {name} {quantity(answer.shown(answer.value), answer.scale.unit)}"

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """The same."""
        return self.finding(claim, answer)

    def negative(self, claim: MeasuredClaim) -> bool:
        """An effect of at most so much."""
        return _expect(claim).at_most is not None


def _expect(claim: MeasuredClaim) -> Threshold:
    assert isinstance(claim.expect, Threshold)
    return claim.expect


def _ref(arm: Arm) -> Ref:
    return Ref(None, _expect(arm.claim).component)


def _units(arm: Arm, values: Floats) -> Floats:
    return arm.table.logs(values) if _scale(arm.claim).logarithmic else arm.table.template_means(values)


def _scale(claim: MeasuredClaim) -> Scale:
    expect, name = _expect(claim), claim.metric.quantity
    limit = expect.at_least if expect.at_least is not None else expect.at_most
    assert limit is not None
    bound = math.log(limit) if name == "kl" else limit
    return Scale(name == "kl", UNITS.get(name, ""), bound, bound, 1 if expect.at_most is None else -1)
