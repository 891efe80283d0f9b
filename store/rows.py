"""store: what goes into the ledger and what comes out of it, as plain dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_latest = ["1970-01-01T00:00:00.000000+00:00"]


def utc_now() -> str:
    """The time now, ISO 8601 in UTC with microseconds; such strings sort by time.

    It is later than any that was given or `seen` before, though the clock has gone back.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    if now <= _latest[0]:
        now = (datetime.fromisoformat(_latest[0]) + timedelta(microseconds=1)).isoformat(timespec="microseconds")
    _latest[0] = now
    return now


def seen(dates: Iterable[str]) -> None:
    """Dates that were written before now, whatever the clock says; what is none of ours is passed over."""
    _latest[0] = max([_latest[0], *filter(_is_date, dates)])


def _is_date(text: str) -> bool:
    try:
        date = datetime.fromisoformat(text)
        return date.year < datetime.max.year and date.isoformat(timespec="microseconds") == text
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """One measured cell, to be committed: `values` has one number per example, in example order, for each quantity.

    `texts`: what a model wrote, where it wrote anything.
    """

    key: str
    parts: Mapping[str, str]
    values: Mapping[str, Sequence[float]]
    measured_at: str
    seconds: float
    device: str
    versions: Mapping[str, str]
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RunInfo:
    """How a stored run was measured; `take` counts the times this key was measured, from 1."""

    key: str
    parts: Mapping[str, str]
    measured_at: str
    seconds: float
    device: str
    versions: Mapping[str, str]
    take: int


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A run that was tried and gave no result; it is never served as a hit."""

    key: str
    parts: Mapping[str, str]
    error: str
    failed_at: str


@dataclass(frozen=True, slots=True)
class JudgeReply:
    """What a judge replied to one question, byte for byte; tokens are None where the server does not count them."""

    key: str
    """Of the question: 64 hex digits."""
    judge: str
    raw: bytes
    seconds: float
    tokens_in: int | None
    tokens_out: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Label:
    """What a person says of an answer, on a rubric's own scale."""

    key: str
    """Of the run in which the answer was written."""
    position: int
    """Of the item, from 0; what is labelled is the first text that was written about it."""
    rubric: str
    """Digest of the rubric."""
    dimension: str
    score: float


@dataclass(frozen=True, slots=True)
class AuditInfo:
    """One audit; `finished_at` and `exit_code` are None while it runs, and for ever if it was killed."""

    id: int
    about: Mapping[str, Any]
    started_at: str
    finished_at: str | None
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """The grade of one claim.

    claim_hash: digest of estimand and bound. code: the reason as a slug for machines; reason: as one line.
    document: JSON with everything else.
    """

    claim: str
    claim_hash: str
    evidence_digest: str
    grade: str
    code: str
    reason: str
    document: str


@dataclass(frozen=True, slots=True)
class RecordedVerdict(VerdictRow):
    """A verdict as the ledger holds it."""

    audit_id: int
    recorded_at: str
