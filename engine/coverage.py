"""engine: which claims put which published sentence to the test, their pocket twins, and whether they can be measured.

Nothing is measured. Pages count where some claim names a sentence of theirs. A hole is a sentence without a claim, a
claim with a published grade that names no sentence, or one without a twin of a pocket model, on which its method runs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields

from ..evaluators.registry import is_built
from ..specs.claim import CompositeClaim
from ..specs.library import Library
from ..specs.load import LoadedClaim
from ..specs.metrics.base import Metric
from ..specs.published import Sentence

BUILT, NOT_BUILT = "built", "not built"


@dataclass(frozen=True)
class Row:
    """One sentence and one of the claims that put it to the test."""

    page: str
    section: str
    sentence: str
    says: str
    published: str
    """The grade that the page gives it."""
    claim: str
    """Empty where there is none."""
    twin: str
    """Its pocket twin; empty where it is a pocket claim itself, or a part of a claim that has one."""
    form: str
    evaluators: str
    """What measures the claim; of a claim over other claims, what measures those."""
    built: str
    """built; not built, where one of them is not."""


def rows(library: Library, claims: Mapping[str, LoadedClaim]) -> list[Row]:
    """A row for each sentence and claim of it, in the order of the pages, then of the claims' ids."""
    sentences = _asked(library, claims)
    found: dict[str, list[str]] = {sentence: [] for sentence in sentences}
    for name in sorted(claims):
        for sentence in _sentences(claims[name]):
            found[sentence].append(name)
    return [_row(sentences[each], name, claims) for each, names in found.items() for name in (names or [""])]


def holes(library: Library, claims: Mapping[str, LoadedClaim]) -> list[str]:
    """What is missing, a line each: in either direction, and of twins."""
    named = {sentence for loaded in claims.values() for sentence in _sentences(loaded)}
    missing = [
        f"no claim puts `{each}` to the test: {told.says}"
        for each, told in _asked(library, claims).items()
        if each not in named
    ]
    parts = {part for loaded in claims.values() if loaded.claim.twin for part in _parts(loaded)}
    for name, loaded in sorted(claims.items()):
        if loaded.claim.published and not _sentences(loaded):
            missing.append(f"{name} has a published grade and names no sentence")
        if _sentences(loaded) and not loaded.claim.twin and name not in parts and not _pocket(loaded, claims, library):
            missing.append(f"{name} has no pocket twin")
        if (twin := loaded.claim.twin) and twin in claims and not _pocket(claims[twin], claims, library):
            missing.append(f"{name} has a twin, {twin}, that is about no pocket model")
    return missing


def summary(table: Sequence[Row]) -> str:
    """`194 published sentences, 170 claims, 155 pocket twins; 102 claims wait for ...`."""
    claims = {row.claim: row for row in table if row.claim}
    waiting = sum(row.built == NOT_BUILT for row in claims.values())
    sentences, twins = {row.sentence for row in table}, {row.twin for row in table if row.twin}
    counts = f"{len(sentences)} published sentences, {len(claims)} claims, {len(twins)} pocket twins"
    return f"{counts}; {waiting} claims wait for an evaluator that is not built"


def text(table: Sequence[Row]) -> str:
    """The table for a terminal: each sentence, and below it a line a claim."""
    lines: list[str] = []
    for sentence in dict.fromkeys(row.sentence for row in table):
        told = [row for row in table if row.sentence == sentence]
        lines.append(f"{told[0].page}, {told[0].section} ({told[0].published}): {told[0].says}")
        for row in told:
            waiting = "" if row.built == BUILT else f", {row.built}"
            twin = f", twin {row.twin}" if row.twin else ""
            lines.append(f"  {row.claim} [{row.evaluators}{waiting}]{twin}" if row.claim else "  no claim")
    return "\n".join(lines) + "\n" * bool(lines)


def csv_text(table: Sequence[Row]) -> str:
    """The table as CSV, with a line of names."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in table)
    return out.getvalue()


def markdown(table: Sequence[Row]) -> str:
    """The table as Markdown, a section a page."""
    lines: list[str] = []
    for page in dict.fromkeys(row.page for row in table):
        lines += [f"## {page}", "", "| published | grade | claim | pocket twin | evaluator |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in table if row.page == page]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row) -> str:
    waiting = "" if row.built == BUILT else f" ({row.built})"
    cells = (f"{row.section}: {row.says}", row.published, row.claim, row.twin, f"{row.evaluators}{waiting}")
    return "| " + " | ".join(cell.replace("|", r"\|") or "-" for cell in cells) + " |"


def _asked(library: Library, claims: Mapping[str, LoadedClaim]) -> dict[str, Sentence]:
    """The sentences of the pages that claims are about."""
    named = {sentence for loaded in claims.values() for sentence in _sentences(loaded)}
    pages = [pages for pages in library.published if any(sentence.id in named for sentence in pages.sentences)]
    return {sentence.id: sentence for page in pages for sentence in page.sentences}


def _row(sentence: Sentence, name: str, claims: Mapping[str, LoadedClaim]) -> Row:
    about = (sentence.page, sentence.section, sentence.id, sentence.says, sentence.grade)
    if not name:
        return Row(*about, "", "", "", "", "")
    claim, metrics = claims[name].claim, list(_metrics(name, claims))
    used = sorted({metric.evaluator for metric in metrics})
    built = BUILT if all(is_built(metric.measured_by) for metric in metrics) else NOT_BUILT
    return Row(*about, name, claim.twin or "", claim.expect.form, ", ".join(used), built)


def _sentences(loaded: LoadedClaim) -> tuple[str, ...]:
    return loaded.claim.published.sentences if loaded.claim.published else ()


def _parts(loaded: LoadedClaim) -> tuple[str, ...]:
    return tuple(loaded.claim.expect.claims) if isinstance(loaded.claim, CompositeClaim) else ()


def _metrics(name: str, claims: Mapping[str, LoadedClaim]) -> Iterator[Metric]:
    claim = claims[name].claim
    if not isinstance(claim, CompositeClaim):
        yield claim.metric
        return
    for part in claim.expect.claims:
        yield from _metrics(part, claims)


def _pocket(loaded: LoadedClaim, claims: Mapping[str, LoadedClaim], library: Library) -> bool:
    """Whether a claim is about a pocket model, or about claims that are."""
    claim = loaded.claim
    if isinstance(claim, CompositeClaim):
        return all(_pocket(claims[part], claims, library) for part in claim.expect.claims)
    model = library.model(claim.model) if isinstance(claim.model, str) else claim.model
    return model.source.pocket is not None
