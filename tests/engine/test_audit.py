"""tests: audits of a small model whose hub is known: caching, looks, faults, exit codes."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from mi_atlas.engine import measure as measuring
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.store import Ledger

from .conftest import HUB, Desk, claim


def measured(desk: Desk) -> int:
    """Runs that the last audit measured."""
    return sum(plan.misses for plan in desk.said.plans)


def test_a_true_hub_is_not_refuted_and_a_wrong_one_is(desk: Desk) -> None:
    desk.write("small/hub", claim(f"L{HUB}"))
    desk.write("small/wrong", claim("L0"))
    result = desk.audit()
    assert result.verdicts["small/hub"].grade in ("High", "Medium")
    assert result.verdicts["small/wrong"].grade == "Refuted"
    assert f"L{HUB}" in result.verdicts["small/wrong"].reason
    assert result.exit_code == 0


def test_claims_share_runs_and_a_second_audit_measures_nothing(desk: Desk) -> None:
    desk.write("small/hub", claim())
    first = desk.audit()
    desk.write("small/wrong", claim("L0"))
    desk.audit()
    # 4 layers x 2 values, the clean pass and the positive control are there; only L0's own noise is new.
    assert measured(desk) == 20 * 2
    again = desk.audit()
    assert measured(desk) == again.measured == 0
    assert again.verdicts["small/hub"] == first.verdicts["small/hub"]


def test_prose_changes_nothing_and_a_threshold_is_another_look(desk: Desk) -> None:
    desk.write("small/hub", claim())
    first = desk.audit().verdicts["small/hub"]
    desk.write("small/hub", claim(statement="Said differently.", notes="n", tags=["core"]))
    again = desk.audit().verdicts["small/hub"]
    assert (measured(desk), again) == (0, first)
    desk.write("small/hub", claim(threshold={"high": 0.999, "medium": 0.95}))
    edited = desk.audit().verdicts["small/hub"]
    assert measured(desk) == 0
    assert (first.look, edited.look) == (1, 2)
    assert edited.grade != "High"
    assert "post hoc" in edited.qualifiers


def test_neither_a_new_ledger_nor_a_new_name_resets_looks(desk: Desk) -> None:
    path = desk.write("small/hub", claim())
    desk.audit()
    path.unlink()
    shutil.rmtree(desk.root / ".mi-atlas")
    desk.write("small/other-name", claim(threshold={"high": 0.999, "medium": 0.95}))
    verdict = desk.audit().verdicts["small/other-name"]
    assert verdict.look == 2
    assert "post hoc" in verdict.qualifiers


def test_confirming_a_post_hoc_claim_uses_fresh_examples(desk: Desk) -> None:
    desk.write("small/hub", claim())
    desk.audit()
    desk.write("small/hub", claim(expect={"form": "top_component", "component": "L0"}))
    post_hoc = desk.audit().verdicts["small/hub"]
    assert "post hoc" in post_hoc.qualifiers
    confirmed = desk.audit(confirm=True).verdicts["small/hub"]
    assert measured(desk) > 0
    assert confirmed.look == 3
    assert "post hoc" not in confirmed.qualifiers
    assert desk.audit().verdicts["small/hub"] == confirmed
    assert measured(desk) == 0


def test_an_edited_suite_reruns_what_depends_on_it_and_the_plan_says_why(desk: Desk) -> None:
    desk.write_suite("other")
    desk.write("small/hub", claim())
    desk.write("small/elsewhere", claim(suite="other", expect={"form": "top_component", "component": "L1"}))
    desk.audit()
    desk.write_suite("tiny", seed=1)
    code, out, _ = desk.type("plan")
    assert code == 0
    assert "examples differs" in out
    desk.audit()
    assert {step.group.suite.suite for plan in desk.said.plans for step in plan.steps} == {"tiny"}


def test_rerun_measures_again_and_keeps_the_old_takes(desk: Desk) -> None:
    desk.write("small/hub", claim())
    first = desk.audit()
    again = desk.audit(rerun=True)
    assert again.measured == first.measured > 0
    assert again.verdicts == first.verdicts
    ledger = Ledger(desk.workspace.ledger)
    keys = {run.key for plan in desk.said.plans for step in plan.steps for run in step.runs}
    assert {info.take for info in ledger.runs(keys).values()} == {2}


def test_an_absent_model_is_pending_with_the_command_that_fetches_it(desk: Desk) -> None:
    desk.write("hub/absent", claim(model={"model": "far", "source": {"hub": "someone/not-here"}}))
    result = desk.audit()
    verdict = result.verdicts["hub/absent"]
    assert (verdict.grade, verdict.code, result.exit_code) == ("Pending", "weights_missing", 2)
    assert "someone/not-here" in verdict.reason
    assert "--download" in verdict.reason
    assert desk.audit().verdicts["hub/absent"] == verdict


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotEvaluated("proof_failed", "proof `x` failed"), "proof_failed"),
        (MemoryError("1 GB"), "out_of_memory"),
        (RuntimeError("boom"), "run_failed"),
    ],
)
def test_a_failed_run_is_pending_never_cached_and_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    desk.write("small/hub", claim())

    def fail(*args: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "_load", fail)
        patch.setattr(measuring, "_loaded", {})
        result = desk.audit()
    verdict = result.verdicts["small/hub"]
    assert (verdict.grade, verdict.code, result.exit_code) == ("Pending", code, 2)
    assert desk.audit().verdicts["small/hub"].grade in ("High", "Medium")
    assert desk.audit().measured == 0


def test_a_failed_control_is_pending_while_the_main_arm_holds(thin_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    thin_desk.write("small/hub", claim("L1", control={"kind": "untrained_model", "draws": 20, "ratio": 1.01}))
    load = measuring._load

    def fail_untrained(located: Any, *where: Any) -> Any:
        if located.untrained is not None:
            raise MemoryError("no room for another model")
        return load(located, *where)

    monkeypatch.setattr(measuring, "_load", fail_untrained)
    monkeypatch.setattr(measuring, "_loaded", {})
    verdict = thin_desk.audit().verdicts["small/hub"]
    assert (verdict.grade, verdict.code) == ("Pending", "out_of_memory")


def test_untrained_models_serve_as_control(thin_desk: Desk) -> None:
    thin_desk.write("small/hub", claim("L1", control={"kind": "untrained_model", "draws": 20, "ratio": 1.01}))
    verdict = thin_desk.audit().verdicts["small/hub"]
    assert len({step.group.key for plan in thin_desk.said.plans for step in plan.steps}) == 21
    assert verdict.grade in ("High", "Medium", "Pending")
    assert verdict.code not in ("run_failed", "control_missing")


def test_a_component_the_model_lacks_is_pending_and_named(desk: Desk) -> None:
    desk.write("small/hub", claim("L9"))
    verdict = desk.audit().verdicts["small/hub"]
    assert verdict.grade == "Pending"
    assert "L9" in verdict.reason


def test_a_migration_rests_on_its_children(desk: Desk, model_folder: Any) -> None:
    other = {"model": "double", "source": {"path": str(model_folder)}, "dtype": "bfloat16"}
    desk.write("small/hub", claim())
    desk.write("double/hub", claim(model=other))
    expect = {"form": "migration", "claims": ["small/hub", "double/hub"]}
    desk.write("small/moves", {"statement": "The hub moves.", "expect": expect})
    result = desk.audit("small/moves")
    assert set(result.verdicts) == {"small/hub", "double/hub", "small/moves"}
    assert result.verdicts["small/moves"].grade != "High"
    assert desk.audit("small/moves").verdicts == result.verdicts


def test_a_damaged_ledger_is_named_and_kept(desk: Desk) -> None:
    desk.write("small/hub", claim())
    path = desk.workspace.ledger
    path.parent.mkdir()
    path.write_bytes(b"not a ledger" * 1000)
    code, _, err = desk.type("audit")
    assert code == 4
    assert str(path.name) in err
    assert "Traceback" not in err
    assert path.read_bytes() == b"not a ledger" * 1000
