"""tests: the coverage of published sentences: complete as shipped; holes are found; what is not built is Pending."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from mi_atlas.engine import coverage
from mi_atlas.engine.cli import app
from mi_atlas.engine.select import load
from mi_atlas.engine.terminal import run
from mi_atlas.engine.workspace import PACKAGE, Workspace
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.registry import OURS, find_version, is_built
from mi_atlas.specs.library import Library, load_workspace

from .conftest import Desk, claim

PAGES = """\
published: pages
sentences:
  - {id: my.hub, page: my page, section: table, says: Layer 2 is the | hub., grade: High}
  - {id: my.rest, page: my page, section: table, says: The others are not., grade: Medium}
"""
TRAINED: dict[str, Any] = {
    "metric": {"evaluator": "unbuilt", "quantity": "exact_match", "recipes": {"base": {"training": "none"}}},
    "counterfactual": {"intervention": "train"},
    "control": {"kind": "shuffled_answers", "draws": 20},
    "expect": {"form": "threshold", "component": "base", "at_least": 0.1},
    "robustness": [],
}


def published(*sentences: str) -> dict[str, Any]:
    return {"grade": "High", "source": "my page", "sentences": list(sentences)}


@pytest.fixture
def pages(desk: Desk) -> Desk:
    """A workspace with two published sentences of its own, and no claim yet."""
    path = desk.root / "specs" / "library" / "published" / "pages.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGES)
    return desk


def seen(desk: Desk) -> tuple[list[coverage.Row], list[str]]:
    """Rows and holes; pages that no claim is about, such as the packaged ones, do not count."""
    library = Library([desk.root / "specs" / "library"])
    claims, faults = load_workspace(desk.root / "claims", library)
    assert not faults
    return coverage.rows(library, claims), coverage.holes(library, claims)


def test_every_published_sentence_has_a_claim_and_every_published_claim_a_sentence_and_a_twin() -> None:
    claims, library = load(Workspace(PACKAGE, PACKAGE / "claims", Path("ledger.duckdb")))
    assert coverage.holes(library, claims) == []
    rows = coverage.rows(library, claims)
    assert {row.sentence for row in rows} == set(library.sentences)
    assert all(row.claim and row.evaluators for row in rows)


def test_a_sentence_without_a_claim_is_a_hole(pages: Desk) -> None:
    pages.write("small/hub", claim(published=published("my.hub"), twin="small/hub"))
    rows, holes = seen(pages)
    assert "no claim puts `my.rest` to the test: The others are not." in holes
    assert [(row.sentence, row.claim) for row in rows] == [("my.hub", "small/hub"), ("my.rest", "")]


def test_a_published_grade_without_a_sentence_and_a_claim_without_a_twin_are_holes(pages: Desk) -> None:
    pages.write("small/hub", claim(published=published("my.hub", "my.rest")))
    pages.write("small/other", claim(published={"grade": "High", "source": "my page"}))
    _, holes = seen(pages)
    assert holes == ["small/hub has no pocket twin", "small/other has a published grade and names no sentence"]


def test_a_twin_is_about_a_pocket_model(pages: Desk) -> None:
    pages.write("small/hub", claim(published=published("my.hub", "my.rest"), twin="small/twin"))
    pages.write("small/twin", claim("L0"))
    assert seen(pages)[1] == ["small/hub has a twin, small/twin, that is about no pocket model"]
    pages.write("small/twin", claim("L0", model="pocket-qwen"))
    rows, holes = seen(pages)
    assert holes == []
    assert {(row.twin, row.evaluators, row.built) for row in rows} == {("small/twin", "ablation", "built")}


def test_the_table_as_text_keeps_what_would_break_it(pages: Desk) -> None:
    pages.write("small/hub", claim(published=published("my.hub", "my.rest"), twin="small/twin"))
    pages.write("small/twin", claim("L0", model="pocket-qwen"))
    rows, _ = seen(pages)
    assert r"| table: Layer 2 is the \| hub. | High | small/hub | small/twin | ablation |" in coverage.markdown(rows)
    read = list(csv.DictReader(io.StringIO(coverage.csv_text(rows))))
    assert read[0]["says"] == "Layer 2 is the | hub."
    assert coverage.summary(rows).startswith("2 published sentences, 1 claims, 1 pocket twins; 0 claims wait")


def test_the_command_prints_the_table_and_says_by_its_exit_code_that_there_are_holes(
    pages: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(pages.root)
    pages.write("small/hub", claim(published=published("my.hub"), twin="small/twin"))
    pages.write("small/twin", claim("L0", model="pocket-qwen"))
    assert run(app, ("coverage",)) == 1
    said = capsys.readouterr()
    assert "my page, table (High): Layer 2 is the | hub.\n  small/hub [ablation], twin small/twin\n" in said.out
    assert "hole: no claim puts `my.rest` to the test" in said.err
    pages.write("small/hub", claim(published=published("my.hub", "my.rest"), twin="small/twin"))
    assert run(app, ("coverage", "--format", "markdown")) == 0
    assert capsys.readouterr().out.startswith("## my page\n")


def test_a_sentence_or_a_twin_that_is_not_there_is_a_located_fault(pages: Desk) -> None:
    pages.write("small/hub", claim(published=published("my.hbu"), twin="small/twni"))
    _, faults = load_workspace(pages.root / "claims", Library([pages.root / "specs" / "library"]))
    told = sorted(str(fault).partition(": ")[2] for fault in faults)
    assert [line.partition(";")[0] for line in told] == [
        "published.sentences[0]: there is no published sentence of that id",
        "twin: there is no claim of that name",
    ]
    assert "did you mean `my.hub`?" in told[0]


def test_an_evaluator_that_is_not_built_has_a_code_and_says_so() -> None:
    assert all(is_built(name) for name in OURS)
    assert not is_built("unbuilt")
    with pytest.raises(
        NotEvaluated, match="evaluator `unbuilt` has a spec, but nothing here measures it yet"
    ) as raised:
        find_version("unbuilt")
    assert raised.value.code == "evaluator_not_built"


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> str:
    """An evaluator that has a spec and, whatever is built by now, is not registered."""
    from mi_atlas.evaluators import registry

    monkeypatch.setattr(registry, "_evaluators", {k: v for k, v in registry._evaluators.items() if k != "training"})
    return "training"


def test_a_claim_on_an_evaluator_that_is_not_built_is_pending_and_no_error(desk: Desk, unbuilt: str) -> None:
    metric = TRAINED["metric"] | {"evaluator": unbuilt}
    desk.write("small/trained", claim(**TRAINED | {"metric": metric}))
    desk.write("small/elsewhere", claim(**TRAINED | {"metric": metric, "model": "qwen2.5-3b"}))
    verdicts = desk.audit().verdicts
    assert verdicts["small/trained"].grade == "Pending"
    assert verdicts["small/trained"].reason.count("evaluator `training` has a spec, but nothing here measures it") == 1
    assert verdicts["small/elsewhere"].grade == "Pending"
    assert "weights of Qwen/Qwen2.5-3B" in verdicts["small/elsewhere"].reason
    assert "evaluator `training` has a spec" in verdicts["small/elsewhere"].reason
