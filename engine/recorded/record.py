"""engine: what the commands do with recorded evidence: import a folder, grade claims on it, keep both in the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...specs.canonical import digest
from ...specs.claim import CompositeClaim, MeasuredClaim
from ...specs.library import Library
from ...specs.load import LoadedClaim
from ...specs.model import Model
from ...specs.suite import Suite
from ...store import ImportedValue, Ledger, VerdictRow
from ..basis import KIND as BASIS
from ..basis import basis_key, basis_of_composite, basis_of_record
from ..grade import GRADER_VERSION, Verdict, grade_composite
from ..select import Selection, load, select
from ..workspace import Workspace
from .evidence import Index, indexed, speaks
from .files import Finding, read_files
from .guards import guarded
from .rows import Row, read_rows
from .verdicts import AS, verdict

if TYPE_CHECKING:
    from ...specs.recorded import RecordedMap
    from ...store.connection import OnWait


@dataclass(frozen=True)
class Record:
    """What the maps find below a folder."""

    maps: Mapping[str, RecordedMap]
    digests: Mapping[str, str]
    """File -> SHA-256 of its bytes."""
    rows: Sequence[Row]
    findings: Sequence[Finding]


@dataclass
class RecordedAudit:
    """What came out of grading claims as recorded."""

    claims: Mapping[str, LoadedClaim]
    """Those that the record speaks to."""
    verdicts: dict[str, Verdict]
    silent: list[str]
    """Claims that it does not speak to."""
    record: Record
    hashes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Claim -> digest of the claim, and of the files it was graded on."""
    bases: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Claim -> what its grade rests on, part by part."""


def read_record(folder: Path, library: Library) -> Record:
    """Every number that the maps find below a folder, and everything that is wrong with them.

    Raises:
        SpecError: a map is faulty.
        UsageError: the folder cannot be read.
    """
    maps = library.maps
    files, unread = read_files(folder, maps)
    rows, left_out = read_rows(files, maps)
    kept, faults = guarded(rows)
    digests = {file.path: file.digest for found in files.values() for file in found}
    return Record(maps, digests, kept, [*unread, *left_out, *faults])


def audit_record(workspace: Workspace, selection: Selection, folder: Path) -> RecordedAudit:
    """Grade the claims that the record speaks to; nothing is measured, and nothing that was measured is read."""
    every, library = load(workspace)
    claims, record = select(every, selection), read_record(folder, library)
    result = RecordedAudit(claims, {}, [], record)
    index = indexed(record.rows)
    for name, loaded in claims.items():
        if isinstance(loaded.claim, MeasuredClaim):
            _measured(result, name, loaded, library, index)
    for name, loaded in claims.items():
        if isinstance(loaded.claim, CompositeClaim):
            _composite(result, name, loaded.claim)
    result.silent = [name for name in claims if name not in result.verdicts]
    result.claims = {name: loaded for name, loaded in claims.items() if name in result.verdicts}
    result.verdicts = {name: result.verdicts[name] for name in result.claims}
    return result


def _measured(result: RecordedAudit, name: str, loaded: LoadedClaim, library: Library, index: Index) -> None:
    claim: Any = loaded.claim
    model = claim.model if isinstance(claim.model, Model) else library.model(claim.model)
    suite = claim.suite if isinstance(claim.suite, Suite) else library.suite(claim.suite)
    donor = getattr(claim.metric, "donor", None)
    found = speaks(loaded, model, suite, index, result.record.maps)
    if found is None:
        return
    result.verdicts[name] = verdict(claim, found)
    files = sorted(result.record.digests[path] for path in found.files)
    evidence = digest("recorded", {"files": files, "table": found.table, "grader": GRADER_VERSION})
    estimand = claim.estimand_hash(model, suite, library.model(donor) if isinstance(donor, str) else donor)
    result.hashes[name] = digest("claim", [estimand, claim.bound_hash]), evidence
    result.bases[name] = basis_of_record(claim, estimand, {path: result.record.digests[path] for path in found.files})


def _composite(result: RecordedAudit, name: str, claim: CompositeClaim) -> None:
    children = claim.expect.claims
    if not all(child in result.verdicts for child in children):
        return
    graded = [(result.claims[child].claim, result.verdicts[child]) for child in children]
    said = grade_composite(claim, graded)  # type: ignore[arg-type]
    qualifiers = (*(each for each in said.qualifiers if each not in AS), *AS)
    result.verdicts[name] = Verdict(**{**vars(said), "qualifiers": qualifiers})
    result.hashes[name] = (
        digest("composite", [result.hashes[child][0] for child in children]),
        digest("children", [result.hashes[child][1] for child in children]),
    )
    result.bases[name] = basis_of_composite({child: result.hashes[child] for child in children})


def keep_numbers(record: Record, ledger: Path, on_wait: OnWait | None = None) -> int:
    """Put every number into the ledger; how many are new (none, if the same files were read by the same maps)."""
    reading = digest("reading", {"files": dict(record.digests), "maps": dict(record.maps)})
    values = [ImportedValue(*(getattr(row, name.name) for name in fields(ImportedValue))) for row in record.rows]
    return Ledger(ledger, on_wait=on_wait).keep_imported(reading, values)


def keep_verdicts(result: RecordedAudit, folder: Path, ledger: Path, on_wait: OnWait | None = None) -> list[str]:
    """Record the verdicts, but of claims that have one from measurements; those are returned."""
    opened = Ledger(ledger, on_wait=on_wait)
    with opened.writing():
        measured = [
            name for name, row in opened.verdicts().items() if _decided_by_measuring(Verdict.from_json(row.document))
        ]
        rows = [
            VerdictRow(name, *result.hashes[name], said.grade, said.code, said.reason, said.to_json())
            for name, said in result.verdicts.items()
            if name not in measured
        ]
        about: dict[str, Any] = {"claims": [row.claim for row in rows], "recorded": str(folder)}
        audit_id = opened.start_audit(about)
        opened.record_verdicts(audit_id, rows)
        bases = {row.claim: json.dumps(result.bases[row.claim], sort_keys=True) for row in rows}
        opened.remember_many(BASIS, {basis_key(*result.hashes[name]): basis for name, basis in bases.items()})
        opened.finish_audit(audit_id, 0)
    return [name for name in result.verdicts if name in measured]


def _decided_by_measuring(said: Verdict) -> bool:
    return said.grade != "Pending" and "as recorded" not in said.qualifiers
