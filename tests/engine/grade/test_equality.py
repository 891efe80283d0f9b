"""tests of engine/grade: the forms equality and non_inferiority: differences within a margin."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.engine.grade.answer import Alphas
from mi_atlas.engine.grade.forms import FormError, find_form
from mi_atlas.engine.grade.question import Arm
from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.sites import Frame, components
from pydantic import ValidationError

from .test_calibration import layout
from .test_forms import GRID, HALF_WIDTH, TURNS
from .test_properties import ALLOWED, FAULTS, clone_draws, clone_prompts, clone_templates
from .test_rates import SKIPPING, events
from .worlds import Floats, Grid, claim, evidence

SIGNED = "logit_diff_drop"


def paired(form: str, quantity: str = SIGNED, test: Any = "L0", reference: Any = "L1", **margin: Any) -> MeasuredClaim:
    sides = [side if isinstance(side, dict) else {"component": side} for side in (test, reference)]
    return claim({"form": form, "test": sides[0], "reference": sides[1], **margin}, quantity=quantity)


def equal(difference: float, **changed: Any) -> MeasuredClaim:
    return paired("equality", difference=difference, **changed)


def no_worse(difference: float, **changed: Any) -> MeasuredClaim:
    return paired("non_inferiority", difference=difference, **changed)


def counted(form: str, difference: float, quantity: str = "exact_match", **changed: Any) -> MeasuredClaim:
    expect = {"form": form, "test": {"component": "L0"}, "reference": {"component": "L1"}, "difference": difference}
    metric = {**SKIPPING["metric"], "quantity": quantity}
    return MeasuredClaim.model_validate({**SKIPPING, "metric": metric, "expect": {**expect, **changed}})


def world(over: Floats, seed: int = 0, grid: Grid = GRID, drawn: float = -3.0, log: bool = False) -> Evidence:
    """L0 is L1 plus `over` (on the log scale: times its exp); draws at L0 lie `drawn` from L1."""
    random = np.random.default_rng(seed)
    turn = np.exp if log else np.asarray
    effects, control = {}, {}
    for label in ("zero", "mean"):
        reference = random.standard_normal(grid.n) - 1.0
        wobble = 0.01 * random.standard_normal(grid.n) if label == "mean" else 0.0
        effects[label, "L1"], effects[label, "L0"] = turn(reference), turn(reference + over + wobble)
        if label == "zero":
            for draw in range(20):
                apart = drawn + 0.1 * random.standard_normal() + 0.3 * random.standard_normal(grid.n)
                control["zero", "L0", draw] = turn(reference + apart)
    return evidence(grid, effects, control)


def test_equality_by_hand() -> None:
    """L0 less L1 is .1 +- 1: the limits of the difference are .1 - .53322 and .1 + .53322 = .63322."""
    found = world(0.1 + TURNS)
    high = grade(equal(0.634), found)
    assert (high.grade, high.unit, high.estimate) == ("High", "logits", pytest.approx(0.1)), high.reason
    assert high.upper == pytest.approx(0.1 + HALF_WIDTH, abs=1e-4)
    assert high.reason.startswith("L0 over L1: 0.1 logits (99.5% one-sided <= 0.63 logits), n = 30 templates")
    assert high.qualifiers == ("negative result",)
    assert grade(equal(0.632), found).grade == "Medium"
    assert grade(equal(0.634, test="L1", reference="L0"), replace(found, control=other_end(found))).grade == "High"
    assert grade(equal(0.5), world(2.0 + TURNS)).grade == "Refuted"
    assert grade(equal(0.5), world(TURNS - 2.0)).reason.startswith("L1 over L0: 2 logits")


def other_end(found: Evidence) -> dict[tuple[str, str, int], Floats]:
    """The draws of L0, in place of L1."""
    return {(label, "L1", draw): values for (label, _, draw), values in found.control.items()}


def test_equality_of_a_kl_is_within_a_factor() -> None:
    """log ratio log 1.1 +- .1: limit 1.1 x exp(.053322) = 1.16025x."""
    found = world(math.log(1.1) + 0.1 * TURNS, log=True)
    high = grade(paired("equality", "kl", factor=1.161), found)
    assert (high.grade, high.unit, high.estimate) == ("High", "x", pytest.approx(1.1)), high.reason
    assert high.upper == pytest.approx(1.1 * math.exp(0.1 * HALF_WIDTH), rel=1e-4)
    assert high.reason.startswith("L0 over L1: 1.1x (99.5% one-sided <= 1.16x)")
    assert grade(paired("equality", "kl", factor=1.16), found).grade == "Medium"


def test_non_inferiority_by_hand() -> None:
    """L0 falls short by .1 +- 1, limit .63322; that it could also be better is no matter."""
    found = world(-0.1 + TURNS)
    high = grade(no_worse(0.634), found)
    assert (high.grade, high.estimate) == ("High", pytest.approx(0.1)), high.reason
    assert high.upper == pytest.approx(0.1 + HALF_WIDTH, abs=1e-4)
    assert high.reason.startswith("L0 falls short of L1 by 0.1 logits (99.5% one-sided <= 0.63 logits)")
    assert high.qualifiers == ()
    assert grade(no_worse(0.632), found).grade == "Medium"
    assert grade(no_worse(0.1), world(5.0 + TURNS)).grade == "High", "far better is not inferior"
    worse = no_worse(0.634, larger="worse")
    assert grade(worse, world(0.1 + TURNS, drawn=3.0)).reason.startswith("L0 exceeds L1 by 0.1 logits")
    assert grade(worse, world(0.1 + TURNS, drawn=3.0)).grade == "High"
    assert grade(worse, world(5.0 + TURNS)).grade == "Refuted"


def test_a_control_that_does_as_well_shows_no_difference_to_be_seen() -> None:
    for document in (equal(2.0), no_worse(2.0)):
        verdict = grade(document, world(-0.5 + TURNS, drawn=-0.2))
        assert verdict.grade in ("Pending", "Medium"), verdict.reason
        assert verdict.code in ("not_specific", "control_inconclusive")


def test_counts_that_hardly_differ_are_held_to_their_exact_limit() -> None:
    """104 templates of which none differs: .95^104 < .005, and .95^103 is not (as for a null of .05)."""
    right = np.ones(104)
    for trials, margin, expected in ((104, 0.05, "High"), (103, 0.05, "Medium"), (103, 0.06, "High")):
        grid = Grid(1, trials, 1)
        random = np.random.default_rng(2)
        effects = {(label, site): right[:trials] for label in ("skip", "mean") for site in ("L0", "L1")}
        effects["mean", "L1"] = np.concatenate([np.zeros(1), right[: trials - 1]])
        effects["mean", "L0"] = effects["mean", "L1"].copy()
        control = {("skip", "L0", draw): (random.random(trials) < 0.4).astype(float) for draw in range(20)}
        found = evidence(grid, effects, control)
        for form in ("equality", "non_inferiority"):
            verdict = grade(counted(form, margin), found)
            assert verdict.grade == expected, verdict.reason
            assert (expected == "High") or "; about n = 104 templates would decide" in verdict.reason
    few = events(4, 104)
    effects = {("skip", "L0"): right - few, ("skip", "L1"): right, ("mean", "L0"): right, ("mean", "L1"): right - few}
    control = {("skip", "L0", draw): (random.random(104) < 0.4).astype(float) for draw in range(20)}
    found = evidence(Grid(4, 26, 1), effects, control)
    lost = grade(counted("non_inferiority", 0.1), found)
    exact = sum(math.comb(104, k) * 0.1**k * 0.9 ** (104 - k) for k in range(5))
    assert lost.p_value == pytest.approx(max(exact, lost.p_value))
    assert lost.p_value >= exact > 0.005, "4 of 104 do not show less than .1, whatever t says"
    assert lost.grade != "High"
    beyond = counted("equality", 0.1, scope="beyond_suite")
    wide = evidence(Grid(13, 8, 1), effects, control)
    assert grade(beyond, wide).code == "counts_in_suite_only"


def test_what_is_no_comparison_is_refused_or_pending() -> None:
    form, swept = find_form("equality"), components(("layer",), Frame(2))
    with pytest.raises(FormError, match="the margin of kl is a factor, not a difference"):
        form.effects(equal(0.1, quantity="kl"), swept)
    with pytest.raises(FormError, match="the margin of logit_diff_drop is a difference, not a factor"):
        form.effects(paired("equality", factor=1.1), swept)
    for wrong, said in (
        ({}, "exactly one of difference and factor"),
        ({"difference": 0.1, "factor": 1.1}, "exactly one of difference and factor"),
        ({"factor": 1.0}, "greater than 1"),
        ({"difference": 0.1, "reference": "L0"}, "the same effect"),
    ):
        with pytest.raises(ValidationError, match=said):
            paired("equality", **wrong)
    found = world(TURNS)
    same = dict(found.effects) | {("zero", "L0"): found.effects["zero", "L1"]}
    assert grade(equal(0.5), replace(found, effects=same)).code == "identical_arms"
    silent = {key: np.zeros(30) for key in found.effects}
    still = {key: np.zeros(30) for key in found.control}
    assert grade(equal(0.5), replace(found, effects=silent, control=still)).code == "degenerate_no_op"
    kl = world(0.1 * TURNS, log=True)
    low = {key: 1e-8 * values for key, values in kl.effects.items()}
    assert grade(paired("equality", "kl", factor=1.5), replace(kl, effects=low)).code == "dead_denominators"


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([0.0, 0.4, 1.0]), st.integers(0, 1000), st.sampled_from(sorted(FAULTS)))
def test_relabelling_permutes_clones_change_nothing_faults_raise_nothing(over: float, seed: int, fault: str) -> None:
    grid = Grid(3, 12, 2)
    found = world(over + grid.spread(np.random.default_rng(seed), 0.8), seed, grid)
    to = {"L0": "L1", "L1": "L0"}
    renamed = replace(
        found,
        effects={(label, to[site]): values for (label, site), values in found.effects.items()},
        control=other_end(found),
    )
    for make in (equal, no_worse):
        document = make(0.6)
        before, after = grade(document, found), grade(make(0.6, test="L1", reference="L0"), renamed)
        assert (after.grade, after.code, after.p_value) == (before.grade, before.code, pytest.approx(before.p_value))
        for clone in (clone_prompts, clone_templates, clone_draws):
            again = grade(document, clone(found))
            assert (again.grade, again.code, again.n_units) == (before.grade, before.code, before.n_units)
        assert grade(document, FAULTS[fault](found)).grade in ALLOWED[before.grade]


@pytest.mark.parametrize("document", [equal(1.0), no_worse(1.0)], ids=["equality", "non_inferiority"])
def test_false_grades_at_the_margin(document: MeasuredClaim) -> None:
    """L0 falls short by just the margin, with sd 2.7 (skewed and heavy too) between templates."""
    random, found = np.random.default_rng(61), Counter[str]()
    for i in range(99):
        scatter = (
            random.standard_normal,
            lambda n: random.standard_t(3, n) / 1.73,
            lambda n: 2 - random.gamma(4, 0.5, n),
        )
        over = 0.3 * scatter[i % 3](30) - 1.0
        found[grade(document, world(over, i)).grade] += 1
    assert found["High"] <= 3, found
    assert found["Refuted"] <= 3, found


@pytest.mark.parametrize(("lost", "gained"), [(0.05, 0.0), (0.07, 0.02), (0.2, 0.15)])
def test_false_grades_of_counts_at_the_margin(lost: float, gained: float) -> None:
    """Right answers are lost and gained at rates that differ by the margin .05; 120 templates."""
    grid, found = Grid(4, 30, 1), Counter[str]()
    form = find_form("non_inferiority")
    random, spent = np.random.default_rng(62), Alphas(0.005, 0.005, 0.05, 0.005)
    for _ in range(600):
        dice = random.random(grid.n)
        reference = np.where(dice < lost, 1.0, np.where(dice < lost + gained, 0.0, (random.random(grid.n) < 0.7)))
        test = np.where(dice < lost, 0.0, np.where(dice < lost + gained, 1.0, reference))
        values = {"L0": test, "L1": reference}
        table: Any = SimpleNamespace(
            layout=layout(4, 30), template_means=lambda each: each, series=lambda place, v=values: v[place[1]]
        )
        arm = Arm(counted("non_inferiority", 0.05), ("L0", "L1"), table, "zero")
        answer = form.answer(arm, False, spent)
        found["High"] += answer.p_for < spent.high
        found["Refuted"] += answer.p_against < spent.refute
    assert found["High"] <= 8, found
    assert found["Refuted"] <= 8, found
