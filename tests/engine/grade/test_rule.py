"""tests of engine/grade: the rule: what is spent, what is Pending, what is asked of High, and what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mi_atlas.engine.grade import Evidence, Verdict, grade, pending
from mi_atlas.engine.grade.case import alphas
from mi_atlas.engine.grade.words import against, number

from .worlds import Grid, at_least, at_most, claim, evidence, ratio, sweep, top, without

STRONG = sweep([1.0, 0.2, 0.1])
"""L0 is on top, well above .3 nats, and specific."""


def test_what_is_spent_at_each_look() -> None:
    """2 (1 - high) / (k (k + 1)): .005, .00167, .00083, ...; over all looks it sums to .01; three parts refute."""
    document = top()
    spent = [alphas(document, look, True) for look in range(1, 2000)]
    assert [round(a.high, 5) for a in spent[:3]] == [0.005, 0.00167, 0.00083]
    assert sum(a.high for a in spent) == pytest.approx(0.01, rel=1e-3)
    assert spent[0].refute == pytest.approx(0.005 / 3)
    assert spent[1].medium == pytest.approx(0.05 / 3)
    assert alphas(document, 1, False).medium == pytest.approx(0.025)
    lax = top(threshold={"high": 0.999, "medium": 0.99})
    assert alphas(lax, 1, False).medium == pytest.approx(0.01), "post hoc never asks for less than was promised"
    assert alphas(at_least(1.0, "beyond_suite"), 1, True).refute == pytest.approx(0.005)


def test_a_strong_claim_is_high_and_every_condition_is_listed() -> None:
    verdict = grade(top(), STRONG)
    assert verdict.grade == "High"
    assert verdict.code == "holds"
    assert [condition.name for condition in verdict.conditions] == [
        "effect",
        "control",
        "robustness mean",
        "intervention values",
        "precision",
        "registered before data",
    ]
    assert all(condition.met for condition in verdict.conditions)
    assert (verdict.look, verdict.alpha, verdict.qualifiers) == (1, pytest.approx(0.005), ())


def test_the_ten_lines() -> None:
    verdict = grade(top(), STRONG)
    heads = [line.partition(":")[0] for line in verdict.explanation]
    assert heads == [
        "claim",
        "scope",
        "estimate",
        "bound",
        "interval",
        "units",
        "control",
        "methods",
        "look",
        "missing for High",
    ]
    assert "units: 480 examples, 480 distinct, 120 templates in 4 families" in verdict.explanation
    assert verdict.explanation[-1] == "missing for High: nothing"


def test_a_wrong_layer_is_refuted_and_prose_names_the_right_one() -> None:
    verdict = grade(top("L2"), STRONG)
    assert (verdict.grade, verdict.code) == ("Refuted", "refuted")
    assert verdict.reason.startswith("L2 is 0.1x L0 (99.83% one-sided <= 0.1")
    assert verdict.p_refute is not None
    assert verdict.p_refute < 0.005 / 3


def test_post_hoc_is_medium_at_most_at_025() -> None:
    """One family of 30: mean logs at c with known t; p between .025 and .05 is no longer Medium."""
    late = replace(STRONG, registered_before_data=False)
    verdict = grade(top(), late)
    assert (verdict.grade, verdict.code, verdict.qualifiers) == ("Medium", "post_hoc", ("post hoc",))
    assert "not High: post hoc: registered after its data were measured" in verdict.reason
    assert grade(top("L1"), late).grade == "Refuted"
    level = _level_with_p(0.035)
    assert grade(at_least(level), STRONG).grade == "Medium"
    assert grade(at_least(level), late).grade == "Pending"


def _level_with_p(p: float) -> float:
    """A bound against which the p-value of L0's effect is just `p`, by bisection."""
    low, high = 0.1, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        found = grade(at_least(middle), STRONG).p_value
        assert found is not None
        low, high = (middle, high) if found < p else (low, middle)
    return low


def test_each_look_costs() -> None:
    level = _level_with_p(0.003)
    grades = [grade(at_least(level), replace(STRONG, look=look)).grade for look in (1, 2, 6)]
    assert grades == ["High", "Medium", "Pending"], "alpha is .005, .0017, ...; Medium's is .05, .017, ... .0024"


@pytest.mark.parametrize("origin", ["mock", "simulated"])
def test_what_was_not_measured_is_never_graded(origin: str) -> None:
    verdict = grade(top(), replace(STRONG, origin=origin))
    assert (verdict.grade, verdict.code) == ("Pending", f"{origin}_evidence")
    assert grade(top(), replace(STRONG, origin=origin), calibration=True).grade == "High"


def test_recorded_evidence_says_so_and_may_lack_an_arm() -> None:
    recorded = replace(STRONG, origin="recorded")
    assert grade(top(), recorded).qualifiers == ("as recorded",)
    assert grade(top(), recorded).grade == "High"
    for lacking in (
        {"control": {}},
        {"positive": None},
        {"noise": None},
        {"effects": {k: v for k, v in STRONG.effects.items() if k[0] == "zero"}},
    ):
        verdict = grade(top(), replace(recorded, **lacking))
        assert verdict.grade == "Medium", (lacking, verdict.reason)
        assert grade(top(), replace(STRONG, **lacking)).grade == "Pending", "measured evidence may lack nothing"
        assert grade(top("L1"), replace(recorded, **lacking)).grade == "Refuted"


@pytest.mark.parametrize("arm", ["clean", "positive_control", "control", "robustness.mean"])
def test_an_arm_that_could_not_be_had_is_pending_unless_the_main_arm_refutes(arm: str) -> None:
    verdict = grade(top(), without(STRONG, arm))
    assert (verdict.grade, verdict.code) == ("Pending", "out_of_memory")
    assert "could not be run here" in verdict.reason
    assert grade(top("L1"), without(STRONG, arm)).grade == "Refuted"


def test_without_the_main_arm_there_is_nothing() -> None:
    verdict = grade(top("L1"), without(STRONG, "main", "weights_missing"))
    assert (verdict.grade, verdict.code, verdict.reason) == ("Pending", "weights_missing", "could not be run here")


def test_one_intervention_value_is_medium_at_most() -> None:
    verdict = grade(top(robustness=[]), STRONG)
    assert (verdict.grade, verdict.code) == ("Medium", "one_intervention_value")
    both = sweep([1.0, 0.2], labels=("resample", "resample[1]"))
    seeds = top(counterfactual={"intervention": "resample"}, robustness=[{"intervention": "resample", "seed": 1}])
    assert grade(seeds, both).code == "one_intervention_value", "another seed is no other kind of value"


def test_a_robustness_value_that_disagrees_is_named() -> None:
    effects = dict(STRONG.effects)
    effects["mean", "L1"] = effects["mean", "L0"] * np.exp(0.1 * np.sin(np.arange(480.0)))
    verdict = grade(top(), replace(STRONG, effects=effects))
    assert (verdict.grade, verdict.code) == ("Medium", "robustness_inconclusive")
    assert "with mean, L0 is 1x its strongest rival L1" in verdict.reason


def test_a_control_that_explains_the_effect_is_pending_and_an_undecided_one_medium() -> None:
    assert grade(top(), sweep([1.0, 0.2], noise=3.0)).code == "not_specific"
    assert "matched_norm_noise reaches 3" in grade(top(), sweep([1.0, 0.2], noise=3.0)).reason
    verdict = grade(top(), sweep([1.0, 0.2], noise=0.6))
    assert (verdict.grade, verdict.code) == ("Medium", "control_inconclusive")
    assert "with draws in proportion" in verdict.reason
    beaten = grade(top(), sweep([1.0, 0.2], noise=0.3, drawn=1.0, seed=3))
    assert "some draw of matched_norm_noise does as much" in beaten.reason, beaten.reason


def test_too_few_units_is_pending_whatever_they_say() -> None:
    """30 distinct templates in all, 10 a family where there are several; 12 families beyond."""
    cases = {
        Grid(1, 29, 4): "needs n = 30 distinct templates; has 29",
        Grid(4, 9, 4): "needs n = 10 distinct templates in every family; family00 has 9",
    }
    for grid, words in cases.items():
        for component in ("L0", "L1"):
            verdict = grade(top(component), sweep([1.0, 0.1], grid))
            assert (verdict.grade, verdict.code, verdict.reason) == ("Pending", "too_few_units", words)
    assert grade(top(), sweep([1.0, 0.1], Grid(1, 30, 1))).grade == "High"
    beyond = grade(top("L1", "beyond_suite"), sweep([1.0, 0.1], Grid(11, 30, 1)))
    assert (beyond.grade, beyond.code) == ("Pending", "too_few_units")
    assert "12 families" in beyond.reason


def test_pending_says_what_would_decide() -> None:
    verdict = grade(at_least(0.95), STRONG)
    assert (verdict.grade, verdict.code) == ("Pending", "inconclusive")
    assert "about n = " in verdict.reason or "no practical n" in verdict.reason
    assert verdict.lower is not None
    assert verdict.lower < 0.95


def test_half_precision_below_its_floor_only_screens() -> None:
    """bf16 whose noise is 1e-3: a floor of 1e-2, under which most of L0's values lie."""
    small = sweep([0.02, 0.0005], within=0.8, noise=1e-3)
    coarse = replace(small, dtype="bfloat16", noise=np.full(480, 1e-3))
    assert grade(at_least(0.011), small).grade == "High"
    verdict = grade(at_least(0.011), coarse)
    assert (verdict.grade, verdict.code) == ("Medium", "screening_only")
    assert grade(at_least(0.3), replace(STRONG, dtype="bfloat16", noise=np.full(480, 1e-4))).grade == "High"


def test_the_numeric_noise_raises_the_floor() -> None:
    """Ten times the 99 % quantile of the clean noise: 1e-3 here; a bound below it cannot be decided."""
    noisy = replace(STRONG, noise=np.full(480, 1e-4))
    assert grade(at_least(5e-4), STRONG).grade == "High"
    assert grade(at_least(5e-4), noisy).code == "bound_below_floor"
    assert grade(at_least(5e-5), STRONG).code == "bound_below_floor"


def test_pending_without_evidence() -> None:
    verdict = pending(top(), "suite_not_generated", "two prompts do not align")
    assert (verdict.grade, verdict.code, verdict.scope, verdict.p_value) == (
        "Pending",
        "suite_not_generated",
        "in_suite",
        None,
    )


def test_every_grade_speaks_in_one_line() -> None:
    cases: list[tuple[object, Evidence]] = [
        (top(), STRONG),
        (top("L1"), STRONG),
        (at_least(0.95), STRONG),
        (at_most(3.0), sweep([1.0, 0.2], noise=9.0)),
        (ratio(2.0), STRONG),
        (top(robustness=[]), STRONG),
        (claim({"form": "threshold", "component": "L9", "at_least": 1.0}), STRONG),
    ]
    grades = set()
    for document, found in cases:
        verdict = grade(document, found)  # type: ignore[arg-type]
        grades.add(verdict.grade)
        assert verdict.reason
        assert "\n" not in verdict.reason
        assert verdict.explanation
        assert Verdict.from_json(verdict.to_json()) == verdict
    assert grades == {"High", "Medium", "Refuted", "Pending"}


def test_a_damaged_verdict_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fields"):
        Verdict.from_json(grade(top(), STRONG).to_json().replace('"grade"', '"mark"'))


@pytest.mark.parametrize(
    ("value", "text"), [(3.14, "3.1"), (0.0213, "0.021"), (-12.3, "-12"), (123.4, "123"), (0.0, "0"), (1.96, "2")]
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert number(value) == text


def test_a_value_is_shown_on_its_own_side_of_the_bound() -> None:
    assert against(2.96, 3.0, "x") == ("2.96x", "3x")
    assert against(0.1173, 0.118, "nats") == ("0.117 nats", "0.118 nats")
    assert against(2.7, 1.05, "x") == ("2.7x", "1.05x")


def test_beyond_the_suite_specificity_and_robustness_are_over_families() -> None:
    found = evidence_beyond()
    verdict = grade(at_least(0.3, "beyond_suite"), found)
    assert verdict.grade == "High", verdict.reason
    details = {condition.name: condition.detail for condition in verdict.conditions}
    assert "of 12 families" in details["robustness mean"]


def evidence_beyond() -> Evidence:
    """One site, 12 families that differ."""
    grid, random = Grid(12, 10, 2), np.random.default_rng(5)
    family = np.repeat(random.standard_normal(12) * 0.3, 20)
    base = family + grid.spread(random, 0.5)
    effects = {(label, "L0"): np.exp(base + grid.spread(random, 0.1)) for label in ("zero", "mean")}
    control = {("zero", "L0", d): 0.02 * np.exp(base + grid.spread(random, 0.2)) for d in range(20)}
    return evidence(grid, effects, control)
