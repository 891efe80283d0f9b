"""tests of engine/grade: a sweep whose sign was lost, and scores that cannot differ since both are at their ceiling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim

from .test_equality import counted
from .test_monotone import doses, steer
from .worlds import Floats, Grid, evidence

GRID = Grid(4, 30, 1)
SITE = "L2.residual"


def pushed(document: MeasuredClaim, second: dict[str, Any], at_least: float = 0.5) -> MeasuredClaim:
    """Steering four times moves the answer by so many logits; so does the other way of pushing."""
    expect = {"form": "threshold", "component": SITE, "at_least": at_least}
    more = {"counterfactual": steer(4), "robustness": [second], "expect": expect}
    return ClaimAdapter.validate_python(document.model_dump() | more)  # type: ignore[return-value]


def steered(strengths: tuple[float, ...], lost: bool, kl: bool = False) -> Evidence:
    """Effects in proportion to the strength, a scatter each; where the sign is `lost`, to its absolute value.

    A hook that takes the absolute value gives one measurement for both signs: the same numbers but for rounding.
    """
    random = np.random.default_rng(3)
    shared, scatter, effects = random.standard_normal(GRID.n), {}, {}
    for strength in strengths:
        known = scatter.setdefault(abs(strength) if lost else strength, random.standard_normal(GRID.n))
        size = 0.5 * (abs(strength) if lost else strength) + 0.3 * shared + 0.3 * known
        value = np.exp(size) if kl else size
        effects[f"steer({strength:g})", SITE] = value * (1 + 1e-7 * random.standard_normal(GRID.n))
    drawn = (random.standard_normal(GRID.n) for _ in range(20 * len(effects)))
    control = {
        (name, site, draw): 0.05 * np.exp(next(drawn)) if kl else 0.2 * next(drawn)
        for name, site in effects
        for draw in range(20)
    }
    return evidence(GRID, effects, control)


def test_doses_of_either_sign_that_do_the_same() -> None:
    """-4, -2, -1, 1, 2, 4: an effect that depends on the size alone is no order of doses, nor a false one."""
    strengths = (-4, -2, -1, 1, 2, 4)
    assert grade(doses(*strengths), steered(strengths, lost=False)).code == "one_intervention_value"
    verdict = grade(doses(*strengths), steered(strengths, lost=True))
    assert (verdict.grade, verdict.code) == ("Pending", "degenerate_sign_symmetric")
    assert verdict.reason.startswith("steer(4) and steer(-4) at L2.residual have the same effect in every example")


def test_one_pair_that_no_step_compares() -> None:
    """The order has steer(-2) first and steer(2) fourth: no two neighbours are alike."""
    strengths = (-2, 0.5, 1, 2, 4, 8)
    verdict = grade(doses(*strengths), steered(strengths, lost=True))
    assert (verdict.grade, verdict.code) == ("Pending", "degenerate_sign_symmetric")
    assert "steer(2) and steer(-2)" in verdict.reason


@pytest.mark.parametrize("kl", [False, True])
@pytest.mark.parametrize("name", ["steer(-4)", "anti(4)"])
def test_the_opposite_push_is_no_second_method_where_it_is_the_same(name: str, kl: bool) -> None:
    """Not Medium for want of a second method, but Pending: which of the two pushes acted is not known."""
    second = steer(-4) if name == "steer(-4)" else {"intervention": "anti", "strength": 4}
    found = steered((4, -4), lost=True, kl=kl)
    named = {("steer(4)" if label == "steer(4)" else name, site): v for (label, site), v in found.effects.items()}
    document = pushed(doses(1, 2, 4, 8), second)
    verdict = grade(document, replace(found, effects=named))
    assert (verdict.grade, verdict.code) == ("Pending", "degenerate_sign_symmetric")
    assert f"steer(4) and {name}" in verdict.reason
    apart = dict(named) | {(name, SITE): named[name, SITE] + 0.1 * np.random.default_rng(4).standard_normal(GRID.n)}
    assert grade(document, replace(found, effects=apart)).grade in ("High", "Medium"), "two measurements"


def test_what_is_the_same_push_under_two_names_is_no_symmetry() -> None:
    """anti(4) is steer(-4) by definition: that they agree says nothing about the sign."""
    found = steered((4, -4), lost=False)
    named = {("anti(4)", SITE): -1 * found.effects["steer(4)", SITE], **found.effects}
    document = pushed(doses(1, 2, 4, 8), steer(-4))
    assert grade(document, replace(found, effects=named)).code != "degenerate_sign_symmetric"


def test_events_of_either_sign_may_agree() -> None:
    """Neither push flips an answer that is sure: 0 and 1 are too few values to say that two measurements are one."""
    found = steered((4, -4), lost=False)
    flips = {place: (np.arange(GRID.n) % 3 > 0).astype(float) for place in found.effects}
    document = pushed(doses(1, 2, 4, 8), steer(-4), at_least=0.3)
    assert grade(document, replace(found, effects=flips)).code != "degenerate_sign_symmetric"


def at_ceiling(templates: int, score: float = 1.0, items: int = 1) -> Evidence:
    """Two effects under which every answer stays right (score 1), or every one is lost; draws lose half."""
    grid, random = Grid(4, templates // 4, items), np.random.default_rng(5)
    both: Floats = np.full(grid.n, score)
    effects = {(label, site): both for label in ("skip", "mean") for site in ("L0", "L1")}
    control = {("skip", "L0", draw): (random.random(grid.n) < 0.5).astype(float) for draw in range(20)}
    return evidence(grid, effects, control)


@pytest.mark.parametrize("form", ["equality", "non_inferiority"])
def test_scores_at_their_ceiling_show_nothing_until_there_are_enough(form: str) -> None:
    """Within .05: .95^104 < .005, and .95^103 is not."""
    larger = {"larger": "better"} if form == "non_inferiority" else {}
    few = grade(counted(form, 0.05, **larger), at_ceiling(48))
    assert (few.grade, few.code) == ("Pending", "ceiling"), few.reason
    assert "both are 1 in every template" in few.reason
    assert "at their ceiling" in few.reason
    assert "about n = 104 templates would decide" in few.reason, few.reason
    many = grade(counted(form, 0.05, **larger), at_ceiling(120))
    assert (many.grade, many.code) == ("High", "holds"), many.reason


def test_scores_at_their_floor_are_no_better() -> None:
    few = grade(counted("non_inferiority", 0.05, larger="better"), at_ceiling(48, 0.0))
    assert (few.grade, few.code) == ("Pending", "ceiling"), few.reason
    assert "both are 0 in every template, at their floor" in few.reason


def test_one_score_that_differs_is_no_ceiling() -> None:
    found = at_ceiling(48)
    one = np.array(found.effects["skip", "L0"])
    one[7] = 0.0
    verdict = grade(counted("equality", 0.05), replace(found, effects=dict(found.effects) | {("skip", "L0"): one}))
    assert (verdict.grade, verdict.code) == ("Pending", "inconclusive"), verdict.reason
