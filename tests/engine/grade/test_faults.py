"""tests of engine/grade: every way evidence can be no evidence ends in Pending, with its own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.specs.claim import MeasuredClaim

from .worlds import Grid, at_least, at_most, ratio, sweep, top, without

STRONG = sweep([1.0, 0.2, 0.1])
HIGHS = [top(), at_least(0.3), ratio(2.0)]
"""Claims that are High on it: without a fault."""


def effects(found: Evidence, change: Callable[[tuple[str, str], np.ndarray], np.ndarray]) -> Evidence:
    return replace(found, effects={key: change(key, values) for key, values in found.effects.items()})


def control(found: Evidence, change: Callable[[tuple[str, str, int], np.ndarray], np.ndarray]) -> Evidence:
    return replace(found, control={key: change(key, values) for key, values in found.control.items()})


@pytest.mark.parametrize("document", HIGHS, ids=lambda d: d.expect.form)
def test_nothing_is_wrong_with_the_evidence_that_is_spoilt_below(document: MeasuredClaim) -> None:
    assert grade(document, STRONG).grade == "High"


@pytest.mark.parametrize("document", HIGHS, ids=lambda d: d.expect.form)
def test_bit_identical_seeds_are_one_draw(document: MeasuredClaim) -> None:
    same = control(STRONG, lambda key, _: STRONG.control[key[0], key[1], 0])
    verdict = grade(document, same)
    assert (verdict.grade, verdict.code) == ("Pending", "cloned_draws")
    assert "only 1 of 20 control draws are distinct" in verdict.reason


def test_draws_that_repeat_within_rounding_are_one_draw() -> None:
    """Draw 19 is draw 0 but for 1e-6 relative and one cell in two hundred: 19 are left, 20 are needed."""
    random = np.random.default_rng(0)
    copy = STRONG.control["zero", "L0", 0] * (1 + 1e-6 * random.standard_normal(480))
    copy[::200] *= 2
    verdict = grade(top(), replace(STRONG, control={**STRONG.control, ("zero", "L0", 19): copy}))
    assert (verdict.grade, verdict.code) == ("Pending", "cloned_draws")
    assert "only 19 of 20" in verdict.reason


def test_fewer_draws_than_the_statistics_are_made_for() -> None:
    few = replace(STRONG, control={key: values for key, values in STRONG.control.items() if key[2] < 12})
    verdict = grade(top(), few)
    assert (verdict.grade, verdict.code, verdict.reason) == (
        "Pending",
        "too_few_draws",
        "control: needs 20 control draws, has 12",
    )


def test_draws_whose_means_are_made_equal_are_no_draws() -> None:
    """Every draw has its own cells but the same mean log in every family: the spread of draws is a fiction."""

    def level(key: tuple[str, str, int], values: np.ndarray) -> np.ndarray:
        logs = np.log(values).reshape(4, 120)
        return np.exp(logs - logs.mean(axis=1, keepdims=True) - 3.0).reshape(-1)

    assert grade(top(), control(STRONG, level)).code == "draws_too_alike"


def test_a_control_that_does_nothing_is_dead() -> None:
    silent = control(STRONG, lambda _, values: np.zeros_like(values))
    assert grade(top(), silent).code == "dead_control"
    assert grade(top("L1"), silent).grade == "Refuted", "a control is no bar to refutation"


@pytest.mark.parametrize("document", HIGHS, ids=lambda d: d.expect.form)
def test_template_clones_are_one_template(document: MeasuredClaim) -> None:
    """One template a family under thirty names: four units, and never High."""
    index = np.tile(np.arange(4), 30)[None] + 120 * np.arange(4)[:, None]
    pick = index.reshape(-1)
    cloned = replace(
        STRONG,
        effects={key: values[pick] for key, values in STRONG.effects.items()},
        control={key: values[pick] for key, values in STRONG.control.items()},
        positive=STRONG.positive[pick],  # type: ignore[index]
    )
    verdict = grade(document, cloned)
    assert (verdict.grade, verdict.code) == ("Pending", "too_few_units")
    assert verdict.n_units == 4
    assert verdict.n_raw == 480


def test_two_equal_ids_are_one_example() -> None:
    ids = tuple("same" if i < 240 else example for i, example in enumerate(STRONG.examples))
    assert grade(top(), replace(STRONG, examples=ids)).code == "too_few_units"


def test_a_cascade_is_no_top_component() -> None:
    """The residual stream is deleted wherever one cuts: the same KL at every layer, to a thousandth."""
    random = np.random.default_rng(1)
    flat = effects(
        STRONG, lambda key, values: STRONG.effects[key[0], "L0"] * np.exp(1e-3 * random.standard_normal(480))
    )
    for component in ("L0", "L2"):
        verdict = grade(top(component), flat)
        assert (verdict.grade, verdict.code) == ("Pending", "degenerate_cascade")
    assert grade(ratio(1.2), flat).grade == "Refuted", "that two effects are equal is an answer for a ratio"


def test_a_robustness_arm_that_is_a_cascade_is_no_second_method() -> None:
    flat = effects(STRONG, lambda key, values: STRONG.effects["mean", "L0"] if key[0] == "mean" else values)
    verdict = grade(top(), flat)
    assert (verdict.grade, verdict.code) == ("Pending", "degenerate_cascade")
    assert verdict.reason.startswith("robustness mean: all 3 components")


def test_exact_zeros_do_not_make_a_sweep_degenerate_while_another_component_moves() -> None:
    dead = effects(STRONG, lambda key, values: np.zeros_like(values) if key[1] != "L0" else values)
    assert grade(top(), dead).grade == "High"
    assert grade(top("L1"), dead).grade == "Refuted"


@pytest.mark.parametrize("tiny", [0.0, 1e-8])
@pytest.mark.parametrize("document", [top(), top("L1")], ids=["right", "wrong"])
def test_a_no_op_is_pending(document: MeasuredClaim, tiny: float) -> None:
    nothing = effects(STRONG, lambda _, values: tiny * values)
    verdict = grade(document, nothing)
    assert (verdict.grade, verdict.code) == ("Pending", "degenerate_no_op")


def test_a_dead_site_is_told_from_a_no_op_by_its_control() -> None:
    """Where noise at the site moves the metric, the site was reached: that zero changes nothing is a finding."""
    nothing = effects(STRONG, lambda _, values: 0.0 * values)
    assert grade(at_least(0.3), nothing).grade == "Refuted"
    silent = replace(nothing, control={key: 0 * values for key, values in STRONG.control.items()})
    assert grade(at_least(0.3), silent).code == "degenerate_no_op"
    assert grade(at_most(0.3), silent).code == "degenerate_no_op"
    assert grade(at_least(0.3), without(replace(nothing, control={}), "control")).code == "degenerate_no_op"
    assert grade(at_most(0.02, robustness=[]), nothing).grade == "Medium", (
        "no second value, else all is as it should be"
    )


def test_a_constant_is_no_measurement() -> None:
    stuck = effects(STRONG, lambda key, values: np.full_like(values, 6.462) if key[1] == "L0" else values)
    for document in (*HIGHS, at_least(9.0)):
        assert grade(document, stuck).code == "degenerate_constant"


def test_two_arms_that_are_one_measurement() -> None:
    """Sides of a ratio that agree example by example: an identity, or one hook that fired for both."""
    same = effects(STRONG, lambda key, values: STRONG.effects[key[0], "L0"] if key[1] == "L1" else values)
    for k in (0.5, 2.0):
        assert grade(ratio(k), same).code == "identical_arms"


def test_a_second_method_that_repeats_the_first_is_none() -> None:
    same = effects(STRONG, lambda key, _: STRONG.effects["zero", key[1]])
    verdict = grade(top(), same)
    assert (verdict.grade, verdict.code) == ("Medium", "robustness_inconclusive")
    assert "mean repeats another value cell by cell" in verdict.reason


@pytest.mark.parametrize(("share", "code"), [(0.09, "holds"), (0.11, "dead_denominators")])
def test_dead_denominators(share: float, code: str) -> None:
    """At most 10 % of denominators may lie below 1e-6."""
    count = int(share * 480)

    def kill(key: tuple[str, str], values: np.ndarray) -> np.ndarray:
        dead = values.copy()
        if key[1] == "L1":
            dead[:: 480 // count][:count] = 1e-8
        return dead

    assert grade(ratio(2.0), effects(STRONG, kill)).code == code


def test_dead_numerators_matter_where_k_is_below_one() -> None:
    """Both sides at the floor would be a ratio of one by construction."""
    low = effects(STRONG, lambda key, values: 1e-8 * values if key[1] == "L0" else 1e-3 * values)
    assert grade(ratio(0.5), low).code == "dead_numerators"


@pytest.mark.parametrize("document", [*HIGHS, top("L1")], ids=["top", "threshold", "ratio", "wrong"])
def test_a_dead_positive_control_is_pending_even_for_a_false_claim(document: MeasuredClaim) -> None:
    dead = replace(STRONG, positive=np.full(480, 1e-5))
    verdict = grade(document, dead)
    assert (verdict.grade, verdict.code) == ("Pending", "dead_positive_control")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["effects", "robustness", "control", "positive", "noise"])
def test_what_is_no_number_is_pending(where: str, bad: float) -> None:
    def spoil(values: np.ndarray) -> np.ndarray:
        spoilt = values.copy()
        spoilt[7] = bad
        return spoilt

    spoilt = {
        "effects": lambda: effects(STRONG, lambda key, v: spoil(v) if key == ("zero", "L0") else v),
        "robustness": lambda: effects(STRONG, lambda key, v: spoil(v) if key == ("mean", "L1") else v),
        "control": lambda: control(STRONG, lambda key, v: spoil(v) if key[2] == 3 else v),
        "positive": lambda: replace(STRONG, positive=spoil(STRONG.positive)),  # type: ignore[arg-type]
        "noise": lambda: replace(STRONG, noise=spoil(STRONG.noise)),  # type: ignore[arg-type]
    }[where]()
    verdict = grade(top(), spoilt)
    assert (verdict.grade, verdict.code) == ("Pending", "not_finite")


def test_a_missing_series_of_the_sweep_is_pending() -> None:
    partial = replace(STRONG, effects={key: v for key, v in STRONG.effects.items() if key != ("zero", "L2")})
    verdict = grade(top(), replace(partial, sweep=("L0", "L1", "L2")))
    assert (verdict.grade, verdict.code, verdict.reason) == ("Pending", "not_measured", "no values for zero at L2")


def test_no_examples_at_all_is_pending() -> None:
    empty = sweep([1.0, 0.1], Grid(0, 0, 0))
    assert grade(top(), empty).code == "not_measured"


def test_when_every_example_is_left_out_the_reason_says_why() -> None:
    whole = sweep([1.0, 0.1])
    empty = {key: values[:0] for key, values in whole.effects.items()}
    gone = {"the clean model does not answer them": 480}
    found = replace(whole, families=(), templates=(), examples=(), effects=empty, left_out=gone)
    verdict = grade(top(), found)
    assert (verdict.grade, verdict.code) == ("Pending", "no_examples")
    assert verdict.reason == "no example counts (480: the clean model does not answer them)"
