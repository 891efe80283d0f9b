"""specs: pydantic's errors, told as faults at their place in the document."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from .errors import Fault, listed, nearest, shown
from .shapes import Shapes, Spot
from .yaml_document import Document
from .yaml_scalars import meaning

_SUBJECT = re.compile(r"^(Input|String|Tuple|List|Set|Dictionary|Value) ")


def located(error: ValidationError, document: Document, shapes: Shapes) -> list[Fault]:
    """Every error of a validation as a fault; what only sums up faults inside it is left out."""
    errors = [(each, _spot(each["loc"], document, shapes)) for each in error.errors(include_url=False)]
    around = {spot.path[:depth] for _, spot in errors for depth in range(len(spot.path))}
    faults: dict[tuple[Any, ...], Fault] = {}
    for each, spot in errors:
        if spot.path in around and (_is_union(spot) or each["type"] == "too_short"):
            continue
        fault = _fault(each, spot, document, shapes)
        faults.setdefault((spot.path, "" if _is_union(spot) else fault.problem), fault)
    return list(faults.values())


def _spot(loc: Sequence[str | int], document: Document, shapes: Shapes) -> Spot:
    """Where an error is; what the schema does not explain is taken for a union's branch, unless the document has it."""
    if spot := shapes.follow(loc):
        return spot
    path: tuple[str | int, ...] = ()
    for step in loc:
        if step in document.place(path).inside:
            path = (*path, step)
    return Spot(path, None)


def _fault(error: Mapping[str, Any], spot: Spot, document: Document, shapes: Shapes) -> Fault:
    context = error.get("ctx", {})
    path, accepted = spot.path, shapes.describe(spot.schema)
    match error["type"]:
        case "missing":
            return document.fault(path, "is missing", accepted=accepted)
        case "extra_forbidden" if spot.holder is not None:
            fields = shapes.fields(spot.holder)
            free = [name for name in fields if name not in (document.get(path[:-1]) or ())]
            fault = document.fault(path, "is no field here", "", listed(fields), nearest(str(path[-1]), free))
            name = document.place(path[:-1]).keys.get(path[-1], document.place(path))
            return dataclasses.replace(fault, line=name.line, column=name.column)
        case "union_tag_invalid" | "union_tag_not_found" if context["discriminator"].startswith("'"):
            path = (*path, context["discriminator"].strip("'"))
            return _wrong_word(path, shapes.words(shapes.root, path), document)
        case "value_error":
            return rule_broken(path, str(context["error"]), document)
    value = document.get(path)
    words = shapes.words(spot.schema)
    if words and (isinstance(value, str) or not _is_union(spot)):
        return _wrong_word(path, words, document, accepted)
    if error["type"].endswith("_type") or _is_union(spot):
        return document.fault(path, "has the wrong type", shown(value), accepted, _retyped(value, spot.schema))
    return document.fault(path, _SUBJECT.sub("", error["msg"]).replace(" after validation", ""), shown(value), accepted)


def rule_broken(path: tuple[str | int, ...], problem: str, document: Document) -> Fault:
    """A validator's own message; where it begins with a field (`expect.component names ...`), that is the place."""
    steps = re.findall(r"[^.\[\]]+", problem.split(" ", 1)[0])
    field = (*path, *(int(step) if step.isdigit() else step for step in steps))
    value = document.get(field)
    return document.fault(path, problem) if value is None else document.fault(field, problem, shown(value))


def _wrong_word(path: tuple[str | int, ...], words: list[str], document: Document, accepted: str = "") -> Fault:
    """A word that is none of the accepted ones, or that is missing."""
    value, accepted = document.get(path), accepted or listed(words)
    if value is None:
        return document.fault(path, "is missing", accepted=accepted)
    suggestion = nearest(value, words) if isinstance(value, str) else ""
    return document.fault(path, "is none of the accepted words", shown(value), accepted, suggestion)


def _retyped(value: Any, schema: Mapping[str, Any] | None) -> str:
    """The same scalar with or without quotes, where that would be of the right type."""
    kind = schema["type"] if schema else ""
    if kind == "str" and isinstance(value, bool | int | float):
        return f'"{str(value).lower()}"'
    if kind in ("int", "float", "bool") and isinstance(value, str):
        try:
            unquoted = meaning(value)
        except ValueError:
            return ""
        return value if type(unquoted).__name__ == kind else ""
    return ""


def _is_union(spot: Spot) -> bool:
    return spot.schema is not None and spot.schema["type"] == "union"
