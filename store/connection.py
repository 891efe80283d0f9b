"""store: opening the ledger file for one read or one write, waiting for whoever has it open, and mapping errors.

Why not keep it open: while one process has a DuckDB file open for writing, no other can even read it.
Why the defaults of DuckDB on close: a checkpoint there costs 4 ms, and a log left behind costs every later
reader 30 ms; what was committed survives `kill -9` either way.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import migrations
from .errors import LedgerBusy, translate

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
}
TELL_AFTER_S = 1.0
OnWait = Callable[[str], None]

_thread_locks: dict[Path, threading.RLock] = {}


@contextmanager
def mapped_errors(path: Path) -> Iterator[None]:
    """Let DuckDB's errors out as a LedgerError."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise translate(path, error) from error


def holder(error: BaseException) -> tuple[str, int | None]:
    """Who has the file open, in words, and the process id; the raw message and None where it does not say."""
    found = re.search(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)", str(error))
    if found is None:
        return str(error), None
    return f"process {found['pid']} ({Path(found['program']).name})", int(found["pid"])


def connect(path: Path, read_only: bool, patience_s: float, on_wait: OnWait | None) -> DuckDBPyConnection:
    """Open the file, and try again while another process has it open.

    Raises:
        LedgerBusy: after `patience_s` seconds; other errors of the tree at once.
    """
    import duckdb

    start, pause, told = time.monotonic(), 0.005, False
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config=SETTINGS)
        except duckdb.Error as error:
            if not any(mark in str(error) for mark in ("Could not set lock", "being used by another process")):
                raise translate(path, error) from error
            who, pid = holder(error)
            waited = time.monotonic() - start
            if waited >= patience_s:
                raise LedgerBusy(path, f"still open in {who} after {waited:.0f} s", pid) from error
        if on_wait is not None and not told and waited >= TELL_AFTER_S:
            told = True
            on_wait(f"waiting for the ledger: {path} is open in {who}")
        time.sleep(min(pause, patience_s - waited))
        pause = min(pause * 1.5, 0.1)


class Connector:
    """Opens one ledger file when it is needed, and closes it at once.

    Calls nest in a thread: an inner `reading` or `writing` uses the connection that is open. Other threads wait.
    """

    def __init__(self, path: Path, kind: str, patience_s: float, on_wait: OnWait | None) -> None:
        self.path = path.absolute()
        self.kind = kind
        self._wait = (patience_s, on_wait)
        self._lock = _thread_locks.setdefault(self.path, threading.RLock())
        self._connection: DuckDBPyConnection | None = None
        self._writes = False

    @contextmanager
    def reading(self) -> Iterator[DuckDBPyConnection | None]:
        """The file, open for reading only; None where it does not exist, which is an empty ledger."""
        with self._lock:
            if self._connection is not None or not self._exists():
                yield self._connection
                return
            with mapped_errors(self.path), self._opened(read_only=True) as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """The file, created and migrated where needed, in one transaction: all of it is kept, or nothing.

        Raises:
            RuntimeError: inside `reading`.
        """
        with self._lock:
            if self._connection is not None:
                if not self._writes:
                    raise RuntimeError("a ledger that is open for reading cannot be written: leave `reading()` first")
                yield self._connection
                return
            with mapped_errors(self.path):
                if not self._exists():
                    migrations.create(self.path, self.kind)
                with self._opened(read_only=False) as connection:
                    connection.begin()
                    yield connection
                    connection.commit()

    @contextmanager
    def attached(self, other: Path) -> Iterator[DuckDBPyConnection]:
        """As `writing`, with another ledger attached as `other`, for reading only."""
        with self._lock, mapped_errors(self.path):
            if not self._exists():
                migrations.create(self.path, self.kind)
            with self._opened(read_only=False) as connection:
                quoted = str(other).replace("'", "''")
                connection.execute(f"attach '{quoted}' as other (read_only)")
                connection.begin()
                yield connection
                connection.commit()

    def _exists(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:  # a folder that may not be looked into
            raise translate(self.path, error) from error

    @contextmanager
    def _opened(self, read_only: bool) -> Iterator[DuckDBPyConnection]:
        connection = connect(self.path, read_only, *self._wait)
        try:
            applied = migrations.check(connection, self.path, self.kind)
            if applied < len(migrations.MIGRATIONS):
                if read_only:
                    connection.close()
                    connection = connect(self.path, False, *self._wait)
                migrations.upgrade(connection, self.path)
            self._connection, self._writes = connection, not read_only
            yield connection
        finally:
            self._connection, self._writes = None, False
            connection.close()
