"""tests of engine/grade: judged scores in the rule: what keeps them from counting, and what they are corrected by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.calibrate.judged import CONDITION, LABEL, VERSUS, World, claim, document, evidence, labelled
from mi_atlas.engine.grade import Evidence, Verdict, grade
from mi_atlas.engine.grade.correction import to_label
from mi_atlas.engine.grade.gate import Gate
from mi_atlas.engine.grade.inference import Layout
from mi_atlas.engine.grade.judge_checks import GateCheck
from mi_atlas.engine.grade.judged import Judging, worst_cases
from mi_atlas.engine.grade.length import intercept
from mi_atlas.specs.claim import MeasuredClaim

from .worlds import Floats

FAIR = World("won three in four, by a fair judge", bias=0.0, skill=0.45, wins=0.75)
PLACE = LABEL, CONDITION
BAD = GateCheck("gold agreement", 0.42, 0.75, False, "gold agreement .42 < .75 (lower 95% bound; 54 of 105)")


def fair(seed: int = 0, world: World = FAIR) -> tuple[Evidence, Floats]:
    return evidence(world, np.random.default_rng(seed))


def judged(found: Evidence, about: MeasuredClaim | None = None, **changed: Any) -> Verdict:
    judging = replace(found.judging, **changed) if changed and found.judging else found.judging
    return grade(about or claim(), replace(found, judging=judging), calibration=True)


def stated(**fields: Any) -> MeasuredClaim:
    """The claim with other fields."""
    return MeasuredClaim.model_validate(document() | fields)


def test_high_needs_labels() -> None:
    found, people = fair()
    without = judged(found)
    assert (without.grade, without.code) == ("Medium", "uncorrected"), without.reason
    assert "not corrected against labels of people (n = 0; needs 100 a condition)" in without.reason
    few = judged(labelled(found, people, 99))
    assert "n = 99; needs 100" in few.reason
    assert few.estimate == without.estimate
    corrected = judged(labelled(found, people, 100))
    assert corrected.grade == "High", corrected.reason
    assert corrected.estimate != without.estimate
    assert corrected.estimate == pytest.approx(people.mean(), abs=0.08)


def test_labels_that_were_chosen_do_not_count() -> None:
    """150 answers that the condition won, of 300, would make any claim true; only the beginning of the draw counts."""
    found, people = fair(world=World("equal", bias=0.0))
    chosen = np.where((people == 1) & (np.cumsum(people) <= 120), 1.0, np.nan)
    verdict = judged(found, labels={PLACE: chosen})
    assert verdict.grade != "High"
    gold = next(check for check in verdict.conditions if check.name == "gold labels")
    assert int(gold.detail.split("n = ")[1].split(";")[0]) < 15, gold.detail


def test_a_judge_that_failed_says_nothing() -> None:
    found, people = fair()
    found = labelled(found, people, 100)
    for changed in ({"gates": (Gate("judge-one", "overall", (BAD,), 0.3),)}, {"checks": (BAD, BAD)}, {"gates": ()}):
        verdict = judged(found, **changed)
        assert (verdict.grade, verdict.code) == ("Pending", "judge_failed")
    assert judged(found, checks=(BAD,)).reason == f"judge failed: {BAD.text}"
    one = judged(found, gates=(Gate("judge-one", "overall", (BAD,), 0.3),))
    assert one.reason == f"judge failed: {BAD.text} [judge-one]"
    assert judged(replace(found, judging=None)).reason == "judge failed: it was put to no gate"


@pytest.mark.parametrize("wins", [0.2, 0.9])
def test_a_judge_that_failed_neither_refutes_nor_shows_anything(wins: float) -> None:
    found, _ = fair(world=replace(FAIR, wins=wins))
    assert judged(found, checks=(BAD,)).grade == "Pending"
    assert judged(found).grade == ("Refuted" if wins < 0.5 else "Medium")


def test_medium_is_the_most_of_a_judge_whose_alpha_is_not_high() -> None:
    found, people = fair()
    gates = (Gate("judge-one", "overall", (), 0.9), Gate("judge-two", "overall", (), 0.7))
    verdict = judged(labelled(found, people, 100), gates=gates)
    assert (verdict.grade, verdict.code) == ("Medium", "judge_not_high")
    assert "judge-two: gold alpha 0.7, below .8" in verdict.reason


def test_recorded_scores_are_graded_as_they_are_and_never_high() -> None:
    found, _ = fair()
    recorded = replace(found, origin="recorded", judging=None, companions={})
    verdict = grade(claim(), recorded)
    assert (verdict.grade, verdict.code) == ("Medium", "judge_not_high"), verdict.reason
    assert {"judge gate", "gold labels", "length"} <= {each.name for each in verdict.conditions if not each.met}
    against, _ = fair(world=replace(FAIR, wins=0.2))
    assert grade(claim(), replace(against, origin="recorded", judging=None)).grade == "Refuted"


def missing(found: Evidence, count: int) -> Evidence:
    values = found.effects[PLACE].copy()
    values[:count] = np.nan
    return replace(found, effects={PLACE: values})


def test_answers_that_were_not_scored_are_graded_at_the_worst() -> None:
    found, _ = fair()
    ends = list(worst_cases(missing(found, 3), (0.0, 1.0)))
    assert [each.effects[PLACE][:4].tolist() for each in ends] == [
        [end] * 3 + [found.effects[PLACE][3]] for end in (0, 1)
    ]
    assert list(worst_cases(found, (0.0, 1.0))) == [found]
    few = judged(missing(found, 3))
    assert few.grade == "Medium"
    assert few.estimate == pytest.approx(ends[0].effects[PLACE].mean())
    many = judged(missing(found, 120))
    assert (many.grade, many.code) == ("Pending", "judge_failures_decide"), many.reason
    assert many.reason.startswith("judge failed: answers that were not scored decide between ")
    assert many.reason.endswith(" and Medium")


def test_control_draws_that_were_not_scored_are_an_arm_of_their_own() -> None:
    found, _ = fair()
    control = {place: np.where(np.arange(len(values)) < 30, np.nan, values) for place, values in found.control.items()}
    ends = list(worst_cases(replace(missing(found, 3), control=control), (0.0, 1.0)))
    assert len(ends) == 4
    assert judged(replace(found, control=control)).grade == "Medium"


def test_of_many_arms_each_is_set_against_the_others() -> None:
    found, _ = fair()
    effects = {(LABEL, f"c{number}"): np.array([np.nan, 1.0]) for number in range(6)}
    ends = list(worst_cases(replace(found, effects=effects, control={}), (1.0, 5.0)))
    firsts = {tuple(each.effects[LABEL, f"c{number}"][0] for number in range(6)) for each in ends}
    assert len(ends) == len(firsts) == 2 + 2 * 6
    assert (1.0, 5, 5, 5, 5, 5) in firsts


def test_where_length_decides_nothing_is_decided() -> None:
    found, _ = fair(world=World("equal", bias=0.4, skill=0.1))
    verdict = judged(found)
    assert (verdict.grade, verdict.code) == ("Pending", "judge_length")
    assert verdict.reason.startswith("judge failed: length decides: 0.")
    assert judged(replace(found, companions={})).reason == "judge failed: length: nothing says how long the answers are"
    shorter = {key: values if key[2] == CONDITION else 40 * values for key, values in found.companions.items()}
    assert judged(replace(found, companions=shorter)).grade != "Pending"


def test_the_intercept_is_that_of_least_squares_with_whites_errors() -> None:
    """Against (X'X)^-1 X' diag(e^2) X (X'X)^-1 n / (n - 2), literally."""
    random = np.random.default_rng(0)
    ratios = 0.5 + random.standard_normal(60)
    units = 0.3 + 0.2 * ratios + random.standard_normal(60) * (1 + (ratios > 0))
    layout = Layout(("a", "b"), (0, 30), np.array([30.0, 30.0]))
    value, se, df = intercept(units, ratios, layout)
    design = np.stack([np.ones(60), ratios], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ units
    squares = (units - design @ beta) ** 2
    covariance = inverse @ (design.T * squares) @ design @ inverse * 60 / 58
    assert (value, se, df) == (pytest.approx(beta[0]), pytest.approx(covariance[0, 0] ** 0.5), 58)
    assert intercept(units, np.zeros(60), layout)[0] == pytest.approx(units.mean())
    assert intercept(units, np.ones(60), layout)[1] == np.inf
    uneven = Layout(("a", "b"), (0, 50), np.array([50.0, 10.0]))
    assert intercept(units, np.zeros(60), uneven)[0] == pytest.approx((units[:50].mean() + units[50:].mean()) / 2)


def scores(shift: float, seed: int = 0) -> tuple[Evidence, Mapping[tuple[str, str], Floats]]:
    """Scores of two conditions by a judge a point too kind to the first, whose answers are `shift` better; people's."""
    found, _ = fair(seed)
    random, n = np.random.default_rng(seed + 1), len(found.examples)
    common = 3 + random.standard_normal(n)
    people = {
        CONDITION: common + shift + 0.3 * random.standard_normal(n),
        VERSUS: common + 0.3 * random.standard_normal(n),
    }
    said = {name: values + (name == CONDITION) + 0.5 * random.standard_normal(n) for name, values in people.items()}
    effects = {(LABEL, name): values for name, values in said.items()}
    control = {(LABEL, CONDITION, draw): 1 + 0.3 * random.random(n) for draw in range(20)}
    equal = {key: np.full(n, 50.0) for key in found.companions}
    whole = replace(found, effects=effects, control=control, companions=equal)
    return whole, {(LABEL, name): values for name, values in people.items()}


def test_conditions_are_corrected_each_by_its_own_labels() -> None:
    """Uncorrected the first is a point better; in truth it is a point worse, as the labels show."""
    metric = {name: value for name, value in document()["metric"].items() if name != "versus"} | {"quantity": "score"}
    sides = {"test": {"component": CONDITION}, "reference": {"component": VERSUS}}
    expect = {"form": "non_inferiority", **sides, "difference": 0.5, "larger": "better"}
    about = stated(metric=metric, expect=expect)
    found, people = scores(-1.0)
    assert judged(found, about).grade == "Medium"
    for place, values in people.items():
        found = labelled_at(found, place, values)
    verdict = judged(found, about)
    assert (verdict.grade, verdict.estimate) == ("Refuted", pytest.approx(1.0, abs=0.15)), verdict.reason
    better, people = scores(0.0)
    for place, values in people.items():
        better = labelled_at(better, place, values)
    assert judged(better, about).grade == "High", judged(better, about).reason


def labelled_at(found: Evidence, place: tuple[str, str], people: Floats) -> Evidence:
    assert found.judging is not None
    whole = labelled(found, people, 100).judging
    assert whole is not None
    return replace(found, judging=replace(whole, labels={**found.judging.labels, place: whole.labels[PLACE]}))


def test_labels_of_trainings_are_drawn_over_all_of_them() -> None:
    """Eight trainings of 300 answers each; 100 of the 2,400 are labelled, and the judge is .2 too kind to all."""
    found, _ = fair()
    random, numbers = np.random.default_rng(2), range(1, 9)
    people = {number: (random.random(300) < 0.8).astype(float) for number in numbers}
    effects = {(f"{LABEL}[{number}]", CONDITION): values + 0.2 for number, values in people.items()}
    lengths = {
        (name, f"{word}[{number}]", site): values
        for (name, word, site), values in found.companions.items()
        for number in numbers
    }
    ids = [f"{LABEL}[{number}]/{example}" for number in numbers for example in found.examples]
    labels = np.full(2400, np.nan)
    drawn = to_label(ids, 100)
    labels[drawn] = np.concatenate(list(people.values()))[drawn]
    known = dict(zip(effects, labels.reshape(8, 300), strict=True))
    found = replace(found, effects=effects, companions=lengths)
    metric = {name: value for name, value in document()["metric"].items() if name != "models"}
    about = stated(metric=metric | {"recipes": {CONDITION: "some-recipe", VERSUS: "base"}, "seeds": 8})
    without, corrected = judged(found, about), judged(found, about, labels=known)
    assert without.estimate == pytest.approx(1.0, abs=0.02)
    assert corrected.estimate == pytest.approx(0.8, abs=0.02)
    assert (without.grade, corrected.grade) == ("Medium", "High"), corrected.reason
    known[f"{LABEL}[3]", CONDITION][:] = np.nan
    assert judged(found, about, labels=known).code == "uncorrected"


def test_counts_are_taken_as_they_are() -> None:
    found, people = fair()
    expect = {"form": "proportion", "component": CONDITION, "at_least": 0.5}
    verdict = judged(labelled(found, people, 100), stated(expect=expect))
    assert (verdict.grade, verdict.code) == ("Medium", "uncorrected"), verdict.reason
    assert "form proportion takes the scores as they are" in verdict.reason


def test_other_claims_are_not_asked_for_judges() -> None:
    found, _ = fair()
    assert isinstance(found.judging, Judging)
    metric = {name: value for name, value in document()["metric"].items() if name not in ("versus", "judges")}
    about = stated(metric=metric | {"evaluator": "generation", "quantity": "passed"})
    names = {each.name for each in grade(about, replace(found, judging=None), calibration=True).conditions}
    assert not {"judge gate", "gold labels", "length"} & names
