"""engine: form `rank`: one component is among the k largest typical effects of the sweep.

Estimand and contrasts are those of `top_component`: the paired log difference to every rival (a signed quantity has no
log). The claim says that at most k - 1 rivals exceed the component, whichever they are: of m rivals all but k - 1 must
be beaten. Unit, minimum n and control as there.
High: k times the k-th largest p-value of "the rival is not beaten by 1.05x" (partial conjunction, under any dependence
of the rivals; for k = 1 the largest, as in an intersection-union test).
Refuted: k rivals are better: m - k + 1 times the k-th smallest p-value, of rivals with a material effect that the
component does not beat on the raw mean. Where k rivals win on the raw mean, or typical and average effect otherwise
disagree, nothing is decided.
Degenerate: a no-op, a cascade, a constant; k or fewer components, of which one is always among the k largest.
Source: Benjamini & Heller 2008, Biometrics 64 (partial conjunction); Berger & Hsu 1996 (intersection-union).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..evidence import Ref
from ..question import Arm, Fault, Question
from ..words import quantity, several
from . import FormError, form
from .top_component import LEAST_EFFECT, TopComponentForm, logarithmic, raw_winners, swept

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas, Answer


@form("rank")
class RankForm(TopComponentForm):
    """A component against all but k - 1 rivals of the sweep."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """Every site of the sweep."""
        refs, within = super().effects(claim, sweep), claim.expect.within
        if len(sweep) <= within:
            raise FormError("no_rivals", f"the sweep has {len(sweep)} components: each is among the {within} largest")
        return refs

    def question(self, arm: Arm) -> Question:
        """One contrast a rival, of which k - 1 may fail."""
        return replace(super().question(arm), spare=arm.claim.expect.within - 1)

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """No material effect; a typical and an average effect that disagree."""
        labels, values, own = swept(arm)
        within, effect = arm.claim.expect.within, float(arm.table.family_means(values)[own].mean())
        if effect < LEAST_EFFECT:
            mean = f"the mean effect of {labels[own]} is {quantity(effect, arm.claim.metric.kind.unit)}"
            return Fault("no_material_effect", f"no material effect: {mean}, under {LEAST_EFFECT}")
        if not logarithmic(arm.claim):
            return None
        leads, winners = min(answer.p_mean, answer.p_for) < alphas.medium, raw_winners(arm, answer)
        if leads and len(winners) >= within:
            larger = several([labels[i] for i in winners])
            what = f"{labels[own]} is among the {within} by its typical effect, but {larger} exceed it on average"
            return Fault("typical_average_disagree", f"typical and average effect disagree: {what}")
        if not leads and answer.p_against_blind < alphas.refute:
            what = f"{within} rivals exceed {labels[own]} by their typical effect, but not on average"
            return Fault("typical_average_disagree", f"typical and average effect disagree: {what}")
        return None

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3 is 1.8x L7, number 3 of its rivals`."""
        return _said(claim, answer, answer.value, answer.hardest)

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3 is 0.4x L7, number 3 of its rivals`."""
        return _said(claim, answer, answer.adversary_value, answer.adversary)


def _said(claim: MeasuredClaim, answer: Answer, value: float, rival: str) -> str:
    lead, which = quantity(answer.shown(value), answer.scale.unit), f"number {claim.expect.within} of its rivals"
    if not logarithmic(claim):
        return f"{claim.expect.component} exceeds {rival}, {which}, by {lead}"
    return f"{claim.expect.component} is {lead} {rival}, {which}"
