"""specs: the example files, valid and invalid, by the loader and by JSON Schema."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mi_atlas.specs import schema
from mi_atlas.specs.load import validate
from mi_atlas.specs.yaml_document import read
from pydantic import TypeAdapter

EXAMPLES = Path(schema.__file__).parent / "examples"
VALID = sorted((EXAMPLES / "valid").glob("*.yaml"))
INVALID = sorted((EXAMPLES / "invalid").glob("*.yaml"))
KINDS: dict[str, TypeAdapter[Any]] = schema.KINDS


def kind_of(path: Path) -> str:
    return path.name.partition("-")[0]


@cache
def whole_schemas() -> dict[str, dict[str, Any]]:
    return schema.schemas()


def by_schema(path: Path) -> Draft202012Validator:
    return Draft202012Validator(whole_schemas()[kind_of(path)])


def test_there_are_examples_of_every_kind() -> None:
    assert (
        {kind_of(path) for path in VALID} == {kind_of(path) for path in INVALID} == set(KINDS) == set(schema.schemas())
    )


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_examples_are_accepted(path: Path) -> None:
    document = read(path)
    spec, faults = validate(document, KINDS[kind_of(path)])
    assert not faults
    assert spec is not None
    assert list(by_schema(path).iter_errors(document.data)) == []


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_examples_have_the_faults_they_announce(path: Path) -> None:
    """`# fault: LINE:COLUMN WHERE WORDS`, one line a fault, and no other fault."""
    announced = re.findall(r"^# fault: (\d+):(\d+) (.*)$", path.read_text(), re.MULTILINE)
    spec, faults = validate(read(path), KINDS[kind_of(path)])
    assert spec is None
    assert [(str(fault.line), str(fault.column)) for fault in faults] == [
        (line, column) for line, column, _ in announced
    ]
    for fault, (_, _, words) in zip(faults, announced, strict=True):
        where = fault.where and fault.where + " "
        assert words.startswith(where)
        assert words.removeprefix(where) in str(fault)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_schema_says_of_invalid_examples_what_they_announce(path: Path) -> None:
    """JSON Schema sees the values only: `accepts` what breaks a rule across fields or a rule of YAML itself."""
    announced = re.findall(r"^# schema: (refuses|accepts|cannot say)$", path.read_text(), re.MULTILINE)
    data = read(path).data
    said = "cannot say" if data is None else "accepts" if by_schema(path).is_valid(data) else "refuses"
    assert [said] == announced


def test_schema_files_are_those_of_the_models(tmp_path: Path) -> None:
    written = schema.write(tmp_path)
    assert {path.name for path in written} == {path.name for path in schema.PACKAGED.iterdir()}
    for path in written:
        assert path.read_bytes() == (schema.PACKAGED / path.name).read_bytes()


def test_schemas_are_schemas_and_stand_alone() -> None:
    for text in (path.read_text() for path in schema.PACKAGED.iterdir()):
        assert '"$id"' not in text
    for each in schema.schemas().values():
        Draft202012Validator.check_schema(each)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_schema_describes_every_field(kind: str) -> None:
    whole = schema.schemas()[kind]
    mappings = [each for each in (whole, *whole.get("$defs", {}).values()) if "properties" in each]
    assert mappings
    for mapping in mappings:
        for name, field in mapping["properties"].items():
            assert field.get("description"), f"{mapping['title']}.{name}"
