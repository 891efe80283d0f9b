"""tests: what a suite spec accepts, and the suites of the library."""

from __future__ import annotations

from pathlib import Path

import mi_atlas
import pytest
import yaml
from mi_atlas.evaluators.tasks.family import family_names
from mi_atlas.specs.schema import schemas
from mi_atlas.specs.suite import Suite
from pydantic import ValidationError

from .conftest import core

LIBRARY = sorted((Path(mi_atlas.__file__).parent / "specs/library/suites").glob("*.yaml"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_library_suites_are_valid(path: Path) -> None:
    suite = Suite.model_validate(yaml.safe_load(path.read_text()))
    assert suite.suite == path.stem
    assert set(suite.families or ()) <= set(family_names())


def test_the_suites_of_the_library_nest() -> None:
    suites = {suite.suite: suite for suite in (Suite.model_validate(yaml.safe_load(p.read_text())) for p in LIBRARY)}
    families = {name: list(suite.families or ()) for name, suite in suites.items()}
    assert {name: len(found) for name, found in families.items()} == {
        **{"main-12": 12, "narrow-4": 4, "natural-12": 12, "long-12": 12, "broad-20": 20}
    }
    assert families["broad-20"][:12] == families["main-12"]
    assert families["main-12"][:4] == families["narrow-4"]
    for variant in ("natural", "long"):
        assert families[f"{variant}-12"] == [f"{name}_{variant}" for name in families["main-12"]]


def test_defaults() -> None:
    suite = Suite(suite="s", families=("copying",))
    assert (suite.templates, suite.items, suite.seed) == (30, 120, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": None}, "exactly one of families, jsonl, dataset and behaviour"),
        ({"jsonl": "a.jsonl"}, "exactly one of families, jsonl, dataset and behaviour"),
        ({"families": None, "jsonl": "a.jsonl", "items": 60, "seed": 1}, "items and seed cannot be set with jsonl"),
        ({"families": ["copying", "copying"]}, "each family is named once"),
        ({"families": []}, "at least 1 item"),
        ({"items": 29}, r"items \(29\) must be at least templates \(30\)"),
        ({"templates": 31}, "less than or equal to 30"),
        ({"templates": 0}, "greater than or equal to 1"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"items": "120"}, "valid integer"),
        ({"suite": "Core 4"}, "match pattern"),
        ({"item": 3}, "Extra inputs"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        core(**changes)


def test_every_field_is_described() -> None:
    assert all(field["description"] for field in schemas()["suite"]["properties"].values())
