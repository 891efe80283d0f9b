"""specs: names of models, suites and claims, and what they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
from mi_atlas.specs.errors import SpecError
from mi_atlas.specs.library import PACKAGED, Library, load_workspace

CLAIM = """\
claim: {name}
statement: Layer 1 matters most.
model: {model}
suite: {suite}
metric: {{evaluator: ablation, quantity: kl, sites: {{granularity: layer}}}}
counterfactual: {{intervention: zero}}
control: {{kind: matched_norm_noise}}
expect: {expect}
threshold: {{high: 0.995}}
"""
TOP = "{form: top_component, component: L1}"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with one model and one suite of its own."""
    put(tmp_path / "library/models/mine.yaml", "model: mine\nsource: {path: weights}\n")
    put(tmp_path / "library/suites/two.yaml", "suite: two\nfamilies: [copying, arithmetic]\n")
    (tmp_path / "claims").mkdir()
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def claim(workspace: Path, name: str, model: str = "mine", suite: str = "two", expect: str = TOP) -> None:
    text = CLAIM.format(name=name, model=model, suite=suite, expect=expect)
    put(workspace / "claims" / f"{name}.yaml", text)


def migration(workspace: Path, name: str, children: str) -> None:
    text = f"claim: {name}\nstatement: It moves.\nexpect:\n  form: migration\n  claims: [{children}]\n"
    put(workspace / "claims" / f"{name}.yaml", text)


def told(workspace: Path) -> list[str]:
    faults = load_workspace(workspace / "claims", Library([workspace / "library"]))[1]
    return [str(fault).replace(f"{workspace}/", "") for fault in faults]


def test_what_ships_is_faultless_and_loads_by_name() -> None:
    library = Library()
    assert library.faults() == []
    assert library.models == sorted(path.stem for path in (PACKAGED / "models").iterdir())
    assert library.suites == sorted(path.stem for path in (PACKAGED / "suites").iterdir())
    assert [library.model(name).model for name in library.models] == library.models
    assert [library.suite(name).suite for name in library.suites] == library.suites


def test_a_workspaces_own_specs_come_first(workspace: Path) -> None:
    packaged = Library().models[0]
    put(workspace / f"library/models/{packaged}.yaml", f"model: {packaged}\nsource: {{path: my-weights}}\n")
    library = Library([workspace / "library"])
    assert library.model(packaged).source.path == "my-weights"
    assert library.model("mine").source.path == "weights"
    assert library.suite("two").families == ("copying", "arithmetic")
    assert set(Library().models) < set(library.models)
    assert library.model("mine") is library.model("mine")


def test_an_unknown_name_is_a_fault_with_the_nearest_one(workspace: Path) -> None:
    with pytest.raises(SpecError) as raised:
        Library([workspace / "library"]).suite("twoo")
    (fault,) = raised.value.faults
    assert fault.problem == "there is no suite of that name"
    assert "`two`" in fault.accepted
    assert fault.suggestion == "two"
    with pytest.raises(SpecError):
        Library().model("../models/pocket-qwen")


def test_a_faulty_spec_is_a_fault_of_the_library_and_no_reason_against_its_claims(workspace: Path) -> None:
    put(workspace / "library/models/mine.yaml", "model: mine\nsource: {pth: weights}\n")
    claim(workspace, "a")
    library = Library([workspace / "library"])
    with pytest.raises(SpecError) as raised:
        library.model("mine")
    assert [fault.where for fault in raised.value.faults] == ["source.pth"]
    assert [line.partition(": ")[0] for line in told(workspace)] == ["library/models/mine.yaml:2:10"]


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        (
            "models/other.yaml",
            "model: mine\nsource: {path: x}\n",
            "models/other.yaml:1:8: model: differs from the file's path",
        ),
        (
            "suites/nameless.yaml",
            "families: [copying]\n",
            "suites/nameless.yaml:1:1: suite: is missing; accepted `nameless`",
        ),
        (
            "model/x.yaml",
            "model: x\nsource: {path: x}\n",
            "model/x.yaml:1:1: is of no kind of spec; accepted `models/`",
        ),
        ("x.yaml", "model: x\nsource: {path: x}\n", "x.yaml:1:1: is of no kind of spec; accepted `models/`"),
        ("models/x.yaml.bak", "model: x\n", "models/x.yaml.bak:1:1: looks like YAML, and is not read"),
    ],
)
def test_no_file_of_a_library_is_passed_over(workspace: Path, file: str, text: str, fault: str) -> None:
    put(workspace / "library" / file, text)
    (line,) = told(workspace)
    assert line.startswith(f"library/{fault}")


def test_claims_that_name_what_exists_are_sound(workspace: Path) -> None:
    claim(workspace, "a/one")
    claim(workspace, "a/two", model="{model: x, source: {path: y}}", suite="{families: [copying]}")
    migration(workspace, "a/moves", "a/one, a/two")
    claims, faults = load_workspace(workspace / "claims", Library([workspace / "library"]))
    assert faults == []
    assert sorted(claims) == ["a/moves", "a/one", "a/two"]


def test_names_that_stand_for_nothing_are_faults_in_the_claim(workspace: Path) -> None:
    claim(workspace, "a", model="mien", suite="three")
    claim(workspace, "b")
    claims, _ = load_workspace(workspace / "claims", Library([workspace / "library"]))
    model, suite = told(workspace)
    assert model.startswith("claims/a.yaml:3:8: model: there is no model of that name; found the text `mien`; accepted")
    assert "`mine`" in model
    assert model.endswith("did you mean `mine`?")
    assert suite.startswith("claims/a.yaml:4:8: suite: there is no suite of that name; found the text `three`")
    assert list(claims) == ["b"]


def test_a_migration_rests_on_top_components_that_exist(workspace: Path) -> None:
    claim(workspace, "top")
    claim(workspace, "size", expect="{form: threshold, component: L1, at_least: 1}")
    put(workspace / "claims/broken.yaml", "claim: broken\n")
    migration(workspace, "moves", "top, tpo, size, moves, broken")
    lines = [line for line in told(workspace) if line.startswith("claims/moves.yaml")]
    assert [line.partition("; accepted")[0] for line in lines] == [
        "claims/moves.yaml:5:17: expect.claims[1]: there is no claim of that name; found the text `tpo`",
        "claims/moves.yaml:5:22: expect.claims[2]: is a claim of form threshold; found the text `size`",
        "claims/moves.yaml:5:28: expect.claims[3]: is itself a claim over other claims; found the text `moves`",
    ]
    assert lines[0].endswith("did you mean `top`?")


def test_of_many_names_the_first_are_listed_and_the_rest_counted(workspace: Path) -> None:
    for index in range(40):
        claim(workspace, f"claim{index:02}")
    migration(workspace, "moves", "claim01, cliam02")
    (line,) = told(workspace)
    assert "`claim00`, `claim01`" in line
    assert "and 29 more; did you mean `claim02`?" in line
