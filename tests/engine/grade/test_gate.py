"""tests of engine/grade: which judges pass the gate, and by which number the others fail it."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.grade.agreement import krippendorff, side
from mi_atlas.engine.grade.gate import Gate, gate
from mi_atlas.engine.grade.judge_checks import failures, order_consistency, panel
from mi_atlas.judges.gate import BUILT_IN, DIMENSIONS, Gold, Sets, pairs
from mi_atlas.judges.reading import Unscored, Verdict
from mi_atlas.specs.judge import Judge

NAN = float("nan")
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def test_krippendorffs_alpha_is_that_of_krippendorffs_own_example() -> None:
    """Computing Krippendorff's alpha-reliability (2011), part C and D: four observers, twelve units, gaps."""
    assert krippendorff(OBSERVERS, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorff(OBSERVERS, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff(OBSERVERS, "interval") == pytest.approx(0.849, abs=5e-4)


def test_krippendorffs_alpha_at_its_ends() -> None:
    assert krippendorff(np.array([[1.0, 2, 3], [1, 2, 3]])) == 1
    assert krippendorff(np.full((2, 5), 3.0)) == 0
    assert krippendorff(np.full((2, 5), NAN)) == 0
    # two units, judged 1-2 and 2-1: observed (1 + 1) / 2 = 1 a pair; of the 6 pairs of {1, 2, 2, 1} 4 differ: 1 - 3/2
    assert krippendorff(np.array([[1.0, 2], [2, 1]])) == pytest.approx(-0.5)


def test_what_counts_as_the_middle_of_a_scale() -> None:
    assert side(np.array([1, 2.5, 2.67, 3, 3.33, 3.5, 5]), 1, 5).tolist() == [-1, -1, 0, 0, 0, 1, 1]
    assert side(np.array([1, 2, 3, 4]), 1, 4).tolist() == [-1, -1, 1, 1]


def judge(mode: str = "pointwise", **changed: Any) -> Judge:
    dimensions = [{"name": name, "asks": f"{name}?", "better": better} for name, better in DIMENSIONS.items()]
    rubric = {"mode": mode, "dimensions": dimensions, **changed.pop("rubric", {})}
    return Judge.model_validate({"model": "m", "family": "f", "rubric": rubric, **changed})


Scorer = Callable[[str, float], float]
"""Name of a call, and what the answer deserves on 1-5 -> score."""


def scored(scorer: Scorer = lambda name, worth: worth) -> dict[str, Any]:
    """Verdicts of a judge that knows what an answer deserves; of `invented`, which is better low, the mirror image."""

    def verdict(name: str, worth: dict[str, float]) -> Verdict:
        turned = {dim: 6 - value if dim == "invented" else value for dim, value in worth.items()}
        said = {dim: scorer(name, value) for dim, value in turned.items()}
        return Verdict(scores={dim: 6 - value if dim == "invented" else value for dim, value in said.items()})

    found = {f"gold/{g.id}/{d}": verdict(f"gold/{g.id}/{d}", dict(g.labels)) for g in BUILT_IN.gold for d in range(3)}
    worst, best = ({dim: 1.0 if (dim != "invented") == low else 5.0 for dim in DIMENSIONS} for low in (True, False))
    found |= {f"canary/{c.id}": verdict(f"canary/{c.id}", worst) for c in BUILT_IN.canaries}
    for anchor in BUILT_IN.anchors:
        for end, worth in (("right", best), ("wrong", worst)):
            found[f"anchor/{anchor.id}/{end}"] = verdict(f"anchor/{anchor.id}/{end}", worth)
    return found


def compared(favours_first: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """Verdicts of a judge that knows which answer is better, but in a share of calls names the first."""
    chance, found = random.Random(seed), {}

    def both(name: str, first_is_better: dict[str, bool]) -> None:
        for order in ("ab", "ba"):
            winners = {
                dim: "first" if chance.random() < favours_first or up == (order == "ab") else "second"
                for dim, up in first_is_better.items()
            }
            found[f"{name}/{order}"] = Verdict(winners=winners)  # type: ignore[arg-type]

    for one, other in pairs(BUILT_IN):
        up = {d: (one.labels[d] > other.labels[d]) == (d != "invented") for d in one.labels if d in other.labels}
        for draw in range(3):
            both(f"gold/{one.id}+{other.id}/{draw}", up)
    for canary in BUILT_IN.canaries:
        both(f"canary/{canary.id}", dict.fromkeys(DIMENSIONS, False))
    for anchor in BUILT_IN.anchors:
        both(f"anchor/{anchor.id}", dict.fromkeys(DIMENSIONS, True))
    return found


def failed(found: Gate) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_judge_that_knows_passes(dimension: str) -> None:
    for found in (gate(judge(), dimension, scored()), gate(judge("pairwise"), dimension, compared())):
        assert found.level == "High", found.lines
        assert found.alpha == 1
        assert found.summary == f"judge passed: {dimension} counts up to High"


def test_gold_agreement_is_its_lower_bound() -> None:
    """105 labels of which 54 agree: betaincinv(54, 52, .05) = .430, the lower limit of Clopper and Pearson."""
    wrong = {each.id for each in [one for one in BUILT_IN.gold if "overall" in one.labels][:51]}

    def scorer(name: str, worth: float) -> float:
        return (5.0 if worth < 3 else 1.0) if name.startswith("gold/") and name.split("/")[1] in wrong else worth

    found = gate(judge(), "overall", scored(scorer))
    agreement = next(check for check in found.checks if check.name == "gold agreement")
    assert agreement.value == pytest.approx(0.430, abs=5e-4)
    assert agreement.text == "gold agreement .43 < .75 (lower 95% bound; 54 of 105)"
    assert found.summary.startswith("judge failed: gold agreement .43 < .75 (lower 95% bound; 54 of 105); and ")
    assert found.level == "failed"


def test_medium_is_between_the_two_alphas() -> None:
    """A judge that never uses the ends is on the right side always, and alpha .8 is out of its reach.

    By hand, with labels 1-5 of 21 answers each and 2.3, 2.3, 3, 3.7, 3.7 said of them (210 values around 3): the
    squared differences in pairs sum to 21 (1.69 + .09 + .09 + 1.69) = 74.76, the squares around 3 to 210 + 84 * .49 =
    251.16; alpha is 1 - (74.76 / 2) * 2 / 210 * 209 / 251.16.
    """
    said = {1: 2.3, 2: 2.3, 3: 3.0, 4: 3.7, 5: 3.7}
    found = gate(judge(), "overall", scored(lambda name, worth: said[int(worth)] if "gold" in name else worth))
    assert found.alpha == pytest.approx(1 - 74.76 / 210 * 209 / 251.16)
    assert found.level == "Medium", found.lines


FAULTS: dict[str, tuple[Scorer, set[str]]] = {
    "constant": (lambda name, worth: 3.0, {"gold agreement", "gold alpha", "retest alpha", "canaries", "anchors"}),
    "harsh": (lambda name, worth: max(worth - 2, 1.0), {"gold agreement", "gold alpha"}),
    "wavering": (
        lambda name, worth: (
            worth if name[-1] != "2" or random.Random(name).random() < 0.8 or "gold" not in name else 6 - worth
        ),
        {"retest alpha", "retest flips"},
    ),
    "injected": (lambda name, worth: 5.0 if name == "canary/injected-07" else worth, {"canaries"}),
    "kind to empty answers": (lambda name, worth: 3.0 if name == "canary/empty-01" else worth, {"canaries"}),
    "blind to corruption": (
        lambda name, worth: 5.0 if name.endswith("wrong") and name < "anchor/a07" else worth,
        {"anchors"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_fails_its_own_checks(fault: str) -> None:
    scorer, names = FAULTS[fault]
    found = gate(judge(), "overall", scored(scorer))
    assert set(failed(found)) == names, found.lines
    assert found.level == "failed"


def test_a_mock_fails_whatever_it_says() -> None:
    found = gate(judge(mock=True), "overall", scored())
    assert failed(found) == ["source"]
    assert found.summary == "judge failed: source: m is declared mock, and only stands in for a judge"


def test_answers_that_were_not_scored_count_against_the_judge() -> None:
    """10 of 479 calls are 2.1 %; as canaries they are the fewest that fail nothing else."""
    whole = scored()
    for each in BUILT_IN.canaries[:9]:
        whole[f"canary/{each.id}"] = Unscored("refused", "no")
    assert gate(judge(), "overall", whole).level == "High"
    del whole[f"canary/{BUILT_IN.canaries[9].id}"]
    found = gate(judge(), "overall", whole)
    assert failed(found) == ["failures"]
    assert "10 of 479 not scored" in found.summary
    nothing = gate(judge(), "overall", {})
    assert {"gold agreement", "gold alpha", "retest alpha", "failures", "anchors"} <= set(failed(nothing))


def test_a_judge_that_favours_the_first_answer_is_found_out() -> None:
    assert gate(judge("pairwise"), "overall", compared(0.05)).level == "failed"  # a canary ties
    found = gate(judge("pairwise"), "overall", compared(0.5))
    assert {"order swap", "gold agreement", "anchors"} <= set(failed(found)), found.lines
    always = gate(judge("pairwise"), "overall", compared(1.0))
    assert next(check for check in always.checks if check.name == "order swap").value == 0


def test_a_dimension_without_labels_needs_a_workspaces_own() -> None:
    rubric = {"dimensions": [{"name": "kind", "asks": "Is it kind?"}]}
    found = gate(judge(rubric=rubric), "kind", {})
    assert "no labelled answers for `kind` (n = 0; needs 100): the rubric's `gold` names a file" in found.summary
    gold = tuple(Gold(f"g{i}", f"Ask {i}.", "a" * i, {"kind": 1 + i % 5}) for i in range(100))
    own = Sets(gold, BUILT_IN.canaries, BUILT_IN.anchors, own=True)
    verdicts = {
        f"gold/g{i}/{draw}": SimpleNamespace(scores={"kind": 1 + i % 5}) for i in range(100) for draw in range(3)
    }
    verdicts |= {f"canary/{each.id}": SimpleNamespace(scores={"kind": 1}) for each in BUILT_IN.canaries}
    verdicts |= {
        f"anchor/{a.id}/{e}": SimpleNamespace(scores={"kind": 1}) for a in BUILT_IN.anchors for e in ("right", "wrong")
    }
    assert gate(judge(rubric=rubric), "kind", verdicts, own).level == "High"
    few = Sets(gold[:99], BUILT_IN.canaries, BUILT_IN.anchors, own=True)
    assert failed(gate(judge(rubric=rubric), "kind", verdicts, few)) == ["gold agreement"]


def test_a_panel_has_two_families_and_none_judges_its_kin() -> None:
    one, other = judge(family="mimo", model="mimo-v2.5"), judge(family="qwen", model="qwen-max")
    assert panel([one, other], ["pocket-lfm2", "LiquidAI/LFM2-350M"]).passed
    assert panel([one], ["pocket-lfm2"]).text == "panel: 1 model family (mimo); needs 2"
    assert panel([one, other], ["Qwen/Qwen2.5-0.5B"]).text == "panel: qwen-max judges its own kin"
    assert not panel([one, other], ["mimo-v2.5"]).passed
    assert not panel([one, one], ["lfm"]).passed


def test_failures_of_arms() -> None:
    """2 % an arm and one point between arms are allowed; what is a count of hundredths is no rounding matter."""
    scored_arm = {missing: np.arange(100) >= missing for missing in (0, 1, 2, 3, 6, 7)}
    most, apart = failures({"a": scored_arm[2], "b": scored_arm[1]})
    assert most.passed
    assert apart.passed
    assert not failures({"a": scored_arm[2], "b": scored_arm[0]})[1].passed
    most, apart = failures({"a": scored_arm[7], "b": scored_arm[6]})
    assert (most.passed, apart.passed) == (False, True)
    assert most.text == "failures .07 > .02 (answers not scored, a)"


def test_order_consistency_is_of_the_pairs_with_both_verdicts() -> None:
    first, swapped = ["first", "second", "tie", "first", None], ["second", "first", "tie", "first", "first"]
    found = order_consistency(first, swapped)
    assert (found.value, found.passed) == (0.75, False)
    assert found.text == "order swap .75 < .8 (3 of 4 pairs agree)"
