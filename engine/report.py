"""engine: the claims table: one row a claim, in markdown, csv or json; the same ledger gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..specs.load import LoadedClaim
from .grade import Verdict, benjamini_hochberg

GRADES = ("High", "Medium", "Refuted", "Pending")
NOT_AUDITED = "not audited"


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
    """Benjamini-Hochberg q over the rows of this table; it does not enter the grade."""
    published: str
    """What was said before this audit; empty where nothing was."""
    source: str


def rows(claims: Mapping[str, LoadedClaim], verdicts: Mapping[str, Verdict]) -> list[Row]:
    """The rows of some claims, in the order of their ids."""
    tested = [name for name in claims if name in verdicts and verdicts[name].p_value is not None]
    q_values = benjamini_hochberg([float(verdicts[name].p_value or 0.0) for name in tested])
    q = dict(zip(tested, q_values, strict=True))
    return [_row(name, loaded, verdicts.get(name), q.get(name)) for name, loaded in sorted(claims.items())]


def markdown(table: Sequence[Row]) -> str:
    """A GitHub table; characters that would break it are escaped."""
    head = ("Claim", "Evidence", "Grade", "q", "Published")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in table:
        cells = (f"{row.statement} (`{row.claim}`)", row.evidence, row.grade, shown_q(row.q), row.published)
        lines.append("| " + " | ".join(_escaped(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def csv_text(table: Sequence[Row]) -> str:
    """RFC 4180 with a header; text that a spreadsheet would take for a formula is quoted with an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(Row.__dataclass_fields__)
    for row in table:
        writer.writerow(_no_formula(value) for value in asdict(row).values())
    return stream.getvalue()


def json_text(table: Sequence[Row], verdicts: Mapping[str, Verdict]) -> str:
    """A list of rows, each with its verdict in full."""
    documents: list[dict[str, Any]] = []
    for row in table:
        verdict = verdicts.get(row.claim)
        documents.append({**asdict(row), "verdict": json.loads(verdict.to_json()) if verdict else None})
    return json.dumps(documents, indent=1, ensure_ascii=False) + "\n"


def summary(table: Sequence[Row]) -> str:
    """`8 claims: 4 High, 1 Medium, 2 Refuted, 1 Pending`."""
    counts = {grade: sum(row.grade.split(" ")[0] == grade for row in table) for grade in GRADES}
    counts[NOT_AUDITED] = sum(row.grade == NOT_AUDITED for row in table)
    said = ", ".join(f"{n} {grade}" for grade, n in counts.items() if n)
    return f"{len(table)} claim{'s' if len(table) != 1 else ''}: {said or 'none'}"


def shown_q(q: float | None) -> str:
    """Two digits; `<.001` below that; `-` where nothing was tested."""
    if q is None:
        return "-"
    return "<.001" if q < 0.001 else f"{q:.2g}"


def _row(name: str, loaded: LoadedClaim, verdict: Verdict | None, q: float | None) -> Row:
    claim = loaded.claim
    published = claim.published
    notes = ((claim.scope_note,) if claim.scope_note else ()) + (verdict.qualifiers if verdict else ())
    grade = verdict.grade if verdict else NOT_AUDITED
    return Row(
        claim=name,
        statement=claim.statement,
        grade=f"{grade} ({'; '.join(notes)})" if verdict and notes else grade,
        evidence=verdict.reason if verdict else f"run `mi-atlas audit {name}`",
        q=q,
        published=published.grade if published else "",
        source=published.source if published else "",
    )


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
