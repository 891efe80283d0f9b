"""tests of store: several processes on one ledger, and processes that die while they write."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mi_atlas.store import FinishedRun, Ledger, LedgerBusy, audit_lock
from mi_atlas.store.connection import holder

Start = Callable[..., "subprocess.Popen[str]"]

WRITER = """
import sys
from pathlib import Path
from mi_atlas.store import FinishedRun, Ledger, utc_now

path, name, groups, size, repeats, *pauses = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
for group in range(groups):
    if group in pauses:
        sys.stdin.readline()
    runs = [
        FinishedRun(f"{name}-{group}-{i}", {"site": f"{group}-{i}"},
                    {"kl": [group, i, 0.5] * repeats, "drop": [1.0] * repeats}, utc_now(), 0.1, "cpu", {})
        for i in range(size)
    ]
    Ledger(path).commit(runs)
    print(group, flush=True)
"""
"""Commits one group after another; before those named last it waits for a line."""
HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""
AUDIT = """
import sys
from pathlib import Path
from mi_atlas.store import audit_lock
with audit_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
HUNG_S = 300.0


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def go_on(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def test_processes_that_write_at_once_all_succeed(ledger: Ledger, start: Start) -> None:
    children = [start(WRITER, ledger.path, name, 15, 3, 40) for name in ("a", "b", "shared", "shared")]
    outcomes = [(child.wait(HUNG_S), child.stderr.read() if child.stderr else "") for child in children]
    assert outcomes == [(0, "")] * 4
    keys = [f"{name}-{group}-{i}" for name in ("a", "b", "shared") for group in range(15) for i in range(3)]
    infos = ledger.runs(keys)
    assert sorted(infos) == sorted(keys)
    assert {info.take for info in infos.values()} == {1}
    assert {v.size for by in ledger.values(keys).values() for v in by.values()} == {40, 120}


def test_readers_never_fail_while_a_ledger_is_born_and_written(ledger: Ledger, start: Start) -> None:
    """The writer waits until there was no ledger to read, and half-way until half of it was read."""
    keys = [f"a-{group}-{i}" for group in range(20) for i in range(2)]
    child = start(WRITER, ledger.path, "a", 20, 2, 40, 0, 10)
    seen, awaited, deadline = [len(ledger.hits(keys))], [0, 20], time.monotonic() + HUNG_S
    while child.poll() is None:
        if seen[-1] in awaited:
            awaited.remove(seen[-1])
            go_on(child)
        time.sleep(0.005)
        seen.append(len(ledger.hits(keys)))
        assert time.monotonic() < deadline, f"the writer waits in vain: {seen[-1]} runs"
    assert child.returncode == 0
    seen.append(len(ledger.hits(keys)))
    assert seen == sorted(seen)
    assert all(count % 2 == 0 for count in seen)
    assert {0, 20, 40} <= set(seen), "the reader should have seen the ledger grow"


def test_a_writer_killed_at_any_moment_leaves_whole_groups_only(ledger: Ledger, start: Start) -> None:
    """Groups are large, so that most of the moments fall inside a transaction."""
    size, repeats = 50, 400
    for trial, milliseconds in enumerate(random.Random(20).sample(range(1, 400), 10)):
        child = start(WRITER, ledger.path, f"t{trial}", 10_000, size, repeats)
        line_of(child)
        time.sleep(milliseconds / 1000)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        assert child.stdout is not None
        acknowledged = 1 + child.stdout.read().count("\n")
        stored = ledger.values(f"t{trial}-{group}-{i}" for group in range(acknowledged + 2) for i in range(size))
        groups = {key.rpartition("-")[0] for key in stored}
        assert len(stored) == size * len(groups), f"part of a group was stored, killed after {milliseconds} ms"
        assert {f"t{trial}-{group}" for group in range(acknowledged)} <= groups, "an acknowledged group was lost"
        assert len(groups) <= acknowledged + 1
        for key, by in stored.items():
            _, group, i = key.split("-")
            assert by["kl"].tolist() == [float(group), float(i), 0.5] * repeats
            assert by["drop"].size == repeats


def test_a_process_that_keeps_the_file_open_is_named_once_and_then_given_up_on(
    ledger: Ledger, start: Start, make_run: Callable[..., FinishedRun]
) -> None:
    ledger.commit([make_run("a")])
    child = start(HOLDER, ledger.path)
    line_of(child)
    told: list[str] = []
    impatient = Ledger(ledger.path, patience_s=1.6, on_wait=told.append)
    begin = time.monotonic()
    with pytest.raises(LedgerBusy, match=f"process {child.pid}") as caught:
        impatient.hits(["a"])
    assert 1.5 < time.monotonic() - begin < HUNG_S
    assert caught.value.pid == child.pid
    assert len(told) == 1
    assert f"process {child.pid}" in told[0]
    assert str(ledger.path) in told[0]


def test_a_write_goes_through_as_soon_as_the_file_is_free(
    ledger: Ledger, start: Start, make_run: Callable[..., FinishedRun]
) -> None:
    ledger.commit([make_run("a")])
    child = start(HOLDER, ledger.path)
    line_of(child)
    Ledger(ledger.path, patience_s=HUNG_S, on_wait=lambda _: go_on(child)).commit([make_run("b")])
    assert ledger.hits(["a", "b"]) == {"a", "b"}


def test_a_message_without_a_process_id_is_passed_on_as_it_is() -> None:
    assert holder(OSError("somebody has it")) == ("somebody has it", None)
    assert holder(OSError("Conflicting lock is held in /usr/bin/python3.11 (PID 42). See")) == (
        "process 42 (python3.11)",
        42,
    )


def test_the_second_audit_waits_names_the_first_and_goes_on_when_it_is_killed(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "new" / "ledger.duckdb"
    child = start(AUDIT, path)
    assert line_of(child) == "held"
    told: list[str] = []
    with pytest.raises(LedgerBusy, match=f"process {child.pid} on ") as caught, audit_lock(path, told.append, 0.3):
        pytest.fail("two audits at once")
    assert caught.value.pid == child.pid
    assert len(told) == 1
    assert f"process {child.pid} on " in told[0]
    assert ", since 20" in told[0]
    child.kill()
    child.wait()
    with audit_lock(path, told.append):
        assert len(told) == 1, "a lock that died with its process is free at once"


def test_an_audit_lock_is_free_after_an_audit_that_failed(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), audit_lock(tmp_path / "ledger.duckdb", told.append):
            raise ZeroDivisionError
    assert told == []


def test_the_ledger_is_read_and_written_while_another_process_holds_the_audit_lock(
    ledger: Ledger, start: Start, make_run: Callable[..., FinishedRun]
) -> None:
    child = start(AUDIT, ledger.path)
    line_of(child)
    ledger.commit([make_run("a")])
    assert ledger.hits(["a"]) == {"a"}
