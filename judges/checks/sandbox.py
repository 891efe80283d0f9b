"""judges/checks: running the program that an answer is, in a process of its own.

The process has no environment, an empty folder of its own, only the standard library (`python -I -S -B`), and limits
on processor time, memory, the size of files, processes and open files, set for good before the answer is compiled;
after `WALL_SECONDS` it is killed with all that belongs to it. An audit hook ends it where it opens a socket or a file
to write to, starts or signals a process, loads a C library, or removes or renames a file.

That stops what models write by mistake: endless loops, floods of output, downloads, tidying up. It is no wall against
a program that was written to break out: an audit hook is part of the process it watches, files that the user may read
can be read, and limits on processes do not bind root. Where answers may be hostile, audit inside a container without
network.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

CHILD = Path(__file__).with_name("child.py")

LIMITS = {"CPU": 5, "AS": 512 * 2**20, "FSIZE": 2**20, "NPROC": 1, "NOFILE": 32, "CORE": 0}
"""Seconds, bytes, bytes, processes, files, bytes."""

WALL_SECONDS = 10.0
LONGEST = 100_000
"""Characters of a program."""


@dataclass(frozen=True)
class Ran:
    """A program that ended by itself, within its limits and without an error."""

    printed: str
    """What it wrote before any expression was evaluated."""
    values: Sequence[Any]
    """What the expressions gave, as JSON."""


def ran(program: str, calls: Sequence[str] = ()) -> Ran | None:
    """Run a program and then evaluate expressions; None where any of it fails or breaks a limit."""
    if len(program) > LONGEST:
        return None
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as result:
        task = {"program": program, "calls": list(calls), "limits": LIMITS, "result": result.fileno()}
        if _run(json.dumps(task).encode(), folder, out, result) != 0:
            return None
        try:
            found, printed = json.loads(_content(result)), _content(out)
            return Ran(printed[: found["written"]].decode("utf-8", "replace"), found["values"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


def _run(task: bytes, folder: str, out: IO[bytes], result: IO[bytes]) -> int | None:
    """The exit status of the process; None where it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={},
        pass_fds=(result.fileno(),),
        start_new_session=True,
    )
    try:
        process.communicate(task, timeout=WALL_SECONDS)
        return process.returncode
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(LIMITS["FSIZE"])
