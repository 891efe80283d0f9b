"""tests of engine/grade: a claim over claims: the lowest grade of its children, or refuted by one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from mi_atlas.engine.grade import Verdict, grade, grade_composite, pending
from mi_atlas.specs.claim import ClaimAdapter, CompositeClaim, MeasuredClaim

from .worlds import at_least, sweep, top

Child = tuple[MeasuredClaim, Verdict]

MOVES: CompositeClaim = ClaimAdapter.validate_python(  # type: ignore[assignment]
    {
        "claim": "test/moves",
        "statement": "The hub differs between the models.",
        "expect": {"form": "migration", "claims": ["test/small", "test/large"]},
    }
)


def child(name: str, component: str, found: Any = None, **changed: Any) -> Child:
    """A top_component claim on a model of its own; L0 is on top of the small world, L1 of the large one."""
    worlds = {"small": sweep([1.0, 0.2, 0.1]), "large": sweep([0.2, 1.0, 0.1])}
    document = top(component, claim=f"test/{name}", model=name, **changed)
    return document, grade(document, found or worlds[name])


def test_two_high_children_with_different_sites_are_high() -> None:
    verdict = grade_composite(MOVES, [child("small", "L0"), child("large", "L1")])
    assert (verdict.grade, verdict.code, verdict.claim) == ("High", "holds", "test/moves")
    assert verdict.reason == "on top: L0 in small and L1 in large; each High"
    assert verdict.n_units == 120
    assert verdict.n_raw == 960
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_the_weakest_child_decides() -> None:
    found = replace(sweep([0.2, 1.0, 0.1]), registered_before_data=False)
    verdict = grade_composite(MOVES, [child("small", "L0"), child("large", "L1", found)])
    assert (verdict.grade, verdict.code, verdict.qualifiers) == ("Medium", "post_hoc", ("post hoc",))
    document, _ = child("large", "L1")
    lost = grade_composite(MOVES, [child("small", "L0"), (document, pending(document, "weights_missing", "not here"))])
    assert (lost.grade, lost.code) == ("Pending", "weights_missing")
    assert "not here" in lost.reason


def test_a_refuted_child_refutes_at_alpha_over_children() -> None:
    verdict = grade_composite(MOVES, [child("small", "L0"), child("large", "L2")])
    assert (verdict.grade, verdict.code) == ("Refuted", "child_refuted")
    document, refuted = child("large", "L2")
    weak = replace(refuted, p_refute=0.0026)
    verdict = grade_composite(MOVES, [child("small", "L0"), (document, weak)])
    assert (verdict.grade, verdict.code) == ("Pending", "inconclusive"), ".0026 is not below .005 / 2"


def test_the_same_site_on_top_of_both_refutes() -> None:
    same = sweep([1.0, 0.2, 0.1], seed=5)
    verdict = grade_composite(MOVES, [child("small", "L0"), child("large", "L0", same)])
    assert (verdict.grade, verdict.code) == ("Refuted", "same_component")
    document, high = child("large", "L0", same)
    unsure = replace(high, grade="Medium")
    assert grade_composite(MOVES, [child("small", "L0"), (document, unsure)]).grade == "Pending"


@pytest.mark.parametrize(
    "other",
    [
        {"suite": "narrow-4"},
        {"counterfactual": {"intervention": "resample"}},
        {"granularity": ["layer", "mlp"]},
        {"model": "small"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_children_that_ask_different_questions_are_not_compared(other: dict[str, Any]) -> None:
    first, second = child("small", "L0"), child("large", "L1")
    changed = top("L1", **{"claim": "test/large", "model": "large", **other})
    verdict = grade_composite(MOVES, [first, (changed, second[1])])
    assert (verdict.grade, verdict.code) == ("Pending", "children_not_comparable")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"suite": "narrow-4"}, "on top: L0 on main-12 and L1 on narrow-4; each High"),
        ({"only": "clean_correct"}, "on top: L0 in test/small and L1 in test/large; each High"),
        ({"only": "clean_correct", "suite": "narrow-4"}, "on top: L0 on main-12 and L1 on narrow-4; each High"),
    ],
    ids=["suite", "metric", "both"],
)
def test_the_hub_moves_with_the_suite_or_with_a_setting_of_the_metric_too(other: dict[str, Any], said: str) -> None:
    first, second = child("small", "L0"), child("large", "L1")
    metric = {name: other[name] for name in other if name == "only"}
    suite = {name: other[name] for name in other if name == "suite"}
    document = top("L1", claim="test/large", model="small", **suite)
    document = document.model_copy(update={"metric": document.metric.model_copy(update=metric)})
    verdict = grade_composite(MOVES, [first, (document, second[1])])
    assert (verdict.grade, verdict.reason) == ("High", said)
    same = document.model_copy(update={"expect": first[0].expect})
    assert grade_composite(MOVES, [first, (same, first[1])]).code == "same_component"


def test_only_top_component_claims_migrate() -> None:
    document = at_least(0.1, claim="test/large", model="large")
    verdict = grade_composite(MOVES, [child("small", "L0"), (document, child("large", "L1")[1])])
    assert verdict.code == "children_not_comparable"
