"""engine: carry out a plan in this process, committing what is finished at most half a second apart.

A failure never becomes a measurement: what a group could not give is recorded as attempts, with a code
and a reason, and the claims that need it end Pending.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..evaluators.cells import NotEvaluated
from ..evaluators.registry import Materials, find_evaluator
from ..store import FinishedRun, Ledger, LedgerError, utc_now
from .memo import generate_blocks
from .plan import GroupStep, Plan
from .resolve import Group, Run

if TYPE_CHECKING:
    from pathlib import Path

    from ..evaluators.models.load import LoadedModel
    from ..evaluators.tasks.example import Block

COMMIT_EVERY_S = 0.5

SHARED_FROM_BYTES = 50_000_000
"""Weights under this run on one thread: their matrices are so small that threads would wait for each other."""


@dataclass(frozen=True)
class Failure:
    """Why a run gave nothing."""

    code: str
    reason: str


Progress = Callable[[GroupStep, int], None]
"""Called with a step and how many of its runs are finished."""


class Writer:
    """Buffers finished runs and commits them in groups."""

    def __init__(self, ledger: Ledger, supersede: bool) -> None:
        self._ledger, self._supersede = ledger, supersede
        self._buffer: list[FinishedRun] = []
        self._last = time.monotonic()

    def add(self, run: FinishedRun) -> None:
        """Take a finished run; commit if the last commit is long enough ago."""
        self._buffer.append(run)
        if time.monotonic() - self._last >= COMMIT_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Commit what is buffered."""
        self._ledger.commit(self._buffer, supersede=self._supersede)
        self._buffer.clear()
        self._last = time.monotonic()


def execute(
    plan: Plan, ledger: Ledger, workspace: Path, device: str, progress: Progress, supersede: bool = False
) -> dict[str, Failure]:
    """Run every step; returns the failures by key. With `supersede` new values take the place of stored ones.

    What was proven of a model is remembered in the ledger, and is proven again with `supersede`.
    """
    failures: dict[str, Failure] = {}
    known: set[str] = set() if supersede else set(ledger.recall_all("proof"))
    proven = set(known)
    for step in plan.steps:
        writer = Writer(ledger, supersede)
        finished: set[str] = set()
        try:
            for run, result in _measure(step, workspace, device, proven):
                writer.add(result)
                finished.add(run.key)
                progress(step, len(finished))
        except LedgerError:
            raise
        except Exception as error:
            failure = _failure(error)
            failed = [run for run in step.runs if run.key not in finished]
            failures.update((run.key, failure) for run in failed)
            _record(ledger, failed, failure)
        finally:
            writer.flush()
            ledger.remember_many("proof", dict.fromkeys(proven - known, utc_now()))
            known |= proven
    return failures


def _measure(step: GroupStep, workspace: Path, device: str, proven: set[str]) -> Iterable[tuple[Run, FinishedRun]]:
    group = step.group
    _set_threads(group.located.bytes)
    model = replace(_load(step, device), proven=proven)
    blocks = generate_blocks(group.suite, group.located, group.draw, workspace)
    if [block.digest for block in blocks] != [block.digest for block in group.blocks]:
        raise NotEvaluated("suite_changed", "the suite's prompts changed between planning and measuring; audit again")
    runs = {run.cell: run for run in step.runs}
    materials = Materials(blocks, group.settings, *_more(group, workspace, device, proven))
    for result in find_evaluator(group.evaluator).measure(model, materials, list(runs)):
        run = runs[result.cell]
        yield run, FinishedRun(run.key, run.parts, result.values, utc_now(), result.seconds, device, _versions())


def _more(group: Group, workspace: Path, device: str, proven: set[str]) -> tuple[tuple[Block, ...], LoadedModel | None]:
    """The discovery examples and the other model, where the group has them."""
    from ..evaluators.models.load import load

    donor = replace(load(group.donor, device), proven=proven) if group.donor else None
    if not group.discovery:
        return (), donor
    return generate_blocks(group.suite, group.located, group.draw, workspace, "discovery"), donor


def _set_threads(weights: int) -> None:
    import torch

    torch.set_num_threads(1 if weights < SHARED_FROM_BYTES else os.cpu_count() or 1)


def _load(step: GroupStep, device: str) -> LoadedModel:
    from ..evaluators.models.load import load

    return load(step.group.located, device)


def _failure(error: Exception) -> Failure:
    import torch

    if isinstance(error, NotEvaluated):
        return Failure(error.code, str(error))
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return Failure("out_of_memory", f"out of memory: {error}")
    return Failure("run_failed", f"{type(error).__name__}: {error}".splitlines()[0][:300])


def _record(ledger: Ledger, runs: Iterable[Run], failure: Failure) -> None:
    with ledger.writing():
        for run in runs:
            ledger.attempt_failed(run.key, run.parts, f"{failure.code}: {failure.reason}")


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
