"""engine: `mi-atlas import` and `mi-atlas audit --recorded`: what is printed, and the exit codes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...specs.errors import printable
from ..accepted import exit_code, load_accepted
from ..report import rows, summary
from ..terminal import TerminalTalk
from .record import Record, RecordedAudit, audit_record, keep_numbers, keep_verdicts, read_record
from .verdicts import LACKS

if TYPE_CHECKING:
    from ..select import Selection
    from ..workspace import Workspace
    from .files import Finding

MOST_FINDINGS = 12
"""Of one code; the rest is counted, unless all are asked for."""

QUIET = ("other",)
"""Findings that are as the map asks."""


def import_folder(workspace: Workspace, folder: Path, every: bool) -> None:
    """Read a folder's recorded numbers into the ledger, and say what was found and what is wrong with it."""
    from ...specs.library import Library

    record = read_record(folder, Library(workspace.libraries))
    new = keep_numbers(record, workspace.ledger, TerminalTalk().wait)
    for source, count in sorted(Counter(row.source for row in record.rows).items()):
        one = next(row for row in record.rows if row.source == source)
        print(f"{count:7} {source}: {one.evaluator} {one.quantity}, {one.unit or 'no unit'}")
    _print_findings(record.findings, None if every else MOST_FINDINGS)
    print(f"{_size(record)}; {new} new in the ledger")


def audit_folder(workspace: Workspace, selection: Selection, folder: Path) -> int:
    """Grade claims as recorded and print the table; nothing is measured. Returns the exit code."""
    from ..console import print_table

    result = audit_record(workspace, selection, folder)
    kept = keep_verdicts(result, folder, workspace.ledger, TerminalTalk().wait)
    table = rows(result.claims, result.verdicts)
    print_table(table)
    print(f"\n{summary(table)}, as recorded; {_size(result.record)}")
    for what, count in lacking(result).items():
        print(f"  for High {count} of them lack {what}")
    if result.silent:
        print(f"the record says nothing about {len(result.silent)} more claims")
    if kept:
        print(f"these have a grade from measurements, which stands: {', '.join(kept)}")
    graded = {name: said for name, said in result.verdicts.items() if name not in kept}
    code, regressed = exit_code(graded, load_accepted(workspace.accepted))
    if regressed:
        print(f"graded lower than accepted: {', '.join(regressed)}")
    print(
        "`mi-atlas explain CLAIM` says what each lacks for High; `mi-atlas import` lists what is wrong with the files"
    )
    return code


def lacking(result: RecordedAudit) -> Counter[str]:
    """What the record does not have of what High asks for -> of how many claims."""
    lines = [line for said in result.verdicts.values() for line in said.explanation if line.startswith(LACKS)]
    named = [part for line in lines for part in re.split(r", (?![^(]*\))| and (?![^(]*\))", line.removeprefix(LACKS))]
    return Counter(part.partition(" (")[0] for part in named)


def _print_findings(findings: Sequence[Finding], most: int | None) -> None:
    counts = Counter(finding.code for finding in findings)
    for code in sorted(set(counts) - set(QUIET)):
        print(f"{code.replace('_', ' ')}:")
        mine = [finding for finding in findings if finding.code == code]
        for finding in mine[:most]:
            print(printable(f"  {finding.where}: {finding.message.removeprefix(f'{finding.where}: ')}"))
        if most is not None and len(mine) > most:
            print(f"  and {len(mine) - most} more; --all lists them")


def _size(record: Record) -> str:
    return f"{len(record.rows)} numbers in {len(record.digests)} files"
