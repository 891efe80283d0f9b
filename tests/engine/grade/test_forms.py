"""tests of engine/grade: each form on a case calculated by hand, in the suite and beyond it.

The hand calculation: 3 families x 10 templates of one example, whose contrast is c + 1 and c - 1 in turns.
Then s^2 = 10/9 in each family, SE = sqrt(3 x (10/9) / 10) / 3 = .19245, df = 27, skewness 0, and with
t(.995, 27) = 2.7707 of the tables the 99.5 % limit is c - .53322.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from mi_atlas.engine.grade import grade, words
from mi_atlas.engine.grade.forms import FormError, find_form
from mi_atlas.specs.sites import Frame, components

from .worlds import Floats, Grid, at_least, at_most, claim, evidence, ratio, sweep, top

GRID = Grid(families=3, templates=10, items=1)
HALF_WIDTH = 0.53322
TURNS = np.tile([1.0, -1.0], 15)


def world(*logs: Floats, noise: float = 0.02, easier: float = 0.1, grid: Grid = GRID) -> tuple[dict, dict]:
    """Effects whose logs are given for L0, L1, ..., under mean `easier` at L0; control draws around `noise`."""
    random = np.random.default_rng(7)
    effects = {(label, f"L{i}"): np.exp(log) for i, log in enumerate(logs) for label in ("zero", "mean")}
    effects["mean", "L0"] = np.exp(logs[0] + easier + 0.01 * random.standard_normal(grid.n))
    control = {
        ("zero", f"L{i}", draw): noise * np.exp(grid.spread(random, 0.2) + 0.2 * random.standard_normal())
        for i in range(len(logs))
        for draw in range(20)
    }
    return effects, control


def test_threshold_by_hand() -> None:
    """Logs are log .2 +- 1: typical KL .2 nats, and .2 x exp(-.53322) = .11734 is its 99.5 % limit."""
    found = evidence(GRID, *world(math.log(0.2) + TURNS))
    high = grade(at_least(0.117), found)
    assert (high.grade, high.code, high.unit, high.n_raw, high.n_units) == ("High", "holds", "nats", 30, 30)
    assert high.estimate == pytest.approx(0.2)
    assert high.lower == pytest.approx(0.2 * math.exp(-HALF_WIDTH), rel=1e-4)
    assert high.bound == pytest.approx(0.117)
    assert "L0: typical KL 0.2 nats (99.5% one-sided >= 0.12 nats), n = 30 templates" in high.reason
    medium = grade(at_least(0.118), found)
    assert (medium.grade, medium.code) == ("Medium", "inconclusive_at_high")
    assert "99.5% one-sided >= 0.117 nats, needs 0.118 nats; about n = " in medium.reason


def test_logs_are_floored_at_a_tenth_of_a_millinat() -> None:
    """A third of the templates at 1e-9 count as 1e-4: the typical KL is (.2^20 x 1e-4^10)^(1/30)."""
    logs = np.where(np.arange(30) % 3 == 0, math.log(1e-9), math.log(0.2) + 1e-3 * TURNS)
    verdict = grade(at_least(0.001), evidence(GRID, *world(logs)))
    assert verdict.estimate == pytest.approx((0.2**20 * 1e-4**10) ** (1 / 30), rel=1e-3)


def test_threshold_at_most_by_hand() -> None:
    """The mirror image: .2 x exp(+.53322) = .34087; its control must do more than the site, not less."""
    effects, control = world(math.log(0.2) + TURNS, noise=2.0, easier=-0.1)
    assert grade(at_most(0.342), evidence(GRID, effects, control)).grade == "High"
    verdict = grade(at_most(0.340), evidence(GRID, effects, control))
    assert verdict.grade == "Medium"
    assert verdict.upper == pytest.approx(0.2 * math.exp(HALF_WIDTH), rel=1e-4)
    assert verdict.qualifiers == ("negative result",)
    silent = grade(at_most(0.342), evidence(GRID, *world(math.log(0.2) + TURNS, easier=-0.1)))
    assert (silent.grade, silent.code) == ("Pending", "not_specific")


@pytest.mark.parametrize(("quantity", "unit"), [("target_logprob_drop", "nats"), ("logit_diff_drop", "logits")])
def test_threshold_of_a_signed_quantity_is_on_its_own_scale(quantity: str, unit: str) -> None:
    """Values 1 +- 1 (some exactly zero): mean 1, limit 1 - .53322; a bound may be negative."""
    random = np.random.default_rng(8)
    effects = {("zero", "L0"): 1 + TURNS, ("mean", "L0"): 1 + TURNS + 0.01 * random.standard_normal(30)}
    control = {("zero", "L0", draw): 0.1 * random.standard_normal(30) - 0.1 for draw in range(20)}
    found = evidence(GRID, effects, control)
    high = grade(at_least(0.466, quantity=quantity), found)
    assert (high.grade, high.unit) == ("High", unit)
    assert high.lower == pytest.approx(1 - HALF_WIDTH, abs=1e-4)
    assert grade(at_least(0.467, quantity=quantity), found).grade == "Medium"
    assert grade(at_least(-1.0, quantity=quantity), found).grade == "High"
    assert grade(at_least(2.0, quantity=quantity), found).grade == "Refuted"


def test_ratio_by_hand() -> None:
    """log ratio = log 4 +- 1: typically 4x, with limit 4 x exp(-.53322) = 2.3469x."""
    shared = GRID.spread(np.random.default_rng(9))
    found = evidence(GRID, *world(shared + math.log(4) + TURNS, shared))
    high = grade(ratio(2.346), found)
    assert (high.grade, high.unit) == ("High", "x")
    assert high.estimate == pytest.approx(4.0)
    assert high.lower == pytest.approx(4 * math.exp(-HALF_WIDTH), rel=1e-4)
    assert high.reason.startswith("L0 is 4x L1 (99.5% one-sided >= 2.35x), n = 30 templates; matched_norm_noise")
    assert grade(ratio(2.348), found).grade == "Medium"


def test_a_pattern_side_is_averaged_in_each_example_before_the_log() -> None:
    """L0 = 4, L1 = 1, L2 = 4 and 0.04 in turns: mean over L* is 3 and 1.68, the ratio sqrt(4/3 x 4/1.68)."""
    turns = np.where(TURNS > 0, 4.0, 0.04)
    effects, control = world(np.full(30, math.log(4.0)), np.zeros(30), np.log(turns))
    for label in ("zero", "mean"):
        effects[label, "L0"] = np.full(30, 4.0) * (1 + 1e-9 * np.arange(30))
        effects[label, "L1"], effects[label, "L2"] = np.ones(30), turns
    verdict = grade(ratio(1.2, "L0", "L*"), evidence(GRID, effects, control))
    assert verdict.estimate == pytest.approx(math.sqrt(4 / 3 * 4 / 1.68))


def test_a_ratio_s_override_holds_in_every_arm() -> None:
    """residual_zero at L0 against the arm's own value at L0: the numerator is the same series in both arms."""
    random = np.random.default_rng(10)
    shared = GRID.spread(random, 1.0)
    effects, control = world(shared)
    effects["residual_zero", "L0"] = np.exp(shared + math.log(8) + 0.1 * random.standard_normal(30))
    control |= {("residual_zero", "L0", draw): values for (_, _, draw), values in list(control.items())}
    side = {"component": "L0", "intervention": "residual_zero"}
    document = ratio(3.0, side, "L0")
    assert [tuple(ref) for ref in find_form("ratio").effects(document, components(("layer",), Frame(2)))] == [
        ("residual_zero", "L0"),
        (None, "L0"),
    ]
    verdict = grade(document, evidence(GRID, effects, control))
    assert verdict.grade == "High", verdict.reason
    assert verdict.estimate == pytest.approx(8.0, rel=0.05)
    assert verdict.reason.startswith("L0 (residual_zero) is 7.8x L0 ")
    assert verdict.reason.endswith("reaches 0.0035x of it"), "with the noise on both sides it would be 1 / 7.8 = 0.13x"


def test_top_component_by_hand() -> None:
    """L0 over L1 by log 2 +- 1, over L2 by log 6 +- 1: 2 x exp(-.53322) = 1.1734x the strongest rival."""
    shared = GRID.spread(np.random.default_rng(11), 1.0)
    found = evidence(GRID, *world(shared, shared - math.log(2) + TURNS, shared - math.log(6) - TURNS, noise=1e-3))
    verdict = grade(top("L0"), found)
    assert verdict.grade == "High", verdict.reason
    assert verdict.estimate == pytest.approx(2.0)
    assert verdict.lower == pytest.approx(2 * math.exp(-HALF_WIDTH), rel=1e-4)
    assert verdict.bound == pytest.approx(1.05)
    assert verdict.reason.startswith("L0 is 2x its strongest rival L1 (99.5% one-sided >= 1.2x), n = 30 templates")


def test_top_component_needs_a_lead_of_five_percent() -> None:
    """L0 over L1 by a factor 1.04, without any doubt, in every template."""
    shared = GRID.spread(np.random.default_rng(12), 1.0)
    wobble = 1e-3 * np.random.default_rng(13).standard_normal(30)
    verdict = grade(top("L0"), evidence(GRID, *world(shared, shared - math.log(1.04) + wobble, noise=1e-3)))
    assert (verdict.grade, verdict.code) == ("Pending", "inconclusive")


def test_top_component_is_refuted_by_a_better_rival_at_alpha_over_rivals() -> None:
    """L1 leads L0 by c with SE .19245 (df 27). With two rivals and three parts, t(1 - .005 / 6, 27) = 3.4922
    (scipy.stats), so .67207 is the least lead that refutes."""
    shared = GRID.spread(np.random.default_rng(14), 1.0)
    for lead, expected in ((0.671, "Pending"), (0.673, "Refuted")):
        found = evidence(GRID, *world(shared, shared + lead + TURNS, shared - 3.0, noise=1e-3))
        verdict = grade(top("L0"), found)
        assert verdict.grade == expected, verdict.reason
    assert verdict.reason.startswith("L0 is 0.51x L1 (99.83% one-sided <= ")


def test_typical_and_average_winner_may_disagree() -> None:
    """L1 is a quarter of L0, but twelve-fold in 12 of 30 templates of family02: log ratio .87 on average, raw
    means 1.8 against 1, of which family02 carries 4.95 of 5.45 = 91 %."""
    grid = Grid(3, 30, 1)
    shared = grid.spread(np.random.default_rng(15), 0.02, 0.02)
    factor = np.where(np.arange(90) >= 78, 12.0, 0.25)
    both = evidence(grid, *world(shared, shared + np.log(factor), noise=1e-3, grid=grid))
    for component in ("L0", "L1"):
        verdict = grade(top(component), both)
        assert (verdict.grade, verdict.code) == ("Pending", "typical_average_disagree"), verdict.reason
        assert (
            "L0 has the largest typical effect, L1 the largest average, of which family02 carries 91%" in verdict.reason
        )


def test_no_material_effect_is_pending() -> None:
    """L0 leads by far, at 2 thousandths of a nat."""
    shared = GRID.spread(np.random.default_rng(16), 0.3)
    found = evidence(GRID, *world(shared + math.log(2e-3), shared + math.log(3e-4), noise=1e-4))
    verdict = grade(top("L0"), found)
    assert (verdict.grade, verdict.code) == ("Pending", "no_material_effect")
    assert grade(top("L1"), found).grade == "Pending", "nor does an immaterial rival refute"


def test_two_components_that_tie_exactly_are_neither_on_top_nor_refuted() -> None:
    shared = GRID.spread(np.random.default_rng(17), 1.0)
    found = evidence(GRID, *world(shared, shared * (1 + 1e-12), shared - 3.0, noise=1e-3))
    verdict = grade(top("L0", robustness=[]), found)
    assert (verdict.grade, verdict.code) == ("Pending", "exact_tie")
    assert "L0 and L1 give the same effect" in verdict.reason


@pytest.mark.parametrize(("winners", "expected"), [(12, "High"), (11, "High"), (10, "Medium"), (8, "Medium")])
def test_beyond_the_suite_families_are_counted(winners: int, expected: str) -> None:
    """11 of 12 families are High at .005 (13 / 4096), 10 are not. With 8 the count says nothing even at .05
    (794 / 4096), but family means of 2 and -.3 have a t of 3.9: Medium."""
    grid = Grid(12, 10, 1)
    random = np.random.default_rng(18)
    logs = grid.spread(random, 0.3, 0.0) + np.where(np.arange(120) < 10 * winners, 2.0, -0.3)
    effects = {(label, "L0"): np.exp(logs + 0.01 * random.standard_normal(120)) for label in ("zero", "mean")}
    control = {("zero", "L0", d): 0.01 * np.exp(grid.spread(random, 0.3)) for d in range(20)}
    verdict = grade(at_least(1.0, "beyond_suite"), evidence(grid, effects, control))
    assert (verdict.grade, verdict.n_units) == (expected, 12), verdict.reason
    assert f"in {winners} of 12 families" in verdict.reason
    assert any("up to 36% could be absent" in line for line in verdict.explanation)


def test_beyond_the_suite_the_mirror_count_refutes() -> None:
    grid = Grid(12, 10, 2)
    low = sweep([0.05, 0.5, 0.01], grid, within=0.3, noise=0.001)
    assert grade(at_least(0.2, "beyond_suite"), low).grade == "Refuted"
    verdict = grade(top("L0", "beyond_suite"), low)
    assert (verdict.grade, verdict.code) == ("Refuted", "refuted")
    assert "against it in 12" in verdict.reason
    assert grade(top("L1", "beyond_suite"), low).grade == "High"


def test_beyond_the_suite_a_family_counts_only_against_every_rival() -> None:
    """L0 beats L2 in all families, and ties with L1: no family has it on top, and none is against it for sure."""
    verdict = grade(top("L0", "beyond_suite"), sweep([0.5, 0.5, 0.01], Grid(12, 10, 2), within=0.3, noise=0.001))
    assert (verdict.grade, verdict.code) == ("Pending", "inconclusive")
    assert "in 0 of 12 families" in verdict.reason


def test_a_few_extreme_families_do_not_make_a_majority() -> None:
    """Five families of twelve far above the bound: the mean is above it, most families are not."""
    grid = Grid(12, 10, 1)
    random = np.random.default_rng(19)
    logs = grid.spread(random, 0.3, 0.0) + np.where(np.arange(120) < 50, 6.0, -0.5)
    effects = {(label, "L0"): np.exp(logs + 0.01 * random.standard_normal(120)) for label in ("zero", "mean")}
    control = {("zero", "L0", d): 0.001 * np.exp(grid.spread(random, 0.3)) for d in range(20)}
    verdict = grade(at_least(1.0, "beyond_suite"), evidence(grid, effects, control))
    assert verdict.estimate is not None
    assert verdict.estimate > 1.0
    assert verdict.grade != "High"
    assert verdict.p_value == pytest.approx(1 - sum(math.comb(12, k) for k in range(5)) / 4096)


def test_what_a_model_does_not_have_cannot_be_claimed() -> None:
    swept = components(("layer",), Frame(2))
    with pytest.raises(
        FormError, match="L7 does not exist: in this model the sweep has 2 components, from L0 to L1"
    ) as error:
        find_form("threshold").effects(claim({"form": "threshold", "component": "L7", "at_least": 1.0}), swept)
    assert error.value.code == "no_such_component"
    with pytest.raises(FormError, match="no rivals"):
        find_form("top_component").effects(top("L0"), components(("layer",), Frame(1)))
    with pytest.raises(FormError, match="same effect"):
        find_form("ratio").effects(ratio(2.0, "L0", "L0"), swept)
    with pytest.raises(FormError, match="no rule"):
        find_form("no_such_form")
    assert grade(top("L9"), sweep([1.0, 0.1])).code == "no_such_component"


def test_forms_ask_for_what_they_need_and_no_more() -> None:
    swept = components(("layer", "mlp"), Frame(2))
    wide = top("L1.mlp", granularity=["layer", "mlp"])
    form = find_form("top_component")
    assert [ref.site for ref in form.effects(wide, swept)] == ["L0", "L1", "L0.mlp", "L1.mlp"]
    assert [tuple(ref) for ref in form.controls(wide, swept)] == [(None, "L1.mlp")]
    pattern = ratio(2.0, "L0.mlp", "L*.mlp", granularity=["layer", "mlp"])
    assert [ref.site for ref in find_form("ratio").effects(pattern, swept)] == ["L0.mlp", "L1.mlp"]


def test_a_component_of_many_sites_is_named_by_its_first() -> None:
    assert words.component("L1.head0+L2.head3@last") == "L1.head0+L2.head3@last"
    assert words.component("+".join(f"L{i}" for i in range(4))) == "L0+L1+L2+L3"
    assert words.component("+".join(f"L{i}.mlp" for i in range(6)) + "@last") == "L0.mlp and 5 others@last"
