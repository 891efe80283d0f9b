"""specs: what an item of a behaviour set is, and files of them, one JSON object a line."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from .base import Many, Spec
from .canonical import digest
from .checks import CHECKS, Call, Check
from .errors import Fault, SpecError, dotted, listed, nearest, shown

PACKAGED = Path(__file__).parent / "library" / "behaviours"
"""The sets that ship with mi-atlas."""

_NonEmpty = Annotated[str, Field(min_length=1)]


class Item(Spec):
    """What a model is asked, and what a program can say of its answer."""

    id: Annotated[str, Field(pattern=r"^\S+$", max_length=120)]
    """A name of its own within the file."""
    category: _NonEmpty
    """One of the set's categories; items of one category are measured together."""
    template: _NonEmpty | None = None
    """What the item is a clone of: the unit of replication. An item without one is its own."""
    system: _NonEmpty | None = None
    """What the model is told before the first turn."""
    turns: Annotated[Many[_NonEmpty], Field(min_length=1)]
    """What the user says; the model answers each turn, and its last answer counts."""
    open: _NonEmpty | None = None
    """Injection: a prompt in which the order that this item hides is the plain instruction."""
    plain: bool = False
    """The turns are text that the model continues, not messages of a chat: no template is put around them."""
    most: Annotated[int, Field(ge=1)] | None = None
    """Tokens after which every answer ends, where the model has not ended it; None: as many as are asked for. For text
    that a model continues without ever ending it."""
    reference: _NonEmpty | None = None
    """A right answer to the last turn."""
    checks: Many[Check] = ()
    """What the last answer must keep: all of it to pass."""

    @property
    def unit(self) -> str:
        """The unit of replication."""
        return self.template or self.id


ASKED = ("id", "system", "turns", "open", "plain", "most", "reference")
"""The fields that what is written depends on."""


def asked(item: Item) -> dict[str, Any]:
    """The part of an item that writing depends on, as JSON; its checks are no part of it."""
    return item.model_dump(mode="json", include=set(ASKED), exclude_none=True)


def order_of(draw: int, ids: Sequence[str]) -> tuple[int, ...]:
    """The permutation of a block's items that belongs to a draw: item i takes the place of item `order[i]`."""
    rng = random.Random(int(digest("order", [draw, *ids]), 16))
    return tuple(sorted(range(len(ids)), key=lambda _: rng.random()))


def packaged_files() -> tuple[Path, ...]:
    """The files of items that ship with mi-atlas."""
    return tuple(sorted(PACKAGED.glob("*.jsonl")))


def packaged_items(name: str) -> Path | None:
    """The file of items that ships under a set's name, where there is one."""
    return next((path for path in packaged_files() if path.stem == name), None)


def read_items(path: Path) -> tuple[Item, ...]:
    """The items of a file, in its order; empty lines are passed over.

    Raises:
        SpecError: every fault with its line: no JSON, a field that is wrong, an id that stands there twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Fault(path, 1, 1, "", f"cannot be read: {error}")]) from error
    items: dict[str, Item] = {}
    places: dict[str, int] = {}
    faults: list[Fault] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = Item.model_validate(json.loads(line, object_pairs_hook=_once))
        except ValidationError as error:
            faults += _located(error, path, number)
            continue
        except (ValueError, RecursionError) as error:
            problem = f"is no JSON: {getattr(error, 'msg', error)}"
            faults.append(Fault(path, number, getattr(error, "colno", 1), "", problem))
            continue
        if item.id in items:
            faults.append(Fault(path, number, 1, "id", f"is the id of line {places[item.id]}, too", shown(item.id)))
        items[item.id], places[item.id] = item, number
    if faults:
        raise SpecError(faults)
    return tuple(items.values())


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key `{next(name for name in names if names.count(name) > 1)}` stands twice in one object"
        )
    return found


def _located(error: ValidationError, path: Path, line: int) -> Iterator[Fault]:
    for each in error.errors(include_url=False):
        at, context, found = list(each["loc"]), each.get("ctx", {}), each["input"]
        tagged = len(at) > 2 and at[0] == "checks"
        kind = str(at.pop(2)) if tagged else ""
        fields = _fields(kind, at)
        where = dotted(at)
        match each["type"]:
            case "extra_forbidden":
                yield Fault(path, line, 1, where, "is no field here", "", listed(fields), nearest(str(at[-1]), fields))
            case "missing":
                yield Fault(path, line, 1, where, "is missing")
            case "union_tag_invalid":
                tags = [tag.strip("'") for tag in context["expected_tags"].split(", ")]
                close = nearest(str(context["tag"]), tags)
                yield Fault(path, line, 1, f"{where}.check", "is no check", shown(context["tag"]), listed(tags), close)
            case "union_tag_not_found":
                yield Fault(path, line, 1, f"{where}.check", "is missing")
            case "value_error":
                yield Fault(path, line, 1, where, str(context["error"]))
            case _:
                yield Fault(path, line, 1, where, each["msg"], shown(found))


def _fields(kind: str, at: Sequence[str | int]) -> list[str]:
    """The fields of what holds a field: the item, a check, or a call of one."""
    spec = Item if not kind else Call if "calls" in at else CHECKS[kind]
    return [info.alias or name for name, info in spec.model_fields.items()]
