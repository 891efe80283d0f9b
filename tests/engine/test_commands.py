"""tests: the command line as a person uses it: what is printed, what is written, exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mi_atlas.engine.cli import app
from mi_atlas.engine.terminal import run

from .conftest import HUB, Desk, claim

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def type_words(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type a command in the workspace -> (exit code, standard output, standard error)."""
    monkeypatch.chdir(desk.root)

    def type_words(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(app, words)
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_words


def test_a_first_day(desk: Desk, type_words: Type) -> None:
    desk.write("small/hub", claim(published={"grade": "High", "source": "a page"}, scope_note="for short prompts"))
    desk.write("small/wrong", claim("L0", threats=["the prompts are synthetic"]))

    code, out, _ = type_words("plan")
    assert code == 0
    assert "never measured" in out

    code, out, err = type_words("audit")
    assert code == 0
    assert "2 claims: 1 High, 1 Refuted" in out
    assert "measuring" in err

    code, out, _ = type_words("explain", "small/wrong")
    assert code == 0
    assert out.startswith("small/wrong: L0 matters most")
    assert "threat: the prompts are synthetic" in out
    assert 10 <= len(out.splitlines()) <= 18

    code, out, _ = type_words("table", "--format", "markdown")
    assert "| High (for short prompts) |" in out
    assert out == type_words("table", "--format", "markdown")[1]

    rows = list(csv.DictReader(io.StringIO(type_words("table", "--format", "csv")[1])))
    assert [(row["claim"], row["published"]) for row in rows] == [("small/hub", "High"), ("small/wrong", "")]

    documents = json.loads(type_words("table", "--format", "json")[1])
    assert documents[1]["verdict"]["grade"] == "Refuted"

    code, out, _ = type_words("plan")
    assert "0 runs to measure" in out


def test_accepted_grades_decide_the_exit_code(desk: Desk, type_words: Type) -> None:
    desk.write("small/hub", claim())
    assert type_words("accept")[0] == 3
    type_words("audit")
    assert type_words("accept")[0] == 0
    accepted = desk.root / "claims" / "verdicts.lock"
    before = accepted.read_bytes()
    assert type_words("accept")[0] == 0
    assert accepted.read_bytes() == before
    assert type_words("audit")[0] == 0
    desk.write("small/hub", claim("L0"))
    code, out, _ = type_words("audit")
    assert code == 1
    assert "graded lower than accepted: small/hub" in out


def test_selections(desk: Desk, type_words: Type) -> None:
    desk.write("small/hub", claim(tags=["core"]))
    desk.write("small/wrong", claim("L0"))
    type_words("audit", "--tag", "core")
    listed = json.loads(type_words("table", "-f", "json")[1])
    assert [row["grade"] for row in listed] == ["High", "not audited"]
    assert len(json.loads(type_words("table", "small/h*", "-f", "json")[1])) == 1
    assert len(json.loads(type_words("table", "--model", "small", "-f", "json")[1])) == 2
    for words, hint in (
        (("audit", "small/hubb"), "did you mean `small/hub`"),
        (("audit", "--tag", "cor"), "did you mean `core`"),
        (("audit", "--model", "smal"), "did you mean `small`"),
        (("explain", "small/wrong"), "mi-atlas audit small/wrong"),
    ):
        code, _, err = type_words(*words)
        assert code == 3
        assert hint in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("audti",), "audti"),
        (("audit", "--devise", "cpu"), "--devise"),
        (("table", "--format", "pdf"), "pdf"),
        (("explain",), "claim"),
        (("validate", "no-such-folder"), "no-such-folder"),
        (("models", "build", "pocket-nothing"), "pocket-nothing"),
    ],
)
def test_wrong_words_are_exit_code_3(type_words: Type, words: tuple[str, ...], says: str) -> None:
    code, _, err = type_words(*words)
    assert code == 3
    assert says in err
    assert "Traceback" not in err


def test_faults_of_all_files_are_printed_with_their_places(desk: Desk, type_words: Type) -> None:
    without_control = claim()
    del without_control["control"]
    desk.write("small/a", without_control)
    desk.write("small/b", claim(metric={"evaluator": "ablation", "quantity": "entropy", "sites": {"granularity": "x"}}))
    desk.write("small/c", claim(model="smal"))
    for command in ("validate", "audit", "plan", "table"):
        code, _, err = type_words(command)
        assert code == 3
        assert "a.yaml:1:1: " in err
        assert "control" in err
        assert "did you mean `kl`?" in err
        assert "did you mean `small`?" in err
        assert "4 faults" in err


def test_new_writes_a_claim_that_validates(desk: Desk, type_words: Type) -> None:
    words = ["--statement", 'It says "hub": yes', "--model", "small", "--suite", "tiny", "--quantity", "kl"]
    words += ["--counterfactual", "zero", "--control", "matched_norm_noise", "--component", "L1.mlp", "--high", "0.995"]
    code, _, err = type_words("new", "mine/first", *words)
    assert code == 0, err
    path = desk.root / "claims" / "mine" / "first.yaml"
    document = yaml.safe_load(path.read_text())
    assert document["statement"] == 'It says "hub": yes'
    assert document["expect"] == {"form": "top_component", "component": "L1.mlp", "scope": "in_suite"}
    assert type_words("validate")[0] == 0
    code, _, err = type_words("new", "mine/first", *words)
    assert (code, "exists" in err) == (3, True)
    code, _, err = type_words("new", "mine/second", *words, "--at-most", "0.1")
    assert code == 0, err
    code, _, err = type_words("new", "../outside", *words)
    assert code == 3
    assert not (desk.root / "outside.yaml").exists()
    words[words.index("small")] = "smal"
    code, _, err = type_words("new", "mine/third", *words)
    assert code == 3
    assert "did you mean `small`?" in err


def test_new_asks_for_what_is_not_given(desk: Desk) -> None:
    words = ("new", "mine/asked", "--model", "small", "--suite", "tiny", "--component", "L1", "--high", "0.995")
    process = desk.command(*words, stdin=True)
    out, err = process.communicate("One layer is the hub.\n\n\n\n", timeout=300)
    assert process.returncode == 0, err
    assert "in one sentence" in out
    document = yaml.safe_load((desk.root / "claims" / "mine" / "asked.yaml").read_text())
    assert document["metric"]["quantity"] == "kl"
    assert document["control"]["kind"] == "matched_norm_noise"


def test_schema_writes_what_the_package_ships(desk: Desk, type_words: Type) -> None:
    assert type_words("schema", "out")[0] == 0
    shipped = Path(os.path.dirname(__import__("mi_atlas").__file__)) / "specs" / "schema"
    for path in (desk.root / "out").iterdir():
        assert path.read_bytes() == (shipped / path.name).read_bytes()


def test_doctor_says_what_is_here(desk: Desk, type_words: Type) -> None:
    desk.write("small/hub", claim())
    code, out, _ = type_words("doctor")
    assert code == 0
    assert "model small: Qwen2ForCausalLM" in out
    (desk.root / "claims" / "registrations.lock").write_text("{")
    code, out, _ = type_words("doctor")
    assert code == 4
    assert "WRONG registrations" in out


def test_models_list_says_what_is_here(desk: Desk, type_words: Type) -> None:
    code, out, _ = type_words("models", "list")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "4 layers" in lines["small"]
    assert "--download" in lines["qwen2.5-0.5b"]


def test_a_suite_of_rows_from_a_file(desk: Desk, type_words: Type) -> None:
    rows = []
    for i in range(40):
        a, b = f"{i // 7}{i % 7}", f"{i % 7}{i // 7 + 1}"
        row = {"family": "mine", "template": f"t{i}", "clean": f"case {i}: {a} is", "corrupt": f"case {i}: {b} is"}
        rows.append({**row, "target": " red" if i % 2 else " blue", "wrong_target": " blue" if i % 2 else " red"})
    (desk.root / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    suite = {"jsonl": "rows.jsonl"}
    desk.write("mine/hub", claim(suite=suite))
    code, out, err = type_words("audit")
    assert "n = 40 templates" in out, out + err
    (desk.root / "rows.jsonl").write_text('{"family": "mine", "clean": 3}\n')
    code, out, _ = type_words("audit")
    assert code == 2
    assert "rows.jsonl:1" in " ".join(out.split())


def test_the_ledger_can_be_elsewhere(desk: Desk, type_words: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("small/hub", claim(f"L{HUB}"))
    assert type_words("audit", "--ledger", "other/place.duckdb")[0] == 0
    assert (desk.root / "other" / "place.duckdb").exists()
    monkeypatch.setenv("MI_ATLAS_LEDGER", str(desk.root / "other" / "place.duckdb"))
    assert "1 High" in type_words("table")[1]


def test_a_suite_whose_file_is_missing_is_pending_and_named(desk: Desk, type_words: Type) -> None:
    desk.write("mine/hub", claim(suite={"jsonl": "gone.jsonl"}))
    code, out, err = type_words("audit")
    assert code == 2, err
    assert "gone.jsonl" in out


def test_weights_that_cannot_be_fetched_are_a_machine_error(
    desk: Desk, type_words: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    desk.write("far/hub", claim(model={"model": "far", "source": {"hub": "someone/not-here"}}))
    code, _, err = type_words("audit", "--download")
    assert code == 4
    assert "someone/not-here" in err
    assert "Traceback" not in err
