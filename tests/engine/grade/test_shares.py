"""tests: shares, which are ratios of two means over the same examples, and signed quantities that are ranked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.grade import Evidence, grade

from .shares import share
from .worlds import Grid, claim, evidence

GRID = Grid(4, 30, 1)


def world(true: float, seed: int = 0, spread: float = 0.5, whole: float = 3.0, drawn: float = 0.1) -> Evidence:
    """A share whose denominators vary from 1 to 5 times what they are on average at the least."""
    random = np.random.default_rng(seed)
    denominators = whole * random.uniform(0.4, 1.6, GRID.n)
    effects = {
        (label, "L0"): true * denominators + spread * random.standard_normal(GRID.n) for label in ("zero", "mean")
    }
    control = {
        ("zero", "L0", d): drawn * random.standard_normal() + drawn * random.standard_normal(GRID.n) for d in range(20)
    }
    found = evidence(GRID, effects, control)
    return replace(found, denominators=dict.fromkeys(effects, denominators))


def test_a_share_is_a_ratio_of_means() -> None:
    """Not the mean of the ratios, which small denominators spoil."""
    found = world(0.8)
    verdict = grade(share(0.6), found)
    values, of = found.effects["zero", "L0"], found.denominators["zero", "L0"]
    assert verdict.grade == "High", verdict.reason
    assert verdict.estimate == pytest.approx(float(values.mean() / of.mean()))
    assert verdict.estimate != pytest.approx(float((values / of).mean()), rel=1e-3)
    assert verdict.reason.startswith("L0: logit diff drop 0.")


@pytest.mark.parametrize(("true", "bound", "kind"), [(0.5, 0.8, "at_least"), (0.8, 0.5, "at_most")])
def test_a_false_bound_on_a_share_is_refuted(true: float, bound: float, kind: str) -> None:
    verdict = grade(share(bound, kind), world(true))
    assert verdict.grade == "Refuted", verdict.reason
    assert verdict.estimate == pytest.approx(true, abs=0.05)


def test_the_limit_of_a_share_is_shown_as_a_share() -> None:
    verdict = grade(share(0.6), world(0.8))
    assert verdict.estimate is not None
    assert verdict.lower is not None
    assert 0.6 < verdict.lower < verdict.estimate < 1


def test_at_the_bound_a_share_is_rarely_high() -> None:
    """At the bound a claim is false: at most 1 % High. Of 400, six or more come about in 1 of 1000 at .5 %."""
    grades = [grade(share(0.6), world(0.6, seed)).grade for seed in range(400)]
    assert grades.count("High") <= 5


def test_a_share_of_nothing_is_not_evaluated() -> None:
    found = world(0.8)
    noise = np.random.default_rng(1).standard_normal(GRID.n)
    verdict = grade(share(0.6), replace(found, denominators=dict.fromkeys(found.effects, noise)))
    assert (verdict.grade, verdict.code) == ("Pending", "denominator_in_noise")


def test_without_denominators_a_share_is_not_graded() -> None:
    verdict = grade(share(0.6), replace(world(0.8), denominators={}))
    assert (verdict.grade, verdict.code) == ("Pending", "not_measured")


def signed(levels: dict[str, float], seed: int = 0) -> Evidence:
    random = np.random.default_rng(seed)
    effects: dict[Any, Any] = {
        (label, site): level + random.standard_normal(GRID.n)
        for label in ("zero", "mean")
        for site, level in levels.items()
    }
    control = {("zero", site, d): 0.1 * random.standard_normal(GRID.n) for d in range(20) for site in levels}
    return evidence(GRID, effects, control)


def test_a_signed_quantity_has_a_top_component_by_its_mean() -> None:
    document = claim({"form": "top_component", "component": "L0"}, quantity="logit_diff_drop")
    verdict = grade(document, signed({"L0": 3.0, "L1": 1.0, "L2": -4.0}))
    assert verdict.grade == "High", verdict.reason
    assert verdict.reason.startswith("L0 exceeds its strongest rival L1 by 2")
    assert "logits" in verdict.reason
    refuted = grade(document, signed({"L0": 1.0, "L1": 3.0, "L2": -4.0}))
    assert refuted.grade == "Refuted"
    assert "L0 exceeds L1 by -1." in refuted.reason
    tiny = grade(document, signed({"L0": -1.0, "L1": -3.0, "L2": -4.0}))
    assert (tiny.grade, tiny.code) == ("Pending", "no_material_effect")


def test_the_control_of_a_share_is_shown_as_a_share() -> None:
    found = world(0.8)
    drawn = {key: 0.3 + 0.001 * key[2] + 0 * values for key, values in found.control.items()}
    verdict = grade(share(0.6), replace(found, control=drawn))
    reached = (0.3 + 0.001 * 9.5) / float(found.denominators["zero", "L0"].mean())
    assert f"matched_norm_noise reaches {reached:.2g}" in verdict.reason
