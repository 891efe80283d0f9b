"""store: what can go wrong with a ledger.

LedgerError                 anything below; its message says where, what, and what would fix it
├── LedgerBusy              another process kept the file open for longer than our patience
├── LedgerCorrupt           the bytes are damaged, or are no DuckDB database
├── LedgerTooNew            written by a newer mi-atlas, or a newer DuckDB
├── LedgerWrongKind         a calibration ledger where evidence was wanted, or no ledger at all
├── LedgerReadOnly          the file or its folder may not be written
└── LedgerFull              no room on the disk; what was committed before is kept

DuckDB's own errors become one of these at one boundary, `connection.mapped_errors`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class LedgerError(Exception):
    """A ledger could not be used."""

    marks: ClassVar[tuple[str, ...]] = ()
    fix: ClassVar[str] = "the file was left as it is"

    def __init__(self, path: Path, what: str, fix: str | None = None) -> None:
        super().__init__(f"{path}: {what.strip()}\n  fix: {fix or self.fix}")
        self.path = path


class LedgerBusy(LedgerError):
    """Another process kept the ledger open for longer than our patience; `pid` is None where it is not known."""

    fix = "wait for that process, or stop it, and try again: nothing was lost"

    def __init__(self, path: Path, what: str, pid: int | None = None) -> None:
        super().__init__(path, what)
        self.pid = pid


class LedgerCorrupt(LedgerError):
    """The file, or the log beside it, is damaged or is not a DuckDB database."""

    marks = ("not a valid DuckDB", "Corrupt", "corrupt", "replaying WAL", "not read enough bytes")
    fix = (
        "restore it from a copy, or move it aside (with its .wal file, if there is one) "
        "and audit again; it is never deleted or changed for you"
    )


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer mi-atlas or a newer DuckDB than this one."""

    marks = ("we can only read version",)
    fix = "upgrade mi-atlas (and duckdb), or name another file with --ledger"


class LedgerWrongKind(LedgerError):
    """The file holds another kind of ledger, or a DuckDB database that is no ledger."""

    fix = "name another file with --ledger"


class LedgerReadOnly(LedgerError):
    """The ledger, or the folder it is in, may not be written."""

    marks = ("Permission denied", "Read-only file system", "Operation not permitted")
    fix = "make the file and its folder writable, or name another file with --ledger"


class LedgerFull(LedgerError):
    """There is no room on the disk for what was to be written."""

    marks = ("No space left", "File too large", "quota exceeded")
    fix = "make room and try again: what was committed before is kept"


MARKED: tuple[type[LedgerError], ...] = (LedgerFull, LedgerReadOnly, LedgerTooNew, LedgerCorrupt)
"""The errors that are told from the text of a lower layer's message, in the order they are tried."""


def translate(path: Path, error: BaseException) -> LedgerError:
    """Turn an error of DuckDB or of the operating system into one of ours."""
    text = str(error)
    for kind in MARKED:
        if any(mark in text for mark in kind.marks):
            return kind(path, text)
    return LedgerError(path, f"{type(error).__name__}: {text}")
