"""tests: what identifies a cell."""

from __future__ import annotations

import pytest
from mi_atlas.evaluators.cells import Cell, cell_key, cell_parts


@pytest.mark.parametrize("intervention", ["mean", "resample", "mean|random_circuit", "resample|random_circuit"])
def test_what_is_taken_from_the_pool_depends_on_it_also_in_a_control(intervention: str) -> None:
    keys = {cell_key(cell_parts(Cell("f", "L1", intervention), {}, "b", pool, ("e", 1), {})) for pool in ("one", "two")}
    assert len(keys) == 2


@pytest.mark.parametrize("intervention", ["zero", "matched_norm_noise", "denoising|wrong_donor"])
def test_other_interventions_share_cells_between_suites(intervention: str) -> None:
    keys = {cell_key(cell_parts(Cell("f", "L1", intervention), {}, "b", pool, ("e", 1), {})) for pool in ("one", "two")}
    assert len(keys) == 1
