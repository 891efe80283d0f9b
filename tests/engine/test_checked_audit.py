"""tests: claims about what models write, decided by programs: from YAML to grade, with real generation."""

from __future__ import annotations

import json
from typing import Any

from mi_atlas.store import Ledger

from .conftest import Desk


def written(desk: Desk, quantity: str = "passed", kind: str = "mismatched_outputs", **changes: Any) -> dict[str, Any]:
    """A claim about what the small model, which knows nothing, writes to 30 questions."""
    rows = [
        {
            "id": f"q{n}",
            "category": "words",
            "turns": [f"Say {n} twice."],
            "reference": f"{n} {n}",
            "checks": [{"check": "exact", "of": [f"{n} {n}"]}, {"check": "words", "max": 40}],
        }
        for n in range(30)
    ]
    (desk.root / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {
        "statement": "The small model repeats numbers.",
        "model": "small",
        "suite": {"behaviour": {"categories": ["words"], "items": 30, "jsonl": "questions.jsonl"}},
        "metric": {"evaluator": "generation", "quantity": quantity},
        "counterfactual": {"intervention": "generate", "tokens": 6},
        "control": {"kind": kind, "draws": 20, "ratio": 1.2},
        "expect": {"form": "proportion", "component": "as_is", "at_least": 0.5},
        "threshold": {"high": 0.995, "medium": 0.95},
        **changes,
    }


def test_a_model_that_writes_rubbish_passes_nothing_and_says_so(thin_desk: Desk) -> None:
    thin_desk.write("small/repeats", written(thin_desk))
    fails = written(
        thin_desk, kind="reference_outputs", expect={"form": "proportion", "component": "as_is", "at_most": 0.5}
    )
    thin_desk.write("small/fails", fails)
    verdicts = thin_desk.audit().verdicts
    assert verdicts["small/repeats"].grade == "Refuted", verdicts["small/repeats"].reason
    assert verdicts["small/fails"].grade == "High", verdicts["small/fails"].reason


def test_answers_are_written_once_for_all_claims_that_judge_them(thin_desk: Desk) -> None:
    thin_desk.write("small/repeats", written(thin_desk))
    thin_desk.audit()
    thin_desk.write("small/short", written(thin_desk, "constraints_met"))
    result = thin_desk.audit()
    (plan,) = thin_desk.said.plans if thin_desk.said.plans else (None,)
    assert plan is None, [run.parts["evaluator"] for step in plan.steps for run in step.runs]
    assert result.verdicts["small/short"].code != "main_missing"


def test_a_check_that_changes_is_made_again_and_nothing_is_written_again(thin_desk: Desk) -> None:
    thin_desk.write("small/repeats", written(thin_desk))
    thin_desk.audit()
    path = thin_desk.root / "questions.jsonl"
    path.write_text(path.read_text().replace('"max": 40', '"max": 39'))
    thin_desk.audit()
    steps = thin_desk.said.plans[0].steps
    assert {run.parts["evaluator"].partition("@")[0] for step in steps for run in step.runs} == {"checks"}


def test_what_was_written_is_in_the_ledger(thin_desk: Desk) -> None:
    thin_desk.write("small/repeats", written(thin_desk))
    result = thin_desk.audit()
    assert result.measured
    ledger = Ledger(thin_desk.workspace.ledger)
    runs = [run for step in thin_desk.said.plans[0].steps for run in step.runs]
    texts = ledger.texts(run.key for run in runs if run.parts["evaluator"].startswith("generation"))
    assert [len(each) for each in texts.values()] == [30]
    values = ledger.values(texts)
    assert all(len(each["tokens"]) == 30 for each in values.values())


def test_a_set_without_items_says_how_to_give_them(thin_desk: Desk) -> None:
    document = written(thin_desk)
    document["suite"] = {"behaviour": {"categories": ["no_such_category"], "items": 30}}
    thin_desk.write("small/repeats", document)
    verdict = thin_desk.audit().verdicts["small/repeats"]
    assert (verdict.grade, verdict.code) == ("Pending", "suite_not_generated")
    assert "jsonl" in verdict.reason
    (thin_desk.root / "questions.jsonl").write_text('{"id": "q0", "category": "words", "turns": "x", "chekcs": []}')
    thin_desk.write("small/repeats", {**written(thin_desk)})
    (thin_desk.root / "questions.jsonl").write_text('{"id": "q0", "category": "words", "turns": "x", "chekcs": []}')
    verdict = thin_desk.audit().verdicts["small/repeats"]
    assert (verdict.grade, verdict.code) == ("Pending", "suite_not_generated")
    assert "questions.jsonl:1" in verdict.reason
    assert "checks" in verdict.reason
