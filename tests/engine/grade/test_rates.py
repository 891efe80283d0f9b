"""tests of engine/grade: the forms null and proportion: events that are counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
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
from mi_atlas.engine.grade.inference import Layout
from mi_atlas.engine.grade.question import Scale
from mi_atlas.engine.grade.rates import (
    at_least_so_many,
    at_most_so_many,
    design_effect,
    least_families,
    lower,
    rate_answer,
    upper,
)
from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.sites import Frame, components
from pydantic import ValidationError

from .test_calibration import layout
from .test_properties import ALLOWED, FAULTS, clone_draws, clone_prompts, take
from .worlds import BASE, Floats, Grid, claim, evidence

SKIPPING: dict[str, Any] = {
    **BASE,
    "metric": {"evaluator": "skipping", "quantity": "top1_change", "sites": {"granularity": "layer"}},
    "counterfactual": {"intervention": "skip"},
    "control": {"kind": "random_layers", "draws": 20, "ratio": 1.5},
}
GRID = Grid(4, 26, 1)


def rate(
    form: str, component: str = "L0", scope: str = "in_suite", quantity: str = "top1_change", **bound: float
) -> Any:
    document = {**SKIPPING, "expect": {"form": form, "component": component, "scope": scope, **bound}}
    document["metric"] = {**document["metric"], "quantity": quantity}
    return claim(**{name: document[name] for name in ("expect",)}).model_validate(document)


def null(at_most: float, **changed: Any) -> MeasuredClaim:
    return rate("null", at_most=at_most, **changed)


def events(count: int, of: int, seed: int = 0) -> Floats:
    """So many ones among `of` places, at random ones."""
    values = np.zeros(of)
    values[np.random.default_rng(seed).choice(of, count, replace=False)] = 1.0
    return values


def world(main: Floats, other: Floats | None = None, grid: Grid = GRID, drawn: float = 0.5, **changed: Any) -> Evidence:
    """Events at L0 under skip and mean; control draws in which a share `drawn` of examples has the event."""
    random = np.random.default_rng(3)
    effects = {("skip", "L0"): main, ("mean", "L0"): main if other is None else other}
    control = {("skip", "L0", draw): (random.random(grid.n) < drawn).astype(float) for draw in range(20)}
    return evidence(grid, effects, control, **changed)


def binomial(least: int, most: int, n: int, p: float) -> float:
    """P(least <= X <= most), by summation."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least, most + 1))


def test_tails_and_limits_are_binomial() -> None:
    assert at_most_so_many(3, 20, 0.3) == pytest.approx(binomial(0, 3, 20, 0.3))
    assert at_least_so_many(9, 20, 0.3) == pytest.approx(binomial(9, 20, 20, 0.3))
    assert binomial(0, 3, 20, upper(3, 20, 0.01)) == pytest.approx(0.01)
    assert binomial(9, 20, 20, lower(9, 20, 0.01)) == pytest.approx(0.01)
    assert (lower(0, 20, 0.01), upper(20, 20, 0.01)) == (0.0, 1.0)
    assert (at_least_so_many(0, 20, 0.3), at_most_so_many(20, 20, 0.3)) == (1.0, 1.0)


def test_null_by_hand() -> None:
    """.95^104 = .00482 < .005 < .00508 = .95^103; the 99.5 % limit of 0 of 104 is 1 - .005^(1/104) = .04967."""
    none = np.zeros(GRID.n)
    high = grade(null(0.05), world(none))
    assert (high.grade, high.code, high.n_units, high.unit) == ("High", "holds", 104, ""), high.reason
    assert (high.estimate, high.bound) == (0.0, 0.05)
    assert high.upper == pytest.approx(1 - 0.005 ** (1 / 104))
    assert high.p_value == pytest.approx(0.95**104)
    assert high.qualifiers == ("negative result",)
    assert high.reason.startswith("L0: top1_change in 0 of 104 templates (a rate of 0) (99.5% one-sided <= 0.0497)")
    medium = grade(null(0.05), take(world(none), np.arange(103)))
    assert (medium.grade, medium.code) == ("Medium", "inconclusive_at_high")
    assert medium.reason.endswith("needs 0.05; about n = 104 templates would decide"), medium.reason
    assert grade(null(0.02), world(none)).reason.endswith("; about n = 263 templates would decide")


def test_proportion_by_hand() -> None:
    """P(X >= 93 of 104 | .8) = .00837 and P(X >= 94 | .8) = .0038, by summation."""
    document = rate("proportion", at_least=0.8)
    assert binomial(94, 104, 104, 0.8) < 0.005 < binomial(93, 104, 104, 0.8)
    for count, expected in ((94, "High"), (93, "Medium")):
        verdict = grade(document, world(events(count, 104), events(count, 104, 1), drawn=0.2))
        assert verdict.grade == expected, verdict.reason
        assert verdict.p_value == pytest.approx(binomial(count, 104, 104, 0.8))
        assert verdict.estimate == pytest.approx(count / 104)
        assert verdict.qualifiers == ()
    mirrored = rate("proportion", at_most=0.2)
    verdict = grade(mirrored, world(events(10, 104), events(9, 104, 1), drawn=0.6))
    assert (verdict.grade, verdict.p_value) == ("High", pytest.approx(binomial(0, 10, 104, 0.2)))


def test_what_is_clearly_on_the_other_side_is_refuted() -> None:
    verdict = grade(null(0.05), world(events(40, 104)))
    assert (verdict.grade, verdict.p_refute) == ("Refuted", pytest.approx(binomial(40, 104, 104, 0.05)))
    assert verdict.reason.startswith("L0: top1_change in 40 of 104 templates (a rate of 0.38) (99.83% one-sided >= ")
    assert grade(rate("proportion", at_least=0.8), world(events(40, 104), drawn=0.1)).grade == "Refuted"


def test_a_template_of_several_prompts_is_one_trial_at_its_worst() -> None:
    """104 templates x 2 prompts; in 12 the first prompt has the event, in 4 of these the second too."""
    grid = Grid(4, 26, 2)
    found = np.zeros((104, 2))
    found[:12, 0], found[:4, 1] = 1.0, 1.0
    verdict = grade(null(0.05), world(found.reshape(-1), grid=grid))
    assert (verdict.n_units, verdict.n_raw) == (104, 208)
    assert verdict.p_value == pytest.approx(binomial(0, 12, 104, 0.05))
    assert verdict.p_refute == pytest.approx(binomial(4, 104, 104, 0.05))
    assert "in 12 of 104 templates, in any of its prompts" in verdict.reason
    least = grade(rate("proportion", at_least=0.02), world(found.reshape(-1), grid=grid, drawn=0.0))
    assert least.p_value == pytest.approx(binomial(4, 104, 104, 0.02))
    assert least.p_refute == pytest.approx(binomial(0, 12, 104, 0.02))


def test_a_gain_is_no_drop_and_offsets_none() -> None:
    """exact_match_drop is -1 where the model became right: 3 drops are 3 drops, whatever the gains."""
    values = np.concatenate([np.ones(3), -np.ones(20), np.zeros(81)])
    verdict = grade(null(0.2, quantity="exact_match_drop"), world(values))
    assert verdict.p_value == pytest.approx(binomial(0, 3, 104, 0.2))


def test_design_effect_by_hand() -> None:
    """Families 1100, 1000, 0000: mean squares within 1.75 / 9 and between .25, so an ICC of .0556 / .8333 = .067."""
    one = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], dtype=float)
    assert design_effect(one, layout(3, 4)) == pytest.approx((1 + 3 * 0.3, 0.3))
    whole = np.repeat([1.0, 0.0, 1.0], 4)
    assert design_effect(whole, layout(3, 4)) == pytest.approx((4.0, 1.0)), "four templates that agree are one"
    assert design_effect(np.zeros(12), layout(3, 4)) == pytest.approx((1.9, 0.3))


def test_beyond_the_suite_templates_of_a_family_count_as_few() -> None:
    """36 families x 30 templates: 1080 / (1 + 29 x .3) = 111.3, and .95^111.3 = .0033; with 33 it is .95^102 > .005."""
    assert least_families(0.05, 0.005) == 32
    document = null(0.05, scope="beyond_suite")
    for families, expected, unmet in ((36, "Medium", "scope"), (33, "Medium", "scope effect"), (31, "Pending", "")):
        grid = Grid(families, 30, 1)
        verdict = grade(document, world(np.zeros(grid.n), grid=grid))
        assert verdict.grade == expected, verdict.reason
        missed = {c.name for c in verdict.conditions if not c.met and not c.name.startswith("robustness")}
        assert missed == set(unmet.split()), verdict.conditions
    assert (verdict.code, verdict.reason) == ("too_few_units", "needs n = 32 families for a rate of 0.05; has 31")
    grid = Grid(36, 30, 1)
    high = grade(document, world(np.zeros(grid.n), grid=grid))
    assert (high.n_units, high.code, high.p_value) == (36, "beyond_suite", pytest.approx(0.95 ** (1080 / 9.7)))
    assert "with an ICC of 0.3 they count as 111" in high.reason
    assert high.explanation[1].startswith("scope: beyond_suite: over new families like these, whose own rates differ")
    one = np.zeros(grid.n)
    one[:30] = 1.0
    assert grade(document, world(one, grid=grid)).grade == "Pending", "a family in which it always happens"


def test_a_threshold_on_events_of_which_few_differ_is_sent_to_the_forms_that_count() -> None:
    """No event in 104 templates has no spread, and would be High by any t; with ten on either side t may speak."""
    document = rate("threshold", at_most=0.5)
    for count, code in ((0, "too_few_events"), (9, "too_few_events"), (95, "too_few_events"), (10, "")):
        verdict = grade(document, world(events(count, GRID.n)))
        assert (verdict.code == "too_few_events") == bool(code), verdict.reason
        if code:
            assert verdict.grade == "Pending"
            assert "needs 10, or form null or proportion, which count exactly" in verdict.reason


def test_what_is_no_rate_is_refused() -> None:
    swept = components(("layer",), Frame(2))
    document = claim({"form": "proportion", "component": "L0", "at_least": 0.5})
    with pytest.raises(FormError, match="kl is a size, not 0 or 1 in each example: form proportion counts") as error:
        find_form("proportion").effects(document, swept)
    assert error.value.code == "not_a_rate"
    verdict = grade(null(0.05, quantity="top5_loss"), world(events(3, 104) * 0.4))
    assert (verdict.grade, verdict.code) == ("Pending", "not_a_rate")
    assert verdict.reason == "top5_loss is not 0 or 1 in each example, but also 0.4"
    with pytest.raises(FormError, match="L7 does not exist"):
        find_form("null").effects(null(0.05, component="L7"), swept)


def test_a_rate_of_nothing_needs_a_control_that_shows_the_event() -> None:
    none = np.zeros(GRID.n)
    assert grade(null(0.05), world(none, drawn=0.0)).code == "dead_control"
    assert grade(null(0.2), world(events(4, 104), drawn=0.03)).grade in ("Medium", "Pending")
    silent = grade(rate("proportion", at_least=0.5), world(none, drawn=0.0))
    assert (silent.grade, silent.code) == ("Pending", "degenerate_no_op")


def test_equal_counts_are_no_clones() -> None:
    """Draws in which the event always happens are equal, and so are arms in which the same two templates fail."""
    always = grade(null(0.05), world(np.zeros(GRID.n), drawn=1.0))
    assert always.grade == "High", always.reason
    few = events(2, 400)
    grid = Grid(4, 100, 1)
    assert grade(null(0.05), world(few, few, grid=grid)).grade == "High"
    many = events(40, 104)
    twice = grade(rate("proportion", at_least=0.2), world(many, many, drawn=0.1))
    assert (twice.grade, twice.code) == ("Medium", "robustness_inconclusive"), "40 in the same places are a clone"
    found = world(np.zeros(GRID.n))
    cloned = dict.fromkeys(found.control, found.control["skip", "L0", 0])
    assert grade(null(0.05), replace(found, control=cloned)).code == "cloned_draws"


def test_specs_state_one_bound() -> None:
    with pytest.raises(ValidationError, match="exactly one of at_least and at_most"):
        rate("proportion", at_least=0.5, at_most=0.6)
    with pytest.raises(ValidationError, match="greater than 0"):
        null(0.0)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([null(0.05), null(0.3), rate("proportion", at_least=0.3), rate("proportion", at_most=0.4)]),
    st.integers(0, 60),
    st.integers(0, 1000),
    st.sampled_from([clone_prompts, clone_draws]),
    st.sampled_from(sorted(FAULTS)),
)
def test_clones_change_nothing_and_faults_raise_nothing(
    document: MeasuredClaim, count: int, seed: int, clone: Callable[[Evidence], Evidence], fault: str
) -> None:
    random = np.random.default_rng(seed)
    main, other = events(count, 104, seed), events(min(count + 1, 104), 104, seed + 1)
    found = world(main, other, drawn=random.choice([0.1, 0.5, 0.9]))
    before, after = grade(document, found), grade(document, clone(found))
    assert (after.grade, after.code, after.n_units, after.p_value) == (
        before.grade,
        before.code,
        before.n_units,
        before.p_value,
    )
    spoilt = {key: value for key, value in FAULTS.items() if "mean repeats zero" not in key}
    if fault in spoilt and fault != "robustness lost":
        faulty = grade(document, spoilt[fault](found))
        assert faulty.grade in ALLOWED[before.grade], (fault, before.reason, faulty.reason)


def test_relabelling_components_permutes_the_answer() -> None:
    found = world(events(2, 104), events(3, 104))
    renamed = replace(
        found,
        effects={(label, "L5"): values for (label, _), values in found.effects.items()},
        control={(label, "L5", draw): values for (label, _, draw), values in found.control.items()},
        sweep=("L5",),
    )
    before, after = grade(null(0.1), found), grade(null(0.1, component="L5"), renamed)
    assert after.reason == before.reason.replace("L0", "L5")


def decided(main: Floats, bound: float, sign: int, laid: Layout, beyond: bool = False) -> str:
    """What the main arm alone would make of one event or none in each template."""
    table: Any = SimpleNamespace(layout=laid, template_means=lambda values: values)
    spent = Alphas(0.005, 0.005, 0.05, 0.005)
    found = rate_answer(main, table, Scale(False, "", bound, bound, sign), beyond, spent)
    return "High" if found.p_for < spent.high else "Refuted" if found.p_against < spent.refute else "Pending"


@pytest.mark.parametrize(("rates", "sign"), [([0.0, 0.05, 0.1, 0.05], -1), ([0.6, 0.8, 1.0, 0.8], 1), ([0.2] * 4, -1)])
def test_false_grades_at_the_bound(rates: list[float], sign: int) -> None:
    """The mean rate is just the bound; families differ, so that tails are lighter: .5 % at most, each way."""
    random, found = np.random.default_rng(31), Counter[str]()
    for _ in range(2000):
        main = (random.random(120) < np.repeat(rates, 30)).astype(float)
        found[decided(main, float(np.mean(rates)), sign, layout(4, 30))] += 1
    assert found["High"] <= 20, found
    assert found["Refuted"] <= 20, found


@pytest.mark.parametrize("icc", [0.1, 0.3, 0.6])
def test_false_grades_beyond_the_suite_at_the_bound(icc: float) -> None:
    """Rates of families are Beta with mean .05: 36 families x 30 templates."""
    random, found, mass = np.random.default_rng(32), Counter[str](), 1 / icc - 1
    for _ in range(1000):
        rates = random.beta(0.05 * mass, 0.95 * mass, 36)
        main = (random.random(1080) < np.repeat(rates, 30)).astype(float)
        found[decided(main, 0.05, -1, layout(36, 30), beyond=True)] += 1
    assert found["High"] <= 10, found
    assert found["Refuted"] <= 10, found


def test_power() -> None:
    """A rate of .0025 against eps .05, 4 x 60 templates: High in nearly all; of .2: refuted. Whole grades."""
    grid, random = Grid(4, 60, 1), np.random.default_rng(33)
    for truth, expected in ((0.0025, "High"), (0.2, "Refuted")):
        arms = [[(random.random(grid.n) < truth).astype(float) for _ in range(2)] for _ in range(15)]
        found = Counter(grade(null(0.05), world(*both, grid=grid)).grade for both in arms)
        assert found[expected] >= 13, found


def test_prompts_of_one_outcome_are_no_clones() -> None:
    """Two examples whose events agree in every arm and draw, and whose positive control's KL differs by 5e-6 of it."""
    found = world(np.zeros(GRID.n), drawn=1.0)
    near = found.positive.copy()  # type: ignore[union-attr]
    near[1] = near[0] * (1 + 5e-6)
    assert grade(null(0.05), replace(found, positive=near)).n_units == 104
    near[1] = near[0] * (1 + 1e-8)
    assert grade(null(0.05), replace(found, positive=near)).n_units == 103
