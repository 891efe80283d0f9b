"""engine: form `top_component`: one site has the largest typical effect of all sites of the sweep.

Estimand: for every rival, the mean over families of the mean over templates of log KL (component) - log KL
(rival), paired in each example; shown as exp of it, a factor. Unit: template in_suite, family beyond_suite.
Minimum: 30 distinct templates, 10 a family where there are several; 12 families. Default 12 families x 10
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

from ....specs.forms import TopComponent
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..words import number, quantity, several
from . import FormError, form, require_site

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ....specs.sites import Site
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

SCALE = Scale(logarithmic=True, unit="x", bound=math.log(LEAST_FACTOR), against=0.0)


@form("top_component")
class TopComponentForm:
    """A component against every rival of the sweep."""

    def effects(self, claim: MeasuredClaim, sites: tuple[Site, ...]) -> tuple[Ref, ...]:
        """Every site of the sweep."""
        require_site(_component(claim), sites)
        if len(sites) < 2:
            raise FormError("no_rivals", f"{_component(claim)} is the only component of its sweep: it has no rivals")
        return tuple(Ref(None, site.label) for site in sites)

    def controls(self, claim: MeasuredClaim, sites: tuple[Site, ...]) -> tuple[Ref, ...]:
        """The component only."""
        require_site(_component(claim), sites)
        return (Ref(None, _component(claim)),)

    def question(self, arm: Arm) -> Question:
        """One contrast a rival; it may refute where the component does not beat it on the raw mean."""
        import numpy as np

        labels, values, own = _sweep(arm)
        rivals = [i for i in range(len(labels)) if i != own]
        logs = arm.table.logs(values)
        means = arm.table.family_means(values)
        raw = np.concatenate([means.mean(axis=1, keepdims=True), means], axis=1)
        eligible = (raw[rivals] >= raw[own]) & (raw[rivals] >= LEAST_EFFECT)
        eligible[_ties(values[rivals], values[own])] = False
        units = (logs[own] - logs[rivals]).T
        return Question(tuple(labels[i] for i in rivals), units, SCALE, eligible.T)

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """Log KL of the component, and of the draws there."""
        (ref,) = self.controls(arm.claim, arm.sites)
        return arm.table.logs(arm.series(ref)), arm.table.logs(arm.draws(ref, draws))

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op, cascade, constant."""
        from ..degenerate import cascade, constant, no_op

        _, values, own = _sweep(arm)
        return no_op(arm.table, values) or cascade(values) or constant(values[own], arm.table)

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """No material effect; an exact tie; a typical and an average effect that disagree."""
        labels, values, own = _sweep(arm)
        means = arm.table.family_means(values)
        if (effect := float(means[own].mean())) < LEAST_EFFECT:
            mean = f"mean KL of {labels[own]} is {number(effect)} nats"
            return Fault("no_material_effect", f"no material effect: {mean}, under {LEAST_EFFECT}")
        rivals = [i for i in range(len(labels)) if i != own]
        if ties := [labels[rivals[i]] for i in _ties(values[rivals], values[own])]:
            return Fault("exact_tie", f"{labels[own]} and {several(ties)} give the same effect, example by example")
        leads = min(answer.p_mean, answer.p_for) < alphas.medium
        if (leads and _raw_winner(arm, answer)) or (not leads and answer.p_against_blind < alphas.refute):
            typical = labels[own] if leads else answer.adversary
            return _disagreement(typical, labels, means, arm.table.layout.families)
        return None

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L0 is 3.1x its strongest rival L1`."""
        factor = quantity(answer.shown(answer.value), "x")
        return f"{_component(claim)} is {factor} its strongest rival {answer.hardest}"

    def opposite(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3 is 0.4x L0`."""
        return f"{_component(claim)} is {quantity(answer.shown(answer.adversary_value), 'x')} {answer.adversary}"

    def negative(self, claim: MeasuredClaim) -> bool:
        """Never."""
        return False


def _component(claim: MeasuredClaim) -> str:
    assert isinstance(claim.expect, TopComponent)
    return claim.expect.component


def _sweep(arm: Arm) -> tuple[list[str], Floats, int]:
    """Labels, values (sites, n), and which of them is the component."""
    import numpy as np

    labels = [site.label for site in arm.sites]
    values = np.stack([arm.series(Ref(None, label)) for label in labels])
    return labels, values, labels.index(_component(arm.claim))


def _ties(rivals: Floats, own: Floats) -> list[int]:
    from ..degenerate import identical

    return [i for i, rival in enumerate(rivals) if identical(own, rival)]


def _raw_winner(arm: Arm, answer: Answer) -> list[int]:
    """Rivals whose raw mean exceeds the component's, each at RAW_ALPHA."""
    import numpy as np

    from ..inference import Sample

    _, values, own = _sweep(arm)
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
