"""tests of engine/grade: the form interaction: several components together against the sum of each alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.engine.grade.forms import FormError, find_form
from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.sites import Frame, components
from pydantic import ValidationError

from .test_forms import GRID, HALF_WIDTH, TURNS
from .test_properties import ALLOWED, FAULTS, clone_draws, clone_prompts, clone_templates
from .worlds import SPREAD, Floats, Grid, claim, evidence, relabelled

SITES = ("L1", "L3", "L1+L3")


def both(names: tuple[str, ...] = ("L1", "L3"), **bound: float) -> MeasuredClaim:
    return claim({"form": "interaction", "components": list(names), **bound})


def world(factor: Floats, seed: int = 0, grid: Grid = GRID, drawn: float = 1.2) -> Evidence:
    """KL of L1 and L3 alone, and of both: the sum times exp(factor); that of the draws is `drawn` times their sum."""
    random = np.random.default_rng(seed)
    effects, control = {}, {}
    for label in ("zero", "mean"):
        for site in SITES[:2]:
            effects[label, site] = 0.2 * np.exp(grid.spread(random, 0.5))
        wobble = 0.01 * random.standard_normal(grid.n) if label == "mean" else 0.0
        total = effects[label, "L1"] + effects[label, "L3"]
        effects[label, "L1+L3"] = total * np.exp(factor + wobble)
    for draw in range(20):
        for site in SITES[:2]:
            control["zero", site, draw] = 0.05 * np.exp(grid.spread(random, 0.3))
        total = control["zero", "L1", draw] + control["zero", "L3", draw]
        control["zero", "L1+L3", draw] = drawn * total * np.exp(0.1 * random.standard_normal(grid.n))
    return evidence(grid, effects, control, sweep=("L1", "L3"))


def test_interaction_by_hand() -> None:
    """Together log 4 +- 1 over the sum: 4x, with limit 4 x exp(-.53322) = 2.3469x."""
    found = world(math.log(4) + TURNS)
    high = grade(both(at_least=2.346), found)
    assert (high.grade, high.unit, high.estimate) == ("High", "x", pytest.approx(4.0)), high.reason
    assert high.lower == pytest.approx(4 * math.exp(-HALF_WIDTH), rel=1e-4)
    assert high.reason.startswith("L1+L3 is 4x the sum of L1 and L3 alone (99.5% one-sided >= 2.35x), n = 30 templates")
    assert "claim: interaction: components L1 and L3, at least 2.346" in high.explanation[0]
    assert grade(both(at_least=2.348), found).grade == "Medium"
    assert grade(both(at_least=12), found).grade == "Refuted"


def test_less_than_the_sum_by_hand() -> None:
    """The mirror image: log .5 +- .1, limit .5 x exp(.053322) = .52738x; noise at both does more than the sum."""
    found = world(math.log(0.5) + 0.1 * TURNS)
    high = grade(both(at_most=0.528), found)
    assert (high.grade, high.qualifiers) == ("High", ()), high.reason
    assert high.upper == pytest.approx(0.5 * math.exp(0.1 * HALF_WIDTH), rel=1e-4)
    assert grade(both(at_most=0.527), found).grade == "Medium"
    assert grade(both(at_most=0.3), found).grade == "Refuted"
    assert grade(both(at_most=0.528), world(math.log(0.5) + 0.1 * TURNS, drawn=0.5)).code == "not_specific"


def test_noise_that_interacts_as_much_explains_it() -> None:
    assert grade(both(at_least=2), world(math.log(4) + TURNS, drawn=8.0)).code == "not_specific"


def test_the_joint_component_is_named_as_a_sweep_of_several_names_it() -> None:
    form, swept = find_form("interaction"), components(("layer",), Frame(4))
    assert [ref.site for ref in form.effects(both(("L3", "L1"), at_least=1), swept)] == ["L1+L3", "L3", "L1"]
    heads = claim({"form": "interaction", "components": ["L4.head2", "L1.head0"], "at_most": 1.0}, granularity="head")
    some = components(("head",), Frame(5, (4,) * 5))
    assert form.effects(heads, some)[0].site in components(("head",), Frame(5, (4,) * 5), together=2)
    at = both(("L1@last", "L3@last"), at_least=1)
    assert form.effects(at, ("L1@last", "L3@last"))[0].site == "L1+L3@last"
    with pytest.raises(FormError, match="share their positions"):
        form.effects(both(("L1@last", "L3"), at_least=1), ("L1@last", "L3"))
    with pytest.raises(FormError, match="L9 does not exist"):
        form.effects(both(("L1", "L9"), at_least=1), swept)
    signed = claim({"form": "interaction", "components": ["L1", "L3"], "at_least": 1.0}, quantity="logit_diff_drop")
    with pytest.raises(FormError, match="needs a KL"):
        form.effects(signed, swept)


def test_what_is_no_interaction_is_refused_or_pending() -> None:
    for wrong, said in (
        ({"components": ["L1"], "at_least": 1.0}, "at least 2 items"),
        ({"components": ["L1", "L1"], "at_least": 1.0}, "names a site twice"),
        ({"components": ["L1", "L1+L2"], "at_least": 1.0}, "single sites"),
        ({"components": ["L1", "L2"]}, "exactly one of at_least and at_most"),
    ):
        with pytest.raises(ValidationError, match=said):
            claim({"form": "interaction", **wrong})
    found = world(TURNS)
    dead = {key: 1e-9 * values if key[1] != "L1+L3" else values for key, values in found.effects.items()}
    assert grade(both(at_least=2), replace(found, effects=dead)).code == "dead_denominators"
    none = {key: 1e-9 * values if key[1] == "L1+L3" else values for key, values in found.effects.items()}
    assert grade(both(at_most=2), replace(found, effects=none)).code == "dead_numerators"
    assert grade(both(at_least=0.5), world(np.zeros(30))).code == "identical_arms"


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([0.2, 0.8, 1.5]), st.integers(0, 1000), st.sampled_from(sorted(FAULTS)))
def test_relabelling_permutes_clones_change_nothing_faults_raise_nothing(factor: float, seed: int, fault: str) -> None:
    grid = Grid(3, 12, 2)
    found = world(factor + grid.spread(np.random.default_rng(seed), 0.8), seed, grid)
    to = {"L1": "L3", "L3": "L1", "L1+L3": "L1+L3"}
    renamed = relabelled(found, to)
    for document in (both(at_least=1.5), both(at_most=3.0)):
        before, after = grade(document, found), grade(document, renamed)
        assert (after.grade, after.code, after.reason) == (before.grade, before.code, before.reason)
        for clone in (clone_prompts, clone_templates, clone_draws):
            again = grade(document, clone(found))
            assert (again.grade, again.code, again.n_units) == (before.grade, before.code, before.n_units)
        assert grade(document, FAULTS[fault](found)).grade in ALLOWED[before.grade]


@pytest.mark.parametrize("bound", ["at_least", "at_most"])
def test_false_grades_at_the_bound(bound: str) -> None:
    """The truth is 2x, the claim at least (at most) 2x; both arms agree, and no control explains it."""
    random, found = np.random.default_rng(51), Counter[str]()
    drawn = 0.01 if bound == "at_least" else 1e3
    for i in range(100):
        factor = math.log(2) + SPREAD * random.standard_normal(30)
        found[grade(both(**{bound: 2.0}), world(factor, i, drawn=drawn)).grade] += 1
    assert found["High"] <= 3, found
    assert found["Refuted"] <= 3, found
