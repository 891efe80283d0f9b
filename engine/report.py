"""engine: the claims table: one row a claim; the same ledger gives the same rows in the same order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..specs.load import LoadedClaim
from .accepted import RANK
from .errors import UsageError
from .grade import Verdict, benjamini_hochberg
from .select import model_name

GRADES = ("High", "Medium", "Refuted", "Pending")
NOT_AUDITED = "not audited"
NEGATIVE = "negative result"
SAME, HIGHER, LOWER, OPEN = "as published", "higher", "lower", "not decided"

Links = Callable[[str], str]
"""Claim -> where its details are."""


@dataclass(frozen=True)
class Row:
    """One line of the claims table."""

    claim: str
    statement: str
    grade: str
    """With its qualifiers: `High (for JSON)`."""
    evidence: str
    """The reason, in one line, with numbers and interval."""
    q: float | None
    """Benjamini-Hochberg q over the claims that were asked for; it does not enter the grade."""
    published: str
    """What was said before this audit; empty where nothing was."""
    source: str
    changed: str
    """The grade against the published one: as published, higher, lower, not decided; empty where none was."""
    model: str
    """Empty for a claim over other claims."""
    tags: tuple[str, ...]
    details: str
    """Where to read on."""

    @property
    def bare(self) -> str:
        """The grade without its qualifiers."""
        return self.grade.partition(" (")[0]


def page_of(claim: str) -> str:
    """A claim's page in a report."""
    return f"claims/{claim}.html"


def rows(claims: Mapping[str, LoadedClaim], verdicts: Mapping[str, Verdict], links: Links = page_of) -> list[Row]:
    """The rows of some claims, in the order of their ids."""
    tested = [name for name in claims if name in verdicts and verdicts[name].p_value is not None]
    q_values = benjamini_hochberg([float(verdicts[name].p_value or 0.0) for name in tested])
    q = dict(zip(tested, q_values, strict=True))
    return [_row(name, loaded, verdicts.get(name), q.get(name), links) for name, loaded in sorted(claims.items())]


def file_links(claims: Mapping[str, LoadedClaim], root: Path) -> Links:
    """Details are the claim's own file, as version control knows it; or its name alone, outside the workspace."""

    def link(claim: str) -> str:
        path = claims[claim].path
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name

    return link


def page_links(prefix: str) -> Links:
    """Details are the claim's page in a report at an address or folder."""
    return lambda claim: f"{prefix.rstrip('/')}/{page_of(claim)}" if prefix else page_of(claim)


def narrowed(table: Iterable[Row], grades: Sequence[str] = (), changed: bool = False) -> list[Row]:
    """The rows of some grades; with `changed` those whose grade is not the published one.

    Raises:
        UsageError: there is no such grade.
    """
    known = {grade.lower(): grade for grade in (*GRADES, NOT_AUDITED)}
    for grade in grades:
        if grade.lower() not in known:
            raise UsageError(f"`{grade}` is no grade; there are {', '.join(known.values())}")
    wanted = {known[grade.lower()] for grade in grades}
    return [
        row for row in table if (not wanted or row.bare in wanted) and (not changed or row.changed not in ("", SAME))
    ]


ORDERS: Mapping[str, Callable[[Row], Any]] = {
    "claim": lambda row: row.claim,
    "grade": lambda row: ((*GRADES, NOT_AUDITED).index(row.bare), row.claim),
    "model": lambda row: (row.model == "", row.model, row.claim),
    "q": lambda row: (row.q is None, row.q or 0.0, row.claim),
}
"""What a table may be sorted by."""


def summary(table: Sequence[Row]) -> str:
    """`8 claims: 4 High, 1 Medium, 2 Refuted, 1 Pending`."""
    counts = {grade: sum(row.bare == grade for row in table) for grade in (*GRADES, NOT_AUDITED)}
    said = ", ".join(f"{n} {grade}" for grade, n in counts.items() if n)
    return f"{len(table)} claim{'s' if len(table) != 1 else ''}: {said or 'none'}"


def shown_q(q: float | None) -> str:
    """Two digits; `<.001` below that; `-` where nothing was tested."""
    if q is None:
        return "-"
    return "<.001" if q < 0.001 else f"{q:.2g}"


def against_published(grade: str, published: str) -> str:
    """How a grade stands against published words, which may name two grades (`Medium-high`) or none (`NEW`)."""
    said = {RANK[name] for name in GRADES if re.search(rf"\b{name}\b", published, re.IGNORECASE)}
    if not said or grade == NOT_AUDITED:
        return ""
    if RANK[grade] in said:
        return SAME
    if grade == "Pending":
        return OPEN
    return HIGHER if RANK[grade] > max(said) else LOWER


def _row(name: str, loaded: LoadedClaim, verdict: Verdict | None, q: float | None, links: Links) -> Row:
    claim = loaded.claim
    published = claim.published
    notes = ((claim.scope_note,) if claim.scope_note else ()) + (_qualifiers(verdict) if verdict else ())
    grade: str = verdict.grade if verdict else NOT_AUDITED
    return Row(
        claim=name,
        statement=claim.statement,
        grade=f"{grade} ({'; '.join(notes)})" if verdict and notes else grade,
        evidence=verdict.reason if verdict else f"run `mi-atlas audit {name}`",
        q=q,
        published=published.grade if published else "",
        source=published.source if published else "",
        changed=against_published(grade, published.grade) if published else "",
        model=model_name(claim),
        tags=claim.tags,
        details=links(name),
    )


def _qualifiers(verdict: Verdict) -> tuple[str, ...]:
    """A claim of "at most" that did not hold is no negative result."""
    held = verdict.grade in ("High", "Medium")
    return tuple(each for each in verdict.qualifiers if held or each != NEGATIVE)
