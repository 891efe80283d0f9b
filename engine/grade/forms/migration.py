"""engine: form `migration`: the top component differs between models.

A claim over `top_component` claims, one a model. It holds when all of them hold and every one names another
site; its grade is the lowest of its children's. Refuted when a child is Refuted at alpha / m, or when two
children are High and name the same site. Unit and minimum n are the children's. Descriptive: it says that
two answers differ, not how a site moves.
Source: Berger & Hsu 1996 (a conjunction holds at the level of its weakest part).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....specs.forms import TopComponent
from ..question import Fault
from ..verdict import Verdict
from ..words import several
from . import form
from .composite import conjunction, place_of, refuted

if TYPE_CHECKING:
    from ....specs.claim import CompositeClaim, MeasuredClaim

    Children = Sequence[tuple[MeasuredClaim, Verdict]]


@form("migration")
class MigrationForm:
    """The conjunction of top_component claims on different models, with different answers."""

    def grade(self, claim: CompositeClaim, children: Children) -> Verdict:
        """The lowest grade of the children, unless they refute the claim."""
        if fault := _comparable(children):
            return Verdict(claim.claim, "Pending", fault.code, fault.message, explanation=_lines(claim, children))
        grade, code, reason = _decide(children)
        return conjunction(claim, children, grade, code, reason, _lines(claim, children))


def _decide(children: Children) -> tuple[str, str, str]:
    failed = [child for child, verdict in children if refuted(verdict, len(children))]
    if failed:
        first, where = failed[0], _model(failed[0])
        return "Refuted", "child_refuted", f"{first.claim} is Refuted: {_component(first)} is not on top in {where}"
    if same := _same_site(children):
        (one, its), (other, others), component = same
        if its.grade == others.grade == "High":
            return "Refuted", "same_component", f"{component} is on top in both {_model(one)} and {_model(other)}"
        return "Pending", "same_component", f"{one.claim} and {other.claim} name the same site, {component}"
    weak = [verdict for _, verdict in children if verdict.grade == "Refuted"]
    if weak:
        return "Pending", "inconclusive", f"{weak[0].claim} is Refuted, but not at alpha / {len(children)}"
    lowest = min((verdict for _, verdict in children), key=place_of)
    found = several([f"{_component(child)} in {_model(child)}" for child, _ in children])
    if lowest.grade == "High":
        return "High", "holds", f"on top: {found}; each High"
    return lowest.grade, lowest.code, f"{lowest.claim} is {lowest.grade}: {lowest.reason}"


def _comparable(children: Children) -> Fault | None:
    """Children must ask one question of different models."""
    if not all(isinstance(child.expect, TopComponent) for child, _ in children):
        return Fault("children_not_comparable", "a migration rests on top_component claims only")
    if len({_model(child) for child, _ in children}) < len(children):
        return Fault("children_not_comparable", "two of the claims are about the same model")
    first = children[0][0]
    for name in ("suite", "metric", "counterfactual"):
        if any(getattr(child, name) != getattr(first, name) for child, _ in children):
            return Fault("children_not_comparable", f"the claims differ in {name}, not only in their model")
    return None


def _same_site(children: Children) -> tuple[tuple[MeasuredClaim, Verdict], tuple[MeasuredClaim, Verdict], str] | None:
    seen: dict[str, tuple[MeasuredClaim, Verdict]] = {}
    for child in sorted(children, key=lambda child: child[1].grade != "High"):
        component = _component(child[0])
        if component in seen:
            return seen[component], child, component
        seen[component] = child
    return None


def _component(claim: MeasuredClaim) -> str:
    assert isinstance(claim.expect, TopComponent)
    return claim.expect.component


def _model(claim: MeasuredClaim) -> str:
    return claim.model if isinstance(claim.model, str) else str(claim.model.model)


def _lines(claim: CompositeClaim, children: Children) -> tuple[str, ...]:
    head = f"claim: {several([f'{_model(child)}' for child, _ in children])} have different top components"
    return (head, *(f"{verdict.grade}: {child.claim}: {verdict.reason}" for child, verdict in children))
