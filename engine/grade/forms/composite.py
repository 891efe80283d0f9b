"""engine: form `composite`: all of several claims hold.

Estimand, unit and minimum n are the children's. High, Medium: the lowest grade of the children; where each is High at
alpha, so is their conjunction, for it is false only if some child is (intersection-union, no correction).
Refuted: some child is Refuted, and at alpha / m, with m children: its p_refute, which already counts its own rivals, is
below its own alpha over m. So a conjunction that is true is refuted at most with probability alpha, however many
children there are. The verdict's p_refute is m times the least of theirs, its p_value the largest.
Pending: a child is Pending, or Refuted at alpha but not at alpha / m. Degenerate checks are the children's.
Source: Berger & Hsu 1996 (a conjunction holds at the level of its weakest part); Bonferroni for the refutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..verdict import Condition, Grade, Verdict
from . import form

if TYPE_CHECKING:
    from ....specs.claim import CompositeClaim, MeasuredClaim

    Child = tuple[MeasuredClaim, Verdict]
    Children = Sequence[Child]

LOWEST = ("Refuted", "Pending", "Medium", "High")


@form("composite")
class CompositeForm:
    """The conjunction of claims."""

    def grade(self, claim: CompositeClaim, children: Children) -> Verdict:
        """The lowest grade of the children, unless one refutes the claim."""
        return conjunction(claim, children, *_decide(children), _lines(children))


def conjunction(
    claim: CompositeClaim, children: Children, grade: str, code: str, reason: str, explanation: tuple[str, ...]
) -> Verdict:
    """A verdict with the numbers that follow from the children's."""
    verdicts = [verdict for _, verdict in children]
    return Verdict(
        claim.claim,
        grade,  # type: ignore[arg-type]
        code,
        reason,
        n_raw=sum(verdict.n_raw for verdict in verdicts),
        n_units=min(verdict.n_units for verdict in verdicts),
        p_value=_worst([verdict.p_value for verdict in verdicts]),
        p_refute=_least([verdict.p_refute for verdict in verdicts]),
        qualifiers=tuple(dict.fromkeys(word for verdict in verdicts for word in verdict.qualifiers)),
        conditions=tuple(
            Condition(child.claim, verdict.grade == "High", f"{verdict.grade}: {verdict.reason}")
            for child, verdict in children
        ),
        explanation=explanation,
    )


def refuted(verdict: Verdict, count: int) -> bool:
    """Whether one of so many children refutes their conjunction: at alpha / count."""
    if verdict.grade != "Refuted" or verdict.p_refute is None or verdict.alpha is None:
        return False
    return verdict.p_refute < verdict.alpha / count


def place_of(verdict: Verdict) -> int:
    """Where a grade stands, from the lowest."""
    return LOWEST.index(verdict.grade)


def _decide(children: Children) -> tuple[Grade, str, str]:
    for child, verdict in children:
        if refuted(verdict, len(children)):
            return "Refuted", "child_refuted", f"{child.claim} is Refuted: {verdict.reason}"
    child, lowest = min(children, key=lambda each: place_of(each[1]))
    if lowest.grade == "Refuted":
        return "Pending", "inconclusive", f"{child.claim} is Refuted, but not at alpha / {len(children)}"
    if lowest.grade == "High":
        return "High", "holds", f"all {len(children)} claims are High"
    return lowest.grade, lowest.code, f"{child.claim} is {lowest.grade}: {lowest.reason}"


def _worst(p_values: Sequence[float | None]) -> float | None:
    known = [p for p in p_values if p is not None]
    return max(known) if known and len(known) == len(p_values) else None


def _least(p_values: Sequence[float | None]) -> float | None:
    known = [p for p in p_values if p is not None]
    return min(1.0, len(p_values) * min(known)) if known else None


def _lines(children: Children) -> tuple[str, ...]:
    head = f"claim: all of {len(children)} claims hold"
    return (head, *(f"{verdict.grade}: {child.claim}: {verdict.reason}" for child, verdict in children))
