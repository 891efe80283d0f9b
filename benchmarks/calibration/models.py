"""benchmarks: the claims on planted and on pocket models, as tasks that processes share out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from typing import Any

from mi_atlas.engine.calibrate.run import Graded
from mi_atlas.evaluators.planted import KINDS

from . import planted, pocket

MODELS = ("pocket-qwen", "pocket-llama", "pocket-lfm2")
SWEEPS = ("layer", "mlp")

Task = tuple[Callable[..., list[Graded]], tuple[Any, ...]]


def tasks(seeds: int, sweeps: int, prompts: int) -> list[Task]:
    """So many planted models of every kind, and sweeps of every pocket model; those of one share a measured truth."""
    shared = [(model, kind, sweeps, prompts) for model in MODELS for kind in SWEEPS if sweeps]
    built = [(kind, seed) for kind in KINDS for seed in range(seeds)]
    return [(_sweeps, task) for task in shared] + [(planted.graded_claims, task) for task in built]


def graded(work: list[Task], processes: int) -> Iterator[list[Graded]]:
    """What came of each task, in order."""
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        yield from pool.map(_done, work)


def _sweeps(model: str, kind: str, seeds: int, prompts: int) -> list[Graded]:
    return list(chain.from_iterable(pocket.graded_claims(model, kind, seed, prompts) for seed in range(seeds)))


def _done(task: Task) -> list[Graded]:
    function, arguments = task
    return function(*arguments)
