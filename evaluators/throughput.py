"""evaluators: throughput: how fast a model generates, and in how much memory.

A component is a condition, what is timed; the cell's seed is the number of a session. Each session is one fresh process
(`timing.clock`) that measures all conditions asked of it, in turns; every example of every family gets its number.
`time|doubled_work`: two copies of the model do the work of one, step by step, side by side; draw k is made in session
`turn(k, 12)`. With P prompt tokens and N new ones of each of B prompts, t_1 the time to the first new token and t_N
that to the last, each the median of the runs by the clock:

    prefill_rate   B P / t_1, tokens/s
    decode_rate    B (N - 1) / (t_N - t_1), tokens/s; none where N is 1
    latency        t_N, ms
    peak_memory    the most bytes that were held, weights included (`timing.memory`)
    bytes          of the weights as they are held

Processes start side by side, and are at work one after another, with as many threads as this one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from ..specs.canonical import digest
from ..specs.metrics.base import turn
from ..specs.metrics.throughput import LEAST_SESSIONS, Timed
from .cells import Cell, CellResult, NotEvaluated, grouped
from .models.load import LoadedModel
from .registry import Materials
from .timing.session import Session, written

DOUBLED = "doubled_work"

STARTED = 4
"""Processes that start side by side, at most."""

TEXTS = 100
"""Of the suite's, of which prompts are made."""


class Throughput:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a session together.

        Raises:
            NotEvaluated: `no_such_condition`, `no_such_intervention`; `session_failed`; what a condition cannot be
                measured for, after what others gave.
        """
        bench, failed = Bench(model, materials), []
        sessions = [mine for _, mine in grouped(cells, bench.order, 1)]
        for some in _batched(sessions, min(STARTED, _cores())):
            with ExitStack() as stack:
                started = [stack.enter_context(Session(bench.job(mine))) for mine in some]
                for session in started:
                    session.wait()
                for session, mine in zip(started, some, strict=True):
                    start = time.perf_counter()
                    told = bench.told(mine, session.measure()["works"])
                    seconds = (time.perf_counter() - start) / len(mine)
                    yield from (CellResult(cell, value, seconds) for cell, value in told if isinstance(value, dict))
                    failed += [value for _, value in told if isinstance(value, NotEvaluated)]
        if failed:
            raise failed[0]


class Bench:
    """What sessions are given, and what their numbers are of."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        self.model, self.materials = model, materials
        self.timed = {name: Timed.model_validate(each) for name, each in materials.settings["timed"].items()}
        blocks, items = materials.blocks, materials.items
        self.sizes = {block.family: len(block.examples) for block in blocks}
        self.sizes |= {block.family: len(block.items) for block in items}
        texts = [example.clean for block in blocks for example in block.examples]
        self.texts = (texts or [text for block in items for item in block.items for text in item.turns])[:TEXTS]

    def order(self, cell: Cell) -> tuple[int, str, str, int, str]:
        """By session, then by what is measured.

        Raises:
            NotEvaluated: `no_such_condition`, `no_such_intervention`.
        """
        word, _, control = cell.intervention.partition("|")
        if word != "time" or control not in ("", DOUBLED):
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} of {cell.site} is not defined")
        if cell.site not in self.timed:
            known = ", ".join(self.timed)
            raise NotEvaluated("no_such_condition", f"nothing is timed under `{cell.site}`; there are {known}")
        session = turn(cell.seed, LEAST_SESSIONS) if control else cell.seed
        return session, cell.site, cell.intervention, cell.seed, cell.family

    def job(self, cells: Sequence[Cell]) -> dict[str, Any]:
        """What a session is told: each work once, whatever families it is asked for."""
        models, works = [self.model.located], []
        for cell in _works(cells):
            given = self.materials.variants.get(cell.site, self.model).located
            if given not in models:
                models.append(given)
            copies = 2 if cell.intervention.endswith(DOUBLED) else 1
            asked = self.timed[cell.site].model_dump(mode="json", exclude={"model"})
            works.append({"timed": asked, "model": models.index(given), "copies": copies})
        return {
            "works": works,
            "models": [written(each) for each in models],
            "texts": self.texts,
            "device": str(self.model.device),
            "threads": torch.get_num_threads(),
            "order": digest("session", self.order(cells[0])[0]),
        }

    def told(
        self, cells: Sequence[Cell], works: Sequence[dict[str, Any]]
    ) -> list[tuple[Cell, dict[str, list[float]] | NotEvaluated]]:
        """The numbers of each cell, the same in all its examples, or why there are none."""
        found = dict(zip((_work(cell) for cell in _works(cells)), works, strict=True))
        told: list[tuple[Cell, dict[str, list[float]] | NotEvaluated]] = []
        for cell in cells:
            value = found[_work(cell)]
            if "code" in value:
                told.append((cell, NotEvaluated(value["code"], f"{cell.site}: {value['text']}")))
            else:
                count = self.sizes[cell.family]
                told.append((cell, {name: [number] * count for name, number in value.items()}))
        return told


def _work(cell: Cell) -> tuple[str, str, int]:
    return cell.site, cell.intervention, cell.seed


def _works(cells: Sequence[Cell]) -> list[Cell]:
    """One cell of each work, in order."""
    return list({_work(cell): cell for cell in cells}.values())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _batched(sessions: Sequence[list[Cell]], size: int) -> Iterator[Sequence[list[Cell]]]:
    return (sessions[first : first + size] for first in range(0, len(sessions), size))


EVALUATOR = Throughput
