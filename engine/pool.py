"""engine: several processes that measure small models side by side, each on one thread.

A step is cut by family, or by training, into as many pieces as keep the processes busy; evaluators measure each for
itself, so that no number depends on the cut. Processes are forked from a clean server that has imported the libraries
once, and speak over pipes; only this program writes to and reads from them. A process that dies costs what it had in
flight.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, cast

from ..store import FinishedRun
from .measure import Event, Failure, Lost, Place, batches
from .plan import GroupStep, training_of

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

IMPORTS = ["torch", "transformers", "mi_atlas.engine.measure", "mi_atlas.evaluators.models.load"]
"""What the server imports before it forks."""


class Pool:
    """Processes that are given steps, each on one of some devices. A context: leaving it stops them."""

    def __init__(self, processes: int, place: Place, devices: Sequence[str] = ()) -> None:
        self._context = get_context("forkserver")
        self._places = [replace(place, device=device) for device in devices] or [place]
        self._context.set_forkserver_preload(IMPORTS)
        self._idle: list[Connection] = []
        self._workers: dict[Connection, tuple[ForkServerProcess, Place]] = {}
        self._count = processes

    def __enter__(self) -> Pool:
        for number in range(self._count):
            self._start(self._places[number % len(self._places)])
        return self

    def __exit__(self, *exception: object) -> None:
        for pipe, (process, _) in self._workers.items():
            pipe.close() if pipe in self._idle else process.terminate()
        for process, _ in self._workers.values():
            process.join()

    def measure(self, steps: Sequence[GroupStep], proven: set[str]) -> Iterator[Event]:
        """What becomes of the runs of some steps, in the order in which it is told."""
        waiting = deque(pieces(steps, self._count))
        at_work: dict[Connection, tuple[int, set[str]]] = {}
        while waiting or at_work:
            while waiting and self._idle:
                pipe, (number, piece) = self._idle.pop(), waiting.popleft()
                try:
                    pipe.send((piece, frozenset(proven)))
                except ConnectionError:
                    self._died(pipe)
                    waiting.appendleft((number, piece))
                    continue
                at_work[pipe] = number, {run.key for run in piece.runs}
            for pipe in cast("list[Connection]", wait(list(at_work))):
                number, missing = at_work[pipe]
                try:
                    told, known = pipe.recv()
                except (EOFError, ConnectionError):
                    del at_work[pipe]
                    yield number, Lost(tuple(missing), self._died(pipe))
                    continue
                for event in told:
                    missing -= {event.key} if isinstance(event, FinishedRun) else set(event.keys)
                    yield number, event
                if known is not None:
                    proven |= known
                    del at_work[pipe]
                    self._idle.append(pipe)

    def _start(self, place: Place) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, place), daemon=True)
        process.start()
        theirs.close()
        self._workers[ours] = process, place
        self._idle.append(ours)

    def _died(self, pipe: Connection) -> Failure:
        process, place = self._workers.pop(pipe)
        process.join()
        self._start(place)
        code = process.exitcode
        how = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
        hint = ", as when memory runs out" if code == -signal.SIGKILL else ""
        return Failure("process_died", f"the process that measured it ended ({how}{hint})")


def pieces(steps: Sequence[GroupStep], processes: int) -> list[tuple[int, GroupStep]]:
    """Number of a step, and some of its families or trainings: the largest first, none larger than a fair share."""
    share = sum(step.passes for step in steps) / processes
    cut = [(number, piece) for number, step in enumerate(steps) for piece in _cut(step, share, processes)]
    return sorted(cut, key=lambda each: -each[1].passes)


def _cut(step: GroupStep, share: float, processes: int) -> Iterable[GroupStep]:
    units = list(dict.fromkeys(training_of(step.group, run.cell) for run in step.runs))
    parts = min(processes, len(units), 1 + int(2 * step.passes / share)) if share else 1
    for part in range(parts):
        mine = set(units[part::parts])
        yield replace(step, runs=tuple(run for run in step.runs if training_of(step.group, run.cell) in mine))


def serve(pipe: Connection, place: Place) -> None:
    """Measure what comes through a pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            step, known = pipe.recv()
        except EOFError:
            return
        for batch in batches(step, place, known):
            pipe.send(batch)
