"""tests of engine/grade: the form monotone: an order of which every step counts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.engine.grade.forms import FormError, find_form
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from mi_atlas.specs.sites import Frame, components
from pydantic import ValidationError

from .test_forms import GRID, HALF_WIDTH, TURNS, world
from .test_properties import ALLOWED, FAULTS, clone_draws, clone_prompts, clone_templates
from .worlds import BASE, Floats, Grid, claim, evidence, relabelled

SIX = [f"L{i}" for i in range(6)]


def along(steps: list[str] | None = None, **expect: Any) -> MeasuredClaim:
    changed = {name: expect.pop(name) for name in ("quantity", "robustness") if name in expect}
    return claim({"form": "monotone", "components": steps or SIX, **expect}, **changed)


def steer(strength: float) -> dict[str, Any]:
    return {"intervention": "steer", "strength": strength}


def doses(*strengths: float, **changed: Any) -> MeasuredClaim:
    document = {
        **BASE,
        "metric": {
            "evaluator": "steering",
            "quantity": "logit_diff_change",
            "contrast": "clean_corrupt",
            "sites": {"granularity": "residual"},
        },
        "counterfactual": steer(1),
        "robustness": [],
        "control": {"kind": "random_direction"},
        "expect": {"form": "monotone", "site": "L2.residual", "doses": [steer(each) for each in strengths]},
    }
    return ClaimAdapter.validate_python(document | changed)  # type: ignore[return-value]


def ladder(seed: int, steps: list[float], scatter: float = 0.3, grid: Grid = GRID) -> Evidence:
    """Components whose logs rise by these steps, each with a scatter of its own; draws do not rise."""
    random = np.random.default_rng(seed)
    shared = grid.spread(random, 1.0)
    levels = np.concatenate([[0.0], np.cumsum(steps)]) - 3.0
    effects = {}
    for i, level in enumerate(levels):
        log = shared + level + scatter * random.standard_normal(grid.n)
        effects["zero", f"L{i}"] = np.exp(log)
        effects["mean", f"L{i}"] = np.exp(log + 0.01 * random.standard_normal(grid.n))
    control = {
        ("zero", f"L{i}", draw): 0.01 * np.exp(shared + 0.3 * random.standard_normal(grid.n))
        for i in range(len(levels))
        for draw in range(20)
    }
    return evidence(grid, effects, control)


def test_monotone_by_hand() -> None:
    """Steps of log 2 +- 1 and larger ones: the least is 2x, its limit 2 x exp(-.53322) = 1.1734x."""
    logs, shared = [GRID.spread(np.random.default_rng(5), 0.5) - 3], np.log(3.0)
    for i in range(5):
        step = math.log(2) + TURNS if i == 2 else shared + 0.3 * TURNS * (1 + i)
        logs.append(logs[-1] + step)
    effects, control = world(*logs, noise=1e-3)
    verdict = grade(along(), evidence(GRID, effects, control))
    assert verdict.grade == "High", verdict.reason
    assert verdict.estimate == pytest.approx(2.0)
    assert verdict.lower == pytest.approx(2 * math.exp(-HALF_WIDTH), rel=1e-4)
    assert verdict.reason.startswith("the least rise is 2x, from L2 to L3 (99.5% one-sided >= 1.2x)")
    assert verdict.conditions[0] == ("steps", True, "6 steps have 720 orders (p = .0014)")
    assert verdict.p_value == pytest.approx(1 / 720), "no order of six steps can show more"
    falling = grade(along(SIX[::-1], order="falling"), evidence(GRID, effects, control))
    assert (falling.grade, falling.estimate) == ("High", pytest.approx(2.0))
    assert falling.reason.startswith("the least fall is 2x, from L3 to L2")
    assert grade(along(SIX[::-1]), evidence(GRID, effects, control)).grade == "Refuted"


def test_a_step_the_other_way_refutes() -> None:
    verdict = grade(along(), ladder(6, [1.0, 1.0, -1.0, 1.0, 1.0]))
    assert verdict.grade == "Refuted", verdict.reason
    assert verdict.reason.startswith("the rise from L2 to L3 is 0.3")
    assert grade(along(["L0", "L1", "L3", "L4"]), ladder(6, [1.0, 1.0, -1.0, 1.0, 1.0])).grade in ("Pending", "Medium")


@pytest.mark.parametrize(
    ("count", "look", "expected"), [(6, 1, "High"), (5, 1, "Medium"), (4, 1, "Medium"), (4, 2, "Pending")]
)
def test_few_steps_show_little(count: int, look: int, expected: str) -> None:
    """1/6! = .0014 < .005 < 1/5! = .0083 and 1/4! = .042 < .05, which at the second look is .0167."""
    found = replace(ladder(7, [1.0] * 5), look=look)
    verdict = grade(along(SIX[:count]), found)
    assert verdict.grade == expected, verdict.reason
    if expected != "High":
        assert verdict.code == "too_few_steps"
        wanted = 6 if expected == "Medium" else 5
        assert f"steps have only {math.factorial(count)} orders" in verdict.reason
        assert f"needs n = {wanted}" in verdict.reason


def test_signed_quantities_rise_by_differences() -> None:
    """Means -2, -1, ..., 3 logits, each step 1 +- 1."""
    random = np.random.default_rng(8)
    effects, control = {}, {}
    value = -2 + TURNS
    for i in range(6):
        effects["zero", f"L{i}"] = value
        effects["mean", f"L{i}"] = value + 0.01 * random.standard_normal(30)
        value = value + 1 + TURNS * (-1) ** i
        for draw in range(20):
            control["zero", f"L{i}", draw] = 0.2 * random.standard_normal(30) + 0.1 * random.standard_normal()
    verdict = grade(along(quantity="logit_diff_drop"), evidence(GRID, effects, control))
    assert (verdict.grade, verdict.unit, verdict.estimate) == ("High", "logits", pytest.approx(1.0)), verdict.reason
    assert verdict.lower == pytest.approx(1 - HALF_WIDTH, abs=1e-4)


def test_doses_are_one_method() -> None:
    """Six strengths, each with 0.5 logits more; the random direction does nothing."""
    random = np.random.default_rng(9)
    strengths = (1, 2, 4, 8, 16, 32)
    shared = random.standard_normal(30)
    effects = {
        (f"steer({strength})", "L2.residual"): shared + 0.5 * i + 0.2 * random.standard_normal(30)
        for i, strength in enumerate(strengths)
    }
    control = {
        (f"steer({strength})", "L2.residual", draw): 0.2 * random.standard_normal(30)
        for strength in (1, 32)
        for draw in range(20)
    }
    verdict = grade(doses(*strengths), evidence(GRID, effects, control))
    assert (verdict.grade, verdict.code) == ("Medium", "one_intervention_value"), verdict.reason
    assert "from steer(" in verdict.reason
    assert "doses steer 1 vector, steer 2 vector" in verdict.explanation[0]
    mirrored = dict(effects) | {("steer(2)", "L2.residual"): effects["steer(1)", "L2.residual"]}
    same = grade(doses(*strengths), evidence(GRID, mirrored, control))
    assert (same.grade, same.code) == ("Pending", "identical_arms")


def test_what_has_no_order_is_refused_or_pending() -> None:
    form, swept = find_form("monotone"), components(("layer",), Frame(6))
    with pytest.raises(FormError, match="L7 does not exist"):
        form.effects(along([*SIX[:4], "L7"]), swept)
    residual = components(("residual",), Frame(6))
    with pytest.raises(FormError, match="the counterfactual, steer\\(1\\), is none of the doses"):
        form.effects(doses(2, 3, 4, 5), residual)
    with pytest.raises(FormError, match="one method"):
        form.effects(doses(1, 2, 3, 4, robustness=[steer(9)]), residual)
    expect = {"form": "monotone", "site": "L2", "doses": [steer(s) for s in (1, 2, 3, 4)]}
    with pytest.raises(FormError, match="evaluator ablation knows zero, mean, resample, noise, not steer"):
        form.effects(claim(expect), swept)
    for wrong, said in (
        ({"components": SIX[:3]}, "at least 4 items"),
        ({"components": ["L0", "L1", "L2", "L0"]}, "the same step twice"),
        ({"components": SIX, "site": "L0"}, "either components, or a site and doses"),
        ({"site": "L0"}, "either components, or a site and doses"),
        ({"site": "L0", "doses": [steer(1), steer(2), steer(3), {"intervention": "zero"}]}, "one kind"),
    ):
        with pytest.raises(ValidationError, match=said):
            claim({"form": "monotone", **wrong})
    found = ladder(10, [1.0] * 5)
    silent = {key: np.zeros(GRID.n) for key in found.effects}
    assert grade(along(), replace(found, effects=silent)).code == "degenerate_no_op"
    small = {key: 1e-3 * values for key, values in found.effects.items()}
    assert grade(along(), replace(found, effects=small)).grade == "Pending"


def test_draws_that_rise_as_much_explain_it() -> None:
    found = ladder(11, [1.0] * 5)
    rising = {key: 0.1 * found.effects["zero", key[1]] * (1 + 0.05 * key[2]) for key in found.control}
    wobble = np.random.default_rng(1)
    rising = {key: values * np.exp(0.3 * wobble.standard_normal(GRID.n)) for key, values in rising.items()}
    verdict = grade(along(), replace(found, control=rising))
    assert (verdict.grade, verdict.code) == ("Pending", "not_specific"), verdict.reason


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 1000), st.sampled_from(sorted(FAULTS)))
def test_relabelling_permutes_clones_change_nothing_faults_raise_nothing(
    order: list[int], seed: int, fault: str
) -> None:
    found = ladder(seed, [0.6, 0.4, 0.5, 0.2, 0.7], 0.5, Grid(3, 12, 1))
    to = {f"L{i}": f"L{order[i]}" for i in range(6)}
    renamed = relabelled(found, to)
    before, after = grade(along(), found), grade(along([to[site] for site in SIX]), renamed)
    assert (after.grade, after.code, after.p_value) == (before.grade, before.code, pytest.approx(before.p_value))
    for clone in (clone_prompts, clone_templates, clone_draws):
        again = grade(along(), clone(found))
        assert (again.grade, again.code, again.n_units) == (before.grade, before.code, before.n_units)
    assert grade(along(), FAULTS[fault](found)).grade in ALLOWED[before.grade]


def rates(steps: list[float], count: int, scatter: float = 1.9) -> Counter[str]:
    return Counter(grade(along(), ladder(500 + i, steps, scatter)).grade for i in range(count))


def test_false_high_where_two_neighbours_tie() -> None:
    """One step is nothing, the others are sure (a difference of two has sd 2.7, as the others of 12 do not mind)."""
    found = Counter[str]()
    for i in range(100):
        random = np.random.default_rng(i)
        tied: Floats = 2.7 * random.standard_normal(30)
        whole = ladder(i, [12.0 / 5] * 5, 0.05)
        level = np.log(whole.effects["zero", "L2"]) + tied
        effects = dict(whole.effects)
        for j in (3, 4, 5):
            for label in ("zero", "mean"):
                effects[label, f"L{j}"] = np.exp(level + 9.0 * (j - 3) + 0.01 * random.standard_normal(30))
        found[grade(along(), replace(whole, effects=effects)).grade] += 1
    assert found["High"] <= 3, found
    assert found["Refuted"] <= 3, found


def test_power() -> None:
    """Steps of 1.7 in log, of which a difference has sd 1.4 (30 templates): t is 6.6; nearly always High."""
    assert rates([1.7] * 5, 20, 1.0)["High"] >= 17
