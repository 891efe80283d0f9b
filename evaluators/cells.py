"""evaluators: what one run is, as data, and the key that identifies it. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ParamSpec, TypeVar

from ..specs.canonical import digest

Values = Mapping[str, Sequence[float]]
"""Of one cell, by quantity."""

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 64
"""Cells that are measured, and so committed, together."""

POOLED = frozenset({"mean", "resample"})
"""Interventions whose value comes from the other prompts of the suite."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The smallest thing that is cached: one intervention at one site on one block of examples."""

    family: str
    """Which block of the suite's draw."""
    site: str
    """A component's label; `L*` for all layers at once; `-` for the clean pass."""
    intervention: str
    """none, zero, steer(4), ...: a word the evaluator knows; behind a `|` what a control makes of it."""
    seed: int = 0
    """Which random draw, for resample and matched_norm_noise."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """Per-example values of one cell, by quantity, in the order of the block's examples.

    A share has two: its numerator under its own name, its denominator under `<name>_of`. Where a component does not
    exist in every example, `applies` is 1 where it does.
    """

    cell: Cell
    values: Values
    seconds: float
    texts: tuple[str, ...] = ()
    """What was written, where anything was: the draws of each item, item by item."""


APPLIES = "applies"
"""1 for examples that have what the cell is about, 0 for those that do not count."""

COUNTED = "counted"
"""Given, as 1, where a quantity was not measured but counted, and is the least that it can be."""

OF = "_of"
"""Ending of the name under which a share's denominators are given."""


class NotEvaluated(Exception):
    """The model or machine cannot give this measurement; `code` is for machines, the text for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def attempt(function: Callable[P, T], *args: P.args, **more: P.kwargs) -> T | NotEvaluated:
    """What a function gives, or the error that says why it cannot."""
    try:
        return function(*args, **more)
    except NotEvaluated as error:
        return error


def together(
    groups: Iterable[tuple[Sequence[Cell], Callable[[Sequence[Cell]], Sequence[Values | NotEvaluated]]]],
    at_once: int = AT_ONCE,
) -> Iterator[CellResult]:
    """Results of groups of cells, each with what gives the values of some cells at a time; seconds are shared alike.

    Raises:
        NotEvaluated: the first that stood in the place of values, after all results were given.
    """
    failed: list[NotEvaluated] = []
    for cells, values in groups:
        for first in range(0, len(cells), at_once):
            some, start = cells[first : first + at_once], time.perf_counter()
            found = list(zip(some, values(some), strict=True))
            given = [(cell, value) for cell, value in found if not isinstance(value, NotEvaluated)]
            failed += [value for _, value in found if isinstance(value, NotEvaluated)]
            seconds = (time.perf_counter() - start) / max(1, len(given))
            yield from (CellResult(cell, value, seconds) for cell, value in given)
    if failed:
        raise failed[0]


def one_by_one(groups: Iterable[tuple[Sequence[Cell], Callable[[Cell], Values]]]) -> Iterator[CellResult]:
    """The same, where each cell is measured alone; an error waits until all others were given.

    Raises:
        NotEvaluated: the first that a cell raised.
    """

    def alone(value: Callable[[Cell], Values]) -> Callable[[Sequence[Cell]], list[Values | NotEvaluated]]:
        return lambda some: [attempt(value, cell) for cell in some]

    return together(((cells, alone(value)) for cells, value in groups), at_once=1)


def grouped(
    cells: Iterable[Cell], order: Callable[[Cell], tuple[Any, ...]], alike: int
) -> Iterator[tuple[tuple[Any, ...], list[Cell]]]:
    """Cells in an order, in groups in which the first parts of it, so many, are the same."""
    for key, some in groupby(sorted(cells, key=order), lambda cell: order(cell)[:alike]):
        yield key, list(some)


def by_family(cell: Cell) -> tuple[str, str, str, int]:
    """An order: by family, then by site."""
    return cell.family, cell.site, cell.intervention, cell.seed


def by_way(cell: Cell) -> tuple[str, str, str, str, int]:
    """An order: by family, then by intervention without its control, then by site."""
    return cell.family, cell.intervention.partition("|")[0], cell.site, cell.intervention, cell.seed


def cell_parts(
    cell: Cell,
    model_parts: Mapping[str, str],
    block_digest: str,
    pool_digest: str,
    evaluator: tuple[str, int],
    more: Mapping[str, str],
) -> dict[str, str]:
    """Everything that determines a cell's values, part by part; the key is the digest of these.

    `pool_digest` (all blocks of the draw) enters only where the intervention takes values from other prompts; `more`
    are the metric's settings, the discovery examples and the other model, where there are any.
    """
    return {
        **more,
        **{f"model.{name}": value for name, value in model_parts.items()},
        "examples": block_digest,
        "pool": pool_digest if cell.intervention.partition("|")[0] in POOLED else "-",
        "evaluator": f"{evaluator[0]}@{evaluator[1]}",
        "site": cell.site,
        "intervention": f"{cell.intervention}[{cell.seed}]",
    }


def cell_key(parts: Mapping[str, str]) -> str:
    """The key of a run: 64 hex digits."""
    return digest("cell", dict(parts))
