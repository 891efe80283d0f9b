"""tests: what several processes measure is what one measures, and a process that dies loses only what it had."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.measure import Lost, Place
from mi_atlas.engine.plan import GroupStep, Plan
from mi_atlas.engine.pool import Pool, pieces
from mi_atlas.store import FinishedRun, Ledger

from .conftest import Desk, Listener, claim


def planned(desk: Desk) -> Plan:
    return Audit(desk.workspace, Options(), Listener()).preview()


def values_of(desk: Desk, keys: list[str]) -> dict[str, dict[str, list[float]]]:
    with (ledger := Ledger(desk.workspace.ledger)).reading():
        return {
            key: {name: list(map(float, each)) for name, each in values.items()}
            for key, values in ledger.values(keys).items()
        }


def test_two_processes_give_the_bytes_and_verdicts_of_one(filled: Desk) -> None:
    keys = [run.key for step in planned(filled).steps for run in step.runs]
    results = []
    for processes in (1, 2):
        audit = Audit(filled.workspace, Options(processes=processes), Listener())
        verdicts = {name: verdict.to_json() for name, verdict in audit.run().verdicts.items()}
        results.append((verdicts, values_of(filled, keys)))
        for path in filled.workspace.ledger.parent.iterdir():
            path.unlink()
        filled.workspace.registrations.unlink()
    assert len(results[0][1]) == len(set(keys)) == 92
    assert results[0] == results[1]


def test_pieces_are_every_run_once_and_families_whole(filled: Desk) -> None:
    steps = planned(filled).steps
    for processes in (1, 2, 3, 8):
        cut = pieces(steps, processes)
        assert Counter(run.key for _, piece in cut for run in piece.runs) == Counter(
            run.key for step in steps for run in step.runs
        )
        for number, piece in cut:
            assert piece.group is steps[number].group
        for number in range(len(steps)):
            families = [{run.cell.family for run in piece.runs} for at, piece in cut if at == number]
            assert sum(map(len, families)) == len(set.union(*families))
    assert [len(piece.runs) for _, piece in pieces(steps, 1)] == sorted(
        (len(step.runs) for step in steps), reverse=True
    )
    assert pieces([], 2) == []


def test_a_process_that_dies_loses_what_it_had_and_no_more(thin_desk: Desk) -> None:
    """The process started last is given the longest piece; it is killed when the other has told of a short one."""
    thin_desk.write_suite("long", families=["copying"], items=400)
    control = {"kind": "matched_norm_noise", "draws": 150, "ratio": 1.01}
    thin_desk.write("small/long", claim("L1", suite="long", control=control))
    for name in ("tiny", "second", "third"):
        thin_desk.write_suite(name, seed=len(name))
        thin_desk.write(f"small/{name}", claim("L1", suite=name))
    steps, killed = planned(thin_desk).steps, list[int]()
    (_, long), *_ = pieces(steps, 2)
    keys, at_risk = {run.key for step in steps for run in step.runs}, {run.key for run in long.runs}
    finished, lost = set[str](), dict[str, str]()
    with Pool(2, Place(thin_desk.root, "cpu")) as pool:
        for _, event in pool.measure(steps, set()):
            if isinstance(event, FinishedRun):
                finished.add(event.key)
            else:
                lost |= dict.fromkeys(event.keys, event.why.code)
                assert event.why.code == "process_died"
                assert "signal SIGKILL, as when memory runs out" in event.why.reason
            if not killed and finished - at_risk:
                last = max(multiprocessing.active_children(), key=lambda child: int(child.name.rpartition("-")[2]))
                killed.append(last.pid or 0)
                os.kill(killed[0], signal.SIGKILL)
    assert finished | lost.keys() == keys
    assert not finished & lost.keys()
    assert lost.keys()
    assert lost.keys() <= at_risk
    assert not multiprocessing.active_children()


def test_each_process_has_a_device_of_its_own(filled: Desk) -> None:
    """`cpu` and `cpu:0` are two names of one device: what GPUs would measure side by side gives the same numbers."""
    steps = planned(filled).steps
    with Pool(2, Place(filled.root, "cpu"), ("cpu", "cpu:0")) as pool:
        found = [event for _, event in pool.measure(steps, set()) if isinstance(event, FinishedRun)]
    assert len(found) == sum(len(step.runs) for step in steps)
    assert {run.device for run in found} == {"cpu", "cpu:0"}


def test_what_cannot_be_measured_is_said_with_its_reason(filled: Desk) -> None:
    (step, *_) = planned(filled).steps
    broken = GroupStep(replace(step.group, located=replace(step.group.located, folder=Path("nowhere"))), step.runs)
    with Pool(2, Place(filled.root, "cpu")) as pool:
        events = [event for _, event in pool.measure([broken], set())]
    assert all(isinstance(event, Lost) for event in events)
    assert {key for event in events if isinstance(event, Lost) for key in event.keys} == {run.key for run in step.runs}
    assert all(event.why.code == "run_failed" for event in events if isinstance(event, Lost))
    assert all(event.why.reason.startswith("OSError: ") for event in events if isinstance(event, Lost)), events


def test_interrupted_it_keeps_what_was_measured_and_leaves_no_process(filled: Desk) -> None:
    filled.write("small/long", claim("L1", control={"kind": "untrained_model", "draws": 80, "ratio": 1.5}))
    keys = [run.key for step in planned(filled).steps for run in step.runs]
    # A suite that was started in the background ignores Ctrl-C, and so would the programs it starts.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = filled.command("audit", "--processes", "2", start_new_session=True, preexec_fn=heeding)
    deadline = time.monotonic() + 300
    while not filled.workspace.ledger.exists() or not Ledger(filled.workspace.ledger).hits(keys):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "interrupted; what was measured is kept" in err
    deadline = time.monotonic() + 300
    while _alive(process.pid):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.1)
    code, out, err = filled.type("plan")
    assert code == 0, err
    assert " runs to measure in " in out
    assert ", 0 in the ledger" not in out


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
