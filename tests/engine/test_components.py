"""tests: claims about heads, classes of positions and several sites at once; examples that do not count; controls."""

from __future__ import annotations

from typing import Any

import pytest
from mi_atlas.engine.memo import Memo
from mi_atlas.engine.needs import Resolved
from mi_atlas.engine.resolve import Resolver
from mi_atlas.engine.select import load
from mi_atlas.specs.claim import ClaimAdapter
from pydantic import ValidationError

from .conftest import HUB, LAYERS, Desk, claim


def about(component: str, **sites: Any) -> dict[str, Any]:
    metric = {"evaluator": "ablation", "quantity": "kl", "sites": sites}
    return claim(component, metric=metric, expect={"form": "threshold", "component": component, "at_least": 1e-3})


def resolve(desk: Desk, document: dict[str, Any]) -> Resolved:
    """The runs of one claim of an otherwise empty workspace."""
    desk.write("small/one", document)
    claims, library = load(desk.workspace)
    return Resolver(library, Memo({}, {}, desk.root), desk.root).resolve(claims["small/one"].claim, 1)


def test_a_sweep_is_what_the_model_has(desk: Desk) -> None:
    heads = resolve(desk, about("L1.head3", granularity="head")).sweep
    assert heads == tuple(f"L{layer}.head{head}" for layer in range(LAYERS) for head in range(4))
    pairs = resolve(desk, about("L0+L2", granularity="layer", together=2)).sweep
    assert pairs == ("L0+L1", "L0+L2", "L0+L3", "L1+L2", "L1+L3", "L2+L3")
    at = resolve(desk, about("L1.mlp@last", granularity="mlp", positions=["first", "last"])).sweep
    assert at == tuple(f"L{layer}.mlp@{place}" for place in ("first", "last") for layer in range(LAYERS))


@pytest.mark.parametrize(
    ("component", "sites", "says"),
    [
        ("L1.head0", {"granularity": "layer"}, "sweeps layer only"),
        ("L1@last", {"granularity": "layer"}, "metric.sites.positions sweeps every token only"),
        ("L1", {"granularity": "layer", "positions": "last"}, "metric.sites.positions sweeps last only"),
        ("L1+L2", {"granularity": "layer"}, "metric.sites.together sweeps 1 at once"),
    ],
)
def test_a_component_outside_its_sweep_is_refused(component: str, sites: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ClaimAdapter.validate_python({"claim": "a/b", **about(component, **sites)})


def test_an_evaluator_says_which_interventions_it_knows() -> None:
    with pytest.raises(ValidationError, match="`skip`, but evaluator ablation knows zero, mean, resample, noise"):
        ClaimAdapter.validate_python({"claim": "a/b", **claim(), "counterfactual": {"intervention": "skip"}})


def test_claims_about_heads_and_positions_are_measured(desk: Desk) -> None:
    desk.write("small/head", about(f"L{HUB}.head0", granularity="head"))
    desk.write("small/last", about(f"L{HUB}@last", granularity="layer", positions="last"))
    desk.write("small/pair", about(f"L0+L{HUB}", granularity="layer", together=2))
    verdicts = desk.audit().verdicts
    assert {verdict.code for verdict in verdicts.values()}.isdisjoint({"run_failed", "not_measured"}), verdicts
    assert all(verdict.n_raw == 60 for verdict in verdicts.values())


def test_examples_that_do_not_count_are_left_out_and_said(desk: Desk) -> None:
    """The small model has random weights: it answers next to nothing."""
    document = about(f"L{HUB}", granularity="layer")
    document["metric"]["only"] = "clean_correct"
    desk.write("small/right", document)
    verdict = desk.audit().verdicts["small/right"]
    assert (verdict.grade, verdict.code) == ("Pending", "too_few_units")
    assert verdict.n_raw < 10
    left_out = f", {60 - verdict.n_raw} left out (the clean model does not answer them)"
    assert any(line.startswith("units: ") and line.endswith(left_out) for line in verdict.explanation)


def test_a_random_component_is_another_of_the_sweep(desk: Desk) -> None:
    document = about("L1.q_proj", granularity=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj"])
    document["control"] = {"kind": "random_component", "draws": 20}
    resolved = resolve(desk, document)
    drawn = {
        resolved.runs[keys[0]].cell.site: address.draw
        for address, keys in resolved.series.items()
        if address.role == "control"
    }
    assert len(drawn) == 20
    assert "L1.q_proj" not in drawn
    assert set(drawn) < set(resolved.sweep)


def test_too_few_components_for_a_random_one_is_pending(desk: Desk) -> None:
    document = about("L1", granularity="layer")
    document["control"] = {"kind": "random_component", "draws": 20}
    code, reason = resolve(desk, document).absent["main"]
    assert code == "too_few_components"
    assert reason == "random_component needs 20 components beside L1; the sweep has 3"


def test_a_new_option_changes_no_old_claim_s_hash(desk: Desk) -> None:
    """What is left out and what is said to be the default are one estimand, which other values are not."""
    plain = resolve(desk, about("L1", granularity="layer"))
    said = about("L1", granularity="layer", together=1)
    said["metric"]["only"] = "all"
    assert resolve(desk, said).estimand == plain.estimand
    said["metric"]["only"] = "clean_correct"
    assert resolve(desk, said).estimand != plain.estimand


def similarity(donor: str, **more: Any) -> dict[str, Any]:
    """A claim about two models."""
    metric = {"evaluator": "representation", "quantity": "cka", "sites": {"granularity": "residual"}}
    return claim(
        metric=metric | {"against": "L1.residual", "donor": donor},
        counterfactual={"intervention": "observe"},
        robustness=[],
        control={"kind": "shuffled_examples"},
        expect={"form": "threshold", "component": "L1.residual", "at_least": 0.5},
        **more,
    )


def test_another_model_is_part_of_the_estimand_and_of_every_key(desk: Desk) -> None:
    """By what it is, not by its name."""
    folder = desk.root / "specs" / "library" / "models"
    twin = (folder / "small.yaml").read_text().replace("model: small", "model: twin")
    (folder / "twin.yaml").write_text(twin)
    (folder / "half.yaml").write_text(twin.replace("model: twin", "model: half") + "dtype: bfloat16\n")
    small, same, half = (resolve(desk, similarity(name)) for name in ("small", "twin", "half"))
    assert small.estimand == same.estimand != half.estimand
    assert small.keys == same.keys
    assert small.main_keys.isdisjoint(half.main_keys)


def test_another_model_that_is_not_there_is_a_located_fault(desk: Desk) -> None:
    desk.write("small/one", similarity("smal"))
    code, _, err = desk.type("validate")
    assert code == 3
    assert "metric.donor: there is no model of that name" in err
    assert "did you mean `small`?" in err


def test_a_pattern_carries_no_claim_of_another_form() -> None:
    metric = {"evaluator": "attention_pattern", "quantity": "attention_to_first", "sites": {"granularity": "head"}}
    document = claim(
        metric={**metric, "descriptive": True},
        counterfactual={"intervention": "observe"},
        robustness=[],
        control={"kind": "random_positions"},
        expect={"form": "top_component", "component": "L1.head0"},
    )
    with pytest.raises(ValidationError, match="`top_component`, but evaluator attention_pattern is for threshold"):
        ClaimAdapter.validate_python({"claim": "a/b", **document})
