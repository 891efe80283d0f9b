"""tests: `doctor --model`, and that an audit proves a model once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from mi_atlas.engine.cli import app
from mi_atlas.engine.doctor import examine_model
from mi_atlas.engine.terminal import run
from mi_atlas.evaluators import proofs
from mi_atlas.evaluators.proofs import PROOFS
from mi_atlas.store import Ledger

from .conftest import Desk, claim


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The kinds of sites of every time that a model's proofs are run."""
    right, seen = proofs.proofs, []

    def counting(model: Any, examples: Any, kinds: tuple[str, ...]) -> Iterator[Any]:
        seen.append(kinds)
        return right(model, examples, kinds)

    monkeypatch.setattr(proofs, "proofs", counting)
    return seen


def test_doctor_proves_a_model_in_a_line_a_proof(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk.root)
    assert run(app, ["doctor", "--model", "small", "--device", "cpu"]) == 0
    model, sites, *lines = capsys.readouterr().out.splitlines()
    assert model.startswith("ok    model small: Qwen2ForCausalLM")
    assert sites.startswith("ok    sites: layer, operator, mlp, head, residual, q_proj")
    numerics = lines[len(PROOFS) :]
    assert [line.split(":")[0] for line in lines[: -len(numerics)]] == [f"ok    {proof.__name__}" for proof in PROOFS]
    ways = ("batch size", "other lengths in the batch", "threads")
    assert [line.split(":")[0] for line in numerics] == [f"ok    numerics, {way}" for way in ways]
    assert all("within the floor of 1e-05 nats and 0.1% of it" in line for line in numerics)
    assert lines[6] == "ok    padding_is_neutral: Tokens behind a prompt's end change nothing."
    assert run(app, ["doctor", "--model", "smal"]) == 3
    assert "did you mean `small`?" in capsys.readouterr().err


def test_doctor_says_what_is_wrong(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk.root)
    monkeypatch.setattr(proofs, "PROOFS", (proofs.same_logits, lambda subject: "rows are missing"))
    assert run(app, ["doctor", "--model", "small", "--device", "cpu"]) == 4
    assert capsys.readouterr().out.splitlines()[-1] == "WRONG <lambda>: rows are missing"
    found = list(examine_model(desk.workspace, "qwen2.5-0.5b", "cpu"))
    assert [finding.fine for finding in found] == [False]


def test_a_model_is_proven_once_for_all_audits(desk: Desk, proven: list[tuple[str, ...]]) -> None:
    desk.write_suite("other")
    desk.write("small/hub", claim())
    desk.write("small/elsewhere", claim(suite="other"))
    desk.audit()
    assert proven == [("layer", "operator", "mlp")]
    assert len(Ledger(desk.workspace.ledger).recall_all("proof")) == 3
    desk.write_suite("tiny", seed=1)
    assert desk.audit().measured > 0
    assert len(proven) == 1
    sites = {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "head"}}
    desk.write("small/head", claim("L2.head1", metric=sites))
    desk.audit()
    assert proven[1:] == [("layer", "operator", "mlp", "head")]
    desk.audit(rerun=True)
    assert len(proven) > 2


def test_a_proof_that_fails_leaves_claims_pending_and_is_run_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("small/hub", claim())

    def hooks_fire_as_planned(subject: Any) -> str:
        return "hooks stay on layer 1"

    with monkeypatch.context() as patch:
        patch.setattr(proofs, "PROOFS", (*PROOFS[:2], hooks_fire_as_planned))
        verdict = desk.audit().verdicts["small/hub"]
    assert (verdict.grade, verdict.code) == ("Pending", "proof_failed")
    assert "`hooks_fire_as_planned` failed on Qwen2ForCausalLM: hooks stay on layer 1" in verdict.reason
    assert not Ledger(desk.workspace.ledger).recall_all("proof")
    assert desk.audit().verdicts["small/hub"].grade in ("High", "Medium")


def test_doctor_says_where_arithmetic_moves_numbers_beyond_the_floor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A floor that no arithmetic keeps; and the sizes that are printed are those of the arrays."""
    from mi_atlas.engine import tolerance
    from mi_atlas.evaluators import numerics

    monkeypatch.chdir(desk.root)
    monkeypatch.setitem(tolerance.FLOORS, "float32", tolerance.Floor(0.0, 0.0))
    right = numerics.shifts

    def moved(model: Any, examples: Any) -> Iterator[numerics.Shift]:
        for shift in right(model, examples):
            yield numerics.Shift(shift.what, shift.before, shift.before + 0.25, 0.5)

    monkeypatch.setattr(numerics, "shifts", moved)
    assert run(app, ["doctor", "--model", "small", "--device", "cpu"]) == 4
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 3
    assert all("KL moves by at most 2.5e-01 nats, beyond the floor" in line for line in wrong)
    assert all("logits by at most 5.0e-01" in line for line in wrong)
