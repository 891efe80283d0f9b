"""tests of engine/grade: the form rank: a component among the k largest."""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import grade
from mi_atlas.engine.grade.answer import Alphas, answer
from mi_atlas.engine.grade.forms import FormError, find_form
from mi_atlas.engine.grade.question import Question, Scale
from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.sites import Frame, components
from pydantic import ValidationError

from .test_calibration import layout
from .test_forms import GRID, TURNS, world
from .test_properties import ALLOWED, FAULTS, clone_draws, clone_prompts, clone_templates
from .worlds import Floats, Grid, claim, evidence, relabelled, sweep, top

SPENT = Alphas(0.005, 0.005, 0.05, 0.005)


def among(within: int, component: str = "L0", **changed: object) -> MeasuredClaim:
    return claim({"form": "rank", "component": component, "within": within}, **changed)


def test_rank_by_hand() -> None:
    """L0 is below L1, and over L2 by log 2.2 +- 1, L3 by log 6 +- 1; two rivals of three must be beaten, at .005 / 2.

    t(.9975, 27) = 3.0565 (scipy.stats), times SE .19245 is .58823: the limit is 2.2 x exp(-.58823) = 1.2217x L2.
    """
    shared = GRID.spread(np.random.default_rng(11), 0.5)
    logs = [shared, shared + 3.0, shared - math.log(2.2) + TURNS, shared - math.log(6) - TURNS]
    verdict = grade(among(2), evidence(GRID, *world(*logs, noise=1e-3)))
    assert verdict.grade == "High", verdict.reason
    assert verdict.estimate == pytest.approx(2.2)
    assert verdict.lower == pytest.approx(2.2 * math.exp(-0.58823), rel=1e-4)
    assert verdict.reason.startswith("L0 is 2.2x L2, number 2 of its rivals (99.5% one-sided >= 1.2x)")
    assert grade(top("L0"), evidence(GRID, *world(*logs, noise=1e-3))).grade == "Refuted"


def test_refuted_by_k_better_rivals_at_alpha_over_those_that_must_be_beaten() -> None:
    """Of three rivals two lead by c: for k = 2 the p-value is 2 x the second smallest, against .005 / 3 parts.

    t(1 - .005 / 6, 27) = 3.4922, as for two rivals of top_component: the least lead is .67207.
    """
    shared = GRID.spread(np.random.default_rng(14), 1.0)
    for lead, expected in ((0.671, "Pending"), (0.673, "Refuted")):
        logs = [shared, shared + lead + TURNS, shared + 2 * lead - TURNS, shared - 3.0]
        verdict = grade(among(2), evidence(GRID, *world(*logs, noise=1e-3)))
        assert verdict.grade == expected, verdict.reason
    assert verdict.reason.startswith("L0 is 0.51x L1, number 2 of its rivals (99.83% one-sided <= ")


def test_one_better_rival_is_allowed_and_a_tie_is_a_rival_too() -> None:
    shared = GRID.spread(np.random.default_rng(17), 1.0)
    tied = [shared, shared * (1 + 1e-12), shared - 3.0, shared - 4.0]
    found = evidence(GRID, *world(*tied, noise=1e-3))
    assert grade(among(2), found).grade == "High"
    assert grade(among(2, "L2"), found).grade == "Refuted"
    assert grade(among(3, "L2"), found).grade == "High"


def test_beyond_the_suite_a_family_counts_against_all_but_the_spare_rivals() -> None:
    found = sweep([0.5, 2.0, 0.01, 0.02], Grid(12, 10, 2), within=0.3, noise=0.001)
    assert (
        grade(claim({"form": "rank", "component": "L0", "within": 2, "scope": "beyond_suite"}), found).grade == "High"
    )
    low = grade(claim({"form": "rank", "component": "L3", "within": 2, "scope": "beyond_suite"}), found)
    assert (low.grade, "against it in 12" in low.reason) == ("Refuted", True), low.reason


def test_typical_and_average_rank_may_disagree() -> None:
    """L1 and L2 are a quarter of L0, but twelve-fold in 12 of 30 templates of family02 (as for top_component)."""
    grid = Grid(3, 30, 1)
    random = np.random.default_rng(15)
    shared = grid.spread(random, 0.02, 0.02)
    factor = np.log(np.where(np.arange(90) >= 78, 12.0, 0.25))
    logs = [shared, shared + factor + grid.spread(random, 0.01, 0.0), shared + factor, shared - 6.0]
    found = evidence(grid, *world(*logs, noise=1e-3, grid=grid))
    verdict = grade(among(2), found)
    assert (verdict.grade, verdict.code) == ("Pending", "typical_average_disagree"), verdict.reason
    assert "L0 is among the 2 by its typical effect, but L1 and L2 exceed it on average" in verdict.reason
    assert grade(among(3), found).grade == "High"


def test_what_is_no_claim_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        among(1)
    with pytest.raises(FormError, match="the sweep has 3 components: each is among the 3 largest"):
        find_form("rank").effects(among(3), components(("layer",), Frame(3)))


@settings(max_examples=15, deadline=None)
@given(st.permutations([0, 1, 2, 3]), st.integers(0, 1000), st.sampled_from(sorted(FAULTS)))
def test_relabelling_permutes_clones_change_nothing_faults_raise_nothing(
    order: list[int], seed: int, fault: str
) -> None:
    found = sweep([1.0, 0.6, 0.3, 0.3], Grid(3, 12, 2), seed)
    to = {f"L{i}": f"L{order[i]}" for i in range(4)}
    renamed = relabelled(found, to)
    for component in to:
        before, after = grade(among(2, component), found), grade(among(2, to[component]), renamed)
        assert re.sub(r"L\d", lambda match: to[match[0]], before.reason) == after.reason
        for clone in (clone_prompts, clone_templates, clone_draws):
            again = grade(among(2, component), clone(found))
            assert (again.grade, again.code, again.n_units) == (before.grade, before.code, before.n_units)
        assert grade(among(2, component), FAULTS[fault](found)).grade in ALLOWED[before.grade]


def decided(units: Floats, within: int) -> str:
    question = Question(
        tuple(f"L{i}" for i in range(units.shape[1])),
        units,
        Scale(True, "x", 0.0, 0.0),
        np.ones((4, units.shape[1]), dtype=bool),
        within - 1,
    )
    found = answer(question, layout(3, 10), False, SPENT)
    assert (found.p_for < SPENT.high) == (found.lower > 0)
    return "High" if found.p_for < SPENT.high else "Refuted" if found.p_against < SPENT.refute else "Pending"


@pytest.mark.parametrize(("within", "ties"), [(1, 1), (2, 2), (3, 3), (3, 5)])
def test_false_high_where_k_rivals_tie(within: int, ties: int) -> None:
    """k or more of 8 rivals tie with the component, each independently, the others are far below: never proven."""
    random, found = np.random.default_rng(41), Counter[str]()
    for _ in range(800):
        leads = np.where(np.arange(8) < ties, 0.0, 9.0)
        found[decided(2.7 * random.standard_normal((30, 8)) + leads, within)] += 1
    assert found["High"] <= 8, found


def test_false_refuted_where_k_minus_one_rivals_lead_and_the_others_tie() -> None:
    random, found = np.random.default_rng(42), Counter[str]()
    for _ in range(800):
        leads = np.where(np.arange(8) < 2, -9.0, 0.0)
        found[decided(2.7 * random.standard_normal((30, 8)) + leads, 3)] += 1
    assert found["Refuted"] <= 8, found
