"""tests: faults at the boundaries of an audit, drawn by a seed: files, the ledger, evaluators; and being killed there.

Each seed is an audit in a process of its own, on a copy of a workspace, in which the n-th crossing of some boundary
fails: an error, half a write, or SIGKILL. What the process committed, it notes in a file before it goes on. Afterwards
an audit without faults must find every run that was noted, bit for bit, and give the grades of an audit that had none.
"""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx
import numpy as np
from mi_atlas.engine import measure as measuring
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.cli import app
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.terminal import run
from mi_atlas.engine.workspace import find_workspace
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.store import FinishedRun, JudgeReply, Ledger, connection

from .conftest import Desk

KINDS = ("open", "write", "replace", "connect", "execute", "before commit", "after commit", "evaluator")
JUDGED = (*KINDS, "judge", "judge", "judge", "judge")
"""Of audits that ask a judge."""
REPLY = "reply"
ALLOWED = (0, 2, 3, 4)
"""Exit codes of an audit in which something failed; 3 is that of a claim file which cannot be read."""


@dataclass
class Faults:
    """What fails in one process."""

    seed: int
    root: Path
    kinds: Sequence[str] = KINDS
    crossings: dict[str, int] = field(default_factory=dict)
    happened: str | None = None

    def __post_init__(self) -> None:
        draw = random.Random(self.seed)
        self.kind = draw.choice(self.kinds)
        self.at = draw.randrange({"evaluator": 40, "execute": 60, "judge": 560}.get(self.kind, 10))
        self.how = draw.choice(("error", "error", "killed"))
        self.error = draw.choice((errno.ENOSPC, errno.EIO, errno.EACCES))
        self.draw = draw

    def due(self, kind: str) -> bool:
        """Whether this crossing of a boundary is the one that fails; a process that is to be killed ends here."""
        number = self.crossings[kind] = self.crossings.get(kind, -1) + 1
        if self.happened or kind != self.kind or number != self.at:
            return False
        self.happened = kind
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def os_error(self) -> OSError:
        return OSError(self.error, os.strerror(self.error), str(self.root))

    def install(self) -> None:
        """Put the faults in their places, for the rest of this process's life."""
        self._files()
        self._ledger()
        self._evaluators()
        self._judges()

    def _files(self) -> None:
        opened, replaced = io.open, os.replace

        def open_(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
            ours = isinstance(file, str | Path) and Path(file).is_relative_to(self.root)
            if ours and self.due("open"):
                raise self.os_error()
            made = opened(file, mode, *args, **more)
            return HalfWritten(made, self) if ours and set(mode) & set("wax+") else made

        def replace(source: Any, target: Any) -> None:
            if self.due("replace"):
                raise self.os_error()
            replaced(source, target)

        io.open = open_  # type: ignore[assignment]
        os.replace = replace  # type: ignore[assignment]

    def _ledger(self) -> None:
        connect = connection.connect

        def faulty(path: Path, *args: Any) -> Any:
            if self.due("connect"):
                raise connection.translate(path, self.os_error())
            return Faulty(connect(path, *args), self)

        connection.connect = faulty  # type: ignore[assignment]

    def _evaluators(self) -> None:
        find = measuring.find_evaluator
        errors = RuntimeError("boom"), MemoryError("1 GB"), NotEvaluated("proof_failed", "no"), self.os_error()
        error = self.draw.choice(errors)

        class Failing:
            def __init__(self, evaluator: Any) -> None:
                self.evaluator = evaluator

            def measure(failing, *given: Any) -> Iterator[Any]:
                for result in failing.evaluator.measure(*given):
                    if self.due("evaluator"):
                        raise error
                    yield result

        measuring.find_evaluator = lambda name: Failing(find(name))  # type: ignore[assignment,misc]

    def _judges(self) -> None:
        send, gone, error = httpx.AsyncClient.send, self.draw.random() < 0.5, httpx.ReadError("boom")

        async def faulty(client: Any, *args: Any, **more: Any) -> Any:
            due = self.due("judge")
            if due or (gone and self.happened == "judge"):  # once, or from then on
                raise error
            return await send(client, *args, **more)

        httpx.AsyncClient.send = faulty  # type: ignore[method-assign]


class HalfWritten:
    """A file whose write may end half way, as on a disk that has no more room."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, data: Any) -> Any:
        if self._faults.kind == "write" and self._faults.how == "killed":
            self._file.flush()
        if self._faults.due("write"):
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            raise self._faults.os_error()
        return self._file.write(data)

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Faulty:
    """A connection to the ledger, some of whose calls fail."""

    def __init__(self, real: Any, faults: Faults) -> None:
        self._real, self._faults = real, faults

    def execute(self, *words: Any) -> Any:
        if self._faults.due("execute"):
            raise duckdb.IOException(f"IO Error: {self._faults.os_error()}")
        return self._real.execute(*words)

    def commit(self) -> Any:
        if self._faults.due("before commit"):
            raise duckdb.IOException(f"IO Error: {self._faults.os_error()}")
        done = self._real.commit()
        if self._faults.due("after commit"):
            raise duckdb.IOException(f"IO Error: {self._faults.os_error()}")
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@dataclass(frozen=True)
class Outcome:
    """What became of one faulty audit, and of the one after it."""

    seed: int
    fault: str
    happened: bool
    exit_code: int
    """Negative: the signal that ended it."""
    committed: int
    lost: int
    """Runs and replies that were committed and are not there, or runs not with the same bits."""
    wrong: tuple[str, ...]
    """Grades other than the fault-free audit's, Pending in the faulty audit excepted."""
    traceback: str


def in_child(work: Callable[[], int]) -> int:
    """Exit status of a forked process that does some work; negative: the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def faulty_audit(root: Path, faults: Faults, notes: Path) -> int:
    """An audit by the command, in this process, with the faults of a seed; its exit code."""
    commit, keep = Ledger.commit, Ledger.keep_replies
    out = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def noting(ledger: Ledger, finished: Sequence[FinishedRun], supersede: bool = False) -> None:
        commit(ledger, finished, supersede)
        lines = (json.dumps([run.key, {q: list(map(float, v)) for q, v in run.values.items()}]) for run in finished)
        os.write(out, "".join(f"{line}\n" for line in lines).encode())

    def noting_replies(ledger: Ledger, replies: Sequence[JudgeReply]) -> None:
        keep(ledger, replies)
        os.write(out, "".join(f"{json.dumps([REPLY, reply.key])}\n" for reply in replies).encode())

    Ledger.commit, Ledger.keep_replies = noting, noting_replies  # type: ignore[method-assign]
    os.chdir(root)
    log = os.open(notes.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faults.install()
    try:
        return run(app, ["audit", "--device", "cpu", "--processes", "1"])
    except BaseException:
        os.write(log, traceback.format_exc().encode())
        return 1
    finally:
        os.write(out, f'["happened", {json.dumps(faults.happened)}]\n'.encode())


def audit(root: Path) -> None:
    """An audit without faults, in this process."""
    Audit(find_workspace(root), Options(device="cpu", processes=1), Silent()).run()


def reference(template: Path, folder: Path) -> dict[str, str]:
    """The verdicts of an audit without faults on a copy of a workspace."""
    root = folder / "reference"
    shutil.copytree(template, root)
    audit(root)
    return Desk(root).documents()


def outcome(
    template: Path, folder: Path, seed: int, expected: Mapping[str, str], kinds: Sequence[str] = KINDS
) -> Outcome:
    """One seed: a faulty audit on a copy of a workspace, then one without faults on the same copy."""
    root, notes = folder / f"seed-{seed}", folder / f"notes-{seed}"
    shutil.copytree(template, root)
    faults = Faults(seed, root, kinds)
    code = in_child(lambda: faulty_audit(root, faults, notes))
    lines = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    committed = {key: values for key, values in lines if key not in ("happened", REPLY)}
    replies = {key for what, key in lines if what == REPLY}
    happened = code == -signal.SIGKILL or ["happened", faults.kind] in lines
    ledger = Ledger(find_workspace(root).ledger)
    lost = _lost(ledger, committed) + len(replies - ledger.replies(replies).keys())
    wrong = [name for name, row in ledger.verdicts().items() if row.grade not in (grade_of(expected[name]), "Pending")]
    audit(root)
    wrong += [name for name, row in ledger.verdicts().items() if row.document != expected[name]]
    lost += _lost(ledger, committed)
    said = notes.with_suffix(".err").read_text(errors="replace")
    trace = said if "Traceback" in said or (code >= 0 and code not in ALLOWED) else ""
    shutil.rmtree(root)
    fault = f"{faults.kind} {faults.at}, {faults.how}"
    return Outcome(seed, fault, happened, code, len(committed) + len(replies), lost, tuple(dict.fromkeys(wrong)), trace)


def grade_of(document: str) -> str:
    return str(json.loads(document)["grade"])


def _lost(ledger: Ledger, committed: Mapping[str, Mapping[str, list[float]]]) -> int:
    stored = ledger.values(committed)
    return sum(key not in stored or not _same(stored[key], values) for key, values in committed.items())


def _same(stored: Mapping[str, Any], values: Mapping[str, list[float]]) -> bool:
    return all(np.array_equal(stored[quantity], series, equal_nan=True) for quantity, series in values.items())
