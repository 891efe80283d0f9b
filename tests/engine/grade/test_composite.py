"""tests of engine/grade: the forms composite and stability, which rest on the verdicts of other claims."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import Verdict, grade, grade_composite, pending
from mi_atlas.specs.claim import ClaimAdapter, CompositeClaim, MeasuredClaim
from pydantic import ValidationError

from .test_rates import null
from .worlds import at_least, ratio, sweep, top

Child = tuple[MeasuredClaim, Verdict]
GRADES = ["High", "Medium", "Pending", "Refuted"]


def over(form: str, names: list[str], **expect: Any) -> CompositeClaim:
    document = {
        "claim": "test/over",
        "statement": "What follows from other claims.",
        "expect": {"form": form, "claims": names, **expect},
    }
    return ClaimAdapter.validate_python(document)  # type: ignore[return-value]


def verdict(name: str, grade: str, number: float = 0.0, **changed: Any) -> Verdict:
    """A verdict with numbers of its own."""
    whole: dict[str, Any] = {
        "claim": name,
        "grade": grade,
        "code": {"High": "holds", "Refuted": "refuted"}.get(grade, "inconclusive"),
        "reason": "because",
        "estimate": 2.0 + number,
        "lower": 1.5 + number,
        "upper": 3.0 + number,
        "n_raw": 480,
        "n_units": 120,
        "alpha": 0.005,
        "p_value": {"High": 1e-3, "Medium": 0.03}.get(grade, 0.5),
        "p_refute": 1e-6 if grade == "Refuted" else 0.9,
    }
    return Verdict(**(whole | changed))


def seeds(grades: list[str], make: Callable[..., MeasuredClaim] = top, **changed: Any) -> list[Child]:
    """One child a training seed, in all else the same claim."""
    return [
        (make(claim=f"test/seed{i}", model=f"model-s{i}", **changed), verdict(f"test/seed{i}", each, i / 1000))
        for i, each in enumerate(grades)
    ]


def stable(share: float, children: list[Child]) -> Verdict:
    return grade_composite(over("stability", [child.claim for child, _ in children], at_least=share), children)


def all_of(children: list[Child]) -> Verdict:
    return grade_composite(over("composite", [child.claim for child, _ in children]), children)


def test_a_conjunction_has_the_grade_of_its_weakest_claim() -> None:
    found = sweep([1.0, 0.2, 0.1])
    documents = [top("L0", claim="test/a"), at_least(0.2, claim="test/b"), ratio(1.5, claim="test/c")]
    children = [(document, grade(document, found)) for document in documents]
    whole = all_of(children)
    assert (whole.grade, whole.code, whole.reason) == ("High", "holds", "all 3 claims are High")
    assert (whole.n_raw, whole.n_units) == (1440, 120)
    assert whole.p_value == max(each.p_value for _, each in children)  # type: ignore[type-var]
    assert Verdict.from_json(whole.to_json()) == whole
    late = replace(found, registered_before_data=False)
    children[1] = documents[1], grade(documents[1], late)
    assert (all_of(children).grade, all_of(children).code) == ("Medium", "post_hoc")
    assert all_of(children).qualifiers == ("post hoc",)
    children[2] = documents[2], pending(documents[2], "weights_missing", "not here")
    assert (all_of(children).grade, all_of(children).code) == ("Pending", "weights_missing")


@pytest.mark.parametrize(("p", "expected"), [(0.0016, "Refuted"), (0.0017, "Pending")])
def test_a_conjunction_is_refuted_at_alpha_over_its_claims(p: float, expected: str) -> None:
    """.005 / 3 = .001667; the p-value of the whole is 3 times the least."""
    children = seeds(["High", "Pending", "High"])
    document = children[1][0]
    children[1] = document, verdict(document.claim, "Refuted", p_refute=p)
    whole = all_of(children)
    assert (whole.grade, whole.p_refute) == (expected, pytest.approx(3 * p))
    said = "test/seed1 is Refuted: because" if expected == "Refuted" else "test/seed1 is Refuted, but not at alpha / 3"
    assert whole.reason == said


def test_stability_by_hand() -> None:
    """A share of .8, of which a child is High by mistake with .005: .801^24 = .00486 < .005 < .801^23 = .00606."""
    high = stable(0.8, seeds(["High"] * 24))
    assert (high.grade, high.code, high.n_units) == ("High", "holds", 24), high.reason
    assert high.p_value == pytest.approx(0.801**24)
    assert high.lower == pytest.approx((0.005 ** (1 / 24) - 0.005) / 0.995)
    assert high.reason == "24 of 24 seeds agree, 0 do not, 0 are undecided (99.5% one-sided >= 0.801, needs 0.8)"
    fewer = stable(0.8, seeds(["High"] * 23))
    assert (fewer.grade, fewer.code) == ("Medium", "inconclusive_at_high")
    assert fewer.reason.endswith("needs 0.8); about n = 24 seeds would decide")
    few = stable(0.8, seeds(["High"] * 14))
    assert few.grade == "Pending", ".81^14 = .052 does not even do for Medium"
    assert stable(0.8, seeds(["High"] * 15)).grade == "Medium", ".81^15 = .042 does"


def test_what_is_not_high_is_no_agreement() -> None:
    """24 of 24 need not be High for Medium: there children that are Medium count; one that is Pending never does."""
    assert stable(0.8, seeds(["High"] * 20 + ["Medium"] * 4)).grade == "Medium"
    assert stable(0.8, seeds(["High"] * 20 + ["Pending"] * 4)).grade == "Pending"
    assert stable(0.5, seeds(["High"] * 20 + ["Pending"] * 4)).grade == "High"


def test_seeds_that_disagree_refute() -> None:
    """P(X >= 11 of 24 | .2 + .8 x .005 = .204) = .0046 and of 10 it is .0145, by summation."""

    def tail(count: int) -> float:
        return sum(math.comb(24, k) * 0.204**k * 0.796 ** (24 - k) for k in range(count, 25))

    assert tail(11) < 0.005 < tail(10)
    refuted = stable(0.8, seeds(["High"] * 13 + ["Refuted"] * 11))
    assert (refuted.grade, refuted.p_refute) == ("Refuted", pytest.approx(tail(11)))
    unsure = stable(0.8, seeds(["High"] * 14 + ["Refuted"] * 10))
    assert unsure.grade == "Pending"
    assert "seeds would decide" in unsure.reason
    assert stable(0.8, seeds(["Pending"] * 24)).grade == "Pending"


def test_a_second_look_spends_less() -> None:
    looked = [(child, replace(each, look=2, alpha=0.005 / 3)) for child, each in seeds(["High"] * 24)]
    assert (stable(0.8, looked).grade, stable(0.8, looked).alpha) == ("Medium", pytest.approx(0.005 / 3))


def test_seeds_make_one_claim_on_different_models() -> None:
    children = seeds(["High"] * 24)
    for changed, said in (
        ({"component": "L1"}, "the claims differ in expect"),
        ({"suite": "narrow-4"}, "the claims differ in suite"),
        ({"model": "model-s0"}, "two of the claims are about the same model"),
    ):
        other = top(**{"claim": "test/seed5", "model": "model-s5", **changed})
        odd = [*children[:5], (other, children[5][1]), *children[6:]]
        found = stable(0.8, odd)
        assert (found.grade, found.code) == ("Pending", "children_not_comparable")
        assert said in found.reason


def test_seeds_that_change_nothing_are_one_seed() -> None:
    children = seeds(["High"] * 24)
    children[7] = children[7][0], replace(children[3][1], claim="test/seed7")
    found = stable(0.8, children)
    assert (found.grade, found.code) == ("Pending", "cloned_seeds")
    assert "test/seed3 and test/seed7 have the very same numbers" in found.reason
    nulls = [(null(0.05), each) for _, each in children]
    nulls = [
        (n.model_copy(update={"claim": c.claim, "model": c.model}), v)
        for (n, v), (c, _) in zip(nulls, children, strict=True)
    ]
    assert stable(0.8, nulls).grade == "High", "counts of events may well agree"


def test_specs_name_different_claims() -> None:
    with pytest.raises(ValidationError, match="names a claim twice"):
        over("composite", ["a/b", "a/b"])
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.5"):
        over("stability", ["a/b", "a/c"], at_least=0.2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(GRADES), min_size=2, max_size=30), st.randoms(), st.sampled_from([0.5, 0.8]), st.data())
def test_order_is_of_no_matter_and_a_worse_child_raises_nothing(
    grades: list[str], random: Any, share: float, data: st.DataObject
) -> None:
    children = seeds(grades)
    shuffled = random.sample(children, len(children))
    at = data.draw(st.integers(0, len(grades) - 1))
    lost = [*children]
    lost[at] = children[at][0], pending(children[at][0], "timeout", "took too long")
    for decide in (all_of, lambda each: stable(share, each)):
        before, after = decide(children), decide(shuffled)
        assert (after.grade, after.p_value, after.p_refute) == (before.grade, before.p_value, before.p_refute)
        order = ["Pending", "Medium", "High"]
        if before.grade == "Refuted":
            assert decide(lost).grade in ("Refuted", "Pending")
        else:
            assert order.index(decide(lost).grade) <= order.index(before.grade)


@pytest.mark.parametrize("truth", [0.8, 0.5])
def test_false_grades_at_the_share(truth: float) -> None:
    """The claim is true in just so many seeds; a child errs with .005 each way, and finds what is true with .9."""
    random, found = np.random.default_rng(71), Counter[str]()
    documents = [child for child, _ in seeds(["High"] * 24)]
    verdicts = {each: [verdict(f"test/seed{i}", each, i / 1000) for i in range(24)] for each in GRADES}
    whole = over("stability", [child.claim for child in documents], at_least=truth)
    for _ in range(400):
        dice, holds = random.random(24), random.random(24) < truth
        grades = [
            ("High" if luck < 0.9 else "Refuted" if luck > 0.995 else "Pending")
            if true
            else ("Refuted" if luck < 0.9 else "High" if luck > 0.995 else "Pending")
            for true, luck in zip(holds, dice, strict=True)
        ]
        children = [(documents[i], verdicts[each][i]) for i, each in enumerate(grades)]
        found[grade_composite(whole, children).grade] += 1
    assert found["High"] <= 6, found
    assert found["Refuted"] <= 6, found
