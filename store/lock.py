"""store: only one audit executes runs on a ledger at a time; this is what the second one waits at. Other locks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LedgerBusy, translate
from .rows import utc_now


@contextmanager
def audit_lock(path: Path, on_wait: Callable[[str], None] | None = None, patience_s: float = -1) -> Iterator[None]:
    """Hold the right to execute runs on the ledger at `path`; however the process dies, the kernel frees it.

    on_wait: called once, at once, with a line that names the holder, if there is one. patience_s: -1 waits for ever.

    Raises:
        LedgerBusy: after `patience_s` seconds.
    """
    from filelock import FileLock, Timeout

    sidecar = path.with_name(f"{path.name}.audit.json")
    lock = FileLock(path.with_name(f"{path.name}.audit.lock"), poll_interval=0.1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait(f"waiting for another audit of {path}: {describe_holder(sidecar)[0]}")
            lock.acquire(timeout=patience_s)
        write_holder(sidecar)
    except Timeout:
        who, pid = describe_holder(sidecar)
        raise LedgerBusy(path, f"another audit still runs after {patience_s:.0f} s: {who}", pid) from None
    except OSError as error:
        raise translate(path, error) from error
    try:
        yield
    finally:
        sidecar.unlink(missing_ok=True)
        lock.release()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the right to read a small file and write it anew; others wait for it."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.guard"), poll_interval=0.01):
        yield


def write_holder(sidecar: Path) -> None:
    """Say who holds the lock, since when; the file appears whole."""
    import socket

    draft = sidecar.with_name(f".{sidecar.name}.{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": utc_now()}), "utf-8")
    draft.replace(sidecar)


def describe_holder(sidecar: Path) -> tuple[str, int | None]:
    """Who holds the lock, in words, and the process id; the lock is the truth, so this may be unknown."""
    try:
        holder = json.loads(sidecar.read_text("utf-8"))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}", int(holder["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return "its process is not known", None
