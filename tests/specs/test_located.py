"""specs: pydantic's errors at their place in the document, on small models of every shape that specs use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from mi_atlas.specs.base import Many, Spec
from mi_atlas.specs.load import load_spec, validate
from mi_atlas.specs.yaml_document import parse
from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator


class Ratio(Spec):
    """A kind with a field that has the name of its own tag."""

    form: Literal["ratio"]
    ratio: Annotated[float, Field(gt=1)]


class Rank(Spec):
    """Another kind."""

    form: Literal["rank"]
    top: int = 1


class Inline(Spec):
    """A spec that can be written in place of its name."""

    path: str


class Whole(Spec):
    """A document."""

    expect: Annotated[Ratio | Rank, Field(discriminator="form")] = Rank(form="rank")
    each: Many[Annotated[Ratio | Rank, Field(discriminator="form")]] = ()
    model: Annotated[
        Annotated[str, Tag("name")] | Annotated[Inline, Tag("inline")],
        Discriminator(lambda value: "name" if isinstance(value, str) else "inline"),
    ] = "x"
    size: Literal["small", "large"] | Many[Literal["small", "large"]] = "small"
    table: dict[str, int] = Field(default={})
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _ordered(self) -> Whole:
        if self.low > self.high:
            raise ValueError("low must not exceed high")
        if self.table.get("odd", 0) % 2:
            raise ValueError("table.odd is odd")
        if self.high > 100:
            raise ValueError("the whole is too large")
        return self


def told(text: str, kind: Any = Whole) -> list[str]:
    return [str(fault).removeprefix("x:") for fault in validate(parse(text, Path("x")), TypeAdapter(kind))[1]]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("expect: {form: ratio, ratio: 2}", []),
        (
            "expect: {form: ratio}",
            ["1:9: expect.ratio: is missing; accepted a number of more than 1"],
        ),
        (
            "expect: {form: ratio, ratio: 1}",
            ["1:30: expect.ratio: should be greater than 1; found the number `1`; accepted a number of more than 1"],
        ),
        (
            "expect: {form: ratios}",
            [
                "1:16: expect.form: is none of the accepted words; found the text `ratios`; "
                "accepted `ratio`, `rank`; did you mean `ratio`?"
            ],
        ),
        ("expect: {top: 1}", ["1:9: expect.form: is missing; accepted `ratio`, `rank`"]),
        (
            "expect: rank",
            [
                "1:9: expect: has the wrong type; found the text `rank`; "
                "accepted a mapping whose `form` is `ratio`, `rank`"
            ],
        ),
        (
            "each:\n- {form: rank, top: '3'}\n- {form: rank, tap: 3}",
            [
                "2:21: each[0].top: has the wrong type; found the text `3`; accepted a whole number; did you mean `3`?",
                "3:16: each[1].tap: is no field here; accepted `form`, `top`; did you mean `top`?",
            ],
        ),
        ("model: 3", ["1:8: model: has the wrong type; found the number `3`; accepted text, or a mapping of `path`"]),
        (
            "model: {path: true}",
            ['1:15: model.path: has the wrong type; found `true`; accepted text; did you mean `"true"`?'],
        ),
        (
            "size: lagre",
            [
                "1:7: size: is none of the accepted words; found the text `lagre`; "
                "accepted `small`, `large`, or a list of: `small`, `large`; did you mean `large`?"
            ],
        ),
        (
            "size: {a: b}",
            [
                "1:7: size: has the wrong type; found a mapping; "
                "accepted `small`, `large`, or a list of: `small`, `large`"
            ],
        ),
        (
            "size: [small, 3]",
            ["1:15: size[1]: is none of the accepted words; found the number `3`; accepted `small`, `large`"],
        ),
        ("table: {a: 1, b: x}", ["1:18: table.b: has the wrong type; found the text `x`; accepted a whole number"]),
        ("high: 1.5", ["1:7: high: has the wrong type; found the number `1.5`; accepted a whole number"]),
        ("high: 0\nlow: 1", ["2:6: low: low must not exceed high; found the number `1`"]),
        ("table: {odd: 3}", ["1:14: table.odd: table.odd is odd; found the number `3`"]),
        ("table: {}\nhigh: 101", ["1:1: the whole is too large"]),
    ],
)
def test_errors_are_located_and_told(text: str, faults: list[str]) -> None:
    assert told(text) == faults


def test_a_fault_of_the_yaml_hides_pydantics_complaint_about_the_same_place_only() -> None:
    assert told("high: !!int 3\nlow: x") == [
        "1:7: high: has a tag; found `tag:yaml.org,2002:int`; accepted no tags; a value is text when it is quoted",
        "2:6: low: has the wrong type; found the text `x`; accepted a whole number",
    ]


def test_an_error_the_schema_does_not_explain_is_put_at_the_innermost_known_place() -> None:
    class Odd(Spec):
        value: Annotated[dict[str, int], Field(min_length=3)]

    assert told("value: {a: 1}", Odd)[0].startswith("1:8: value: should have at least 3 items")
    assert told("value: {a: b, c: 1, d: 1}", Odd)[0].startswith("1:12: value.a: ")


def test_load_spec_gives_the_spec_or_the_faults(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("low: 0\nhigh: 3\n")
    assert load_spec(path, Whole) == (Whole(high=3), [])
    path.write_text("low: 0\nhigh: three\n")
    spec, (fault,) = load_spec(path, Whole)
    assert spec is None
    assert (fault.path, fault.line, fault.column, fault.where) == (path, 2, 7, "high")
