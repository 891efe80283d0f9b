"""engine: form `rank_stability`: two interventions put the components of a sweep in about the same order.

Estimand: the mean over families of the mean over templates of Spearman's rank correlation, within each example, of the
components' effects under one intervention and under another. Ties share their mean rank; effects under the numeric
floor are ties. Unit: template in_suite, family beyond_suite. Minimum: 30 distinct templates, 10 a family where there
are several; 12 families; 4 components.
Control: the same correlation where draws take the place of the first intervention.
Degenerate: fewer than 4 components; all of them tied in most examples; two orders that are one measurement.
Source: Spearman 1904; Zhang & Nanda, arXiv 2309.16042 (conclusions that depend on the intervention's value).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....specs.forms import RankStability
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..words import number
from . import Form, FormError, form

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Answer
    from ..evidence import Floats

LEAST_COMPONENTS = 4

MOST_TIED = 0.5
"""Share of examples in which all components may be tied."""


@form("rank_stability")
class RankStabilityForm(Form):
    """The order of the components under one intervention, against that under another."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """Every component, under the arm's intervention and under the other one."""
        if len(sweep) < LEAST_COMPONENTS:
            raise FormError("too_few_components", f"an order needs {LEAST_COMPONENTS} components, not {len(sweep)}")
        against = _expect(claim).against
        return tuple(Ref(value, label) for value in (None, against) for label in sweep)

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """Every component, under the arm's intervention."""
        return tuple(Ref(None, label) for label in sweep)

    def question(self, arm: Arm) -> Question:
        """One contrast: the rank correlation."""

        units = arm.table.template_means(_correlation(arm, _values(arm, None)))
        bound = _expect(arm.claim).at_least
        return Question(("",), units[:, None], Scale(False, "", bound, bound))

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The correlation, and that of each draw's effects with the other intervention's."""
        import numpy as np

        means, own = arm.table.template_means, _correlation(arm, _values(arm, None))
        drawn = np.stack([arm.draws(Ref(None, label), draws) for label in arm.sweep])
        each = [means(_correlation(arm, drawn[:, i])) for i in range(len(draws))]
        return means(own), np.stack(each)

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op, ties, one measurement twice."""
        import numpy as np

        from ..degenerate import identical, no_op

        own, other = _values(arm, None), _values(arm, _expect(arm.claim).against)
        if fault := no_op(arm.table, own) or no_op(arm.table, other):
            return fault
        if identical(own.reshape(-1), other.reshape(-1)):
            return Fault("identical_arms", "the two interventions give equal effects, example by example")
        tied = float((np.ptp(_floored(arm, own), axis=0) == 0).mean())
        if tied > MOST_TIED:
            return Fault("all_tied", f"in {100 * tied:.0f}% of the examples no component does anything")
        return None

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`the orders under zero and mean correlate at 0.83`."""
        values = f"{claim.counterfactual.intervention} and {_expect(claim).against}"
        return f"the orders under {values} correlate at {number(answer.shown(answer.value))}"


def _expect(claim: MeasuredClaim) -> RankStability:
    assert isinstance(claim.expect, RankStability)
    return claim.expect


def _values(arm: Arm, intervention: str | None) -> Floats:
    """Effects of all components, (components, n)."""
    import numpy as np

    return np.stack([arm.series(Ref(intervention, label)) for label in arm.sweep])


def _floored(arm: Arm, values: Floats) -> Floats:
    import numpy as np

    return np.where(np.abs(values) <= arm.table.numeric_floor, 0.0, values)


def _correlation(arm: Arm, own: Floats) -> Floats:
    """Spearman's correlation of effects (components, n) with the other intervention's, (n,); 0 where all are tied."""
    import numpy as np

    ranks = [_ranks(_floored(arm, values)) for values in (own, _values(arm, _expect(arm.claim).against))]
    one, other = (rank - rank.mean(axis=0) for rank in ranks)
    spread = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    return np.asarray(np.divide((one * other).sum(axis=0), spread, out=np.zeros_like(spread), where=spread > 0))


def _ranks(values: Floats) -> Floats:
    """Mean ranks of the components (components, n) in each example."""
    import numpy as np

    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    return np.asarray(below + (equal - 1) / 2, dtype=float)
