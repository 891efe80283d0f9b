"""engine: carry out a plan, committing what is finished at most half a second apart.

A failure never becomes a measurement: what a group could not give is recorded as attempts, with a code
and a reason, and the claims that need it end Pending.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..store import FinishedRun, Ledger, utc_now
from .machine import TIMED
from .measure import Event, Failure, Lost, Place, cores, is_small, measure
from .plan import GroupStep, Plan

if TYPE_CHECKING:
    from .needs import Run

COMMIT_EVERY_S = 0.5

WORTH_A_POOL = 20_000
"""Passes of small models from which on starting processes takes less time than they save."""

Progress = Callable[[GroupStep, int], None]
"""Called with a step and how many of its runs are finished."""


class Writer:
    """Buffers finished runs and what was proven, and commits them in groups."""

    def __init__(self, ledger: Ledger, supersede: bool) -> None:
        self._ledger, self._supersede = ledger, supersede
        self._buffer: list[FinishedRun] = []
        self._last = time.monotonic()
        self.proven: set[str] = set() if supersede else set(ledger.recall_all("proof"))
        self._known = set(self.proven)

    def add(self, run: FinishedRun) -> None:
        """Take a finished run; commit if the last commit is long enough ago."""
        self._buffer.append(run)
        if time.monotonic() - self._last >= COMMIT_EVERY_S:
            self.flush()

    def failed(self, runs: list[Run], failure: Failure) -> None:
        """Record what could not be measured."""
        with self._ledger.writing():
            for run in runs:
                self._ledger.attempt_failed(run.key, run.parts, f"{failure.code}: {failure.reason}")

    def flush(self) -> None:
        """Commit what is buffered."""
        self._ledger.commit(self._buffer, supersede=self._supersede)
        self._ledger.remember_many("proof", dict.fromkeys(self.proven - self._known, utc_now()))
        self._buffer.clear()
        self._known |= self.proven
        self._last = time.monotonic()


def execute(
    plan: Plan,
    ledger: Ledger,
    place: Place,
    progress: Progress,
    supersede: bool = False,
    processes: int | None = None,
    writer: Writer | None = None,
) -> dict[str, Failure]:
    """Run every step; returns the failures by key. With `supersede` new values take the place of stored ones.

    What was proven of a model is remembered in the ledger, and is proven again with `supersede`. `processes`: how many
    measure small models side by side; None: one a core, where that is worth it. `writer`: another one than that which
    commits all.
    """
    failures: dict[str, Failure] = {}
    done = [0] * len(plan.steps)
    writer = writer or Writer(ledger, supersede)
    try:
        for number, event in _in_order(plan.steps, ledger, place, writer, processes):
            if isinstance(event, FinishedRun):
                writer.add(event)
                done[number] += 1
                progress(plan.steps[number], done[number])
            else:
                failures |= (lost := dict.fromkeys(event.keys, event.why))
                writer.failed([run for run in plan.steps[number].runs if run.key in lost], event.why)
    finally:
        writer.flush()
    return failures


def _in_order(
    steps: Sequence[GroupStep], ledger: Ledger, place: Place, writer: Writer, processes: int | None
) -> Iterator[Event]:
    """First what needs no other run, then what is aimed by maps, then judgments of what was written meanwhile."""
    models = {n: step for n, step in enumerate(steps) if step.group.writing is None}
    yield from _events({n: step for n, step in models.items() if not step.group.inputs}, place, writer, processes)
    yield from _aimed({n: step for n, step in models.items() if step.group.inputs}, ledger, place, writer, processes)
    judging = {n: step for n, step in enumerate(steps) if step.group.writing}
    if judging:
        from .judging.bench import Bench

        writer.flush()
        bench = Bench(ledger, place)
        for number, step in judging.items():
            for event in bench.judge(step):
                yield number, event


def _aimed(
    aimed: dict[int, GroupStep], ledger: Ledger, place: Place, writer: Writer, processes: int | None
) -> Iterator[Event]:
    """What is aimed by maps that have been measured meanwhile."""
    if not aimed:
        return
    writer.flush()
    needed = {key for step in aimed.values() for each in step.group.inputs.values() for key in each.keys}
    with ledger.reading():
        values = ledger.values(needed)
    for number, step in list(aimed.items()):
        if all(key in values for each in step.group.inputs.values() for key in each.keys):
            aimed[number] = replace(step, maps={name: each.effects(values) for name, each in step.group.inputs.items()})
        else:
            why = Failure("map_missing", "the map that says which weights are trained could not be measured")
            yield number, Lost(tuple(run.key for run in aimed.pop(number).runs), why)
    yield from _events(aimed, place, writer, processes)


def _events(steps: Mapping[int, GroupStep], place: Place, writer: Writer, processes: int | None) -> Iterator[Event]:
    """Small models side by side, if there is enough of them; all others one after another, in this process.

    What is timed comes last, when nothing else runs.
    """
    timed = {number: step for number, step in steps.items() if step.group.evaluator in TIMED}
    steps = {**{number: step for number, step in steps.items() if number not in timed}, **timed}
    small = [number for number, step in steps.items() if is_small(step.group) and number not in timed]
    proven = writer.proven
    if processes is None:
        worth = place.device == "cpu" and sum(steps[number].passes for number in small) >= WORTH_A_POOL
        processes = cores() if worth else 1
    if processes > 1 and small:
        from .pool import Pool

        with Pool(processes, place) as pool:
            for of_small, event in pool.measure([steps[number] for number in small], proven):
                yield small[of_small], event
    for number, step in steps.items():
        if processes == 1 or number not in small:
            for event in measure(step, place, proven):
                yield number, event
