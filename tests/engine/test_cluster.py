"""tests: what a Ray cluster measures is what one process measures, whoever is killed meanwhile."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine import audit as auditing
from mi_atlas.engine import cli, terminal
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.cluster import Cluster, Needs, needs_of
from mi_atlas.engine.crew import MOST_DEATHS, Crew, Stop
from mi_atlas.engine.dealing import Deck, Piece
from mi_atlas.engine.measure import Failure, Lost, Place
from mi_atlas.engine.plan import GroupStep, Plan, make_plan
from mi_atlas.engine.pool import pieces
from mi_atlas.store import FinishedRun, Ledger

from .conftest import Desk, Listener, claim
from .test_trainings import trained

KILLS = 3


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster of this machine with room for two workers."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'mi-atlas[ray]'")
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'mi-atlas[ray]'")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def three(thin_desk: Desk) -> Desk:
    """Claims whose controls are noise and untrained models, and one on trainings, some of them aimed by a map."""
    thin_desk.write("small/hub", claim("L1"))
    thin_desk.write("small/wrong", claim("L0", control={"kind": "untrained_model", "draws": 20, "ratio": 1.5}))
    thin_desk.write("small/one", trained())
    return thin_desk


def audited(desk: Desk, talk: Listener, **options: Any) -> dict[str, str]:
    """claim -> its verdict's document, of an audit that finds nothing measured; all is forgotten afterwards."""
    Audit(desk.workspace, Options(**options), talk).run()
    rows = Ledger(desk.workspace.ledger).verdicts()
    shutil.rmtree(desk.workspace.ledger.parent)
    desk.workspace.registrations.unlink()
    return {name: row.document for name, row in rows.items()}


def workers() -> list[int]:
    """Processes of the cluster's actors; their parent was started by this process."""
    parents, found = {}, []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            pid, parents[pid] = int(path.name), int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if (path / "cmdline").read_bytes().startswith(b"ray::Worker"):
                found.append(pid)
        except OSError:
            continue
    return [pid for pid in found if parents.get(parents[pid]) == os.getpid()]


@dataclass
class Killer(Listener):
    """Kills a worker now and then."""

    dice: random.Random = field(default_factory=lambda: random.Random(7))
    killed: list[int] = field(default_factory=list)

    def progress(self, step: GroupStep, done: int) -> None:
        alive = sorted(set(workers()) - set(self.killed))
        if len(self.killed) < KILLS and alive and self.dice.random() < 0.2:
            self.killed.append(self.dice.choice(alive))
            os.kill(self.killed[-1], signal.SIGKILL)


def test_a_cluster_whose_workers_are_killed_gives_the_bytes_of_one_process(ray: Any, three: Desk) -> None:
    here, talk = audited(three, Listener()), Killer()
    assert set(here) == {"small/hub", "small/wrong", "small/one"}
    assert all(json.loads(document)["n_units"] for document in here.values())
    assert audited(three, talk, cluster=Cluster()) == here
    assert len(talk.killed) == len(set(talk.killed)) == KILLS
    assert not workers()


class Deadly(dict[str, Any]):
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


def test_runs_that_always_end_their_worker_are_given_up(
    ray: Any, thin_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tiny", "second"):
        thin_desk.write_suite(name, seed=len(name))
        thin_desk.write(f"small/{name}", claim("L1", suite=name))

    def one_is_deadly(*about: Any) -> Plan:
        plan = make_plan(*about)
        steps = [replace(s, maps=Deadly()) if s.group.suite.suite == "second" else s for s in plan.steps]
        return replace(plan, steps=tuple(steps))

    monkeypatch.setattr(auditing, "make_plan", one_is_deadly)
    verdicts = thin_desk.audit(cluster=Cluster(), processes=1).verdicts
    assert verdicts["small/tiny"].grade != "Pending"
    assert (verdicts["small/second"].grade, verdicts["small/second"].code) == ("Pending", "process_died")
    assert verdicts["small/second"].reason.startswith(f"{MOST_DEATHS} workers in a row ended while they measured it")


@pytest.fixture
def heeded() -> Iterator[None]:
    """Ctrl-C interrupts, also where the tests were started in the background, in which it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
def test_ctrl_c_finishes_what_is_being_measured(ray: Any, filled: Desk) -> None:
    """Of 21 pieces with one worker at most the two that are with it, and the one before, are told."""
    steps, events = dict(enumerate(planned(filled).steps)), list[Any]()
    assert len(steps) == 21
    before = signal.getsignal(signal.SIGINT)

    def interrupted(crew: Crew) -> None:
        for event in crew.measure(steps, set()):
            if not events:
                os.kill(os.getpid(), signal.SIGINT)
            events.append(event)

    with Crew(Cluster(), Place(filled.root, "cpu"), most=1) as crew, pytest.raises(KeyboardInterrupt):
        interrupted(crew)
    assert signal.getsignal(signal.SIGINT) is before
    done = Counter(number for number, event in events if isinstance(event, FinishedRun))
    assert len(done) <= 3
    assert all(count in (len(steps[number].runs), len(steps[number].runs) // 2) for number, count in done.items())


@pytest.mark.usefixtures("heeded")
def test_a_second_ctrl_c_stops_at_once() -> None:
    said = list[str]()
    with Stop(said.append) as stop:
        assert not stop.asked
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert said == ["finishing what is being measured; Ctrl-C again stops at once"]


def test_a_table_gives_back_what_went_in() -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'mi-atlas[ray]'")
    from mi_atlas.engine.arrow import from_table, to_table

    values = {"kl": [0.1, float("nan"), 5e-324], "drop": np.array([-0.0, float("inf")]), "none": []}
    run = FinishedRun(
        "a", {"site": "L1"}, values, "2026-01-01T00:00:00.000000+00:00", 0.1, "cpu", {"torch": "2"}, ("é",)
    )
    short = replace(run, key="b", values={"kl": [1.0]}, texts=())
    lost = Lost(("c", "d"), Failure("run_failed", "ValueError: no"))
    runs: Any = dict.fromkeys("ab", run)
    first, second, third = from_table(to_table([run, lost, short]), runs)
    assert (second, third) == (replace(short, values=second.values), lost)
    assert first == replace(run, values=first.values)
    for before, after in ((run, first), (short, second)):
        assert list(before.values) == list(after.values)
        for name in before.values:
            assert np.asarray(before.values[name], float).tobytes() == np.asarray(after.values[name]).tobytes()
    assert list(from_table(to_table([]), {})) == []


def planned(desk: Desk) -> Plan:
    return Audit(desk.workspace, Options(), Listener()).preview()


def test_a_worker_is_given_pieces_of_its_model_before_others(filled: Desk) -> None:
    """Of 21 models one has 12 times the passes of each other; two workers then load 22, and every run is dealt once."""
    steps = planned(filled).steps
    deck = Deck(Piece.of(number, step) for number, step in pieces(steps, 2))
    dealt: dict[str, list[Piece]] = {"a": [], "b": []}
    size = len(deck)
    while deck:
        for worker, had in dealt.items():
            if deck:
                had.append(deck.deal(worker))
    assert sum(map(len, dealt.values())) == size
    assert sorted(run.key for had in dealt.values() for piece in had for run in piece.step.runs) == sorted(
        run.key for step in steps for run in step.runs
    )
    loads = [
        sum(a.model != b.model for a, b in zip([None, *had], had, strict=False) if a) + 1 for had in dealt.values()
    ]
    models = [{piece.model for piece in had} for had in dealt.values()]
    assert loads == [len(each) for each in models], "a model was loaded twice by one worker"
    assert len(set.union(*models)) == 21


def test_a_piece_that_is_put_back_is_dealt_again_without_what_was_told(filled: Desk) -> None:
    step = max(planned(filled).steps, key=lambda each: len(each.runs))
    deck = Deck([Piece.of(0, step), other := Piece.of(1, replace(step))])
    piece = deck.deal("a")
    left = {run.key for run in piece.step.runs[5:]}
    deck.forget("a")
    deck.put_back(piece.rest(left, 1))
    again = deck.deal("b")
    assert ({run.key for run in again.step.runs}, again.deaths, again.number) == (left, 1, piece.number)
    assert deck.deal("b") == other
    assert not deck


def test_what_a_worker_takes_of_a_node(filled: Desk) -> None:
    """By hand: 10 GB on disk are 41 GB as they are counted, 64 in powers of two; of 80 GB of a GPU one has room."""
    group = planned(filled).steps[0].group
    nodes = [{"CPU": 16.0, "memory": 100e9}, {"CPU": 8.0, "memory": 200e9, "GPU": 2.0}, {"memory": 1e9}]
    small = needs_of(group, "cpu", nodes, None)
    assert small == Needs(1, 1_000_000_000, 0)
    assert [small.fits(node) for node in nodes] == [16, 8, 0]
    large = replace(group, located=replace(group.located, bytes=10_000_000_000))
    assert needs_of(large, "cpu", nodes, None) == Needs(8, 64_000_000_000, 0)
    assert [needs_of(large, "cpu", nodes, None).fits(node) for node in nodes] == [1, 1, 0]
    assert needs_of(large, "cuda", nodes, 80_000_000_000) == Needs(1, 64_000_000_000, 1)
    assert needs_of(group, "cuda", nodes, 80_000_000_000).gpus == 0.25
    assert needs_of(group, "cuda", nodes, None).gpus == 1
    assert [needs_of(group, "cuda", nodes, 80_000_000_000).fits(node) for node in nodes] == [0, 8, 0]


def test_a_model_for_which_no_node_has_room_is_said(ray: Any, filled: Desk) -> None:
    (step, *_) = planned(filled).steps
    large = replace(step, group=replace(step.group, located=replace(step.group.located, bytes=10**13)))
    with Crew(Cluster(), Place(filled.root, "cpu")) as crew:
        ((number, event),) = crew.measure({3: large}, set())
    assert (number, event.keys) == (3, tuple(run.key for run in step.runs))
    assert event.why == Failure("no_room", "no node of the cluster has 2 CPU, 65536 GB of memory")


@pytest.mark.parametrize(
    ("words", "missing", "said"),
    [
        (["--executor", "ray"], ("ray",), "--executor ray needs ray: pip install 'mi-atlas[ray]'"),
        (["--executor", "ray"], ("ray", "pyarrow"), "needs ray and pyarrow: pip install 'mi-atlas[ray]'"),
        (["--address", "auto"], (), "say --executor ray, too"),
        (["--executor", "ray", "--address", "ray://there:10001"], (), "`auto` or HOST:6379"),
        (["--executor", "ray", "--device", "cuda:1"], (), "say --device cuda"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_is_measured(
    filled: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    missing: tuple[str, ...],
    said: str,
) -> None:
    if not missing and "ray" in words:
        pytest.importorskip("ray", reason="ray is not installed: pip install 'mi-atlas[ray]'")
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.chdir(filled.root)
    assert terminal.run(cli.app, ["audit", *words]) == 3
    assert said in capsys.readouterr().err
    assert not filled.workspace.ledger.exists()
