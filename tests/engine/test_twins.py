"""tests: adversarial twins: which a claim has, and what a twin that holds does to its claim."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine import measure as measuring
from mi_atlas.engine.accepted import acceptance, save_accepted
from mi_atlas.engine.execute import execute
from mi_atlas.engine.measure import Place
from mi_atlas.engine.memo import Memo
from mi_atlas.engine.needs import Resolved
from mi_atlas.engine.plan import make_plan
from mi_atlas.engine.resolve import Resolver
from mi_atlas.engine.select import load
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.twins import Twin, twins_of
from mi_atlas.store import Ledger

from .conftest import HUB, Desk, claim


def about(component: str, bound: float = 1e-3, form: str = "threshold", **sites: Any) -> dict[str, Any]:
    metric = {"evaluator": "ablation", "quantity": "kl", "sites": sites or {"granularity": "layer"}}
    return claim(component, metric=metric, expect={"form": form, "component": component, "at_least": bound})


def derived(desk: Desk, document: dict[str, Any]) -> tuple[Resolved, dict[str, Twin], str, Resolver]:
    """A claim with its twins, or why it has none."""
    desk.write("small/one", document)
    claims, library = load(desk.workspace)
    resolver = Resolver(library, Memo({}, {}, desk.root), desk.root)
    resolved = resolver.resolve(claims["small/one"].claim, 1)
    twins, none = twins_of(resolved)
    return resolved, {twin.name: twin for twin in twins}, none, resolver


def locked(desk: Desk) -> bytes:
    return (desk.root / "claims" / "registrations.lock").read_bytes()


def test_the_twins_of_a_true_hub_fail_and_leave_no_trace_among_claims(desk: Desk) -> None:
    desk.write("small/hub", claim())
    desk.write("small/wrong", claim("L0"))
    plain = desk.audit()
    before = locked(desk)
    result = desk.audit(twins=True)
    verdict, found = result.verdicts["small/hub"], result.found["small/hub"]
    assert plain.verdicts["small/hub"].grade == verdict.grade == "High"
    assert [outcome.name for outcome in found.outcomes] == ["wrong-layer", "random-component", "untrained-model"]
    assert all(outcome.grade in ("Refuted", "Pending") for outcome in found.outcomes)
    assert verdict.reason == f"{plain.verdicts['small/hub'].reason}; 3 twins, none High"
    assert all(check.met for check in verdict.conditions)
    assert len(verdict.conditions) == len(plain.verdicts["small/hub"].conditions) + 3
    assert "small/wrong" not in result.found, "a claim that is refuted is not asked"
    assert result.measured > 0
    assert locked(desk) == before
    ledger = Ledger(desk.workspace.ledger)
    assert set(ledger.verdicts()) == {"small/hub", "small/wrong"}
    again = desk.audit(twins=True)
    assert again.measured == 0
    assert again.verdicts == result.verdicts == desk.audit().verdicts
    assert locked(desk) == before


def test_a_claim_that_is_true_of_others_too_is_capped_and_stays_so(desk: Desk) -> None:
    desk.write("small/several", about("L0"))
    desk.write("small/hub", claim())
    expect = {"form": "composite", "claims": ["small/hub", "small/several"]}
    desk.write("small/both", {"statement": "Both hold.", "expect": expect})
    plain = desk.audit()
    assert {verdict.grade for verdict in plain.verdicts.values()} == {"High"}
    rows = Ledger(desk.workspace.ledger).verdicts()
    accepted = {name: acceptance(row.grade, row.claim_hash, row.evidence_digest) for name, row in rows.items()}
    save_accepted(desk.workspace.accepted, accepted)
    before = locked(desk)

    result = desk.audit(twins=True)
    verdict = result.verdicts["small/several"]
    assert (verdict.grade, verdict.code) == ("Medium", "twin_is_high")
    first = verdict.conditions[0]
    assert first.name.startswith("twin ")
    assert not first.met
    assert verdict.reason.startswith(plain.verdicts["small/several"].reason)
    assert f"not High: {first.name} holds as well" in verdict.reason
    assert result.verdicts["small/both"].grade == "Medium", "it rests on a claim that is capped"
    assert (result.exit_code, result.regressed) == (1, ["small/both", "small/several"])
    assert result.verdicts["small/hub"].grade == "High"
    assert locked(desk) == before

    code, out, _ = desk.type("audit")
    assert code == 1
    assert "graded lower than accepted: small/both, small/several" in out
    code, out, _ = desk.type("explain", "small/several")
    assert out.splitlines()[1].startswith("Medium")
    assert f"missing for High: {first.name} must fail; {first.detail}" in out
    assert 10 <= len(out.splitlines()) <= 18
    documents = json.loads(desk.type("table", "small/several", "--format", "json")[1])
    assert documents[0]["verdict"]["conditions"][0] == first._asdict()

    regraded = desk.audit("small/several", rerun=True)
    assert regraded.measured > 0
    assert regraded.verdicts["small/several"] == verdict
    code, out, _ = desk.type("audit", "--twins")
    assert code == 1
    assert "0 runs measured" in out
    assert "6 twins of 2 claims" in out
    assert "small/several (" in out


def test_what_is_found_is_of_one_claim_on_one_evidence(desk: Desk) -> None:
    """A higher bound, which no other layer clears, is another claim: it is asked anew."""
    desk.write("small/several", about(f"L{HUB}"))
    assert desk.audit(twins=True).verdicts["small/several"].code == "twin_is_high"
    desk.write("small/several", about(f"L{HUB}", 0.3))
    assert desk.audit().verdicts["small/several"].code == "post_hoc"
    confirmed = desk.audit(confirm=True).verdicts["small/several"]
    assert confirmed.grade == "High"
    twice = desk.audit(twins=True)
    assert twice.measured > 0
    levels = {outcome.name: outcome.grade for outcome in twice.found["small/several"].outcomes}
    assert {levels["wrong-layer"], levels["random-component"]} == {"Refuted"}


def test_a_twin_that_could_not_be_measured_is_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("small/hub", claim())
    real = measuring._load

    def fail_untrained(located: Any, *where: Any) -> Any:
        if located.untrained is not None:
            raise MemoryError("no room for another model")
        return real(located, *where)

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "_load", fail_untrained)
        patch.setattr(measuring, "_loaded", {})
        result = desk.audit(twins=True)
    assert result.verdicts["small/hub"].grade == "High"
    assert [each.grade for each in result.found["small/hub"].outcomes][-1] == "Pending"
    again = desk.audit(twins=True)
    assert again.measured > 0
    assert [each.grade for each in again.found["small/hub"].outcomes][-1] == "Refuted"
    assert desk.audit(twins=True).measured == 0


@pytest.mark.parametrize(
    ("expect", "why"),
    [
        ({"form": "threshold", "component": "L3", "at_most": 0.1}, "an upper bound may hold elsewhere too"),
        (
            {"form": "equality", "test": {"component": "L0"}, "reference": {"component": "L1"}, "factor": 1.5},
            "that two effects are the same may be true of others",
        ),
        ({"form": "rank_stability", "against": "resample", "at_least": 0.5}, "it is about the order of all components"),
        (
            {
                "form": "ratio",
                "numerator": {"component": "L3", "intervention": "residual_zero"},
                "denominator": {"component": "L3"},
                "at_least": 2,
            },
            "it compares interventions at one component, which may be alike elsewhere",
        ),
    ],
)
def test_claims_whose_twins_need_not_fail_have_none(desk: Desk, expect: dict[str, Any], why: str) -> None:
    _, twins, none, _ = derived(desk, claim(expect=expect))
    assert (twins, none) == ({}, why)


def test_a_claim_without_twins_says_so(desk: Desk) -> None:
    expect = {"form": "threshold", "component": "L3", "at_most": 0.1}
    desk.write("small/spare", claim(expect=expect, control={"kind": "untrained_model", "draws": 20, "ratio": 1.01}))
    plain = desk.audit().verdicts["small/spare"]
    assert plain.grade == "High"
    verdict = desk.audit(twins=True).verdicts["small/spare"]
    assert verdict.reason == f"{plain.reason}; no twins: an upper bound may hold elsewhere too"
    assert (verdict.grade, verdict.conditions) == (plain.grade, plain.conditions)
    assert "claims that have none: 1" in desk.type("audit", "--twins")[1]


def test_another_component_shares_no_site_with_the_claim_s_own(desk: Desk) -> None:
    """In a sweep of pairs only one pair of four layers has none of two; a layer's MLP is part of the layer."""
    resolved, twins, _, _ = derived(desk, about("L0+L1", granularity="layer", together=2))
    assert len(resolved.sweep) == 6
    assert twins["wrong-layer"].claim.expect.component == "L2+L3"
    assert "random-component" not in twins
    _, twins, _, _ = derived(desk, about("L1", granularity=["layer", "mlp"]))
    for twin in ("wrong-layer", "random-component"):
        assert twins[twin].claim.expect.component not in ("L1", "L1.mlp")
    assert twins["wrong-layer"].claim.expect.component in ("L0", "L2", "L3")
    _, twins, _, _ = derived(desk, about("L1.head0", granularity="head"))
    assert twins["wrong-layer"].claim.expect.component.partition(".")[0] != "L1"
    _, twins, _, _ = derived(desk, about("L1@last", granularity="layer", positions=["first", "last"]))
    assert twins["wrong-layer"].claim.expect.component.endswith("@last")


def test_a_ratio_within_a_layer_moves_as_a_whole(desk: Desk) -> None:
    metric = {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": ["operator", "mlp"]}}
    sides = {"numerator": {"component": "L0.mlp"}, "denominator": {"component": "L0.operator"}}
    expect = {"form": "ratio", **sides, "at_least": 2.0}
    _, twins, _, _ = derived(desk, claim(metric=metric, expect=expect))
    wrong = twins["wrong-layer"].claim.expect
    layer, _, kind = wrong.numerator.component.partition(".")
    assert (kind, layer != "L0", wrong.denominator.component) == ("mlp", True, f"{layer}.operator")
    assert twins["wrong-layer"].change == f"{layer}.mlp against {layer}.operator in place of L0.mlp against L0.operator"
    expect["denominator"] = {"component": "L*.operator"}
    _, twins, _, _ = derived(desk, claim(metric=metric, expect=expect))
    assert twins["wrong-layer"].claim.expect.denominator.component == "L*.operator"


def test_an_interaction_has_one_of_its_members_exchanged(desk: Desk) -> None:
    expect = {"form": "interaction", "components": ["L0", "L2"], "at_least": 1.5}
    _, twins, _, _ = derived(desk, claim(expect=expect))
    assert {twins[name].claim.expect.components for name in ("wrong-layer", "random-component")} == {
        ("L1", "L2"),
        ("L3", "L2"),
    }


def test_a_rank_is_asked_on_an_untrained_model_only(desk: Desk) -> None:
    expect = {"form": "rank", "component": f"L{HUB}", "within": 2}
    resolved, twins, _, resolver = derived(desk, claim(expect=expect))
    assert set(twins) == {"untrained-model"}
    twin = resolver.resolve(twins["untrained-model"].claim, 1, twins["untrained-model"].weights)
    assert twin.estimand == resolved.estimand
    assert twin.located.untrained == 0
    assert {run.group.located.untrained for run in twin.runs.values()} == {0}
    assert twin.keys.isdisjoint(resolved.keys)
    control = {"kind": "untrained_model", "draws": 20}
    assert (
        derived(desk, claim(expect=expect, control=control))[2] == "nothing in it can be exchanged for what must fail"
    )


def test_shuffled_labels_stand_in_for_what_steering_learns(desk: Desk, tmp_path: Path) -> None:
    """The twin's effect is a draw of shuffled labels; its control's draws are those of the claim itself."""
    metric = {"evaluator": "steering", "quantity": "slope", "sites": {"granularity": "residual"}}
    document = claim(
        metric={**metric, "contrast": "family", "towards": "copying"},
        counterfactual={"intervention": "steer", "strength": 1},
        robustness=[{"intervention": "anti", "strength": 1}],
        control={"kind": "random_direction", "draws": 20},
        expect={"form": "threshold", "component": "L3.residual", "at_least": 0.5},
    )
    resolved, twins, _, resolver = derived(desk, document)
    twin = resolver.resolve(twins["shuffled-labels"].claim, 1)
    words = {run.cell.intervention for run in twin.runs.values()}
    assert {word for word in words if word.startswith(("steer", "anti"))} == {
        "steer(1)|shuffled_labels",
        "anti(1)|shuffled_labels",
        "steer(1)|random_direction",
    }
    drawn = {key for address, keys in resolved.series.items() if address.role == "control" for key in keys}
    assert len(drawn) == 20 * 2
    assert drawn < twin.keys

    ledger = Ledger(tmp_path / "ledger.duckdb")
    effects = {name: keys for name, each in (("own", resolved), ("twin", twin)) for keys in [sorted(each.main_keys)]}
    plan = make_plan([resolved, twin], ledger)
    assert execute(plan, ledger, Place(desk.root, "cpu"), Silent(), processes=1) == {}
    values = {name: [ledger.values(keys)[key]["slope"] for key in keys] for name, keys in effects.items()}
    assert all(np.isfinite(each).all() for some in values.values() for each in some)
    assert not np.array_equal(np.concatenate(values["own"]), np.concatenate(values["twin"]))
