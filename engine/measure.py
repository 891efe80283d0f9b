"""engine: measure the runs of one step, in whichever process. What fails is said, never raised: a failure is data."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from ..evaluators.cells import NotEvaluated
from ..evaluators.registry import Materials, find_evaluator
from ..store import FinishedRun, utc_now
from .memo import generate_blocks, generate_items
from .needs import DONOR

if TYPE_CHECKING:
    from pathlib import Path

    from ..evaluators.models.load import LoadedModel
    from ..evaluators.models.locate import Located
    from ..evaluators.tasks.example import Block, Split
    from ..evaluators.tasks.items import ItemBlock
    from .memo import BlockInfo
    from .needs import Group
    from .plan import GroupStep

T = TypeVar("T")

WRITER = "generation"
"""The evaluator that is given questions, and not prompts whose answer is known token by token."""

SHARED_FROM_BYTES = 50_000_000
"""Weights under this run on one thread: their matrices are so small that threads would wait for each other."""


CONFLICT = "conflicting_results"
"""Code of what was measured twice, differently."""


NO_MEMORY = ("DefaultCPUAllocator", "not enough memory")
"""What torch says of memory that a processor does not have; of an accelerator's it has an error of its own."""


@dataclass(frozen=True)
class Failure:
    """Why a run gave nothing."""

    code: str
    reason: str


@dataclass(frozen=True)
class Lost:
    """Runs that gave nothing."""

    keys: tuple[str, ...]
    why: Failure


Event = tuple[int, FinishedRun | Lost]
"""Number of a step, and what became of runs of it."""


Batch = tuple[list[FinishedRun | Lost], set[str] | None]
"""What became of runs meanwhile; with the last of a step all that is proven of models, else None."""

TELL_EVERY_S = 0.25
"""Another process tells what it has finished at most this far apart."""


@dataclass(frozen=True)
class Place:
    """Where runs are measured."""

    workspace: Path
    """Relative paths in specs start here."""
    device: str
    artefacts: Path | None = None
    """Where trainings are kept; None: they are not."""
    judge_calls: int | None = None
    """Most questions that judges are asked; None: as many as the claims need."""
    threads: int | None = None
    """Of models that are not small; None: one a core."""


def measure(step: GroupStep, place: Place, proven: set[str]) -> Iterator[FinishedRun | Lost]:
    """The runs of a step as they are finished, then why the others are not, if some are not.

    `proven` is what is known of models already; what is proven here is added to it.
    """
    missing = dict.fromkeys(run.key for run in step.runs)
    try:
        for run in _runs(step, place, proven):
            del missing[run.key]
            yield run
    except Exception as error:
        yield Lost(tuple(missing), failure_of(error))


def batches(step: GroupStep, place: Place, known: frozenset[str]) -> Iterator[Batch]:
    """The same as it is told from process to process."""
    proven, told, last = set(known), list[FinishedRun | Lost](), time.monotonic()
    for event in measure(step, place, proven):
        told.append(event)
        if time.monotonic() - last >= TELL_EVERY_S:
            yield told, None
            told, last = [], time.monotonic()
    yield told, proven


def failure_of(error: Exception) -> Failure:
    """What is recorded of an error."""
    import torch

    if isinstance(error, NotEvaluated):
        return Failure(error.code, str(error))
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(mark in str(error) for mark in NO_MEMORY):
        return Failure("out_of_memory", f"out of memory: {error}")
    return Failure("run_failed", f"{type(error).__name__}: {error}".splitlines()[0][:300])


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_small(group: Group) -> bool:
    """Whether a group's models run on one thread."""
    return max(each.bytes for each in (group.located, *group.variants.values())) < SHARED_FROM_BYTES


def _runs(step: GroupStep, place: Place, proven: set[str]) -> Iterator[FinishedRun]:
    import torch

    group = step.group
    torch.set_num_threads(1 if is_small(group) else place.threads or cores())
    runs = {run.cell: run for run in step.runs}
    model, others = _models(group, place.device, proven)
    materials, used = _materials(step, place, others), versions()
    for result in find_evaluator(group.evaluator).measure(model, materials, list(runs)):
        run = runs[result.cell]
        about = run.key, run.parts, result.values, utc_now(), result.seconds, place.device, used
        yield FinishedRun(*about, result.texts)


def _materials(step: GroupStep, place: Place, others: Mapping[str, LoadedModel]) -> Materials:
    group = step.group
    writes = group.suite.behaviour and group.evaluator == WRITER
    return Materials(
        blocks=() if writes else _blocks(group, group.blocks, group.split, place),
        items=items_of(group, place) if writes else (),
        settings=group.settings,
        discovery=_blocks(group, group.discovery, "discovery", place) if group.discovery else (),
        donor=others.get(DONOR),
        variants={name: others[name] for name in group.variants},
        recipes={name: training.recipe for name, training in group.trainings.items()},
        maps=step.maps,
        artefacts=place.artefacts,
        workspace=place.workspace,
    )


def _models(group: Group, device: str, proven: set[str]) -> tuple[LoadedModel, dict[str, LoadedModel]]:
    """The group's model, and others by name; what the last group had is loaded no second time."""
    wanted = {"": group.located, **group.others}
    names = {which: _name(located, device) for which, located in wanted.items()}
    for name in _loaded.keys() - set(names.values()):
        del _loaded[name]
    for which, name in names.items():
        if name not in _loaded:
            _loaded[name] = _load(wanted[which], device)
    found = {which: replace(_loaded[name], proven=proven) for which, name in names.items()}
    return found.pop(""), found


def _name(located: Located, device: str) -> tuple[str, ...]:
    return (device, str(located.untrained), *(located.parts[part] for part in sorted(located.parts)))


def _load(located: Located, device: str) -> LoadedModel:
    """A model in memory, if its files are still those that were planned.

    Raises:
        NotEvaluated: `model_changed`.
    """
    from ..evaluators.models.load import load
    from ..evaluators.models.locate import changed

    loaded = load(located, device)
    try:
        parts = changed(located)
    except Exception as error:
        raise NotEvaluated("model_changed", f"{located.folder} changed while it was loaded: {error}") from error
    if parts:
        what = f"the {', '.join(parts)} of {located.folder} changed between planning and measuring; audit again"
        raise NotEvaluated("model_changed", what)
    return loaded


def _blocks(group: Group, infos: tuple[BlockInfo, ...], split: Split, place: Place) -> tuple[Block, ...]:
    """The prompts that were planned; kept, since models with one tokenizer share them.

    Raises:
        NotEvaluated: `suite_changed`.
    """
    planned = tuple(info.digest for info in infos)
    key = group.located.parts["tokenizer"], *planned
    if key not in _kept_blocks:
        blocks = generate_blocks(group.suite, group.located, group.draw, place.workspace, split)
        if group.suite.behaviour:
            items_of(group, place)
        else:
            _check(planned, blocks)
        _keep(_kept_blocks, key, blocks)
    return _kept_blocks[key]


def items_of(group: Group, place: Place) -> tuple[ItemBlock, ...]:
    """The questions that were planned, one block a category.

    Raises:
        NotEvaluated: `suite_changed`.
    """
    planned = tuple(info.checks for info in group.blocks)
    key = group.located.parts["tokenizer"], *planned
    if key not in _kept_items:
        items = generate_items(group.suite, group.located, group.draw, place.workspace, group.split)
        _check(planned, items)
        _keep(_kept_items, key, items)
    return _kept_items[key]


def _check(planned: tuple[str, ...], found: Sequence[Block | ItemBlock]) -> None:
    if tuple(block.digest for block in found) != planned:
        what = "the suite's prompts changed between planning and measuring; audit again"
        raise NotEvaluated("suite_changed", what)


def _keep(shelf: dict[tuple[str, ...], T], key: tuple[str, ...], what: T) -> None:
    while len(shelf) >= KEPT:
        del shelf[next(iter(shelf))]
    shelf[key] = what


KEPT = 6
"""Draws of suites that are kept."""

_loaded: dict[tuple[str, ...], LoadedModel] = {}

_kept_blocks: dict[tuple[str, ...], tuple[Block, ...]] = {}

_kept_items: dict[tuple[str, ...], tuple[ItemBlock, ...]] = {}


@lru_cache
def versions() -> dict[str, str]:
    """What a run was measured with, by name."""
    import mi_atlas
    import torch
    import transformers

    return {
        "mi-atlas": mi_atlas.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": platform.machine(),
    }
