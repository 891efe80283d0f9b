"""engine: form `migration`: the top component differs between models, suites or settings of the metric.

A claim over `top_component` claims of which each is on another model, or all on one model and each on another suite
or with other settings (another skill, another recipe); nothing else that is asked may differ. It holds when all of
them hold and every one names another site; its grade is the lowest of its children's. Refuted when a child is Refuted
at alpha / m, or when two children are High and name the same site. Unit and minimum n are the children's.
Descriptive: it says that two answers differ, not how a site moves.
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

ASKED = ("evaluator", "quantity", "sites", "counterfactual")
"""What may never differ, of a claim or of its metric."""


@form("migration")
class MigrationForm:
    """The conjunction of top_component claims that differ in one thing, with different answers."""

    def grade(self, claim: CompositeClaim, children: Children) -> Verdict:
        """The lowest grade of the children, unless they refute the claim."""
        if fault := _comparable(children):
            return Verdict(claim.claim, "Pending", fault.code, fault.message, explanation=_lines(claim, children))
        grade, code, reason = _decide(children)
        return conjunction(claim, children, grade, code, reason, _lines(claim, children))


def _decide(children: Children) -> tuple[str, str, str]:
    failed = [child for child, verdict in children if refuted(verdict, len(children))]
    if failed:
        first, where = failed[0], _places(children)[failed[0].claim]
        return "Refuted", "child_refuted", f"{first.claim} is Refuted: {_component(first)} is not on top {where}"
    if same := _same_site(children):
        (one, its), (other, others), component = same
        if its.grade == others.grade == "High":
            here, there = (_places(children)[each.claim] for each in (one, other))
            return "Refuted", "same_component", f"{component} is on top both {here} and {there}"
        return "Pending", "same_component", f"{one.claim} and {other.claim} name the same site, {component}"
    weak = [verdict for _, verdict in children if verdict.grade == "Refuted"]
    if weak:
        return "Pending", "inconclusive", f"{weak[0].claim} is Refuted, but not at alpha / {len(children)}"
    lowest = min((verdict for _, verdict in children), key=place_of)
    found = several([f"{_component(child)} {_places(children)[child.claim]}" for child, _ in children])
    if lowest.grade == "High":
        return "High", "holds", f"on top: {found}; each High"
    return lowest.grade, lowest.code, f"{lowest.claim} is {lowest.grade}: {lowest.reason}"


def _comparable(children: Children) -> Fault | None:
    """Children must ask one question of different models, on different suites, or with other settings of a metric."""
    if not all(isinstance(child.expect, TopComponent) for child, _ in children):
        return Fault("children_not_comparable", "a migration rests on top_component claims only")
    several_models = len(_kinds(children, "model")) > 1
    fixed = (*ASKED, "suite", "metric") if several_models else ASKED
    if differing := [name for name in fixed if len(_kinds(children, name)) > 1]:
        return Fault("children_not_comparable", f"the claims differ in {differing[0]}, too")
    one = ("model",) if several_models else ("suite", "metric")
    if len(_kinds(children, *one)) < len(children):
        return Fault("children_not_comparable", f"two of the claims are about the same {' and '.join(one)}")
    return None


def _kinds(children: Children, *names: str) -> list[object]:
    """The different values of some fields of the claims or of their metrics."""
    kinds: list[object] = []
    for child, _ in children:
        parts = [child if name in type(child).model_fields else child.metric for name in names]
        value = [getattr(part, name, None) for part, name in zip(parts, names, strict=True)]
        if value not in kinds:
            kinds.append(value)
    return kinds


def _places(children: Children) -> dict[str, str]:
    """Claim -> where its component is on top: `in pocket-qwen`, `on narrow-4`, or by its id."""
    if len(_kinds(children, "model")) > 1:
        return {child.claim: f"in {_model(child)}" for child, _ in children}
    suites = {child.claim: child.suite for child, _ in children if isinstance(child.suite, str)}
    if len({*suites.values()}) == len(children):
        return {claim: f"on {suite}" for claim, suite in suites.items()}
    return {child.claim: f"in {child.claim}" for child, _ in children}


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
    head = f"claim: different components are on top {several(list(_places(children).values()))}"
    return (head, *(f"{verdict.grade}: {child.claim}: {verdict.reason}" for child, verdict in children))
