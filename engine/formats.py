"""engine: the claims table as text in markdown, csv, json, html and latex; the same rows give the same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any

from .grade import Verdict
from .report import Row, shown_q

HEAD = ("Claim", "Evidence", "Grade", "q", "Published", "Details")


def markdown(table: Sequence[Row]) -> str:
    """A GitHub table; characters that would break it are escaped."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for row in table:
        told = (row.statement, row.evidence, row.grade, shown_q(row.q), published(row))
        cells = (*map(_escaped, told), f"[{_escaped(row.claim)}]({row.details})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def csv_text(table: Sequence[Row]) -> str:
    """RFC 4180 with a header; text that a spreadsheet would take for a formula is quoted with an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(Row.__dataclass_fields__)
    for row in table:
        values = {**asdict(row), "tags": " ".join(row.tags)}
        writer.writerow(_no_formula(value) for value in values.values())
    return stream.getvalue()


def json_text(table: Sequence[Row], verdicts: Mapping[str, Verdict]) -> str:
    """A list of rows, each with its verdict in full."""
    documents: list[dict[str, Any]] = []
    for row in table:
        verdict = verdicts.get(row.claim)
        documents.append({**asdict(row), "verdict": json.loads(verdict.to_json()) if verdict else None})
    return json.dumps(documents, indent=1, ensure_ascii=False) + "\n"


def html(table: Sequence[Row]) -> str:
    """A table element, to be put into a page; its rows carry the bare grade as a class."""
    head = "".join(f'<th scope="col">{name}</th>' for name in HEAD)
    lines = [f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>"]
    for row in table:
        told = (row.evidence, row.grade, shown_q(row.q), published(row))
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in told)
        link = f'<td><a href="{escape(row.details)}">{escape(row.claim)}</a></td>'
        kind = row.bare.lower().replace(" ", "-")
        lines.append(f'<tr class="{kind}"><th scope="row">{escape(row.statement)}</th>{cells}{link}</tr>')
    return "\n".join([*lines, "</tbody>\n</table>"]) + "\n"


def latex(table: Sequence[Row]) -> str:
    """A longtable; needs the packages longtable, booktabs, array and hyperref."""
    widths = (0.25, 0.33, 0.09, 0.05, 0.09, 0.11)
    columns = "".join(rf">{{\raggedright\arraybackslash}}p{{{width}\linewidth}}" for width in widths)
    head = " & ".join(HEAD)
    lines = [rf"\begin{{longtable}}{{{columns}}}", r"\toprule", rf"{head} \\", r"\midrule", r"\endhead"]
    for row in table:
        told = (row.statement, row.evidence, row.grade, shown_q(row.q), published(row))
        link = rf"\href{{{_latex_address(row.details)}}}{{{_latex(row.claim)}}}"
        lines.append(" & ".join([*map(_latex, told), link]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}"]) + "\n"


def published(row: Row) -> str:
    """`High (now lower)`; the grade alone where it is still that."""
    beside = {"higher": " (now higher)", "lower": " (now lower)", "not decided": " (now not decided)"}
    return f"{row.published}{beside.get(row.changed, '')}"


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "\n": " ",
}


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)


def _latex_address(text: str) -> str:
    return text.replace("\\", "/").translate({ord(character): f"\\{character}" for character in "%#&{}"})
