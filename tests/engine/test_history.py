"""tests: what caused a change of a grade, from audits of a real workspace, and `mi-atlas diff`."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from mi_atlas.engine import basis as bases
from mi_atlas.engine.basis import causes
from mi_atlas.engine.cli import app
from mi_atlas.engine.errors import UsageError
from mi_atlas.engine.history import Histories, Step
from mi_atlas.engine.terminal import run
from mi_atlas.store import Ledger, VerdictRow

from .conftest import HUB, Desk, claim

BEFORE = {
    "spec": {"expect.at_least": 0.5, "the named model and suite in full": "a" * 64},
    "model": {"weights": "b" * 64},
    "data": {"prompts": "c" * 64},
    "code": {"grader": 2, "runs": "d" * 64},
    "sampling": {"draw": 1, "look": 1},
}


def changed(**categories: dict[str, object]) -> list[str]:
    after = {**BEFORE, **{name: {**BEFORE.get(name, {}), **parts} for name, parts in categories.items()}}
    return [cause.text for cause in causes(BEFORE, after)]


def test_a_cause_names_its_part() -> None:
    assert changed() == []
    assert changed(code={"grader": 3}) == ["code: grader 2 -> 3"]
    assert changed(model={"weights": "e" * 64}) == ["model: weights bbbbbbbbbbbb... -> eeeeeeeeeeee..."]
    assert changed(judge={"judge.rubric": "short"}) == ["judge: judge.rubric none -> short"]
    assert changed(machine={"missing main": "out_of_memory"}) == ["machine: missing main none -> out_of_memory"]


def test_what_follows_from_another_change_is_not_told_twice() -> None:
    edited = {"expect.at_least": 0.7, "the named model and suite in full": "e" * 64}
    assert changed(spec=edited, code={"runs": "e" * 64}) == ["spec: expect.at_least 0.5 -> 0.7"]
    assert changed(spec={"the named model and suite in full": "e" * 64}) == [
        "spec: the named model and suite in full aaaaaaaaaaaa... -> eeeeeeeeeeee..."
    ]
    assert changed(sampling={"draw": 2}, data={"prompts": "e" * 64}) == ["sampling: draw 1 -> 2"]
    assert changed(data={"prompts": "e" * 64}) == ["data: prompts cccccccccccc... -> eeeeeeeeeeee..."]
    assert changed(code={"runs": "e" * 64}) == ["code: runs dddddddddddd... -> eeeeeeeeeeee..."]


def story(desk: Desk, name: str = "small/hub") -> tuple[Step, ...]:
    return Histories(Ledger(desk.workspace.ledger)).steps(name)


def test_the_story_of_a_claim(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("small/hub", claim())
    desk.audit()
    desk.audit()
    assert [(step.grade, step.causes) for step in story(desk)] == [("High", ())], "nothing changed, nothing to tell"

    desk.write("small/hub", claim("L0"))
    desk.audit()
    assert story(desk)[-1].grade == "Refuted"
    assert [cause.text for cause in story(desk)[-1].causes] == [
        f"spec: expect.component L{HUB} -> L0",
        "sampling: look 1 -> 2",
        "sampling: registered before data True -> False",
    ]

    desk.write_suite(items=40)
    desk.audit()
    assert story(desk)[-1].categories == ("spec", "data", "sampling"), "another estimand, looked at for the first time"

    desk.audit(confirm=True)
    assert "sampling: draw 1 -> 2" in [cause.text for cause in story(desk)[-1].causes]

    for module in ("basis", "gather"):
        monkeypatch.setattr(f"mi_atlas.engine.{module}.GRADER_VERSION", 99)
    desk.audit()
    assert [cause.text for cause in story(desk)[-1].causes] == [f"code: grader {bases_version()} -> 99"]
    assert not story(desk)[-1].moved


def bases_version() -> int:
    from mi_atlas.engine.grade import GRADER_VERSION

    return GRADER_VERSION


def test_a_model_that_was_replaced(desk: Desk, model_folder: Path) -> None:
    missing = {"model": "small", "source": {"path": "nowhere"}}
    library = desk.root / "specs" / "library" / "models" / "small.yaml"
    there = library.read_text()
    library.write_text(json.dumps(missing))
    desk.write("small/hub", claim())
    desk.audit()
    library.write_text(there)
    desk.audit()
    first, second = story(desk)
    assert (first.grade, second.grade, second.before) == ("Pending", "High", "Pending")
    assert "model" in second.categories
    assert any(cause.part == "missing main" for cause in second.causes)


def test_a_composite_is_changed_by_its_claims(desk: Desk) -> None:
    desk.write("small/hub", claim())
    desk.write("small/other", claim("L0", expect={"form": "threshold", "component": "L0", "at_most": 50.0}))
    desk.write(
        "small/both", {"statement": "Both.", "expect": {"form": "composite", "claims": ["small/hub", "small/other"]}}
    )
    desk.audit()
    desk.write("small/hub", claim("L1"))
    desk.audit()
    (cause,) = story(desk, "small/both")[-1].causes
    assert (cause.category, cause.part) == ("claims", "small/hub")


def test_a_ledger_from_before_says_that_it_does_not_know(desk: Desk) -> None:
    desk.write("small/hub", claim())
    desk.audit()
    with duckdb.connect(str(desk.workspace.ledger)) as connection:
        connection.execute("delete from memo where kind = 'basis'")
    desk.write("small/hub", claim("L0"))
    desk.audit()
    assert story(desk)[-1].categories == ("spec", bases.UNKNOWN)


def test_measurements_in_place_of_recorded_numbers(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.duckdb")
    for about, evidence, grade in (({"recorded": "there"}, "e1", "Medium"), ({}, "e2", "High")):
        row = VerdictRow("a/b", "h", evidence, grade, "holds", "it is so", "{}")
        ledger.record_verdicts(ledger.start_audit(about), [row])
    step = Histories(ledger).steps("a/b")[-1]
    assert step.moved
    assert [cause.text for cause in step.causes] == ["data: what the grade rests on recorded numbers -> measurements"]


def test_diff(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(desk.root)

    def typed(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(app, ("diff", *words))
        said = capsys.readouterr()
        return code, said.out, said.err

    desk.write("small/hub", claim())
    desk.audit()
    code, _, err = typed()
    assert code == UsageError.exit_code
    assert "two audits" in err
    desk.write("small/hub", claim("L0"))
    desk.write("small/new", claim("L1"))
    desk.audit("small/hub")
    desk.audit()

    code, out, _ = typed("1", "2")
    assert code == 0
    assert "High to Refuted" in out
    assert f"spec: expect.component L{HUB} -> L0" in out
    assert "small/new" not in out
    _, out, _ = typed()
    assert out.startswith("audit 2")
    assert "small/new" in out
    assert "0 grades changed" in out
    _, out, _ = typed("1", "3", "--format", "json")
    document = json.loads(out)
    assert [change["claim"] for change in document["changed"]] == ["small/hub"]
    assert [change["claim"] for change in document["new"]] == ["small/new"]
    assert document["changed"][0]["causes"][0]["category"] == "spec"
    assert out == typed("1", "3", "--format", "json")[1]
    code, _, err = typed("1", "9")
    assert code == UsageError.exit_code
    assert "there are 1 to 3" in err
