"""engine: measure the runs of one step, in whichever process. What fails is said, never raised: a failure is data."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..evaluators.cells import NotEvaluated
from ..evaluators.registry import Materials, find_evaluator
from ..store import FinishedRun, utc_now
from .memo import generate_blocks
from .needs import DONOR

if TYPE_CHECKING:
    from pathlib import Path

    from ..evaluators.models.load import LoadedModel
    from ..evaluators.models.locate import Located
    from ..evaluators.tasks.example import Block, Split
    from .memo import BlockInfo
    from .needs import Group
    from .plan import GroupStep

SHARED_FROM_BYTES = 50_000_000
"""Weights under this run on one thread: their matrices are so small that threads would wait for each other."""


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


@dataclass(frozen=True)
class Place:
    """Where runs are measured."""

    workspace: Path
    """Relative paths in specs start here."""
    device: str
    artefacts: Path | None = None
    """Where trainings are kept; None: they are not."""


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


def failure_of(error: Exception) -> Failure:
    """What is recorded of an error."""
    import torch

    if isinstance(error, NotEvaluated):
        return Failure(error.code, str(error))
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
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
    torch.set_num_threads(1 if is_small(group) else cores())
    runs = {run.cell: run for run in step.runs}
    model, others = _models(group, place.device, proven)
    materials, versions = _materials(step, place, others), _versions()
    for result in find_evaluator(group.evaluator).measure(model, materials, list(runs)):
        run = runs[result.cell]
        yield FinishedRun(run.key, run.parts, result.values, utc_now(), result.seconds, place.device, versions)


def _materials(step: GroupStep, place: Place, others: Mapping[str, LoadedModel]) -> Materials:
    group = step.group
    return Materials(
        blocks=_blocks(group, group.blocks, group.split, place),
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
    from ..evaluators.models.load import load

    return load(located, device)


def _blocks(group: Group, infos: tuple[BlockInfo, ...], split: Split, place: Place) -> tuple[Block, ...]:
    """The prompts that were planned; kept, since models with one tokenizer share them.

    Raises:
        NotEvaluated: `suite_changed`.
    """
    planned = [info.digest for info in infos]
    key = (group.located.parts["tokenizer"], *planned)
    if key not in _kept:
        while len(_kept) >= KEPT:
            del _kept[next(iter(_kept))]
        blocks = generate_blocks(group.suite, group.located, group.draw, place.workspace, split)
        if [block.digest for block in blocks] != planned:
            what = "the suite's prompts changed between planning and measuring; audit again"
            raise NotEvaluated("suite_changed", what)
        _kept[key] = blocks
    return _kept[key]


KEPT = 6
"""Draws of suites that are kept."""

_loaded: dict[tuple[str, ...], LoadedModel] = {}

_kept: dict[tuple[str, ...], tuple[Block, ...]] = {}


@lru_cache
def _versions() -> dict[str, str]:
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
