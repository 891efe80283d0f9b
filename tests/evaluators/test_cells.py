"""tests: what identifies a cell, and how cells are measured one group after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from mi_atlas.evaluators.cells import (
    Cell,
    NotEvaluated,
    by_family,
    cell_key,
    cell_parts,
    grouped,
    one_by_one,
    together,
)


@pytest.mark.parametrize("intervention", ["mean", "resample", "mean|random_circuit", "resample|random_circuit"])
def test_what_is_taken_from_the_pool_depends_on_it_also_in_a_control(intervention: str) -> None:
    keys = {cell_key(cell_parts(Cell("f", "L1", intervention), {}, "b", pool, ("e", 1), {})) for pool in ("one", "two")}
    assert len(keys) == 2


@pytest.mark.parametrize("intervention", ["zero", "matched_norm_noise", "denoising|wrong_donor"])
def test_other_interventions_share_cells_between_suites(intervention: str) -> None:
    keys = {cell_key(cell_parts(Cell("f", "L1", intervention), {}, "b", pool, ("e", 1), {})) for pool in ("one", "two")}
    assert len(keys) == 1


def test_cells_are_measured_some_at_a_time_and_a_failure_is_an_error_at_the_end() -> None:
    cells, sizes = [Cell("f", f"L{i}", "zero") for i in range(7)], list[int]()

    def values(some: Sequence[Cell]) -> list[dict[str, list[float]] | NotEvaluated]:
        sizes.append(len(some))
        return [NotEvaluated("no", cell.site) if cell.site in ("L1", "L4") else {"kl": [1.0]} for cell in some]

    given: list[str] = []
    with pytest.raises(NotEvaluated, match="L1"):
        given.extend(result.cell.site for result in together([(cells[:5], values), (cells[5:], values)], at_once=3))
    assert sizes == [3, 2, 2]
    assert given == ["L0", "L2", "L3", "L5", "L6"]


def test_groups_are_made_when_the_ones_before_are_measured() -> None:
    """So that what one group needs can be let go before the next."""
    cells, steps = [Cell(family, site, "zero") for site in ("L0", "L1") for family in ("f", "g")], list[str]()

    def groups() -> Iterator[tuple[list[Cell], Callable[[Cell], dict[str, list[float]]]]]:
        for (family,), mine in grouped(cells, by_family, 1):
            steps.append(family)
            yield mine, lambda cell: {"kl": [float(cell.site[1:])]}

    for result in one_by_one(groups()):
        steps.append(result.cell.family + result.cell.site)
    assert steps == ["f", "fL0", "fL1", "g", "gL0", "gL1"]
