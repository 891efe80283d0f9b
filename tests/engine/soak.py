"""tests: everything at once on one ledger: two audits, a table that is read again and again, merges, and random kills.

The processes are the real command, each started anew when it ends, and killed at random times by random signals. While
they run, new claims are written. In the end an audit without faults must find a ledger that is whole, and give the
grades of one that nothing ever happened to.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.tolerance import agree
from mi_atlas.specs.canonical import digest
from mi_atlas.store import Ledger
from mi_atlas.store.connection import connect

from .conftest import Desk, claim, furnished
from .faults import audit

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
DONE = (0, 2)
"""Exit codes of a command that nothing was done to: all decided, or some claims are Pending."""
FAR = 2
"""Claims whose evidence comes from another ledger, too."""
MEAN_LIFE_S = 5.0
PATIENCE_S = 60.0
SHOWN = 2000
"""Characters of an error that are kept."""


@dataclass
class Report:
    """What was done, and what is wrong in the end."""

    ended: Counter[str] = field(default_factory=Counter)
    """Worker and how it ended -> how often."""
    faults: list[str] = field(default_factory=list)
    """What a command that was not killed should not have done."""
    lost: int = 0
    """Runs that were seen in the ledger once, and are not there."""
    seen: int = 0
    runs: int = 0
    broken: int = 0
    """Runs whose key is not that of its parts, or whose values are not those of the untouched ledger."""
    conflicts: int = 0
    unfinished: int = 0
    """Audits that ended well and lack a verdict."""
    wrong: list[str] = field(default_factory=list)
    """Claims whose verdict differs from that of an audit that nothing happened to, in any byte."""
    claims: int = 0

    @property
    def consistent(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.faults or self.lost or self.broken or self.conflicts or self.unfinished or self.wrong)

    def __str__(self) -> str:
        ends = "\n".join(f"  {what:28} {count:5}" for what, count in sorted(self.ended.items()))
        told = "\n".join(self.faults)
        return (
            f"{ends}\n{self.claims} claims, {self.runs} runs: {self.lost} of {self.seen} lost, {self.broken} broken, "
            f"{self.conflicts} conflicts, {self.unfinished} audits without all verdicts, {len(self.wrong)} verdicts "
            f"wrong, {len(self.faults)} faults\n{told}"
        )


@dataclass
class Worker:
    """One place in which commands follow each other."""

    name: str
    next: Callable[[], tuple[str, ...]]
    process: subprocess.Popen[str] | None = None
    killed: signal.Signals | None = None


class Soak:
    """A workspace in which everything happens at once, and a second one that others' evidence comes from."""

    def __init__(self, folder: Path, model: Path, seed: int = 0) -> None:
        self._draw = random.Random(seed)
        self._desk = furnished(folder / "desk", model)
        self._folder, self._made = folder, 0
        for _ in range(FAR):
            self._write("far")
        self._write("own")
        self.report = Report()
        self._far = self._elsewhere()
        self._workers = [
            Worker("audit", self._new),
            Worker("audit --rerun", self._again),
            Worker("table", lambda: ("table", "-f", "markdown")),
            Worker("merge", self._merge),
        ]
        self._seen: dict[int, str] = {}

    def run(self, seconds: float) -> Report:
        """Let it happen for a while; then see what is left."""
        end, kill, look = time.monotonic() + seconds, self._wait(), time.monotonic()
        while time.monotonic() < end:
            for worker in self._workers:
                self._tend(worker)
            if time.monotonic() >= kill:
                kill = self._wait()
                self._kill()
            if time.monotonic() >= look:
                look = time.monotonic() + 5
                self._look()
            time.sleep(0.05)
        for worker in self._workers:
            if worker.process is not None:
                self._said(worker, *worker.process.communicate(timeout=300))
        self.check()
        return self.report

    def _wait(self) -> float:
        return time.monotonic() + self._draw.expovariate(1 / MEAN_LIFE_S)

    def _write(self, kind: str) -> None:
        """A claim of its own suite; every third is wrong."""
        name = f"{kind}{self._made}"
        self._desk.write_suite(name, seed=self._made)
        self._desk.write(f"small/{name}", claim("L0" if self._made % 3 == 2 else "L1", suite=name))
        self._made += 1

    def _elsewhere(self) -> Desk:
        """Another workspace, with the same claims registered, that measured those called far."""
        other = Desk(self._folder / "other")
        state = Audit(self._desk.workspace, Options(), Silent())
        for resolved in state.resolved.values():
            state.registrations.register(resolved.claim.claim, resolved.estimand, resolved.bound)
        self._desk.workspace.registrations.write_text(state.registrations.text())
        shutil.copytree(self._desk.root, other.root)
        other.audit("small/far*")
        other.type("store", "export", "../exported")
        return other

    def _new(self) -> tuple[str, ...]:
        self._write("own")
        return ("audit", "--processes", "1")

    def _again(self) -> tuple[str, ...]:
        number = self._draw.randrange(self._made)
        return ("audit", f"small/*{number}", "--rerun", "--processes", "1")

    def _merge(self) -> tuple[str, ...]:
        if self._draw.random() < 0.5:
            return ("store", "merge", str(self._far.workspace.ledger))
        return ("store", "import", "../exported")

    def _tend(self, worker: Worker) -> None:
        if worker.process is not None and worker.process.poll() is not None:
            self._said(worker, *worker.process.communicate())
        if worker.process is None:
            worker.process, worker.killed = self._desk.command(*worker.next()), None

    def _kill(self) -> None:
        worker = self._draw.choice(self._workers)
        if worker.process is not None and worker.process.poll() is None:
            worker.killed = self._draw.choice(SIGNALS)
            worker.process.send_signal(worker.killed)

    def _said(self, worker: Worker, out: str, err: str) -> None:
        assert worker.process is not None
        code, killed = worker.process.returncode, worker.killed
        how = f"got {killed.name}" if killed else f"exit code {code}"
        self.report.ended[f"{worker.name}: {how}"] += 1
        if killed is None and (code not in DONE or "Traceback" in err):
            self.report.faults.append(f"{worker.name}, {how}: {err[-SHOWN:]}")
        worker.process = None

    def _look(self) -> None:
        """Note which runs are there: none of them may ever be gone."""
        self._seen |= dict(self._rows("select id, key from run"))

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        path = self._desk.workspace.ledger
        if not path.exists():
            return []
        with connect(path, True, PATIENCE_S, None) as connection:
            return connection.execute(query).fetchall()

    def check(self) -> None:
        """Compare what is left with what an untouched workspace measures."""
        report, ledger = self.report, Ledger(self._desk.workspace.ledger)
        audit(self._desk.root)
        found = self._desk.documents()
        untouched = Desk(self._folder / "untouched")
        shutil.rmtree(untouched.root, ignore_errors=True)
        for name in ("claims", "specs"):
            shutil.copytree(self._desk.root / name, untouched.root / name)
        audit(untouched.root)
        expected = untouched.documents()
        report.claims = len(expected)
        report.wrong = sorted(name for name in expected if found.get(name) != expected[name])
        there = dict(self._rows("select id, key from run"))
        report.runs, report.seen = len(there), len(self._seen)
        report.lost = sum(there.get(number) != key for number, key in self._seen.items())
        report.broken = self._broken(Ledger(untouched.workspace.ledger))
        report.conflicts = len(ledger.conflicts())
        report.unfinished = sum(
            {*json.loads(about)["claims"]} != {*(names or ())}
            for about, names in self._rows(
                "select about, list(claim) from audit left join verdict on audit_id = audit.id"
                " where finished_at is not null group by audit.id, about"
            )
        )

    def _broken(self, untouched: Ledger) -> int:
        parts = {
            number: dict(zip(names, digests, strict=True))
            for number, names, digests in self._rows("select run_id, list(part), list(digest) from run_part group by 1")
        }
        values: dict[int, dict[str, list[float]]] = {}
        for number, quantity, series in self._rows(
            "select run_id, quantity, list(value order by position) from measurement group by all"
        ):
            values.setdefault(number, {})[quantity] = series
        keys = dict(self._rows("select id, key from run"))
        right = untouched.values(set(keys.values()))
        return sum(
            digest("cell", parts.get(number, {})) != key
            or key not in right
            or not agree(parts[number], _arrays(values.get(number, {})), right[key])
            for number, key in keys.items()
        )


def _arrays(values: Mapping[str, list[float]]) -> dict[str, Any]:
    import numpy as np

    return {name: np.asarray(series, dtype=float) for name, series in values.items()}
