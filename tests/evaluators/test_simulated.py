"""tests: simulated numbers have the effects that their world states, whatever the spreads and tails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mi_atlas.evaluators.cells import OF, Cell
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.simulated import Simulated
from mi_atlas.evaluators.tasks import Block

from .conftest import block, micro, wrap

FAMILIES = ("one", "two", "three")
N = 1500
WORLD: dict[str, Any] = {
    "seed": 3,
    "effects": {"L0": 0.4, "L1": 0.1},
    "control": {"L0": 0.25, "L1": 1.0},
    "templates": 0.6,
}
LOADED = wrap(micro("qwen2"))


def blocks(n: int = N) -> list[Block]:
    return [block(family, n) for family in FAMILIES]


def measure(cells: list[Cell], n: int = N, **world: Any) -> dict[Cell, dict[str, np.ndarray]]:
    materials = Materials(blocks(n), {"world": WORLD | world})
    results = Simulated().measure(LOADED, materials, cells)
    return {each.cell: {name: np.array(numbers) for name, numbers in each.values.items()} for each in results}


def everywhere(site: str, intervention: str = "zero", seeds: int = 1) -> list[Cell]:
    return [Cell(family, site, intervention, seed) for family in FAMILIES for seed in range(seeds)]


@pytest.mark.parametrize("seed", range(4))
def test_in_a_fixed_world_the_means_over_its_families_are_the_effects(seed: int) -> None:
    """Without spread between templates every number but the examples' own scatter is exact."""
    got = measure(everywhere("L0"), templates=0, common=0, items=0.1, seed=seed)
    logs, signed, rate = (
        [transform(values[name]).mean() for values in got.values()]
        for name, transform in (("positive", np.log), ("signed", np.asarray), ("event", np.asarray))
    )
    assert np.mean(logs) == pytest.approx(np.log(0.4), abs=0.01)
    assert np.mean(signed) == pytest.approx(0.4, abs=0.01)
    assert np.ptp(logs) > 0.2
    parts = [values["part"].mean() / values[f"part{OF}"].mean() for values in got.values()]
    assert np.mean(parts) == pytest.approx(0.4, abs=0.02)
    assert np.mean(rate) == pytest.approx(0.4, abs=0.05)
    assert set(np.concatenate([values["event"] for values in got.values()])) == {0, 1}


@pytest.mark.parametrize("tails", ["normal", "skewed", "heavy"])
def test_templates_scatter_as_stated(tails: str) -> None:
    """Three templates a block: over many worlds their effects have the stated spread around the family's."""
    scatter = []
    for seed in range(300):
        got = measure([Cell("one", "L0", "zero")], n=3, tails=tails, families=0, common=0, items=0, seed=seed)
        (values,) = got.values()
        scatter += (np.log(values["positive"]) - np.log(0.4)).tolist()
    assert np.mean(scatter) == pytest.approx(0, abs=0.08)
    assert np.std(scatter) == pytest.approx(0.6, rel=0.12)


def test_a_draw_of_the_control_has_its_own_level_around_what_is_stated() -> None:
    got = measure(everywhere("L0", "matched_norm_noise", seeds=60), n=30, templates=0, common=0, items=0, draws=0.5)
    levels = np.array(
        [
            np.mean([np.log(got[Cell(f, "L0", "matched_norm_noise", s)]["positive"]) for f in FAMILIES])
            for s in range(60)
        ]
    )
    assert levels.mean() == pytest.approx(np.log(0.1), abs=0.25)
    assert levels.std() == pytest.approx(0.5, rel=0.35)


def test_a_cell_is_the_same_alone_and_among_others_and_differs_from_them() -> None:
    cells = [Cell("one", site, value) for site in ("L0", "L1") for value in ("zero", "mean")]
    together = measure(cells, n=30)
    for cell in cells:
        alone = measure([cell], n=30)[cell]
        assert all((alone[name] == together[cell][name]).all() for name in alone)
    assert len({tuple(together[cell]["positive"]) for cell in cells}) == len(cells)
    assert not (measure(cells, n=30, seed=4)[cells[0]]["positive"] == together[cells[0]]["positive"]).any()


def test_interventions_at_a_site_agree_more_than_sites_do() -> None:
    cells = [Cell("one", "L0", "zero"), Cell("one", "L0", "mean"), Cell("one", "L1", "zero")]
    pairs = []
    for seed in range(200):
        got = measure(cells, n=3, common=0, items=0, seed=seed)
        pairs.append([np.log(got[cell]["positive"][:3]) for cell in cells])
    zero, mean, other = np.array(pairs).transpose(1, 0, 2).reshape(3, -1)
    assert np.corrcoef(zero, mean)[0, 1] > 0.5 > abs(np.corrcoef(zero, other)[0, 1]) + 0.3
