"""evaluators/finetuning: cells that are measured on trained models: those of one training together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...specs.recipe import Recipe
from ..cells import Cell, CellResult, NotEvaluated, Values, attempt, by_family, grouped, together
from ..registry import Materials
from .job import job_of

Which = Callable[[Cell], tuple[Any, ...]]
"""What tells the training of a cell from those of others."""


def by_training(
    cells: Sequence[Cell], which: Which, values: Callable[[Sequence[Cell]], list[Values | NotEvaluated]]
) -> Iterator[CellResult]:
    """Results of cells, those of a training together and among them those of a family; what stops one stops all of it.

    Raises:
        NotEvaluated: the first that was met, after all results were given.
    """

    def tried(some: Sequence[Cell]) -> list[Values | NotEvaluated]:
        found = attempt(values, some)
        return [found] * len(some) if isinstance(found, NotEvaluated) else found

    groups = grouped(cells, lambda cell: (which(cell), by_family(cell)), 1)
    return together(((mine, tried) for _, mine in groups), at_once=max(1, len(cells)))


def of_recipe(recipe: Recipe | None) -> Which:
    """Of cells that are all measured on trainings by one recipe, or on the model as it is."""
    return lambda cell: job_of(recipe, cell).drawn if recipe else ()


def recipe_of(materials: Materials, condition: str) -> Recipe:
    """The recipe of a condition.

    Raises:
        NotEvaluated: `no_such_condition`, listing those there are.
    """
    if condition not in materials.recipes:
        known = ", ".join(materials.recipes) or "none"
        raise NotEvaluated("no_such_condition", f"there is no recipe `{condition}`; there are {known}")
    return materials.recipes[condition]
