"""engine: how a claim's grade came about: every change of it that the ledger keeps, with what caused it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from .basis import KIND, UNKNOWN, Basis, Cause, basis_key, causes
from .errors import UsageError

if TYPE_CHECKING:
    from ..store import AuditInfo, Ledger, RecordedVerdict


@dataclass(frozen=True)
class Step:
    """A verdict that differs from the one before it in its grade or in what it rests on."""

    audit: int
    at: str
    grade: str
    reason: str
    before: str = ""
    """The grade before; empty for the first one."""
    causes: tuple[Cause, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether the grade itself is another one."""
        return self.before not in ("", self.grade)

    @property
    def categories(self) -> tuple[str, ...]:
        """What kinds of things changed."""
        return tuple(dict.fromkeys(cause.category for cause in self.causes))


@dataclass(frozen=True)
class Change:
    """A claim whose grade after one audit differs from that after another."""

    claim: str
    before: str
    """Grade; empty where the claim had none yet."""
    after: str
    reason_before: str
    reason: str
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Comparison:
    """The grades that stood after two audits."""

    first: AuditInfo
    second: AuditInfo
    changed: tuple[Change, ...]
    new: tuple[Change, ...]
    same: int
    rest_differently: Mapping[str, int]
    """Category -> claims of the same grade, of which something of this kind changed."""

    def to_json(self) -> str:
        """The whole of it; equal comparisons give equal text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


class Histories:
    """What the ledger says of the grades of all claims, read once."""

    def __init__(self, ledger: Ledger) -> None:
        with ledger.reading():
            self._rows = ledger.history()
            self.audits = {audit.id: audit for audit in ledger.audits()}
            keys = [basis_key(row.claim_hash, row.evidence_digest) for rows in self._rows.values() for row in rows]
            self._bases: dict[str, Basis] = {
                key: json.loads(text) for key, text in ledger.recall_many(KIND, keys).items()
            }

    def basis(self, claim_hash: str, evidence_digest: str) -> Basis | None:
        """What a verdict with these digests rests on, where that was kept."""
        return self._bases.get(basis_key(claim_hash, evidence_digest))

    def steps(self, claim: str) -> tuple[Step, ...]:
        """A claim's story, oldest first."""
        rows = self._rows.get(claim, [])
        first = [Step(row.audit_id, row.recorded_at, row.grade, row.reason) for row in rows[:1]]
        later = [
            Step(new.audit_id, new.recorded_at, new.grade, new.reason, old.grade, self._causes(old, new))
            for old, new in itertools.pairwise(rows)
        ]
        return (*first, *later)

    def compare(self, first: int | None = None, second: int | None = None) -> Comparison:
        """The grades that stood after two audits; by default the last two.

        Raises:
            UsageError: there is no such audit, or fewer than two.
        """
        known = sorted(self.audits)
        if len(known) < 2:
            raise UsageError("it takes two audits to compare them; run `mi-atlas audit` first")
        second = second if second is not None else known[-1]
        first = first if first is not None else max((one for one in known if one < second), default=known[0])
        for one in (first, second):
            if one not in self.audits:
                raise UsageError(f"there is no audit {one}; there are {known[0]} to {known[-1]}")
        pairs = [(name, _standing(rows, first), _standing(rows, second)) for name, rows in sorted(self._rows.items())]
        kept = [(old, new) for _, old, new in pairs if old and new and old.grade == new.grade]
        counts: dict[str, int] = {}
        for old, new in kept:
            for category in dict.fromkeys(cause.category for cause in self._causes(old, new)):
                counts[category] = counts.get(category, 0) + 1
        return Comparison(
            first=self.audits[first],
            second=self.audits[second],
            changed=tuple(self._change(old, new) for _, old, new in pairs if old and new and old.grade != new.grade),
            new=tuple(self._change(old, new) for _, old, new in pairs if new and not old),
            same=len(kept),
            rest_differently=dict(sorted(counts.items())),
        )

    def _change(self, old: RecordedVerdict | None, new: RecordedVerdict) -> Change:
        before, reason = (old.grade, old.reason) if old else ("", "")
        found = self._causes(old, new) if old else ()
        return Change(new.claim, before, new.grade, reason, new.reason, found)

    def _causes(self, old: RecordedVerdict, new: RecordedVerdict) -> tuple[Cause, ...]:
        recorded = [bool(self.audits[row.audit_id].about.get("recorded")) for row in (old, new)]
        if recorded[0] != recorded[1]:
            ways = ("recorded numbers", "measurements")
            return (Cause("data", "what the grade rests on", *(ways if recorded[0] else ways[::-1])),)
        if (old.claim_hash, old.evidence_digest) == (new.claim_hash, new.evidence_digest):
            return (Cause("sampling", "the same runs, measured again"),) if old.reason != new.reason else ()
        ends = [self.basis(row.claim_hash, row.evidence_digest) for row in (old, new)]
        found = causes(*ends)
        if None in ends and old.claim_hash != new.claim_hash:
            evidence = found if old.evidence_digest != new.evidence_digest else ()
            return (Cause("spec", "what is claimed or measured was edited"), *evidence)
        return found or (Cause(UNKNOWN, "no part that was kept"),)


def _standing(rows: Sequence[RecordedVerdict], audit: int) -> RecordedVerdict | None:
    """The verdict that stood after an audit."""
    return next((row for row in reversed(rows) if row.audit_id <= audit), None)
