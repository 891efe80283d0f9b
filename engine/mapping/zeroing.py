"""engine: zero every layer, operator, MLP and head of a model in turn, say before and after what it takes.

The values are read as any claim's evidence is: a cell is exp of the mean over templates of the floored log KL.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...evaluators.cells import AT_ONCE, Cell, NotEvaluated
from ...evaluators.registry import Materials, find_evaluator
from ...specs.sites import Site

if TYPE_CHECKING:
    from ...evaluators.cells import CellResult
    from ...evaluators.models.load import LoadedModel
    from ...evaluators.tasks.example import Block
    from ..site.maps import Atlas

EVALUATOR, INTERVENTION, CLEAN = "ablation", "zero", "-"

SAMPLE = 24
"""Components that are tried before the time is guessed."""

Say = Callable[[str], None]
"""Told what is going on, a line at a time."""


@dataclass(frozen=True)
class Measured:
    """A map."""

    atlas: Atlas
    blocks: Sequence[Block]
    exact: Mapping[str, float]
    """Family -> share of examples that the clean model answers exactly."""

    @property
    def cells(self) -> dict[str, dict[str, float]]:
        """Component -> family -> typical KL, nats."""
        ((_, cells),) = self.atlas.cells.items()
        return cells

    @cached_property
    def effects(self) -> dict[str, float]:
        """Component -> typical KL over all families, nats."""
        return {
            component: math.exp(math.fsum(map(math.log, found.values())) / len(found))
            for component, found in self.cells.items()
        }


def measure(model: LoadedModel, blocks: Sequence[Block], kinds: Sequence[str], suite: str, say: Say) -> Measured:
    """Zero every component of some kinds on every block, after a guess of what it takes; then say what it took.

    Raises:
        NotEvaluated: the model cannot be measured, or has no such component.
    """
    from ...evaluators.anatomy import dissect
    from ..site.maps import Atlas

    sites = dissect(model.module).sites(tuple(kinds))  # type: ignore[arg-type]
    if not sites:
        raise NotEvaluated("no_such_site", f"the model has no {' or '.join(kinds)} that can be zeroed")
    examples, families = sum(len(block.examples) for block in blocks), len(blocks)
    what = f"{len(sites)} components, {families} families, {examples} discovery examples"
    say(f"{what}; proving the interventions, and trying a few to guess the time")
    say(_guess(model, blocks, sites))
    start, found = time.monotonic(), []
    for number, block in enumerate(blocks, 1):
        labels = [Cell(block.family, site.label, INTERVENTION) for site in sites]
        found += _cells(model, block, [Cell(block.family, CLEAN, "none"), *labels])
        say(f"  {block.family} ({number}/{families}), {_time(time.monotonic() - start)}")
    say(f"took {_time(time.monotonic() - start)}; memory {_size(_peak(model))} at most")
    atlas = Atlas()
    atlas.add(f"{suite}, discovery split", _evidence(model, blocks, sites, found))
    exact = {
        each.cell.family: math.fsum(matches) / len(matches)
        for each in found
        if (matches := each.values.get("exact_match"))
    }
    return Measured(atlas, blocks, exact)


def _guess(model: LoadedModel, blocks: Sequence[Block], sites: Sequence[Site]) -> str:
    """What it will take, from a clean pass, one component and a sample of all on the first family.

    A component's cost falls with its layer, for only what follows is computed again: the sample is of all depths.
    """
    from ...evaluators.ablation import kinds_of
    from ...evaluators.proofs import prove
    from ...evaluators.replay.engine import MEMORY

    first = blocks[0]
    cells = [Cell(first.family, site.label, INTERVENTION) for site in sites]
    sample = cells[:: max(1, len(cells) // SAMPLE)]
    prove(model, first.examples[:4], kinds_of(cells))
    once = _seconds(model, first, [Cell(first.family, CLEAN, "none")])
    alone, several = _seconds(model, first, cells[:1]), _seconds(model, first, sample)
    each = max(several - alone, several / 2) / len(sample)
    tokens = [sum(len(example.clean_ids) for example in block.examples) for block in blocks]
    calls = math.ceil(len(cells) / AT_ONCE)
    seconds = (once + alone * calls + each * len(cells)) * sum(tokens) / tokens[0]
    memory = _peak(model) + MEMORY
    return f"estimate: {_time(seconds)}; memory {_size(memory)} at most (weights {_size(model.located.bytes)} on disk)"


def _seconds(model: LoadedModel, block: Block, cells: Sequence[Cell]) -> float:
    start = time.monotonic()
    _cells(model, block, cells)
    return time.monotonic() - start


def _cells(model: LoadedModel, block: Block, cells: Sequence[Cell]) -> list[CellResult]:
    return list(find_evaluator(EVALUATOR).measure(model, Materials([block]), cells))


def _evidence(model: LoadedModel, blocks: Sequence[Block], sites: Sequence[Site], found: Sequence[CellResult]) -> Any:
    """The measured values as evidence of which a map is drawn like any other's; nothing is graded on it."""
    import numpy as np

    from ..grade.evidence import Evidence

    values = {(each.cell.family, each.cell.site): each.values["kl"] for each in found}
    series = {
        label: np.array([value for block in blocks for value in values[block.family, label]])
        for label in (CLEAN, *(site.label for site in sites))
    }
    rows = [(each.family, each.template, each.id) for block in blocks for each in block.examples]
    effects = {(INTERVENTION, site.label): series[site.label] for site in sites}
    return Evidence.of_map(rows, effects, model.located.spec.dtype, series[CLEAN])


def _peak(model: LoadedModel) -> int:
    """Bytes: the most that this process has held so far; on an accelerator the most that was held there."""
    import torch

    if model.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(model.device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _size(number: int) -> str:
    return f"{number / 1e9:.2f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"
