"""store: the evidence ledger, one DuckDB file: what was measured, what failed, what was graded.

Evidence is append-only. The file is open only while something is read or written; `reading()` and `writing()`
make one such time of several calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import audits, exchange, judgments, misses, recorded, runs
from .connection import Connector, OnWait
from .recorded import ImportedValue
from .rows import AuditInfo, FailedAttempt, FinishedRun, JudgeReply, Label, RecordedVerdict, RunInfo, VerdictRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Ledger:
    """The ledger at a path; nothing is opened before the first read, nothing is created before the first write.

    kind: `evidence` or `calibration`, kept in the file. patience_s: how long to wait for a process that has it open.
    on_wait: called once per wait, after a second, with a line that names the holder.

    Raises, from every method: a `LedgerError`.
    """

    def __init__(
        self,
        path: Path,
        kind: str = "evidence",
        patience_s: float = 60.0,
        on_wait: OnWait | None = None,
    ) -> None:
        self.path = Path(path)
        self._file = Connector(self.path, kind, patience_s, on_wait)

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """Keep the file open for several reads, which all see the same state; short, for nobody can write meanwhile."""
        with self._file.reading():
            yield self

    @contextmanager
    def writing(self) -> Iterator[Ledger]:
        """Make one transaction of several writes and reads: kept at the end, or undone if an exception leaves it."""
        with self._file.writing():
            yield self

    def hits(self, keys: Iterable[str]) -> set[str]:
        """Which of the keys have a committed run."""
        with self._file.reading() as connection:
            return runs.select_hits(connection, keys) if connection else set()

    def commit(self, finished: Sequence[FinishedRun], supersede: bool = False) -> None:
        """Add finished runs, all or none; of a key that is already there the first stays the one that is served.

        With `supersede` such a key gets another take, and that is served from then on; the older one is kept.
        NaN is given back as NaN (its payload is lost), infinities as they are, every other value bit for bit.

        Raises:
            ValueError: for a run without parts or values, and for values that are not one flat sequence per quantity.
        """
        if finished:
            with self._file.writing() as connection:
                runs.insert_runs(connection, finished, supersede)

    def values(self, keys: Iterable[str]) -> dict[str, dict[str, NDArray[np.float64]]]:
        """key -> quantity -> values in example order; keys without a run are left out."""
        with self._file.reading() as connection:
            return runs.select_values(connection, keys) if connection else {}

    def texts(self, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """key -> what was written, in example order; keys of runs that wrote nothing are left out."""
        with self._file.reading() as connection:
            return runs.select_texts(connection, keys) if connection else {}

    def runs(self, keys: Iterable[str]) -> dict[str, RunInfo]:
        """key -> how it was measured; keys without a run are left out."""
        with self._file.reading() as connection:
            return runs.select_infos(connection, keys) if connection else {}

    def dates(self, keys: Iterable[str]) -> dict[str, str]:
        """key -> when it was measured, as the newest take has it; keys without a run are left out."""
        with self._file.reading() as connection:
            return runs.select_dates(connection, keys) if connection else {}

    def newest_date(self) -> str | None:
        """When the last of all runs was measured; None: there is none."""
        with self._file.reading() as connection:
            return runs.newest_date(connection) if connection else None

    def explain_misses(self, wanted: Sequence[Mapping[str, str]]) -> list[misses.Difference | None]:
        """For the parts of each wanted run: part -> (stored, wanted) of the nearest stored run; None: there is no run.

        None in a pair means that this side does not have the part.
        """
        with self._file.reading() as connection:
            return misses.explain(connection, wanted) if connection and wanted else [None] * len(wanted)

    def attempt_failed(self, key: str, parts: Mapping[str, str], error: str) -> None:
        """Record that a run was tried and gave no result; it is never a hit."""
        with self._file.writing() as connection:
            runs.insert_attempt(connection, key, parts, error)

    def attempts(self, keys: Iterable[str]) -> dict[str, list[FailedAttempt]]:
        """key -> the attempts that failed, oldest first; keys without one are left out."""
        with self._file.reading() as connection:
            return runs.select_attempts(connection, keys) if connection else {}

    def keep_replies(self, replies: Sequence[JudgeReply]) -> None:
        """Add what judges replied."""
        if replies:
            with self._file.writing() as connection:
                judgments.insert_replies(connection, replies)

    def replies(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Key of a question -> the newest reply, as it came; questions without one are left out."""
        with self._file.reading() as connection:
            return judgments.select_replies(connection, keys) if connection else {}

    def spent(self) -> dict[str, tuple[int, int, int]]:
        """Judge -> replies, tokens sent, tokens received, over all audits."""
        with self._file.reading() as connection:
            return judgments.select_spent(connection) if connection else {}

    def keep_labels(self, labels: Sequence[Label]) -> None:
        """Add what a person said of answers."""
        if labels:
            with self._file.writing() as connection:
                judgments.insert_labels(connection, labels)

    def labels(self, keys: Iterable[str], rubric: str, dimension: str) -> dict[str, dict[int, float]]:
        """Key of a run that wrote -> place of a text -> a person's newest score of it; the others are left out."""
        with self._file.reading() as connection:
            return judgments.select_labels(connection, keys, rubric, dimension) if connection else {}

    def remember(self, kind: str, key: str, value: str) -> None:
        """Keep something that is costly to compute; not evidence, so a newer value takes the place of an older one."""
        self.remember_many(kind, {key: value})

    def remember_many(self, kind: str, values: Mapping[str, str]) -> None:
        """Keep several things of one kind."""
        if values:
            with self._file.writing() as connection:
                audits.upsert_memo(connection, kind, values)

    def recall(self, kind: str, key: str) -> str | None:
        """What was remembered, or None."""
        return self.recall_many(kind, [key]).get(key)

    def recall_many(self, kind: str, keys: Iterable[str]) -> dict[str, str]:
        """key -> what was remembered; the others are left out."""
        with self._file.reading() as connection:
            return audits.select_memo(connection, kind, keys) if connection else {}

    def recall_all(self, kind: str) -> dict[str, str]:
        """key -> what was remembered, for every key of a kind."""
        with self._file.reading() as connection:
            return audits.select_memo_kind(connection, kind) if connection else {}

    def keep_imported(self, reading: str, values: Sequence[ImportedValue]) -> int:
        """Add recorded numbers that a reading of files by maps found; of a reading that is there none; how many."""
        with self._file.writing() as connection:
            return recorded.insert_values(connection, reading, values)

    def imported(self, digests: Iterable[str]) -> list[ImportedValue]:
        """The recorded numbers of files, by the files' digests, as they were last read."""
        with self._file.reading() as connection:
            return recorded.select_imported(connection, digests) if connection else []

    def export(self, folder: Path, keys: Iterable[str] | None = None) -> dict[str, int]:
        """Write evidence (of all runs, or of these keys) as Parquet files with a manifest; table -> rows."""
        with self._file.reading() as connection:
            if connection is None:
                raise exchange.ExchangeError(self.path, "there is no ledger to export", "audit first")
            return exchange.export(connection, folder, keys)

    def take_files(self, folder: Path, agree: exchange.Agree) -> exchange.Taken:
        """Add the evidence of exported files.

        Raises:
            ExchangeError: the files are not whole, or are not what they say; nothing of them was taken.
        """
        source = exchange.parquet(folder)
        with self._file.writing() as connection:
            return exchange.take(connection, source, agree, folder, f"imported from {folder.name}")

    def take_ledger(self, other: Ledger, agree: exchange.Agree) -> exchange.Taken:
        """Add the evidence of another ledger, which is upgraded first where it is older.

        Raises:
            ExchangeError: it does not exist, or a run in it is not what its key says.
        """
        with other._file.reading() as there:
            if there is None:
                raise exchange.ExchangeError(other.path, "there is no ledger to merge", "name another file")
        if other.path.samefile(self.path) if self.path.exists() else False:
            raise exchange.ExchangeError(other.path, "is this very ledger", "name another file")
        with self._file.attached(other.path) as connection:
            source = {table: f"other.{table}" for table in exchange.COLUMNS}
            return exchange.take(connection, source, agree, other.path, f"merged from {other.path.name}")

    def conflicts(self) -> dict[str, str]:
        """Key -> how its two results met, of runs with conflicting results that were not measured again since."""
        with self._file.reading() as connection:
            return exchange.open_conflicts(connection) if connection else {}

    def disagree(self, finished: Sequence[FinishedRun], how: str) -> None:
        """Add runs that were measured again and differ: both results are kept, and the keys are in conflict."""
        if finished:
            with self._file.writing() as connection:
                exchange.insert_conflicts(connection, finished, how)

    def start_audit(self, about: Mapping[str, Any]) -> int:
        """Record that an audit has begun, and what it was asked to do (JSON types); gives its number, from 1."""
        with self._file.writing() as connection:
            return audits.insert_audit(connection, about)

    def finish_audit(self, audit_id: int, exit_code: int) -> None:
        """Record that an audit has ended."""
        with self._file.writing() as connection:
            audits.close_audit(connection, audit_id, exit_code)

    def audits(self) -> list[AuditInfo]:
        """Every audit, oldest first."""
        with self._file.reading() as connection:
            return audits.select_audits(connection) if connection else []

    def record_verdicts(self, audit_id: int, verdicts: Sequence[VerdictRow]) -> None:
        """Record the grades that an audit gave, one per claim; a second one for a claim in one audit is an error."""
        if verdicts:
            with self._file.writing() as connection:
                audits.insert_verdicts(connection, audit_id, verdicts)

    def verdicts(self, audit_id: int | None = None) -> dict[str, RecordedVerdict]:
        """claim -> its verdict in one audit, or the latest that it has, in the order of the claims' names."""
        with self._file.reading() as connection:
            return audits.select_verdicts(connection, audit_id) if connection else {}

    def history(self) -> dict[str, list[RecordedVerdict]]:
        """claim -> each of its verdicts that differs from the one before in grade or digests, oldest first."""
        with self._file.reading() as connection:
            return audits.select_history(connection) if connection else {}
