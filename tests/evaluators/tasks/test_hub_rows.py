"""tests: a suite from a dataset of the hub, read offline from a cache laid out as the hub client lays it out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mi_atlas.evaluators.tasks import TaskError, generate
from mi_atlas.specs.suite import Dataset, Suite
from tokenizers import Tokenizer

from ..hub_cache import COMMIT, snapshot_of

ROWS = [
    {"good": "the cat is", "bad": "the dog is", "answer": " red", "other": " blue", "kind": "pets", "draw": 1},
    {"good": "a cup was", "bad": "a pen was", "answer": " blue", "other": " red", "kind": "things", "draw": 1},
    {"good": "my hat is", "bad": "my car is", "answer": " red", "other": " blue", "kind": "things", "draw": 2},
]
COLUMNS = {"clean": "good", "corrupt": "bad", "target": "answer", "wrong_target": "other"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds one dataset at one commit; nothing else can be reached."""
    snapshot = snapshot_of("pairs", tmp_path, monkeypatch)
    repository = snapshot.parent.parent
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (snapshot / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return repository


def suite(**changes: object) -> Suite:
    fields = {"hub": "someone/pairs", "revision": COMMIT, "columns": {**COLUMNS, "family": "kind"}} | changes
    return Suite(suite="mine", dataset=Dataset.model_validate(fields))


def test_rows_become_blocks(cache: Path, small: Tokenizer) -> None:
    blocks = generate(suite(), small, "verification", 1)
    assert [(block.family, [example.clean for example in block.examples]) for block in blocks] == [
        ("pets", ["the cat is"]),
        ("things", ["a cup was"]),
    ]
    assert blocks[1].examples[0].target == " blue"
    (second,) = generate(suite(), small, "verification", 2)
    assert [example.corrupt for example in second.examples] == ["my car is"]


def test_a_dataset_without_families_is_one(cache: Path, small: Tokenizer) -> None:
    (block,) = generate(suite(columns=COLUMNS), small, "verification", 1)
    assert block.family == "pairs"
    assert len(block.examples) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "f" * 40}, "someone/pairs at ffffffffffff is not on this machine; `hf download --repo-type"),
        ({"hub": "someone/else"}, "someone/else at 0123456789ab is not on this machine"),
        ({"split": "train"}, "someone/pairs cannot be read: .*train"),
        ({"subset": "tiny"}, "someone/pairs cannot be read: .*tiny"),
        ({"columns": {**COLUMNS, "clean": "prompt"}}, "has no column `prompt`; it has answer, bad, draw, good"),
        ({"columns": {}}, "pairs:1:1: clean: is missing"),
    ],
)
def test_what_is_not_there_is_named(changes: dict[str, object], message: str, cache: Path, small: Tokenizer) -> None:
    with pytest.raises(TaskError, match=message):
        generate(suite(**changes), small, "verification", 1)


@pytest.mark.parametrize(("field", "value"), [("revision", "main"), ("hub", "../etc"), ("hub", "pairs")])
def test_what_does_not_identify_a_dataset_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        suite(**{field: value})
