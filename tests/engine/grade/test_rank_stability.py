"""tests: the form rank_stability."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mi_atlas.engine.grade import grade
from mi_atlas.engine.grade.forms import FormError, find_form
from mi_atlas.engine.grade.forms.rank_stability import _ranks
from mi_atlas.specs.sites import Frame, components
from pydantic import ValidationError

from .worlds import Grid, claim, evidence

GRID = Grid(4, 30, 1)
SWEEP = [f"L{i}" for i in range(5)]


def stable(at_least: float, against: str = "mean", **changed: object) -> object:
    more = {"robustness": [{"intervention": "resample"}], "control": {"kind": "matched_norm_noise", "ratio": 1.5}}
    return claim({"form": "rank_stability", "against": against, "at_least": at_least}, **(more | changed))


def world(noise: float, seed: int = 0):  # type: ignore[no-untyped-def]
    """Five components whose logs are 2 apart, plus noise; control draws in random order."""
    random = np.random.default_rng(seed)
    level = {site: 2.0 * i - 4 for i, site in enumerate(SWEEP)}
    effects = {
        (label, site): np.exp(level[site] + noise * random.standard_normal(GRID.n))
        for label in ("zero", "mean", "resample")
        for site in SWEEP
    }
    control = {("zero", site, draw): np.exp(random.standard_normal(GRID.n)) for draw in range(20) for site in SWEEP}
    return evidence(GRID, effects, control)


def test_an_order_that_both_interventions_share_is_high() -> None:
    verdict = grade(stable(0.7), world(0.5))
    assert verdict.grade == "High", verdict.reason
    assert verdict.reason.startswith("the orders under zero and mean correlate at 1 ")


def test_an_order_that_only_one_has_is_refuted() -> None:
    assert grade(stable(0.7), world(30.0)).grade == "Refuted"


def test_the_estimate_is_spearman_s() -> None:
    """Orders 1 2 3 4 5 and 2 1 3 4 5 in every example: 1 - 6 (1 + 1) / (5 (25 - 1)) = .9."""
    effects = {}
    for label, order in {"zero": (1, 2, 3, 4, 5), "mean": (2, 1, 3, 4, 5), "resample": (1, 2, 3, 5, 4)}.items():
        random = np.random.default_rng(1)
        for site, rank in zip(SWEEP, order, strict=True):
            effects[label, site] = rank + 0.1 * random.random(GRID.n)
    found = world(0.5)
    verdict = grade(stable(0.5), evidence(GRID, effects, found.control))
    assert verdict.estimate == pytest.approx(0.9)
    assert "resample, the orders under zero and mean correlate at 0.8" in str(verdict.conditions)


def test_ties_share_their_mean_rank() -> None:
    assert _ranks(np.array([[3.0, 0.0], [1.0, 0.0], [3.0, 5.0]])).tolist() == [[1.5, 0.5], [0.0, 0.5], [1.5, 2.0]]


def test_what_has_no_order_is_pending() -> None:
    form = find_form("rank_stability")
    with pytest.raises(FormError, match="needs 4 components, not 3"):
        form.effects(stable(0.5), components(("layer",), Frame(3)))
    found = world(0.5)
    silent = {key: np.zeros(GRID.n) for key in found.effects}
    assert grade(stable(0.5), evidence(GRID, silent, found.control)).code == "degenerate_no_op"
    same = dict(found.effects) | {("mean", site): found.effects["zero", site] for site in SWEEP}
    assert grade(stable(0.5), evidence(GRID, same, found.control)).code == "identical_arms"


def test_an_order_is_not_compared_with_itself() -> None:
    with pytest.raises(ValidationError, match="one order, not two"):
        stable(0.5, against="zero")
    with pytest.raises(ValidationError, match="one order, not two"):
        stable(0.5, against="resample")
    assert math.isclose(stable(0.5).expect.at_least, 0.5)  # type: ignore[attr-defined]
