"""tests of engine/grade: the form spread_ratio: how far conditions differ, against how far others do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.engine.grade.forms import FormError, find_form
from mi_atlas.engine.grade.inference import Layout
from mi_atlas.engine.grade.spread import pseudo_values, variance, without_each
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from pydantic import ValidationError

from .test_properties import ALLOWED, FAULTS, clone_draws, clone_prompts, clone_templates
from .worlds import BASE, Floats, Grid, claim, evidence, relabelled

WIDE, NARROW = [f"L{i}" for i in range(4)], [f"L{i}" for i in range(4, 8)]
GRID = Grid(3, 20, 1)


def times(k: float, numerator: Any = WIDE, denominator: Any = NARROW, **changed: Any) -> MeasuredClaim:
    sides = {"numerator": {"conditions": numerator}, "denominator": {"conditions": denominator}}
    return claim({"form": "spread_ratio", **sides, "at_least": k}, **changed)


def levels(spread: float, of_draws: bool = False) -> list[float]:
    """Logs of four conditions with this standard deviation, in a fixed pattern."""
    pattern = np.array([0.0, 3.0, 1.0, 2.0] if of_draws else [2.0, 0.0, 3.0, 1.0])
    return list((pattern - 1.5) / pattern.std(ddof=1) * spread)


def world(
    wide: float,
    narrow: float,
    seed: int = 0,
    grid: Grid = GRID,
    within: float = 1.0,
    draws: Sequence[float] = (0.3, 0.6),
) -> Evidence:
    """Conditions that differ by so much in log KL; those of the draws by `draws`."""
    random = np.random.default_rng(seed)
    shared = grid.spread(random, 1.0) - 1.0
    effects: dict[tuple[str, str], Floats] = {}
    control: dict[tuple[str, str, int], Floats] = {}
    for sites, spread, drawn in ((WIDE, wide, draws[0]), (NARROW, narrow, draws[1])):
        for site, level, other in zip(sites, levels(spread), levels(drawn, of_draws=True), strict=True):
            own = grid.spread(random, within)
            for label in ("zero", "mean"):
                effects[label, site] = np.exp(shared + level + own + grid.spread(random, 0.2, 0.1))
            for draw in range(20):
                wobble = 0.05 * random.standard_normal() + grid.spread(random, 0.3)
                control["zero", site, draw] = 0.05 * np.exp(other + wobble)
    return evidence(grid, effects, control)


def test_the_variance_by_hand() -> None:
    """One family of three templates, two conditions: 0, 3, 6 and 0, 0, 0.

    Their difference has the mean 3 and, s^2 being 9, the squared standard error 3; of the variance (3 - 0)^2 / 2 = 4.5
    half of it is noise: 3. Without the first template the difference is 3, 6: 4.5^2 / 2 less (4.5 / 2) / 2 = 9.
    """
    layout = Layout(("a",), (0,), np.array([3.0]))
    whole, left = variance(np.array([[0.0, 3.0, 6.0], [0.0, 0.0, 0.0]]), layout)
    assert (float(whole.value), float(whole.noise)) == (pytest.approx(3.0), pytest.approx(1.5))
    assert left.value.tolist() == pytest.approx([9.0, 0.0, 0.0]), left
    assert float(whole.log) == pytest.approx(math.log(3) / 2)


def test_leaving_out_agrees_with_doing_it() -> None:
    """Each template of unequal families, and each repetition, literally left out."""
    random = np.random.default_rng(2)
    sizes = np.array([4.0, 5.0, 4.0])
    layout = Layout(("a", "b", "c"), (0, 4, 9), sizes)
    units, repeats = random.standard_normal((4, 13)), random.standard_normal((5, 4))
    whole, left = variance(units, layout, repeats)
    for i in range(13):
        family = int(np.searchsorted(layout.starts, i, side="right")) - 1
        fewer = sizes - (np.arange(3) == family)
        starts = (0, *np.cumsum(fewer)[:-1].astype(int).tolist())
        own, _ = variance(np.delete(units, i, axis=1), Layout(layout.families, starts, fewer), repeats)
        assert (left.value[i], left.noise[i]) == (pytest.approx(float(own.value)), pytest.approx(float(own.noise)))
    values = pseudo_values(whole.value, left.value, layout)
    assert layout.means(values).mean() == pytest.approx(float(whole.value))
    assert len(without_each(units, layout, repeats).value) == 5


def test_the_noise_is_taken_off() -> None:
    """On average over worlds the variance is that of the truth, whatever the prompts' own spread."""
    random, layout = np.random.default_rng(4), Layout(("a", "b"), (0, 10), np.array([10.0, 10.0]))
    truth = np.array([0.0, 0.5, 1.0, 1.5])
    units = truth[:, None] + 2.0 * random.standard_normal((4000, 4, 20)) + random.standard_normal((4000, 1, 20))
    found, _ = variance(units, layout)
    assert float(found.value.mean()) == pytest.approx(truth.var(ddof=1), abs=0.02)
    assert float((found.value + found.noise).mean()) == pytest.approx(truth.var(ddof=1) + 4 / 20, abs=0.02)


def test_a_factor_between_two_spreads() -> None:
    found = world(2.0, 0.5, within=0.5)
    high = grade(times(2), found)
    assert (high.grade, high.unit, high.n_units) == ("High", "x", 60), high.reason
    assert high.estimate == pytest.approx(4.0, rel=0.2)
    assert high.reason.startswith("the spread over L0, L1, L2 and L3 is ")
    assert "x that over L4, L5, L6 and L7" in high.reason
    assert "numerator L0, L1, L2 and L3, denominator L4, L5, L6 and L7, at least 2" in high.explanation[0]
    assert "of these conditions" in high.explanation[1]
    assert grade(times(8), found).grade == "Refuted"
    assert grade(times(2, NARROW, WIDE), found).grade == "Refuted"
    near = grade(times(3.9), found)
    assert (near.grade, near.code) == ("Pending", "inconclusive"), near.reason
    patterns = relabelled(found, {f"L{i}": f"L{i % 4}.{'operator' if i < 4 else 'mlp'}" for i in range(8)})
    patterns = replace(patterns, sweep=tuple(dict.fromkeys(site for _, site in patterns.effects)))
    swept = grade(times(2, "L*.operator", "L*.mlp", granularity=["operator", "mlp"]), patterns)
    assert (swept.grade, swept.estimate) == (high.grade, pytest.approx(high.estimate))
    assert swept.reason.startswith("the spread over L*.operator is ")


def test_a_spread_that_may_be_noise_is_no_denominator() -> None:
    verdict = grade(times(2), world(2.0, 0.02))
    assert (verdict.grade, verdict.code) == ("Pending", "spread_in_noise")
    assert "the smaller spread is not told apart from noise" in verdict.reason


def test_noise_that_differs_as_unequally_explains_it() -> None:
    verdict = grade(times(2), world(2.0, 0.5, within=0.5, draws=(3.0, 0.5)))
    assert (verdict.grade, verdict.code) == ("Pending", "not_specific"), verdict.reason


def test_what_is_no_spread_ratio_is_refused_or_pending() -> None:
    for wrong, said in (
        ({"numerator": {"conditions": NARROW}}, "the same conditions"),
        ({"numerator": {"conditions": "L*.mlp"}}, "sweeps layer only"),
        ({"at_least": 0}, "greater than 0"),
        ({"scope": "beyond_suite"}, "in_suite"),
    ):
        sides = {"numerator": {"conditions": WIDE}, "denominator": {"conditions": NARROW}}
        with pytest.raises(ValidationError, match=said):
            claim({"form": "spread_ratio", **sides, "at_least": 2.0, **wrong})
    form, swept = find_form("spread_ratio"), tuple(f"L{i}" for i in range(8))
    for numerator, said in (
        (["L0", "L1"], "needs n = 3 conditions a side; has 2"),
        (NARROW[::-1], "the same conditions"),
    ):
        with pytest.raises(FormError, match=said):
            form.effects(times(2, numerator), swept)
    found = world(2.0, 0.5)
    dead = {key: values * (1e-9 if key[1] in NARROW else 1) for key, values in found.effects.items()}
    assert grade(times(2), replace(found, effects=dead)).code == "dead_denominators"


def trained(wide: float, narrow: float, apart: float, seed: int = 0) -> Evidence:
    """Eight trainings, in each of which each condition is off by something of its own."""
    random, found = np.random.default_rng(seed), world(wide, narrow, seed, within=0.3)
    effects = {
        (f"zero[{number}]", site): found.effects["zero", site] * np.exp(apart * random.standard_normal() + each)
        for site in (*WIDE, *NARROW)
        for number, each in enumerate(0.1 * random.standard_normal((8, GRID.n)), 1)
    }
    return replace(found, effects=effects)


def test_what_trainings_differ_by_is_noise_too() -> None:
    """Conditions that differ only because each was trained with another seed have no spread of their own."""
    sides = {"numerator": {"conditions": WIDE}, "denominator": {"conditions": NARROW}}
    ones = dict.fromkeys((*WIDE, *NARROW), 1.0)
    told = {"seed": 1, "effects": ones, "control": ones}
    told["repeated"] = {"what": "training seeds", "count": 8, "spread": 0.1}
    metric = {"evaluator": "simulated", "quantity": "positive", "world": told}
    expect = {"form": "spread_ratio", **sides, "at_least": 2.0}
    document: Any = ClaimAdapter.validate_python({**BASE, "metric": metric, "robustness": [], "expect": expect})
    high = grade(document, trained(4.0, 1.0, 0.2))
    assert (high.grade, high.n_units) == ("High", 8), high.reason
    assert high.estimate == pytest.approx(4.0, rel=0.25)
    noise = grade(document, trained(4.0, 0.0, 1.0))
    assert (noise.grade, noise.code) == ("Pending", "spread_in_noise"), noise.reason


@settings(max_examples=10, deadline=None)
@given(st.permutations([0, 1, 2, 3]), st.integers(0, 1000), st.sampled_from(sorted(FAULTS)))
def test_relabelling_permutes_clones_change_nothing_faults_raise_nothing(
    order: list[int], seed: int, fault: str
) -> None:
    found = world(2.0, 0.5, seed, Grid(3, 12, 2), within=0.5)
    to = {f"L{i}": f"L{order[i % 4] + 4 * (i // 4)}" for i in range(8)}
    for document in (times(2), times(1, NARROW, WIDE)):
        before, after = grade(document, found), grade(document, relabelled(found, to))
        assert (after.grade, after.code) == (before.grade, before.code)
        assert (after.estimate, after.p_value) == (
            pytest.approx(before.estimate),
            pytest.approx(before.p_value, rel=1e-6),
        )
        for clone in (clone_prompts, clone_templates, clone_draws):
            again = grade(document, clone(found))
            assert (again.grade, again.code, again.n_units) == (before.grade, before.code, before.n_units)
        assert grade(document, FAULTS[fault](found)).grade in ALLOWED[before.grade]


def test_false_grades_at_the_bound() -> None:
    """The truth is 2x, the claim at least 2x; both arms agree, and no control explains it."""
    found = Counter[str]()
    for seed in range(100):
        found[grade(times(2.0), world(1.0, 0.5, seed, draws=(0.1, 1.0))).grade] += 1
    assert found["High"] <= 3, found
    assert found["Refuted"] <= 3, found
