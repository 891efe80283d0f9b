"""specs: specs that name other specs, such as a metric its recipes: which names there are, and the same written out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

S = TypeVar("S", bound=BaseModel)

Path = tuple[str | int, ...]


def name_or_inline(value: Any) -> str:
    """Discriminator of a field that holds a spec's name or the spec itself."""
    return "name" if isinstance(value, str) else "inline"


class Refers(NamedTuple):
    """Metadata of a field whose texts, alone, in a list or in a mapping, are names of specs."""

    kind: str
    """recipe, judge, rubric, behaviour, model."""


class Reference(NamedTuple):
    """A name that stands for a spec."""

    path: Path
    """Where it stands."""
    kind: str
    name: str


def references(spec: BaseModel, path: Path = ()) -> Iterator[Reference]:
    """Every name of another spec in a spec, also in those that are written inside it."""
    for field, kind, at, value in _values(spec):
        if isinstance(value, BaseModel):
            yield from references(value, (*path, field, *at))
        elif kind and isinstance(value, str):
            yield Reference((*path, field, *at), kind, value)


def inlined(spec: S, find: Callable[[str, str], BaseModel]) -> S:
    """The spec with every name replaced by what it stands for, less that one's own name and notes.

    So that what is hashed is what the names mean. `find` is told kind and name.
    """
    changed: dict[str, Any] = {}
    for field, kind, at, value in _values(spec):
        if kind and isinstance(value, str):
            found = find(kind, value)
            value = found.model_copy(update=dict.fromkeys({kind, "notes"} & type(found).model_fields.keys()))
        elif isinstance(value, BaseModel) and (whole := inlined(value, find)) is not value:
            value = whole
        else:
            continue
        before = changed.get(field, getattr(spec, field))
        changed[field] = _put(before, at, value)
    return spec.model_copy(update=changed) if changed else spec


def _values(spec: BaseModel) -> Iterator[tuple[str, str | None, Path, Any]]:
    """(field, kind of spec that its texts name, place in the field, value)."""
    for field, kind in _kinds(type(spec)):
        value = getattr(spec, field)
        if isinstance(value, dict):
            yield from ((field, kind, (key,), each) for key, each in value.items())
        elif isinstance(value, tuple):
            yield from ((field, kind, (index,), each) for index, each in enumerate(value))
        else:
            yield field, kind, (), value


@cache
def _kinds(spec: type[BaseModel]) -> tuple[tuple[str, str | None], ...]:
    """Each field, and the kind of spec that its texts name."""
    return tuple(
        (field, next((each.kind for each in info.metadata if isinstance(each, Refers)), None))
        for field, info in spec.model_fields.items()
    )


def _put(whole: Any, at: Path, value: Any) -> Any:
    if not at:
        return value
    if isinstance(whole, dict):
        return {**whole, at[0]: value}
    return tuple(value if index == at[0] else each for index, each in enumerate(whole))
