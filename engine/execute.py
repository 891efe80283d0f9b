"""engine: carry out a plan, committing what is finished at most half a second apart.

A failure never becomes a measurement: what a group could not give is recorded as attempts, with a code
and a reason, and the claims that need it end Pending.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..store import FinishedRun, Ledger, utc_now
from .machine import TIMED
from .measure import Event, Failure, Lost, Place, cores, is_small, measure
from .plan import GroupStep, Plan

if TYPE_CHECKING:
    from .crew import Crew
    from .needs import Run
    from .talk import Talk

COMMIT_EVERY_S = 0.5

WORTH_A_POOL = 20_000
"""Passes of small models from which on starting processes takes less time than they save."""

Measured = Callable[[dict[int, GroupStep]], Iterator[Event]]
"""Measures steps, which are given by number."""


class Writer:
    """Buffers finished runs and what was proven, and commits them in groups."""

    def __init__(self, ledger: Ledger, supersede: bool) -> None:
        self._ledger, self._supersede = ledger, supersede
        self._buffer: list[FinishedRun] = []
        self._last = time.monotonic()
        self.proven: set[str] = set() if supersede else set(ledger.recall_all("proof"))
        self._known = set(self.proven)
        self._begun = utc_now()

    def add(self, run: FinishedRun) -> None:
        """Take a finished run; commit if the last commit is long enough ago.

        Another process, or another machine, may have a clock by which it was measured before it was asked for.
        """
        self._buffer.append(run if run.measured_at > self._begun else replace(run, measured_at=utc_now()))
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
    talk: Talk,
    supersede: bool = False,
    processes: int | None = None,
    writer: Writer | None = None,
    crew: Crew | None = None,
) -> dict[str, Failure]:
    """Run every step; returns the failures by key. With `supersede` new values take the place of stored ones.

    What was proven of a model is remembered in the ledger, and is proven again with `supersede`. `processes`: how many
    measure small models side by side; None: one a core, where that is worth it. `writer`: another one than that which
    commits all. `crew`: workers of a cluster, which measure all that is neither timed nor judged.
    """
    failures: dict[str, Failure] = {}
    done = [0] * len(plan.steps)
    writer = writer or Writer(ledger, supersede)
    measured = partial(_events, place=place, proven=writer.proven, processes=processes, crew=crew)
    try:
        for number, event in _in_order(plan.steps, ledger, place, writer, measured, talk):
            if isinstance(event, FinishedRun):
                writer.add(event)
                done[number] += 1
                talk.progress(plan.steps[number], done[number])
            else:
                failures |= (lost := dict.fromkeys(event.keys, event.why))
                writer.failed([run for run in plan.steps[number].runs if run.key in lost], event.why)
    finally:
        writer.flush()
    return failures


def _in_order(
    steps: Sequence[GroupStep], ledger: Ledger, place: Place, writer: Writer, measured: Measured, talk: Talk
) -> Iterator[Event]:
    """First what needs no other run, then what is aimed by maps, then judgments of what was written meanwhile."""
    models = {n: step for n, step in enumerate(steps) if step.group.writing is None}
    yield from measured({n: step for n, step in models.items() if not step.group.inputs})
    yield from _aimed({n: step for n, step in models.items() if step.group.inputs}, ledger, writer, measured)
    judging = {n: step for n, step in enumerate(steps) if step.group.writing}
    if judging:
        from .judging.bench import Bench

        writer.flush()
        bench = Bench(ledger, place, talk)
        for number, step in judging.items():
            for event in bench.judge(step):
                yield number, event


def _aimed(aimed: dict[int, GroupStep], ledger: Ledger, writer: Writer, measured: Measured) -> Iterator[Event]:
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
    yield from measured(aimed)


def _events(
    steps: Mapping[int, GroupStep], place: Place, proven: set[str], processes: int | None, crew: Crew | None
) -> Iterator[Event]:
    """Small models side by side, if there is enough of them; all others one after another, in this process.

    With several GPUs everything side by side, one process on each; or everything on a cluster. What is timed comes
    last, in this process, when nothing else runs.
    """
    timed = {number: step for number, step in steps.items() if step.group.evaluator in TIMED}
    others = {number: step for number, step in steps.items() if number not in timed}
    if crew is not None and others:
        yield from crew.measure(others, proven)
        others = {}
    steps = {**others, **timed}
    small = [number for number, step in steps.items() if is_small(step.group) and number not in timed]
    gpus = _gpus(place) if processes is None else []
    if len(gpus) > 1:
        processes, small = len(gpus), list(others)
    if processes is None:
        worth = place.device == "cpu" and sum(steps[number].passes for number in small) >= WORTH_A_POOL
        processes = cores() if worth else 1
    if processes > 1 and small:
        from .pool import Pool

        with Pool(processes, replace(place, threads=max(1, cores() // processes)), gpus) as pool:
            for of_small, event in pool.measure([steps[number] for number in small], proven):
                yield small[of_small], event
    for number, step in steps.items():
        if processes == 1 or number not in small:
            for event in measure(step, place, proven):
                yield number, event


def _gpus(place: Place) -> list[str]:
    """All of this machine, where none was chosen."""
    if place.device != "cuda":
        return []
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
