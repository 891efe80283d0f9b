"""judges: read a verdict out of a reply, strictly; what is no verdict is unscored, with the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ..specs.errors import shortened
from ..specs.judge import Rubric
from .completion import NotCompletion, completion

Winner = Literal["first", "second", "tie"]

LONGEST_READ = 65_536
"""Characters at the end of a reply in which a verdict is looked for."""

_REFUSAL = re.compile(
    r"\W*(?:(?:i'm|i am|we're|we are)(?: very| so)? sorry|sorry|i apologi[sz]e|i can't|i cannot|i can not"
    r"|i won't|i will not|i must decline|(?:i'm|i am) (?:unable|not able)|as an ai\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said on every dimension of its rubric."""

    scores: Mapping[str, float] = field(default_factory=dict)
    """Dimension -> score on the rubric's own scale and in its own direction; of an answer judged by itself."""
    winners: Mapping[str, Winner] = field(default_factory=dict)
    """Dimension -> the better answer; of two that were compared."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """A reply that holds no verdict."""

    code: str
    """not_a_completion, refused, empty, cut, no_verdict, off_menu, missing, contradictory."""
    reason: str
    """For people."""


class _Contradiction(ValueError):
    """An object that gives one name two values."""


def read(rubric: Rubric, raw: bytes) -> Verdict | Unscored:
    """The last complete verdict in a reply: the last JSON object with `scores` (or `winners`) in what the model wrote.

    Text before it, such as thinking or drafts, is passed over; a fault in it is never mended by an earlier one.
    """
    try:
        reply = completion(raw)
    except NotCompletion as error:
        return Unscored("not_a_completion", f"the reply is {error}")
    if reply.refusal or reply.finish == "content_filter":
        return Unscored("refused", f"the judge refused: {shortened(reply.refusal) or 'filtered'}")
    cut = reply.finish == "length"
    if not reply.content.strip():
        return Unscored("cut", "the reply was cut before a word of it") if cut else Unscored("empty", "no words")
    name = _field(rubric)
    try:
        last, rest = _last(reply.content[-LONGEST_READ:], name)
    except _Contradiction as error:
        return Unscored("contradictory", f"the verdict gives {shortened(str(error))} two values")
    if cut and (last is None or f'"{name}"' in rest):
        return Unscored("cut", "the reply was cut before its verdict was complete")
    if last is None:
        if _REFUSAL.match(reply.content.replace("’", "'")):
            return Unscored("refused", f"the judge refused: {shortened(reply.content.strip())}")
        return Unscored("no_verdict", f"no JSON object with `{name}` in: {shortened(reply.content.strip())}")
    return _verdict(rubric, last)


def schema_of(rubric: Rubric) -> dict[str, Any]:
    """JSON Schema of a verdict by a rubric; with `reasoning` first, so that a model writes it first."""
    least, most = rubric.scale
    score = {"type": "integer", "minimum": least, "maximum": most}
    each = {"type": "string", "enum": ["first", "second", "tie"]} if rubric.mode == "pairwise" else score
    names = [dimension.name for dimension in rubric.dimensions]
    verdict = _exactly(dict.fromkeys(names, each))
    return _exactly({"reasoning": {"type": "string"}, _field(rubric): verdict})


def _exactly(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Schema of an object that has these properties and no other."""
    fields = {"properties": dict(properties), "required": list(properties), "additionalProperties": False}
    return {"type": "object", **fields}


def _field(rubric: Rubric) -> str:
    return "winners" if rubric.mode == "pairwise" else "scores"


@lru_cache(maxsize=64)
def _validator(rubric: Rubric) -> Draft202012Validator:
    """Of the part that counts: what else stands beside it is passed over."""
    name = _field(rubric)
    part = schema_of(rubric)["properties"][name]
    return Draft202012Validator({"type": "object", "properties": {name: part}, "required": [name]})


def _verdict(rubric: Rubric, found: dict[str, Any]) -> Verdict | Unscored:
    faults = list(_validator(rubric).iter_errors(found))
    if faults:
        return _unscored(min(faults, key=lambda fault: (fault.validator != "required", list(map(str, fault.path)))))
    said = found[_field(rubric)]
    if rubric.mode == "pairwise":
        return Verdict(winners=said)
    return Verdict(scores={name: float(score) for name, score in said.items()})


def _unscored(fault: ValidationError) -> Unscored:
    where = ".".join(map(str, fault.path)) or "the verdict"
    return Unscored("missing" if fault.validator == "required" else "off_menu", f"{where}: {shortened(fault.message)}")


def _last(text: str, name: str) -> tuple[dict[str, Any] | None, str]:
    """The last object of a text that has a field, and the text after it.

    Raises:
        _Contradiction: that object, or one in it, gives one name two values.
    """
    last, rest, twice = None, text, None
    for found, end, contradiction in _objects(text):
        if name in found:
            last, rest, twice = found, text[end:], contradiction
    if twice:
        raise twice
    return last, rest


def _objects(text: str) -> Iterator[tuple[dict[str, Any], int, _Contradiction | None]]:
    """Every JSON object of a text that stands in no other, where it ends, and what it says twice in two ways."""
    at = text.find("{")
    while at >= 0:
        try:
            found, end = _LOOSE.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        try:
            _STRICT.raw_decode(text, at)
        except _Contradiction as error:
            yield found, end, error
        else:
            yield found, end, None
        at = text.find("{", end)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and (found[name] != value or type(found[name]) is not type(value)):
            raise _Contradiction(name)
        found[name] = value
    return found


_STRICT, _LOOSE = json.JSONDecoder(object_pairs_hook=_once), json.JSONDecoder()
