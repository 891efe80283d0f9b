"""specs: recorded-evidence maps: the path language, what is refused, and where the fault is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from mi_atlas.specs.errors import SpecError
from mi_atlas.specs.library import PACKAGED, Library
from mi_atlas.specs.load import validate
from mi_atlas.specs.recorded import RecordedMap
from mi_atlas.specs.recorded_paths import at, filled, matched, number, walk
from mi_atlas.specs.yaml_document import parse
from pydantic import TypeAdapter

DOCUMENT = {"families": ["a", "b"], "m": [[1.0, 2.0], [3.0, 4.0]], "d": {"L02": {"x/y": 5}, "other": 6}}
MAP = """\
recorded: one
about: One table.
files: [{files}]
model: org/model
numbers:
  - values: "{{layer}}"
    evaluator: ablation
    quantity: kl
    unit: nats
    component: L{{layer}}
"""


def found(path: str, **bound: str) -> list[tuple[str, dict[str, str], object]]:
    return list(walk(DOCUMENT, path, bound))


def faults(text: str) -> list[str]:
    return [str(fault) for fault in validate(parse(text, Path("a.yaml")), TypeAdapter(RecordedMap))[1]]


def test_a_field_stands_for_every_index_and_key() -> None:
    assert found("m/{layer}/{column}")[2] == ("/m/1/0", {"layer": "1", "column": "0"}, 3.0)
    assert [value for _, _, value in found("m/{layer}/{column}")] == [1.0, 2.0, 3.0, 4.0]
    assert found("d/L{layer}/{key}") == [("/d/L02/x~1y", {"layer": "02", "key": "x/y"}, 5)]
    assert [fields for _, fields, _ in found("d/{any}")] == [{"any": "L02"}, {"any": "other"}]


def test_numeric_fields_match_digits_only() -> None:
    assert found("d/{layer}") == []
    assert matched("a_{slug}_{date}.json", "a_two_words_20260101.json") == {"slug": "two_words", "date": "20260101"}


def test_a_bound_field_is_looked_up() -> None:
    assert at(DOCUMENT, "families/{column}", {"column": "1"}) == "b"
    assert at(DOCUMENT, "families/{column}", {"column": "2"}) is None
    assert at(DOCUMENT, "families/{column}", {"column": "-1"}) is None
    assert at(DOCUMENT, "d/L02/x~1y", {}) == 5
    assert found("m/{layer}/0", layer="1") == [("/m/1/0", {"layer": "1"}, 3.0)]


def test_pointers_are_json_pointers_that_lead_back() -> None:
    for pointer, _, value in found("d/L{layer}/{key}") + found("m/{layer}/{column}"):
        there: object = DOCUMENT
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            there = there[int(key)] if isinstance(there, list) else there[key]  # type: ignore[index]
        assert there == value


def test_labels_lose_leading_zeros() -> None:
    assert filled("L{layer}.head{head}", {"layer": "02", "head": "11"}) == "L2.head11"


def test_stars_match_folders_and_parts_of_names() -> None:
    assert matched("**/a_{seed}.json", "x/y/a_1.json") == {"seed": "1"}
    assert matched("**/a_{seed}.json", "a_1.json") == {"seed": "1"}
    assert matched("a_*.json", "a_b.json") == {}
    assert matched("a_*.json", "a_/b.json") is None
    assert matched("a.json", "axjson") is None


@pytest.mark.parametrize(
    ("value", "what"), [(1, 1.0), (True, 1.0), (False, 0.0), ("1", math.nan), (None, math.nan), (math.inf, math.nan)]
)
def test_what_is_a_number(value: object, what: float) -> None:
    assert number(value) == what or (math.isnan(number(value)) and math.isnan(what))


@pytest.mark.parametrize(
    "files", ["../a.json", "/a.json", "x/../../a.json", "a\\\\b.json", "a.pickle", "{a}_{a}.json", "{a}{b}.json"]
)
def test_file_patterns_stay_inside_and_are_of_known_kinds(files: str) -> None:
    assert faults(MAP.format(files="a.json")) == []
    (fault,) = faults(MAP.format(files=f'"{files}"'))
    assert fault.startswith("a.yaml:3:")


def test_what_nothing_binds_is_a_fault_at_its_place() -> None:
    wrong = MAP.format(files="a.json").replace("L{layer}", "L{layer}.head{head}")
    assert faults(wrong) == [
        "a.yaml:10:16: numbers[0].component: numbers[0].component uses {head}, which nothing binds (bound are layer); "
        "found the text `L{layer}.head{head}`"
    ]
    unused = MAP.format(files="a.json").replace("model:", "words: {family: {a: b}}\nmodel:")
    assert "words.family is of a field that nothing binds (bound are layer)" in faults(unused)[0]


def test_every_packaged_map_is_faultless_and_named_as_its_file() -> None:
    maps = Library().maps
    assert list(maps) == sorted(path.stem for path in (PACKAGED / "recorded").iterdir())
    assert all(spec.recorded == name for name, spec in maps.items())


def test_a_workspaces_own_map_is_read_and_its_faults_are_told(tmp_path: Path) -> None:
    (tmp_path / "recorded").mkdir()
    (tmp_path / "recorded" / "one.yaml").write_text(MAP.format(files="a.json"))
    assert "one" in Library([tmp_path]).maps
    (tmp_path / "recorded" / "one.yaml").write_text(MAP.format(files="../a.json"))
    assert Library([tmp_path]).faults() == []
    with pytest.raises(SpecError, match="stays below the folder"):
        _ = Library([tmp_path]).maps
