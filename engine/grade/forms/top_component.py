"""engine: form `top_component`: one site has the largest typical effect of all sites of the sweep.

Estimand: for every rival, the mean over families of the mean over templates of log KL (component) - log KL
(rival), paired in each example; shown as exp of it, a factor. A signed quantity, and a share's numerator, has no
log: there the difference itself, in the quantity's unit, must exceed zero. Unit: template in_suite, family
beyond_suite. Minimum: 30 distinct templates, 10 a family where there are several; 12 families. Default 12 families x 10
templates for layers and MLPs, x 30 for operators.
High: the lower bound of every difference exceeds log 1.05 (intersection-union: no correction is due).
Refuted: a rival is better, corrected for the number of rivals, has a material effect, and the component
does not beat it on the raw mean. Where typical (mean log) and average (raw mean) effect name different
winners, nothing is decided: a few families carry the average.
Control: draws at the component. Degenerate: a no-op, a cascade, a constant, a model with a single component.
Source: Berger & Hsu 1996 (intersection-union); design rule of the project.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..words import quantity, several
from . import Form, FormError, form, require_component

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas, Answer
    from ..evidence import Floats

LEAST_FACTOR = 1.05
"""By which the component must lead every rival."""

LEAST_EFFECT = 0.01
"""nats: a mean KL below this is no material effect."""

RAW_ALPHA = 0.05
"""At which a rival that wins on the raw mean blocks the claim."""

MOST_OF_IT = 0.8
"""Share of an average that names the families that carry it."""

FACTOR = Scale(logarithmic=True, unit="x", bound=math.log(LEAST_FACTOR), against=0.0)


@form("top_component")
class TopComponentForm(Form):
    """A component against every rival of the sweep."""

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """Every site of the sweep."""
        require_component(_component(claim), sweep)
        if len(sweep) < 2:
            raise FormError("no_rivals", f"{_component(claim)} is the only component of its sweep: it has no rivals")
        return tuple(Ref(None, label) for label in sweep)

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The component only."""
        require_component(_component(claim), sweep)
        return (Ref(None, _component(claim)),)

    def question(self, arm: Arm) -> Question:
        """One contrast a rival; it may refute where the component does not beat it on the raw mean."""
        import numpy as np

        labels, values, own = swept(arm)
        rivals = [i for i in range(len(labels)) if i != own]
        typical = arm.typical(values)
        means = arm.table.family_means(values)
        raw = np.concatenate([means.mean(axis=1, keepdims=True), means], axis=1)
        eligible = (raw[rivals] >= raw[own]) & (raw[rivals] >= LEAST_EFFECT)
        eligible[_ties(values[rivals], values[own])] = False
        units = (typical[own] - typical[rivals]).T
        return Question(tuple(labels[i] for i in rivals), units, _scale(arm.claim), eligible.T)

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The component's effect, and the draws' there; a KL's logarithm."""
        (ref,) = self.controls(arm.claim, arm.sweep)
        return arm.typical(arm.series(ref)), arm.typical(arm.draws(ref, draws))

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op, cascade, constant."""
        from ..degenerate import cascade, constant, no_op

        _, values, own = swept(arm)
        return no_op(arm.table, values) or cascade(values) or constant(values[own], arm.table)

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """No material effect; an exact tie; a typical and an average effect that disagree."""
        labels, values, own = swept(arm)
        means = arm.table.family_means(values)
        if (effect := float(means[own].mean())) < LEAST_EFFECT:
            name = "KL" if arm.claim.metric.quantity == "kl" else arm.claim.metric.quantity.replace("_", " ")
            mean = f"mean {name} of {labels[own]} is {quantity(effect, arm.claim.metric.kind.unit)}"
            return Fault("no_material_effect", f"no material effect: {mean}, under {LEAST_EFFECT}")
        rivals = [i for i in range(len(labels)) if i != own]
        if ties := [labels[rivals[i]] for i in _ties(values[rivals], values[own])]:
            return Fault("exact_tie", f"{labels[own]} and {several(ties)} give the same effect, example by example")
        if not logarithmic(arm.claim):
            return None
        leads = min(answer.p_mean, answer.p_for) < alphas.medium
        if (leads and raw_winners(arm, answer)) or (not leads and answer.p_against_blind < alphas.refute):
            typical = labels[own] if leads else answer.adversary
            return _disagreement(typical, labels, means, arm.table.layout.families)
        return None

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L0 is 3.1x its strongest rival L1`, `L0 exceeds its strongest rival L1 by 0.4 logits`."""
        lead = quantity(answer.shown(answer.value), answer.scale.unit)
        if not logarithmic(claim):
            return f"{_component(claim)} exceeds its strongest rival {answer.hardest} by {lead}"
        return f"{_component(claim)} is {lead} its strongest rival {answer.hardest}"

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3 is 0.4x L0`, `L3 exceeds L0 by -0.2 logits`."""
        lead = quantity(answer.shown(answer.adversary_value), answer.scale.unit)
        if not logarithmic(claim):
            return f"{_component(claim)} exceeds {answer.adversary} by {lead}"
        return f"{_component(claim)} is {lead} {answer.adversary}"


def _component(claim: MeasuredClaim) -> str:
    return str(claim.expect.component)


def logarithmic(claim: MeasuredClaim) -> bool:
    """Whether effects are compared by their logs."""
    return bool(claim.metric.kind.scale == "log")


def _scale(claim: MeasuredClaim) -> Scale:
    return FACTOR if logarithmic(claim) else Scale(False, claim.metric.kind.unit, 0.0, 0.0)


def swept(arm: Arm) -> tuple[list[str], Floats, int]:
    """Labels, values (sites, n), and which of them is the component."""
    import numpy as np

    labels = list(arm.sweep)
    values = np.stack([arm.series(Ref(None, label)) for label in labels])
    return labels, values, labels.index(_component(arm.claim))


def _ties(rivals: Floats, own: Floats) -> list[int]:
    from ..degenerate import identical

    return [i for i, rival in enumerate(rivals) if identical(own, rival)]


def raw_winners(arm: Arm, answer: Answer) -> list[int]:
    """Rivals whose raw mean exceeds the component's, each at RAW_ALPHA."""
    import numpy as np

    from ..inference import Sample

    _, values, own = swept(arm)
    raw = arm.table.template_means(values)
    sample = Sample((raw - raw[own]).T, arm.table.layout)
    p_values = (sample.between if answer.beyond else sample.within).below(0.0)
    return [int(i) for i in np.flatnonzero(p_values < RAW_ALPHA) if i != own]


def _disagreement(typical: str, labels: list[str], means: Floats, families: tuple[str, ...]) -> Fault:
    """Who wins what, and which families (at most three) carry the average; `means` is (sites, families)."""
    import numpy as np

    average = int(np.argmax(means.mean(axis=1)))
    shares = means[average] / means[average].sum()
    order = np.argsort(-shares, kind="stable")[:3]
    carriers = order[: 1 + int(np.searchsorted(np.cumsum(shares[order]), MOST_OF_IT))]
    carry = f"{several([families[i] for i in carriers])} carr{'ies' if len(carriers) == 1 else 'y'}"
    return Fault(
        "typical_average_disagree",
        f"typical and average effect disagree: {typical} has the largest typical effect, {labels[average]} the largest "
        f"average, of which {carry} {100 * shares[carriers].sum():.0f}%",
    )
