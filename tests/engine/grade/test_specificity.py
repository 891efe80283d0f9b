"""tests of engine/grade: the comparison with control draws, against the formula written out with scipy.stats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mi_atlas.engine.grade import grade
from mi_atlas.engine.grade.inference import Layout
from mi_atlas.engine.grade.question import Scale
from mi_atlas.engine.grade.specificity import Specificity, specificity
from scipy import stats

from .worlds import Floats, Grid, at_least, at_most, evidence

ONE = Layout(("f0",), (0,), np.array([40.0]))
TWELVE = Layout(tuple(f"f{i:02d}" for i in range(12)), tuple(range(0, 120, 10)), np.full(12, 10.0))


def symmetric(random: np.random.Generator, n: int) -> Floats:
    """n values of skewness exactly zero, so that Hall's transformation is Student's t."""
    half = random.standard_normal(n // 2)
    return np.concatenate([half, -half])


def world(n: int, lead: float, draws: int = 20, apart: float = 0.2) -> tuple[Floats, Floats]:
    """An effect `lead` above its draws, whose difference from the mean draw is symmetric over templates."""
    random = np.random.default_rng(31)
    drawn = random.standard_normal((draws, n)) + apart * random.standard_normal((draws, 1))
    return drawn.mean(axis=0) + symmetric(random, n) * 0.8 + lead, drawn


def judged(
    effect: Floats, drawn: Floats, sign: int = 1, log: bool = True, beyond: bool = False, layout: Layout = ONE
) -> Specificity:
    found = specificity(effect, drawn, Scale(log, "", 0.0, 0.0, sign), 1.5, layout, beyond)
    assert isinstance(found, Specificity)
    return found


@pytest.mark.parametrize("lead", [0.7, 0.9, 1.3])
@pytest.mark.parametrize("draws", [20, 60])
def test_the_formula_of_the_design(lead: float, draws: int) -> None:
    """d > t(alpha / 2) S and d - t(alpha) S_bar > log 1.5, df the smaller of R - 1 and 39 of the templates."""
    effect, drawn = world(40, lead, draws)
    s2, se2 = drawn.mean(axis=1).var(ddof=1), (effect - drawn.mean(axis=0)).var(ddof=1) / 40
    d, df = (effect - drawn.mean(axis=0)).mean(), min(draws - 1, 39)
    new = 2 * stats.t.sf(d / math.sqrt(s2 * (1 + 1 / draws) + se2), df)
    margin = stats.t.sf((d - math.log(1.5)) / math.sqrt(s2 * (1 + 1 / draws) / draws + se2), df)
    found = judged(effect, drawn)
    assert found.beaten
    assert found.p_for == pytest.approx(max(new, margin), rel=1e-6, abs=0)
    assert found.p_against == pytest.approx(1 - margin, rel=1e-6)
    assert found.reached == pytest.approx(math.exp(-d))


def test_which_of_the_two_conditions_binds() -> None:
    """Draws that scatter bind through a new draw, draws that agree through the margin."""
    for apart, lead, new_draw_binds in ((1.0, 2.5, True), (0.01, 0.7, False)):
        effect, drawn = world(40, lead, apart=apart)
        s2, se2 = drawn.mean(axis=1).var(ddof=1), (effect - drawn.mean(axis=0)).var(ddof=1) / 40
        new = 2 * stats.t.sf(lead / math.sqrt(s2 * 1.05 + se2), 19)
        found = judged(effect, drawn)
        assert (found.p_for == pytest.approx(new, rel=1e-6)) == new_draw_binds


def test_beyond_the_suite_the_difference_is_over_families() -> None:
    effect, drawn = world(120, 1.5)
    per_family = (effect - drawn.mean(axis=0)).reshape(12, 10).mean(axis=1)
    s2, se2 = drawn.mean(axis=1).var(ddof=1), per_family.var(ddof=1) / 12
    new = 2 * stats.t.sf(per_family.mean() / math.sqrt(s2 * 1.05 + se2), 11)
    margin = stats.t.sf((per_family.mean() - math.log(1.5)) / math.sqrt(s2 * 1.05 / 20 + se2), 11)
    found = judged(effect, drawn, beyond=True, layout=TWELVE)
    assert found.p_for == pytest.approx(max(new, margin), rel=1e-9)


def test_one_draw_that_is_not_beaten_forbids_it() -> None:
    """One of 200 draws lies above the effect: far from typical, but it does as much."""
    effect, drawn = world(40, 2.5, draws=200, apart=0.05)
    assert judged(effect, drawn).p_for < 0.005
    drawn[7] += 2.6
    found = judged(effect, drawn)
    assert not found.beaten
    assert found.p_for == 1.0
    assert found.needed(0.005) is None


def test_at_most_is_the_mirror_image() -> None:
    effect, drawn = world(40, 1.2)
    mirrored = judged(-effect, -drawn, sign=-1)
    assert mirrored.p_for == pytest.approx(judged(effect, drawn).p_for, rel=1e-9)
    assert judged(-effect, -drawn).p_for == 1.0


def test_a_signed_quantity_exceeds_a_multiple_of_its_draws_without_dividing() -> None:
    """effect - 1.5 x mean of draws > 0; s of the draws enters with the factor 1.5."""
    random = np.random.default_rng(32)
    drawn = 0.4 + 0.2 * random.standard_normal((20, 40)) + 0.05 * random.standard_normal((20, 1))
    typical = drawn.mean(axis=0)
    effect = 1.5 * typical + 0.5 * symmetric(random, 40) + 0.2
    s2, units = drawn.mean(axis=1).var(ddof=1) * 1.05, effect - 1.5 * typical
    margin = stats.t.sf(units.mean() / math.sqrt(1.5**2 * s2 / 20 + units.var(ddof=1) / 40), 19)
    found = judged(effect, drawn, log=False)
    assert found.p_against == pytest.approx(1 - margin, rel=1e-6)
    assert found.p_for >= margin - 1e-12
    assert found.reached == pytest.approx(drawn.mean())
    units = typical - 1.5 * effect
    margin = stats.t.sf(units.mean() / math.sqrt(s2 / 20 + units.var(ddof=1) / 40), 19)
    assert 1 - judged(effect, drawn, sign=-1, log=False).p_against == pytest.approx(margin, abs=0.01)


@pytest.mark.parametrize(
    ("effect", "control", "sign", "specific"),
    [
        (1.0, 0.5, 1, True),
        (1.0, 0.8, 1, False),
        (1.0, -3.0, 1, True),
        (0.2, 0.5, -1, True),
        (0.4, 0.5, -1, False),
        (-1.0, -0.2, -1, True),
        (-1.0, -2.0, -1, False),
    ],
)
def test_signed_effects_against_controls_of_either_sign(
    effect: float, control: float, sign: int, specific: bool
) -> None:
    """1 is more than 1.5 x .5 but not than 1.5 x .8; a control that helps where the effect hurts is no explanation."""
    random = np.random.default_rng(33)
    grid = Grid(1, 40, 1)
    effects = {(label, "L0"): effect + 0.02 * random.standard_normal(40) for label in ("zero", "mean")}
    draws = {("zero", "L0", draw): control + 0.02 * random.standard_normal(40) for draw in range(20)}
    bound = effect - 0.5 if sign > 0 else effect + 0.5
    document = (at_least if sign > 0 else at_most)(bound, quantity="logit_diff_drop")
    verdict = grade(document, evidence(grid, effects, draws))
    assert verdict.grade == ("High" if specific else "Pending"), verdict.reason
