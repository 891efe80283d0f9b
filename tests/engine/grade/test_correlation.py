"""tests of engine/grade: the form correlation: two numbers of each condition, over conditions."""

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
from mi_atlas.engine.grade.permutation import DRAWS, association
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from pydantic import ValidationError
from scipy import stats

from .shares import ShareMetric
from .test_properties import ALLOWED, FAULTS, clone_draws, clone_prompts, clone_templates
from .worlds import BASE, Floats, Grid, claim, evidence, relabelled, sweep

GRID = Grid(3, 12, 1)
FALLING = [6.0, 3.0, 1.5, 0.7, 0.3, 0.15]


def along(sign: str = "negative", conditions: Any = "L*", **expect: Any) -> MeasuredClaim:
    changed = {name: expect.pop(name) for name in ("quantity", "robustness", "control") if name in expect}
    return claim({"form": "correlation", "conditions": conditions, "sign": sign, **expect}, **changed)


def world(levels: Sequence[float], seed: int = 0, grid: Grid = GRID, **changed: Any) -> Evidence:
    return sweep(levels, grid, seed, within=0.3, **changed)


def test_orders_by_hand() -> None:
    """Of 6! = 720 orders one is the falling one (p = .0014), and five more have two neighbours exchanged (.0083)."""
    high = grade(along(), world(FALLING))
    assert (high.grade, high.code, high.n_units) == ("High", "holds", 6), high.reason
    assert (high.estimate, high.p_value) == (pytest.approx(-1.0), pytest.approx(1 / 720))
    assert high.upper is not None
    assert high.upper < 0, high.upper
    assert high.reason.startswith("over L*, Spearman's r of KL and depth is -1, p = .0014 (99.5% one-sided <= -0.")
    assert "n = 6 conditions" in high.reason
    assert "conditions like these" in high.explanation[1]
    swapped = grade(along(), world([6.0, 3.0, 1.5, 0.3, 0.7, 0.15]))
    assert (swapped.grade, swapped.code) == ("Medium", "inconclusive_at_high"), swapped.reason
    assert swapped.estimate == pytest.approx(-(1 - 6 * 2 / (6 * 35)))
    assert swapped.p_value == pytest.approx(6 / 720)
    assert "conditions would decide" in swapped.reason
    refuted = grade(along("positive"), world(FALLING))
    assert (refuted.grade, refuted.p_refute) == ("Refuted", pytest.approx(1 / 720)), refuted.reason
    assert grade(along(), world([1.0, 3.0, 0.5, 2.0, 0.7, 2.1])).code == "inconclusive"


def test_pearson_is_that_of_the_mean_logs() -> None:
    """Against scipy: r, and the exact p-value of its permutations."""
    found = world([6.0, 1.0, 1.5, 0.9, 0.3, 0.4])
    y = [float(np.log(found.effects["zero", f"L{i}"]).mean()) for i in range(6)]
    oracle = stats.pearsonr(
        range(6),
        y,
        alternative="less",
        method=stats.PermutationMethod(n_resamples=np.inf),  # type: ignore[arg-type]
    )
    verdict = grade(along(method="pearson"), found)
    assert verdict.estimate == pytest.approx(oracle.statistic)
    assert verdict.p_value == pytest.approx(oracle.pvalue)


def test_blocks_are_given() -> None:
    """Two blocks of three have 3! x 3! = 36 orders: 1/36 is enough for Medium; between blocks nothing counts."""
    blocks = [["L0", "L1", "L2"], ["L3", "L4", "L5"]]
    between = world([1.5, 3.0, 6.0, 0.15, 0.3, 0.7])
    assert grade(along(), between).estimate == pytest.approx(-0.543, abs=1e-3)
    within = grade(along("positive", blocks=blocks), between)
    assert (within.grade, within.code) == ("Medium", "too_few_conditions"), within.reason
    assert (within.estimate, within.p_value) == (pytest.approx(1.0), pytest.approx(1 / 36))
    assert "6 conditions in 2 blocks can show no less than p = .028; needs n = 8 conditions" in within.reason
    assert "blocks (L0, L1 and L2) and (L3, L4 and L5)" in within.explanation[0]
    three = [["L0", "L1"], ["L2", "L3"], ["L4", "L5"]]
    few = grade(along("positive", blocks=three), between)
    assert (few.grade, few.code) == ("Pending", "too_few_conditions"), few.reason


def test_many_conditions_are_drawn_orders_with_the_same_answer_every_time() -> None:
    random = np.random.default_rng(5)
    x, y = np.arange(20.0), random.standard_normal(20) + 0.12 * np.arange(20)
    found, again = association(x, y, (20,)), association(x, y, (20,))
    assert len(found.orders) == 1 + DRAWS
    assert found.above == again.above == pytest.approx(stats.pearsonr(x, y, alternative="greater").pvalue, abs=2e-3)
    order = random.permutation(20)
    assert association(x[order], y[order], (20,)).above == found.above
    for alpha in (0.3, 0.05, 0.005, 0.0005, 0.00005):
        assert (found.limit(alpha, -1) > 0) == (found.above < alpha)
        assert (found.limit(alpha, +1) < 0) == (found.below < alpha)
    assert association(x, x, (20,)).limit(0.005, -1) < 1


def test_ties_leave_fewer_orders() -> None:
    """Two heads of one layer and four of the next have 6! / (2! x 4!) = 15 orders that differ: p = .067 at least."""
    labels = ["L0.head0", "L0.head1", *(f"L1.head{i}" for i in range(4))]
    found = relabelled(world(FALLING), {f"L{i}": label for i, label in enumerate(labels)})
    found = replace(found, sweep=tuple(labels))
    document = claim({"form": "correlation", "conditions": "L*.head", "sign": "negative"}, granularity="head")
    verdict = grade(document, found)
    assert (verdict.grade, verdict.code) == ("Pending", "too_few_conditions"), verdict.reason
    assert verdict.reason == "6 conditions can show no less than p = .067; needs n = 7 conditions"


def with_x(found: Evidence, x: dict[str, Floats]) -> Evidence:
    companions = {("target_logprob_drop", label, site): x[site] for label, site in found.effects}
    return replace(found, companions=companions)


def test_another_quantity_is_measured_on_other_templates() -> None:
    """The same luck in both numbers of a run is no association: nothing is left of it in the other templates."""
    random, grid, ups = np.random.default_rng(3), Grid(3, 12, 1), 0
    for seed in range(40):
        luck = {f"L{i}": 3 * random.standard_normal(grid.n) for i in range(8)}
        effects = {(label, site): np.exp(each) for site, each in luck.items() for label in ("zero", "mean")}
        found = with_x(evidence(grid, effects, world([1.0] * 8, seed).control), luck)
        r = grade(along("positive", x="target_logprob_drop", method="pearson"), found).estimate
        ups += r is not None and r > 0.5
    assert ups <= 10, ups
    found = world([*FALLING, 0.08, 0.04])
    drop = {site: np.log(found.effects["zero", site]) + random.standard_normal(GRID.n) for site in found.sweep}
    verdict = grade(along("positive", x="target_logprob_drop"), with_x(found, drop))
    assert verdict.estimate == pytest.approx(1.0)
    assert verdict.reason.startswith("over L*, Spearman's r of KL and target logprob drop is 1, p < .0001 (")
    assert verdict.grade == "High", verdict.reason


def test_another_quantity_is_measured_in_other_trainings() -> None:
    """A training that went well has both numbers good: that is no association of the conditions."""
    random, sites, numbers, ups = np.random.default_rng(9), [f"L{i}" for i in range(8)], range(1, 9), 0
    ones = dict.fromkeys(sites, 1.0)
    told = {"repeated": {"what": "training seeds", "count": 8, "spread": 0.1}}
    told |= {"seed": 1, "effects": ones, "control": ones}
    metric = {"evaluator": "simulated", "quantity": "positive", "world": told}
    expect = {"form": "correlation", "conditions": sites, "x": "signed", "sign": "positive", "method": "pearson"}
    document: Any = ClaimAdapter.validate_python({**BASE, "metric": metric, "robustness": [], "expect": expect})
    for seed in range(20):
        effects, signed = {}, {}
        for place in ((f"zero[{number}]", site) for number in numbers for site in sites):
            signed["signed", *place] = random.standard_normal() + 0.1 * random.standard_normal(GRID.n)
            effects[place] = np.exp(signed["signed", *place] + 0.1 * random.standard_normal(GRID.n))
        found = evidence(GRID, effects, world([1.0] * 8, seed).control, companions=signed, sweep=tuple(sites))
        verdict = grade(document, found)
        assert (verdict.n_units, verdict.grade) != (8, "High"), verdict.reason
        ups += verdict.estimate is not None and verdict.estimate > 0.5
    assert ups <= 6, ups
    assert "n = 8 conditions" in verdict.reason
    deep = document.expect.model_copy(update={"x": "depth", "conditions": ("nf4", *sites)})
    with pytest.raises(FormError, match="nf4 is no component of a layer"):
        find_form("correlation").effects(document.model_copy(update={"expect": deep}), ("nf4", *sites))


def test_shares_are_ratios_of_means() -> None:
    """Numerators that all have one mean, over wholes that rise: the share falls; a whole of nothing has none."""
    found = world([1.0] * 6)
    random = np.random.default_rng(8)
    wholes = {place: (1 + int(place[1][1:])) * (1 + 0.1 * random.standard_normal(GRID.n)) for place in found.effects}
    document = along(quantity="logit_diff_drop", method="pearson")
    document = document.model_copy(update={"metric": ShareMetric.model_validate(document.metric.model_dump())})
    verdict = grade(document, replace(found, denominators=wholes))
    shares = [found.effects["zero", f"L{i}"].mean() / wholes["zero", f"L{i}"].mean() for i in range(6)]
    assert verdict.estimate == pytest.approx(stats.pearsonr(range(6), shares).statistic)
    nothing = {place: values - values.mean() for place, values in wholes.items()}
    assert grade(document, replace(found, denominators=nothing)).code == "denominator_in_noise"


def test_noise_with_the_same_profile_explains_it() -> None:
    found = world(FALLING)
    same = {key: 0.1 * found.effects["zero", key[1]] * values for key, values in found.control.items()}
    verdict = grade(along(), replace(found, control=same))
    assert (verdict.grade, verdict.code) == ("Pending", "not_specific"), verdict.reason
    assert "not specific: matched_norm_noise reaches -0.98; the effect does not exceed the control" in verdict.reason
    steeper = {key: (0.1 * found.effects["zero", key[1]]) ** 0.8 * values for key, values in found.control.items()}
    assert grade(along(), replace(found, control=steeper)).grade != "High"


def test_what_is_no_correlation_is_refused_or_pending() -> None:
    for wrong, said in (
        ({"sign": "up"}, "positive"),
        ({"x": "kl"}, "it can be depth, target_logprob_drop, logit_diff_drop"),
        ({"x": "loss"}, "it can be depth"),
        ({"conditions": []}, "at least 1 item"),
        ({"conditions": ["L1.mlp"]}, "sweeps layer only"),
        ({"scope": "beyond_suite"}, "in_suite"),
        ({"blocks": [["L0"]]}, "at least 2 items"),
    ):
        with pytest.raises(ValidationError, match=said):
            claim({"form": "correlation", "conditions": "L*", "sign": "positive", **wrong})
    form, swept = find_form("correlation"), tuple(f"L{i}" for i in range(7))
    for expect, said in (
        ({"conditions": swept[:5]}, "needs n = 6 conditions at least; has 5"),
        ({"conditions": ["L*", "L1"]}, "L1 is named twice"),
        ({"conditions": [*swept[:6], "L9"]}, "L9 does not exist"),
        ({"blocks": [swept[:3], swept[3:6]]}, "each condition stands in exactly one block; L6 does not"),
        ({"blocks": [swept[:4], swept[3:]]}, "each condition stands in exactly one block; L3 does not"),
    ):
        with pytest.raises(FormError, match=said):
            form.effects(along(**expect), swept)
    found = world(FALLING)
    copied = {key: found.effects[key[0], "L1" if key[1] == "L2" else key[1]] for key in found.effects}
    assert grade(along(), replace(found, effects=copied)).code == "identical_arms"
    alike = {key: found.effects[key[0], "L1"] * (1 + 0.001 * i) for i, key in enumerate(found.effects)}
    assert grade(along(), replace(found, effects=alike)).code in ("degenerate_cascade", "identical_arms")
    assert grade(along(), replace(found, effects={k: 1e-9 * v for k, v in found.effects.items()})).code == (
        "degenerate_no_op"
    )
    other = along("positive", x="target_logprob_drop")
    assert grade(other, found).code == "not_measured"
    scaled = {site: 2 * found.effects["zero", site] + 1 for site in found.sweep}
    assert grade(other, with_x(found, scaled)).code == "identical_arms"
    assert grade(other, with_x(found, {site: np.ones(GRID.n) for site in found.sweep})).code == "no_spread"
    assert grade(other, with_x(found, {site: np.full(GRID.n, np.nan) for site in found.sweep})).code == "not_finite"


@settings(max_examples=10, deadline=None)
@given(st.permutations(list(range(7))), st.integers(0, 1000), st.sampled_from(sorted(FAULTS)))
def test_relabelling_permutes_clones_change_nothing_faults_raise_nothing(
    order: list[int], seed: int, fault: str
) -> None:
    """Under other names (depths are then others) the answer is that of the conditions taken in that order."""
    levels = [*FALLING, 0.05]
    found, names = world(levels, seed, Grid(3, 12, 2)), [f"L{i}" for i in range(7)]
    to = {f"L{i}": f"L{order[i]}" for i in range(7)}
    for document in (along(), along("positive", method="pearson"), along(blocks=[names[:3], names[3:]])):
        before = grade(document, found)
        for clone in (clone_prompts, clone_templates, clone_draws):
            again = grade(document, clone(found))
            assert (again.grade, again.code, again.p_value) == (before.grade, before.code, before.p_value)
        assert grade(document, FAULTS[fault](found)).grade in ALLOWED[before.grade]
    y = np.array([float(np.log(found.effects["zero", f"L{i}"]).mean()) for i in range(7)])
    renamed = grade(along(), relabelled(found, to))
    assert renamed.estimate == pytest.approx(stats.spearmanr(order, y).statistic, abs=1e-9)
    reversed_names = {f"L{i}": f"L{6 - i}" for i in range(7)}
    mirrored = grade(along("positive"), relabelled(found, reversed_names))
    assert (mirrored.grade, mirrored.code) == (grade(along(), found).grade, grade(along(), found).code)


def test_a_condition_measured_twice_is_no_second_condition() -> None:
    found = world(FALLING)
    twice = {**found.effects, **{(label, "L6"): found.effects[label, "L5"] for label in ("zero", "mean")}}
    drawn = {**found.control, **{("zero", "L6", draw): found.control["zero", "L5", draw] for draw in range(20)}}
    verdict = grade(along(), replace(found, effects=twice, control=drawn, sweep=(*found.sweep, "L6")))
    assert (verdict.grade, verdict.code) == ("Pending", "identical_arms")


def test_false_grades_without_any_association() -> None:
    """Levels are drawn without regard to depth; both arms agree, and no control explains it."""
    random, found = np.random.default_rng(77), Counter[str]()
    for i in range(120):
        levels = np.exp(random.standard_normal(8)).tolist()
        found[grade(along(), world(levels, i)).grade] += 1
    assert found["High"] <= 3, found
    assert found["Refuted"] <= 3, found
    assert math.isclose(sum(found.values()), 120)
