"""tests: a large sample of a world has the distribution of the numbers that claims on it are measured on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.calibrate.sample import centre, logs
from mi_atlas.evaluators.cells import Cell
from mi_atlas.evaluators.simulated import Drawn
from mi_atlas.specs.library import Library
from mi_atlas.specs.metrics.simulated import World

FAMILIES = list(Library().suite("main-12").families or ())
TEMPLATES = 400


def world(**more: Any) -> dict[str, Any]:
    effects = {"L1": 0.4, "L3": 0.1}
    return {
        "seed": 5, "effects": effects, "fixed": True, "families": 0.8, "templates": 1.2, "items": 0.4, "common": 0.0,
        "control": dict.fromkeys(effects, 0.1), "tails": "heavy", **more,
    }  # fmt: skip


@pytest.mark.parametrize("tails", ["normal", "skewed", "heavy"])
def test_in_the_suite_it_has_the_families_of_the_evaluator(tails: str) -> None:
    """log(L1 + L3) of 12 x 400 prompts has a standard error of about .02; two interventions share half a spread."""
    stated = world(tails=tails)
    measured = np.array([[_logs(stated, family, site) for family in FAMILIES] for site in ("L1", "L3")])
    sampled = logs(stated, ("L1", "L3"))[0]
    assert centre(stated, np.logaddexp(*measured)) == pytest.approx(centre(stated, np.logaddexp(*sampled)), abs=0.08)
    assert sampled.mean(axis=-1) == pytest.approx(measured.mean(axis=-1), abs=0.35)
    assert sampled.std(axis=-1).mean() == pytest.approx(measured.std(axis=-1).mean(), rel=0.05)
    both = logs(stated, ("L1",), interventions=2)[:, 0, 0]
    assert np.corrcoef(*both)[0, 1] == pytest.approx(0.72 / (1.44 + 0.16), abs=0.05)


def test_beyond_the_suite_families_are_drawn_anew_around_the_effects() -> None:
    sampled = logs(world(fixed=False), ("L1",))[0]
    assert centre(world(fixed=False), sampled) == pytest.approx(np.log(0.4), abs=0.06)
    assert sampled.mean(axis=-1).std() == pytest.approx(0.8, abs=0.06)


def _logs(stated: dict[str, Any], family: str, site: str) -> np.ndarray:
    block: Any = SimpleNamespace(
        family=family, examples=[SimpleNamespace(template=f"t{number}") for number in range(TEMPLATES)]
    )
    drawn = Drawn(World.model_validate(stated), block, FAMILIES)
    return np.log(drawn.values(Cell(family, site, "zero", 0))["positive"])
