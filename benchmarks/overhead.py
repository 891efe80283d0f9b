"""benchmarks: what the engine itself takes beside measuring, and how its scheduler fares on a large cluster.

    python -m benchmarks.overhead [--draws 140] [--workers 1000] [--runs 1000000]

First an audit of six claims about layers of pocket-qwen in which every run is trivial: its numbers are drawn, no model
is loaded. Seconds are CPU seconds of this one process, imports and drawing not among them. Then a dry run: steps of
many models are cut and dealt to workers that take a second for 1,000 passes and five to load a model; nothing is
executed.
"""

from __future__ import annotations

import argparse
import heapq
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mi_atlas.engine.grade.rule  # noqa: F401 - imports are not timed
import numpy as np
import yaml
from mi_atlas.engine import audit, execute
from mi_atlas.engine.arrow import from_table, to_table
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.dealing import Deck, Piece
from mi_atlas.engine.measure import Place, versions
from mi_atlas.engine.needs import Group, Run
from mi_atlas.engine.plan import GroupStep
from mi_atlas.engine.pool import pieces
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.workspace import find_workspace
from mi_atlas.evaluators.cells import Cell
from mi_atlas.store import FinishedRun, utc_now

from .grading import document, timed

PASSES_A_SECOND, LOAD_S = 1000, 5.0
"""Of the workers of the dry run."""


def write(root: Path, draws: int) -> None:
    """Six claims, whose controls have so many draws."""
    (root / "claims" / "x").mkdir(parents=True)
    for layer in range(6):
        expect = {"form": "top_component", "component": f"L{layer}"}
        claim = document("ablation", "kl", "layer", expect)
        claim["control"]["draws"] = draws
        (root / "claims" / "x" / f"c{layer}.yaml").write_text(yaml.safe_dump({"claim": f"x/c{layer}", **claim}))


def drawn(step: GroupStep, spent: Counter[str]) -> Iterator[FinishedRun]:
    """Trivial runs: three quantities, as ablation gives them."""
    start, dice, used = time.process_time(), np.random.default_rng(0), versions()
    sizes = {block.family: len(block.examples) for block in step.group.blocks}
    finished = []
    for run in step.runs:
        numbers = dice.gamma(2.0, 0.05, (3, sizes[run.cell.family])).tolist()
        values = dict(zip(("kl", "target_logprob_drop", "logit_diff_drop"), numbers, strict=True))
        finished.append(FinishedRun(run.key, run.parts, values, utc_now(), 0.001, "cpu", used))
    spent["drawing"] += time.process_time() - start
    yield from finished


def trivial(root: Path) -> tuple[Counter[str], int, list[FinishedRun], list[GroupStep]]:
    """CPU seconds of an audit by part, its runs, and what was measured."""
    spent: Counter[str] = Counter()
    kept: list[FinishedRun] = []
    steps: list[GroupStep] = []

    def measure(step: GroupStep, place: Place, proven: set[str]) -> Iterator[FinishedRun]:
        steps.append(step)
        for run in drawn(step, spent):
            kept.append(run)
            yield run

    with ExitStack() as stack:
        stack.enter_context(patch.object(execute, "measure", measure))
        for owner, name, words in (
            (Audit, "_read", "plan"),
            (audit, "make_plan", "plan"),
            (audit, "execute", "commit"),
            (Audit, "_grade", "grade"),
            (Audit, "_record", "record"),
        ):
            stack.enter_context(patch.object(owner, name, timed(getattr(owner, name), spent, words)))
        options = Options(processes=1, device="cpu")
        result = timed(lambda: Audit(find_workspace(root), options, Silent()).run(), spent, "all")()
    spent["commit"] -= spent["drawing"]
    spent["all"] -= spent.pop("drawing")
    spent["the rest"] = 2 * spent["all"] - sum(spent.values())
    return spent, result.measured, kept, steps


def carried(finished: list[FinishedRun], runs: dict[str, Run]) -> tuple[float, float]:
    """CPU seconds a run takes to become a row of a table, and to come out of it."""
    start = time.process_time()
    tables = [to_table(finished[first : first + 64]) for first in range(0, len(finished), 64)]
    middle = time.process_time()
    for table in tables:
        list(from_table(table, runs))
    return (middle - start) / len(finished), (time.process_time() - middle) / len(finished)


def many(group: Group, models: int, steps: int, runs: int) -> list[GroupStep]:
    """So many runs: of each model as many steps, each of the group's families."""
    families = [block.family for block in group.blocks]
    each = runs // (models * steps)
    found = []
    for model in range(models):
        located = replace(group.located, parts={**group.located.parts, "weights": str(model)})
        for number in range(steps):
            mine = replace(group, located=located, draw=number + 1)
            cells = (Cell(families[run % len(families)], "L0", "zero", run) for run in range(each))
            members = tuple(Run(f"{model} {number} {cell.seed}", {}, cell, mine) for cell in cells)
            found.append(GroupStep(mine, members))
    return found


def dry(steps: list[GroupStep], workers: int) -> dict[str, float]:
    """Cut and deal; how long that takes, and how busy the workers would be."""
    start = time.process_time()
    cut = [Piece.of(number, piece) for number, piece in pieces(steps, workers)]
    middle = time.process_time()
    deck, dealing, loads = Deck(cut), 0.0, 0
    free = [(0.0, worker) for worker in range(min(workers, len(cut)))]
    had: dict[int, object] = {}
    busy = end = 0.0
    while deck:
        now, worker = heapq.heappop(free)
        begin = time.process_time()
        piece = deck.deal(worker)
        dealing += time.process_time() - begin
        loading = LOAD_S if had.get(worker) != piece.model else 0.0
        loads, had[worker] = loads + (loading > 0), piece.model
        took = loading + piece.passes / PASSES_A_SECOND
        busy, end = busy + took, max(end, now + took)
        heapq.heappush(free, (now + took, worker))
    return {
        "pieces": len(cut),
        "cutting, s": middle - start,
        "dealing, s": dealing,
        "loads": loads,
        "simulated, s": end,
        "busy, %": 100 * busy / (workers * end),
    }


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=140)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=1_000_000)
    options = parser.parse_args()
    versions()
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), options.draws)
        spent, count, finished, (step, *_) = trivial(Path(name))
    print(f"{count} trivial runs in process\n\n| part | CPU s | ms a cell |\n|---|---|---|")
    for part in ("plan", "commit", "grade", "record", "the rest", "all"):
        print(f"| {part} | {spent[part]:.2f} | {1000 * spent[part] / count:.3f} |")
    there, back = carried(finished, {run.key: run for run in step.runs})
    print(f"\nAs Arrow tables: {1e6 * there:.0f} us a run in the worker, {1e6 * back:.0f} us in the driver.")
    del finished
    print(f"\n{options.runs} runs for {options.workers} workers\n")
    before, grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for number, (models, steps) in enumerate(((500, 5), (20, 5))):
        work = many(step.group, models, steps, options.runs)
        found = dry(work, options.workers)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        del work
        if not number:
            print("| models | steps | " + " | ".join(found) + " |\n|" + "---|" * (len(found) + 2))
        figures = " | ".join(f"{value:.0f}" if value >= 100 else f"{value:.2g}" for value in found.values())
        print(f"| {models} | {models * steps} | {figures} |")
    print(f"\nMemory beyond what the audit took: {grown / 1e6:.1f} GB.")


if __name__ == "__main__":
    main()
