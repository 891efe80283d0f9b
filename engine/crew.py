"""engine: measure on a Ray cluster: the same steps, cut in the same pieces, told to the one writer of the ledger.

A worker is an actor: a process that keeps the model it measured last and is given pieces of that model before others.
At most two pieces are with a worker, and at most eight batches of results wait for this program; they come back as
Arrow tables. A worker or node that is lost costs what it had in flight, which is measured again elsewhere; runs during
which worker after worker ends are given up.

The package, the workspace and the files of models must be at the same paths on every node. Trainings are kept beside
the ledger as ever: on one machine, or where that folder is shared, by all; else each node makes those that it needs
anew, and only their numbers come back. What is timed, and what is judged, is done by this program itself.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from .arrow import from_table, to_table
from .cluster import Cluster, Needs, gpu_bytes_here, line_of, needs_of
from .dealing import Deck, Piece
from .errors import MachineError
from .measure import Event, Failure, Lost, Place, batches
from .pool import pieces

if TYPE_CHECKING:
    import pyarrow

    from .needs import Run
    from .plan import GroupStep

MOST_DEATHS = 4
"""Workers in a row that may end before any run of a piece is finished."""

STILLBORN = 3
"""Workers in a row that may end before they are ready."""

WAITING = 8
"""Batches of results of a worker that may wait for this program."""

WAIT_S = 0.25


class Worker:
    """The actor: one process with one model at a time."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def ready(self) -> str:
        """Which process this is."""
        import ray

        return f"process {os.getpid()} on {ray.util.get_node_ip_address()}"

    def measure(self, step: GroupStep, known: frozenset[str]) -> Iterator[tuple[pyarrow.Table, frozenset[str] | None]]:
        """Batches of what becomes of the runs; with the last one, what is proven of models."""
        for events, proven in batches(step, self._place, known):
            yield to_table(events), None if proven is None else frozenset(proven - known)


@dataclass(eq=False)
class Task:
    """A piece that a worker has, and what it has not told of it."""

    piece: Piece
    stream: Any
    missing: dict[str, Run]


@dataclass(eq=False)
class Hand:
    """A worker as this program sees it."""

    actor: Any
    birth: Any
    """Reference to its first word; None when it has been said."""
    where: str = "a process that was still starting"
    tasks: deque[Task] = field(default_factory=deque)

    @property
    def awaited(self) -> Any:
        """What is to come from it next; None: it has nothing to do. Pieces are measured in the order they are given."""
        return self.birth if self.birth is not None else self.tasks[0].stream if self.tasks else None

    def give(self, piece: Piece, proven: set[str]) -> None:
        """Another piece."""
        how = {"num_returns": "streaming", "_generator_backpressure_num_objects": WAITING}
        stream = self.actor.measure.options(**how).remote(piece.step, frozenset(proven))
        self.tasks.append(Task(piece, stream, {run.key: run for run in piece.step.runs}))


class Stop:
    """While it is entered, the first Ctrl-C only sets `asked`; the next one interrupts as ever."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked, self._say = False, say

    def __enter__(self) -> Stop:
        self._before = signal.getsignal(signal.SIGINT)
        self._heeds = callable(self._before) and threading.current_thread() is threading.main_thread()
        if self._heeds:
            signal.signal(signal.SIGINT, self._heard)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._heeds:
            signal.signal(signal.SIGINT, self._before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)
        self._say("finishing what is being measured; Ctrl-C again stops at once")


class Crew:
    """Workers on a cluster that are given steps. A context: leaving it dismisses them.

    device: what was asked for; None: GPUs if the cluster has any. most: how many workers; None: as many as there is
    room for.

    Raises, when it is entered, or when workers cannot be started:
        MachineError
    """

    def __init__(
        self,
        cluster: Cluster,
        place: Place,
        device: str | None = None,
        most: int | None = None,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._cluster, self._place, self._device = cluster, place, device
        self._most, self._say = most, say
        self._hands: list[Hand] = []
        self._needs: Needs | None = None
        self._stillborn = 0

    def __enter__(self) -> Crew:
        import ray

        self._cluster.connect()
        self._nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        device = self._device or ("cuda" if any(node.get("GPU") for node in self._nodes) else "cpu")
        self._place = replace(self._place, device=device)
        self._gpu_bytes = gpu_bytes_here() if device == "cuda" else None
        return self

    def __exit__(self, *exception: object) -> None:
        for hand in list(self._hands):
            self._dismiss(hand)

    def measure(self, steps: Mapping[int, GroupStep], proven: set[str]) -> Iterator[Event]:
        """What becomes of the runs of some steps, in the order in which it is told; small models first.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; what was being measured is told before.
        """
        sizes: dict[Needs, dict[int, GroupStep]] = {}
        for number, step in steps.items():
            needs = needs_of(step.group, self._place.device, self._nodes, self._gpu_bytes)
            sizes.setdefault(needs, {})[number] = step
        with Stop(self._say) as stop:
            for needs in sorted(sizes):
                yield from self._measure(sizes[needs], needs, proven, stop)
                if stop.asked:
                    raise KeyboardInterrupt

    def _measure(self, steps: dict[int, GroupStep], needs: Needs, proven: set[str], stop: Stop) -> Iterator[Event]:
        room = sum(needs.fits(node) for node in self._nodes)
        if not room:
            gpus = f" and {needs.gpus:g} GPU" if needs.gpus else ""
            what = f"no node of the cluster has {needs.cpus} CPU, {needs.memory / 1e9:.0f} GB of memory{gpus}"
            for number, step in steps.items():
                yield number, Lost(tuple(run.key for run in step.runs), Failure("no_room", what))
            return
        count, numbers = min(room, self._most or room), list(steps)
        deck = Deck(Piece.of(numbers[at], piece) for at, piece in pieces(list(steps.values()), count))
        self._staff(needs, min(count, len(deck)))
        while deck or any(hand.tasks for hand in self._hands):
            if stop.asked:
                deck.clear()
                for hand in self._hands:
                    hand.tasks = deque([hand.tasks[0]] if hand.tasks else [])
            self._hand_out(deck, proven)
            for hand in self._speaking():
                yield from self._hear(hand, deck, proven)

    def _hand_out(self, deck: Deck, proven: set[str]) -> None:
        """One piece to each who has none; then a second, while there are more pieces than workers."""
        for had, left in ((0, 0), (1, len(self._hands))):
            for hand in self._hands:
                if len(deck) > left and hand.birth is None and len(hand.tasks) == had:
                    hand.give(deck.deal(hand), proven)

    def _speaking(self) -> list[Hand]:
        """Who has something to tell, after a short while nobody."""
        import ray

        awaited = {hand.awaited: hand for hand in self._hands if hand.awaited is not None}
        ready, _ = ray.wait(list(awaited), num_returns=1, timeout=WAIT_S) if awaited else ([], [])
        if ready and len(awaited) > 1:
            ready, _ = ray.wait(list(awaited), num_returns=len(awaited), timeout=0)
        return [awaited[each] for each in ready]

    def _hear(self, hand: Hand, deck: Deck, proven: set[str]) -> Iterator[Event]:
        import ray

        if hand.birth is not None:
            self._born(hand)
            return
        task = hand.tasks[0]
        try:
            table, known = ray.get(next(task.stream))
        except ray.exceptions.RayTaskError as error:
            hand.tasks.popleft()
            yield task.piece.number, Lost(tuple(task.missing), Failure("run_failed", line_of(error)))
            return
        except (ray.exceptions.RayError, StopIteration):
            yield from self._died(hand, deck)
            return
        for event in from_table(table, {run.key: run for run in task.piece.step.runs}):
            for key in event.keys if isinstance(event, Lost) else (event.key,):
                del task.missing[key]
            yield task.piece.number, event
        if known is not None:
            proven |= known
            hand.tasks.popleft()

    def _born(self, hand: Hand) -> None:
        import ray

        try:
            hand.where, hand.birth, self._stillborn = ray.get(hand.birth), None, 0
        except ray.exceptions.RayError as error:
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise MachineError(f"Ray cannot start a worker: {line_of(error)}") from error
            self._dismiss(hand)
            self._start()

    def _died(self, hand: Hand, deck: Deck) -> Iterator[Event]:
        """The piece that it was measuring is to blame, if any is; what had not been begun is dealt again as it was."""
        task, *queued = hand.tasks
        self._dismiss(hand)
        deck.forget(hand)
        for each in reversed(queued):
            deck.put_back(each.piece)
        began_with = len(task.piece.step.runs)
        deaths = task.piece.deaths + 1 if len(task.missing) == began_with else 0
        if deaths >= MOST_DEATHS:
            what = f"{deaths} workers in a row ended while they measured it, the last {hand.where}"
            yield task.piece.number, Lost(tuple(task.missing), Failure("process_died", what))
        elif task.missing:
            deck.put_back(task.piece.rest(set(task.missing), deaths))
        if deck:
            self._start()

    def _staff(self, needs: Needs, count: int) -> None:
        if needs != self._needs:
            for hand in list(self._hands):
                self._dismiss(hand)
        self._needs = needs
        while len(self._hands) < count:
            self._start()

    def _start(self) -> None:
        import ray

        assert self._needs is not None
        room = {"num_cpus": self._needs.cpus, "num_gpus": self._needs.gpus, "memory": self._needs.memory}
        actor = ray.remote(Worker).options(**room, max_restarts=0, max_task_retries=0)
        made = actor.remote(replace(self._place, threads=self._needs.cpus))
        self._hands.append(Hand(made, made.ready.remote()))

    def _dismiss(self, hand: Hand) -> None:
        import ray

        self._hands.remove(hand)
        ray.kill(hand.actor)
