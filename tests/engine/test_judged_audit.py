"""tests: a claim whose answers are judged, from YAML to grade, by judges on a real server of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mi_atlas.judges.gate import BUILT_IN
from mi_atlas.store import Ledger

from .conftest import Desk
from .knowing import Knowing, judge, judged


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Knowing]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with Knowing().running() as server:
        assert isinstance(server, Knowing)
        monkeypatch.setenv("A_URL", server.address)
        monkeypatch.setenv("B_URL", server.address)
        monkeypatch.setenv("A_KEY", "sk-planted-secret")
        yield server


def test_a_judge_that_passes_its_gate_is_heard_and_what_it_said_is_read_again(
    thin_desk: Desk, knowing: Knowing
) -> None:
    control = {"kind": "mismatched_outputs", "draws": 20, "ratio": 1.2}
    thin_desk.write("small/judged", judged(thin_desk, judge("a"), judge("b"), control=control))
    verdict = thin_desk.audit().verdicts["small/judged"]
    assert verdict.code not in ("judge_failed", "judge_unreachable"), verdict.reason
    assert verdict.grade == "Pending" or verdict.grade == "Medium"
    calls = len(knowing.heard)
    distinct = {json.dumps(call.body, sort_keys=True) for call in knowing.heard}
    gate = 3 * len(BUILT_IN.gold) + 60 + 2 * len(BUILT_IN.anchors)
    # each of 2 judges: its gate, 30 answers, and of 20 draws of 30 exchanged answers those that differ
    assert 2 * (gate + 30) < calls <= 2 * (gate + 30 + 20 * 30)
    assert calls == len(distinct) + 2 * 2 * len(BUILT_IN.gold)
    again = thin_desk.audit().verdicts["small/judged"]
    assert (again.grade, again.reason) == (verdict.grade, verdict.reason)
    assert len(knowing.heard) == calls


def test_a_mock_judge_decides_nothing_however_good_it_is(thin_desk: Desk, knowing: Knowing) -> None:
    thin_desk.write("small/judged", judged(thin_desk, judge("a", mock=True), judge("b")))
    verdict = thin_desk.audit().verdicts["small/judged"]
    assert (verdict.grade, verdict.code) == ("Pending", "judge_failed")
    assert "mock" in verdict.reason


def test_a_judge_that_knows_nothing_fails_its_gate(thin_desk: Desk, knowing: Knowing) -> None:
    knowing.scores = lambda task, answer: {"overall": 4}  # type: ignore[method-assign]
    thin_desk.write("small/judged", judged(thin_desk, judge("a"), judge("b")))
    verdict = thin_desk.audit().verdicts["small/judged"]
    assert (verdict.grade, verdict.code) == ("Pending", "judge_failed")
    assert "judge failed: gold agreement" in verdict.reason


def test_without_a_server_nothing_is_lost_and_the_next_audit_asks_what_is_missing(
    thin_desk: Desk, knowing: Knowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin_desk.write("small/judged", judged(thin_desk, judge("a"), judge("b")))
    monkeypatch.delenv("B_URL")
    verdict = thin_desk.audit().verdicts["small/judged"]
    assert (verdict.grade, verdict.code) == ("Pending", "judge_not_configured")
    assert "B_URL" in verdict.reason
    monkeypatch.setenv("B_URL", knowing.address)
    heard = len(knowing.heard)
    budget = thin_desk.audit(judge_calls=50).verdicts["small/judged"]
    assert (budget.grade, budget.code) == ("Pending", "judge_budget")
    assert len(knowing.heard) == heard + 50
    ((model, (replies, tokens)),) = thin_desk.said.spent.items()
    assert (model, replies) == ("b-model", 50)
    assert tokens > 0
    assert thin_desk.audit().verdicts["small/judged"].code not in ("judge_budget", "judge_failed")
    models = [call.body["model"] for call in knowing.heard]
    assert models.count("a-model") == models.count("b-model")


def test_labels_of_people_are_asked_blind_read_from_a_sheet_and_change_what_the_grade_rests_on(
    thin_desk: Desk, knowing: Knowing
) -> None:
    from mi_atlas.engine.judging.labels import label

    thin_desk.write("small/judged", judged(thin_desk, judge("a"), judge("b")))
    thin_desk.audit()
    before = Ledger(thin_desk.workspace.ledger).verdicts()["small/judged"].evidence_digest
    sheet = thin_desk.root / "sheet.csv"
    label(thin_desk.workspace, "small/judged", 10, sheet, None)
    lines = sheet.read_text().splitlines()
    assert "as_is" not in sheet.read_text()
    filled = [lines[0], *(line + "2" if line.endswith(",") else line for line in lines[1:])]
    sheet.write_text("\n".join(filled) + "\n")
    label(thin_desk.workspace, "small/judged", 10, None, sheet)
    thin_desk.audit()
    after = Ledger(thin_desk.workspace.ledger).verdicts()["small/judged"].evidence_digest
    assert before != after


def test_no_key_is_kept_anywhere(thin_desk: Desk, knowing: Knowing) -> None:
    thin_desk.write("small/judged", judged(thin_desk, judge("a"), judge("b")))
    thin_desk.audit()
    assert any("sk-planted-secret" in call.headers.get("authorization", "") for call in knowing.heard)
    for path in thin_desk.root.rglob("*"):
        if path.is_file():
            assert b"sk-planted-secret" not in path.read_bytes(), path
            assert str(knowing.port).encode() not in path.read_bytes() or path.suffix == ".duckdb", path


def test_a_judge_is_put_to_its_gate_by_the_command(thin_desk: Desk, knowing: Knowing, tmp_path: Path) -> None:
    import yaml

    folder = thin_desk.root / "specs" / "library" / "judges"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump({"judge": "mine", **judge("a")}))
    code, out, err = thin_desk.type("judge", "check", "mine")
    assert code == 0, out + err
    assert "judge passed: overall counts up to High" in out
    assert f"{3 * len(BUILT_IN.gold) + 60 + 2 * len(BUILT_IN.anchors)} replies of a-model" in out
    code, _, err = thin_desk.type("judge", "check", "nobody")
    assert code == 3
    assert "there is no judge `nobody`" in err
