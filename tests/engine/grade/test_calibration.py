"""tests of engine/grade: measured error rates, with truth exactly at the bound, and power.

Monte Carlo with fixed seeds; log KL varies with sd 2.7 between templates. The whole pipeline is run, with a
robustness arm that agrees with the main arm (and so protects from nothing) and a control that never
explains. Where a rate of .5 % is promised, 300 replications with more than 6 hits would be a surprise of
1 in 1000.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.engine.grade.answer import Alphas, answer
from mi_atlas.engine.grade.inference import Layout
from mi_atlas.engine.grade.question import Fault, Question, Scale
from mi_atlas.engine.grade.specificity import specificity
from mi_atlas.specs.claim import MeasuredClaim

from .worlds import SPREAD, Floats, Grid, at_least, evidence, ratio, top

GRID = Grid(3, 10, 1)
COUNT, MOST = 300, 6


def normal(random: np.random.Generator, n: int) -> Floats:
    return random.standard_normal(n) * SPREAD


def heavy(random: np.random.Generator, n: int) -> Floats:
    """Student's t with 3 degrees of freedom, of sd 2.7."""
    return random.standard_t(3, n) / math.sqrt(3) * SPREAD


def skewed(random: np.random.Generator, n: int) -> Floats:
    """A tail towards small effects, as a floor makes it: skewness -1."""
    return -(random.gamma(4.0, 1.0, n) - 4.0) / 2.0 * SPREAD


def drawn(random: np.random.Generator, logs: list[Floats]) -> Evidence:
    """Sites with these logs; the mean arm is the zero arm but for 1 %."""
    effects = {}
    for layer, log in enumerate(logs):
        effects["zero", f"L{layer}"] = np.exp(log)
        effects["mean", f"L{layer}"] = np.exp(log + 0.01 * random.standard_normal(GRID.n))
    control = {
        ("zero", site, draw): 1e-4 * np.exp(0.3 * random.standard_normal(GRID.n) - 5 * (site == "L0"))
        for _, site in effects
        for draw in range(20)
    }
    return evidence(GRID, effects, control)


def rates(document: MeasuredClaim, world: Callable[[np.random.Generator], list[Floats]], count: int) -> Counter[str]:
    random = np.random.default_rng(20)
    return Counter(grade(document, drawn(random, world(random))).grade for _ in range(count))


@pytest.mark.parametrize("scatter", [normal, heavy, skewed])
@pytest.mark.parametrize("form", ["threshold", "ratio", "top_component"])
def test_false_high_at_the_bound(form: str, scatter: Callable[[np.random.Generator, int], Floats]) -> None:
    """The truth is the bound itself: typical KL 1 nats of 1, twice of 2, a lead of 1.05 of 1.05."""

    def world(random: np.random.Generator) -> list[Floats]:
        effect = scatter(random, GRID.n)
        if form == "threshold":
            return [effect]
        rival = 0.3 * random.standard_normal(GRID.n)
        lead = math.log(2.0 if form == "ratio" else 1.05)
        return [rival + effect + lead, rival, rival - 8.0]

    document = {"threshold": at_least(1.0), "ratio": ratio(2.0), "top_component": top("L0")}[form]
    found = rates(document, world, COUNT)
    assert found["High"] <= MOST, found
    assert found["Refuted"] <= MOST, found


def test_power() -> None:
    """The effect exceeds what is claimed by exp(2.1) = 8, with sd 2.7 and 30 templates: t is about 4.2."""
    for document, lead in ((at_least(1.0), 2.1), (ratio(2.0), 2.8), (top("L0"), 2.15)):
        found = rates(document, lambda random, c=lead: [normal(random, 30) + c, 0.1 * normal(random, 30)], 60)
        assert found["High"] >= 45, (document.expect.form, found)
        assert found["Refuted"] == 0


def test_a_false_claim_is_refuted_with_power() -> None:
    """The effect falls short of what is claimed by exp(2.1), with sd 2; L0 is that far below L1."""
    for document, lead in ((at_least(1.0), -2.1), (ratio(1.0), -2.1), (top("L0"), -2.1)):
        found = rates(
            document, lambda random, c=lead: [0.75 * normal(random, 30) + c, 0.1 * normal(random, 30) + 1.0], 60
        )
        assert found["Refuted"] >= 40, (document.expect.form, found)
        assert found["High"] == 0


def layout(families: int, templates: int) -> Layout:
    starts = tuple(range(0, families * templates, templates))
    return Layout(tuple(map(str, range(families))), starts, np.full(families, float(templates)))


@pytest.mark.parametrize("scatter", [normal, heavy, skewed])
@pytest.mark.parametrize("apart", [0.05, 0.5])
def test_specificity_at_its_margin(apart: float, scatter: Callable[[np.random.Generator, int], Floats]) -> None:
    """The effect is just 1.5 times the typical draw, and draws differ by `apart` in log: rarely specific."""
    random, hits, count = np.random.default_rng(21), 0, 600
    for _ in range(count):
        prompts = random.standard_normal(120)
        effect = prompts + scatter(random, 120) + math.log(1.5)
        draws = prompts + random.standard_normal((20, 120)) + apart * random.standard_normal((20, 1))
        found = specificity(effect, draws, Scale(True, "nats", 0.0, 0.0), 1.5, layout(4, 30), False)
        hits += not isinstance(found, Fault) and found.p_for < 0.005
    assert hits <= 8, hits


def test_specificity_has_power() -> None:
    """Five times the typical draw, draws .2 apart in log, sd 1 between templates: nearly always specific."""
    random = np.random.default_rng(22)
    hits = 0
    for _ in range(100):
        effect = random.standard_normal(120) + math.log(5.0)
        draws = random.standard_normal((20, 120)) + 0.2 * random.standard_normal((20, 1))
        found = specificity(effect, draws, Scale(True, "nats", 0.0, 0.0), 1.5, layout(4, 30), False)
        hits += not isinstance(found, Fault) and found.p_for < 0.005
    assert hits >= 90


def test_beyond_the_suite_at_half_of_the_families() -> None:
    """Each family is above the bound or below it with even odds: 11 of 12 are rarely found above."""
    random, spent = np.random.default_rng(23), Alphas(0.005, 0.005, 0.05, 0.005)
    high = refuted = 0
    for _ in range(1000):
        sides = np.repeat(random.choice([-1.5, 1.5], 12), 10)
        units = (random.standard_normal(120) + sides)[:, None]
        question = Question(("",), units, Scale(True, "nats", 0.0, 0.0), np.ones((13, 1), dtype=bool))
        found = answer(question, layout(12, 10), True, spent)
        high += found.p_for < 0.005
        refuted += found.p_against < 0.005
    assert high <= 10
    assert refuted <= 10
