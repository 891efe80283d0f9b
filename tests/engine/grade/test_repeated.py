"""tests of engine/grade: claims on whole trainings and sessions, which are their unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.grade import Evidence, grade
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from pydantic import ValidationError
from scipy.stats import t

from .worlds import BASE, Floats, Grid, evidence

GRID = Grid(families=3, templates=12, items=2)
WORLD: dict[str, Any] = {
    "seed": 1,
    "effects": {"L1": 1.0, "L3": 1.0},
    "control": {"L1": 1.0, "L3": 1.0},
    "parameters": {"L1": 100, "L3": 400},
}


def repeated(
    expect: Mapping[str, Any], quantity: str = "positive", what: str = "training seeds", count: int = 8
) -> MeasuredClaim:
    """A claim on simulated trainings, or sessions."""
    world = {**WORLD, "repeated": {"what": what, "count": count, "spread": 0.1}}
    metric = {"evaluator": "simulated", "quantity": quantity, "world": world}
    whole = {**BASE, "metric": metric, "robustness": [], "expect": dict(expect)}
    claim = ClaimAdapter.validate_python(whole)
    assert isinstance(claim, MeasuredClaim)
    return claim


def at_least(bound: float, **more: Any) -> MeasuredClaim:
    return repeated({"form": "threshold", "component": "L1", "at_least": bound}, **more)


def paired(form: str, **more: Any) -> dict[str, Any]:
    return {"form": form, "test": {"component": "L1"}, "reference": {"component": "L3"}, **more}


def trainings(count: int = 8, spread: float = 0.3, seed: int = 0, size: float = 1.0) -> dict[tuple[str, str], Floats]:
    """Log-normal numbers of two components, of which those of a training are off by something of their own."""
    random = np.random.default_rng(seed)
    common = GRID.spread(random, 0.4)
    return {
        (f"zero[{number}]", site): size * np.exp(common + spread * random.standard_normal() + GRID.spread(random, 0.2))
        for number in range(1, count + 1)
        for site in ("L1", "L3")
    }


def found(
    effects: Mapping[tuple[str, str], Floats], drawn: float = 0.05, apart: float = 0.2, **changed: Any
) -> Evidence:
    """Evidence of trainings; control draws typically `drawn`, `apart` in log."""
    random = np.random.default_rng(7)
    control = {
        ("zero", site, draw): drawn * np.exp(apart * random.standard_normal() + GRID.spread(random, 0.2))
        for site in ("L1", "L3")
        for draw in range(20)
    }
    parameters = {("parameters", *place): np.full(GRID.n, 100.0 if place[1] == "L1" else 400.0) for place in effects}
    return evidence(GRID, effects, control, **{"sweep": ("L1", "L3"), "companions": parameters, **changed})


def by_hand(effects: Mapping[tuple[str, str], Floats], count: int = 8) -> tuple[float, float]:
    """Mean log and its standard error over trainings and templates, in plain numpy."""
    logs = np.log(np.stack([effects[f"zero[{number}]", "L1"] for number in range(1, count + 1)]))
    cells = logs.reshape(count, GRID.families, GRID.templates, GRID.items).mean(axis=3)
    templates = cells.mean(axis=0)
    of_items = (templates.var(axis=1, ddof=1) / GRID.templates).sum() / GRID.families**2
    of_trainings = cells.mean(axis=(1, 2)).var(ddof=1) / count
    return float(cells.mean()), math.sqrt(of_items + of_trainings)


def test_the_limit_is_that_over_trainings_and_items() -> None:
    effects = trainings()
    mean, se = by_hand(effects)
    verdict = grade(at_least(0.2), found(effects))
    assert verdict.estimate == pytest.approx(math.exp(mean))
    plain = mean - t.ppf(0.995, 7) * se
    assert verdict.lower is not None
    assert math.log(verdict.lower) <= plain + 1e-9
    assert math.log(verdict.lower) == pytest.approx(plain, abs=0.15 * se)
    assert verdict.n_units == 8
    assert "n = 8 training seeds" in verdict.reason
    assert verdict.grade == "High", verdict.reason


def test_one_training_with_many_items_would_have_been_sure_of_itself() -> None:
    """Trainings that differ by a factor: every one of them alone is far from its bound, all together are not."""
    effects = trainings(spread=1.5, seed=3)
    mean, se = by_hand(effects)
    bound = math.exp(mean - 1.5 * se)
    assert grade(at_least(bound), found(effects)).grade in ("Pending", "Medium")


def test_seeds_that_repeat_one_run_bit_for_bit_are_one() -> None:
    effects = trainings()
    cloned = {(f"zero[{number}]", site): effects["zero[1]", site] for number in range(1, 9) for site in ("L1", "L3")}
    verdict = grade(at_least(0.2), found(cloned))
    assert (verdict.grade, verdict.code) == ("Pending", "too_few_repetitions")
    assert (
        verdict.reason == "needs n = 5 training seeds; has 8, of which 1 differ (the others repeat them cell by cell)"
    )


def test_seeds_whose_runs_have_one_digest_are_one() -> None:
    marks = {number: "same" if number > 3 else str(number) for number in range(1, 9)}
    verdict = grade(at_least(0.2), found(trainings(), marks=marks))
    assert (verdict.grade, verdict.code) == ("Pending", "too_few_repetitions")
    assert "of which 4 differ" in verdict.reason


def test_a_seed_that_repeats_another_changes_no_estimate() -> None:
    effects = trainings()
    twice = effects | {("zero[9]", site): effects["zero[2]", site] for site in ("L1", "L3")}
    one, other = grade(at_least(0.2), found(effects)), grade(at_least(0.2, count=9), found(twice))
    assert (one.grade, one.estimate, one.lower, one.n_units) == (other.grade, other.estimate, other.lower, 8)


def test_seeds_that_change_nothing_but_noise_between_items_are_none() -> None:
    """The means of all trainings agree to the last digit, though their items scatter."""
    random, effects = np.random.default_rng(5), {}
    for number in range(1, 9):
        for site in ("L1", "L3"):
            each = 0.5 * random.standard_normal((GRID.families * GRID.templates, GRID.items))
            effects[f"zero[{number}]", site] = 3.0 + (each - each.mean()).reshape(-1)
    verdict = grade(at_least(0.2), found(effects))
    assert (verdict.grade, verdict.code) == ("Pending", "repetitions_too_alike")


def test_a_training_that_is_missing_is_said_by_its_number() -> None:
    effects = trainings()
    del effects["zero[4]", "L1"]
    verdict = grade(at_least(0.2), found(effects))
    assert (verdict.code, verdict.reason) == ("not_measured", "no values for zero[4] at L1")


def test_trainings_are_graded_in_the_suite_only() -> None:
    claim = repeated({"form": "threshold", "component": "L1", "at_least": 0.2, "scope": "beyond_suite"})
    grid = Grid(families=12, templates=4, items=1)
    random = np.random.default_rng(0)
    effects = {(f"zero[{n}]", site): np.exp(grid.spread(random)) for n in range(1, 9) for site in ("L1", "L3")}
    verdict = grade(claim, evidence(grid, effects, {}, sweep=("L1", "L3")))
    assert (verdict.grade, verdict.code) == ("Pending", "in_suite_only")


MANY = Grid(families=4, templates=30, items=2)


def answered(rate: float, seed: int) -> Floats:
    """0 or 1 for each example."""
    return (np.random.default_rng(seed).random(MANY.n) < rate).astype(float)


def answers(trainings: int = 8, alike: bool = False, **changed: Any) -> Evidence:
    """So many trainings after which half the answers are right, and copies up to eight; of 20 draws of a control 15, or
    `alike` all, after which the first two are."""
    effects = {(f"zero[{number}]", "L1"): answered(0.5, min(number, trainings)) for number in range(1, 9)}
    first = (np.arange(MANY.n) < 2).astype(float)
    control = {("zero", "L1", n): first if alike or n < 15 else np.maximum(first, answered(0.2, n)) for n in range(20)}
    return evidence(MANY, effects, control, **{"sweep": ("L1",), **changed})


UNLIKE = {draw: f"digest {draw}" for draw in range(20)}


@pytest.mark.parametrize("alike", [False, True])
def test_trainings_of_a_control_that_answer_alike_are_two_where_they_measured_something_else(alike: bool) -> None:
    verdict = grade(at_least(0.2, quantity="signed"), answers(alike=alike, draw_marks=UNLIKE))
    assert verdict.grade == "High", verdict.reason


@pytest.mark.parametrize(
    ("marks", "distinct"),
    [({}, 6), (UNLIKE | {7: UNLIKE[3]}, 19), (dict.fromkeys(range(20), "one digest"), 1)],
    ids=["unmarked", "one clone", "all clones"],
)
def test_trainings_of_a_control_that_repeat_one_are_one(marks: Mapping[int, str], distinct: int) -> None:
    verdict = grade(at_least(0.2, quantity="signed"), answers(draw_marks=marks))
    assert (verdict.grade, verdict.code) == ("Pending", "cloned_draws")
    assert f"only {distinct} of 20 control draws are distinct" in verdict.reason


@pytest.mark.parametrize(("marks", "clones"), [({}, True), (UNLIKE, False), (UNLIKE | {7: UNLIKE[3]}, True)])
def test_draws_that_stay_at_a_floor_are_two_where_they_measured_something_else(
    marks: Mapping[int, str], clones: bool
) -> None:
    """Ratios of floors are exactly 1; each draw has a few other values, of its own."""
    random, drawn = np.random.default_rng(3), {}
    for draw in range(20):
        drawn["zero", "L1", draw] = np.ones(MANY.n)
        drawn["zero", "L1", draw][:2] = random.uniform(1.1, 1.4, 2)
    effects = {(f"zero[{n}]", "L1"): np.exp(1 + MANY.spread(np.random.default_rng(n), 0.2)) for n in range(1, 9)}
    verdict = grade(at_least(1.2), evidence(MANY, effects, drawn, sweep=("L1",), draw_marks=marks))
    assert (verdict.code == "cloned_draws") == clones, verdict.reason


def test_seeds_whose_runs_answer_alike_are_two_where_they_measured_something_else() -> None:
    claim, marks = at_least(0.2, quantity="signed"), {number: str(number) for number in range(1, 9)}
    verdict = grade(claim, answers(4, marks=marks, draw_marks=UNLIKE))
    assert verdict.n_units == 8, verdict.reason
    assert grade(claim, answers(4, draw_marks=UNLIKE)).code == "too_few_repetitions"


EFFICIENT = paired("efficiency", factor=3.0, at_most=0.25, larger="better")


def efficiency(at_most: float = 0.25) -> MeasuredClaim:
    return repeated({**EFFICIENT, "at_most": at_most})


def test_efficiency_is_a_count_and_a_shortfall() -> None:
    verdict = grade(efficiency(), found(trainings(spread=0.1), drawn=0.01))
    assert verdict.grade == "High", verdict.reason
    (size,) = [each for each in verdict.conditions if each.name == "size"]
    assert size.met
    assert size.detail == "L1 has 0.25x the parameters of L3 (100 of 400; at most 0.25x is claimed)"


def test_a_count_above_what_is_claimed_refutes_whatever_the_quality() -> None:
    verdict = grade(efficiency(0.24), found(trainings(spread=0.1), drawn=0.01))
    assert (verdict.grade, verdict.code) == ("Refuted", "refuted_by_count")
    assert verdict.reason == "L1 has 0.25x the parameters of L3 (100 of 400; at most 0.24x is claimed)"


def test_a_size_that_is_an_estimate_is_none() -> None:
    effects = trainings(spread=0.1)
    sizes = {("parameters", *place): np.linspace(99, 101, GRID.n) for place in effects}
    verdict = grade(efficiency(), found(effects, drawn=0.01, companions=sizes))
    assert (verdict.grade, verdict.code) == ("Pending", "size_not_exact")


def test_worse_quality_refutes_an_efficient_way() -> None:
    effects = trainings(spread=0.1)
    worse = {place: values * (0.1 if place[1] == "L1" else 1) for place, values in effects.items()}
    verdict = grade(efficiency(), found(worse, drawn=0.01))
    assert (verdict.grade, verdict.code) == ("Refuted", "refuted")


def timed(factor: float, sessions: int = 12) -> dict[tuple[str, str], Floats]:
    """Seconds: L3 takes `factor` times as long as L1; a session slows both alike, and each by a little."""
    random, taken = np.random.default_rng(11), {}
    for number in range(1, sessions + 1):
        slow = 0.3 * random.standard_normal()
        for site, level in (("L1", 0.2), ("L3", 0.2 * factor)):
            own = slow + 0.02 * random.standard_normal() + GRID.spread(random, 0.03, 0.02)
            taken[f"zero[{number}]", site] = level * np.exp(own)
    return taken


def speed(at_least: float, larger: str = "slower") -> MeasuredClaim:
    return repeated(paired("speed", at_least=at_least, larger=larger), what="sessions", count=12)


@pytest.mark.parametrize(("factor", "expected"), [(2.0, "High"), (1.0, "Refuted")])
def test_speed_is_compared_session_by_session(factor: float, expected: str) -> None:
    verdict = grade(speed(1.3), found(timed(factor), drawn=0.2, apart=0.02))
    assert verdict.grade == expected, verdict.reason
    assert "as fast as L3" in verdict.reason
    assert "n = 12 sessions" in verdict.reason


def test_a_rate_is_faster_where_it_is_larger() -> None:
    rates = found({place: 1 / values for place, values in timed(2.0).items()}, drawn=0.2, apart=0.02)
    assert grade(speed(1.3, "faster"), rates).grade == "High"
    assert grade(speed(1.3, "slower"), rates).grade == "Refuted"


def test_eleven_sessions_are_too_few() -> None:
    claim = repeated(paired("speed", at_least=1.3), what="sessions", count=11)
    verdict = grade(claim, found(timed(1.5, 11)))
    assert (verdict.grade, verdict.code) == ("Pending", "too_few_repetitions")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expect": {"form": "proportion", "component": "L1", "at_least": 0.5}}, "form proportion is not for training"),
        (
            {"expect": {**EFFICIENT, "size": "bytes"}},
            "expect.size is `bytes`, but evaluator simulated counts parameters",
        ),
        ({"counterfactual": {"intervention": "resample", "seed": 2}}, "an intervention's seed is that of the training"),
        (
            {"metric": "once"},
            "form efficiency compares whole trainings or sessions, which evaluator simulated does not",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(change: dict[str, Any], said: str) -> None:
    claim = repeated(EFFICIENT).model_dump(mode="json", exclude_none=True)
    if change.get("metric") == "once":
        change = {"metric": {"evaluator": "simulated", "quantity": "positive", "world": WORLD}}
    with pytest.raises(ValidationError, match=said):
        ClaimAdapter.validate_python({**claim, **change})
