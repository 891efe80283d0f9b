"""specs: from YAML events to plain values and their places, without recursion and within bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from yaml import events

from .errors import Fault, dotted, shortened
from .yaml_scalars import meaning

DEEPEST = 50
"""Mappings and lists inside one another."""
MOST_VALUES = 50_000
"""Values of a file, each counted as often as aliases repeat it."""

DocumentPath = tuple[str | int, ...]


@dataclass(slots=True)
class Place:
    """Line and column (from 1) of a value; of the fields' names and the values inside it."""

    line: int
    column: int
    keys: dict[str | int, Place] = field(default_factory=dict)
    inside: dict[str | int, Place] = field(default_factory=dict)


@dataclass(slots=True)
class Value:
    """A finished value: where it is, how many values it is made of, how deep it goes."""

    data: Any
    place: Place
    size: int = 1
    depth: int = 0


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    value: Value
    path: DocumentPath
    anchor: str | None
    is_key: bool
    """It stands where a field's name is due, and is thrown away."""
    key: str | None = None
    """In a mapping: the field whose value comes next; None while a name is due."""
    drop: bool = False
    """That value is read and thrown away."""

    @property
    def here(self) -> DocumentPath:
        """Path of the value that comes next."""
        if isinstance(self.value.data, list):
            return (*self.path, len(self.value.data))
        return self.path if self.key is None else (*self.path, self.key)

    @property
    def awaits_key(self) -> bool:
        return self.key is None and isinstance(self.value.data, dict)

    def put(self, value: Value) -> None:
        """Add the value that was awaited."""
        self.value.size += value.size
        self.value.depth = max(self.value.depth, value.depth + 1)
        if isinstance(self.value.data, list):
            self.value.place.inside[len(self.value.data)] = value.place
            self.value.data.append(value.data)
            return
        if not self.drop and self.key is not None:
            self.value.place.inside[self.key] = value.place
            self.value.data[self.key] = value.data
        self.key, self.drop = None, False


class Stop(Exception):
    """Reading on makes no sense; the last fault says why."""


class Builder:
    """Takes events one by one; afterwards `root` is the document and `faults` what was wrong with it."""

    def __init__(self, path: Path, end: Place) -> None:
        self.path = path
        self.end = end
        self.root: Value | None = None
        self.faults: list[Fault] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Value | None] = {}
        self._documents = 0
        self._values = 0

    def take(self, event: events.Event) -> None:
        """Build on with one event.

        Raises:
            Stop: the file leaves the bounds, or has a second document.
        """
        if isinstance(event, events.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, events.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, events.CollectionEndEvent):
            self._end()
        elif isinstance(event, events.AliasEvent):
            self._alias(event)
        elif isinstance(event, events.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.stop(self._place(event), "a second document begins", "one document a file")

    def fault(self, place: Place, problem: str, accepted: str = "", found: str = "") -> None:
        """Note what is wrong with the value that is being read."""
        where = dotted(self._stack[-1].here) if self._stack else ""
        self.faults.append(Fault(self.path, place.line, place.column, where, problem, found, accepted))

    def stop(self, place: Place, problem: str, accepted: str, found: str = "") -> NoReturn:
        """Note why the file is given up, and give it up."""
        self.fault(place, problem, accepted, found)
        raise Stop

    def _place(self, event: events.Event) -> Place:
        """Where an event starts; a value that is left out at the end of the file is on its last line."""
        mark: Any = event.start_mark
        if mark.line >= self.end.line:
            return Place(self.end.line, self.end.column)
        return Place(mark.line + 1, mark.column + 1)

    def _scalar(self, event: events.ScalarEvent) -> None:
        place = self._place(event)
        self._count(place, 1)
        if self._stack and self._stack[-1].awaits_key:
            self._key(event, place)
            return
        value = Value(self._scalar_value(event, place), place)
        if event.anchor:
            self._anchors[event.anchor] = value
        self._put(value)

    def _scalar_value(self, event: events.ScalarEvent, place: Place) -> Any:
        if event.tag is not None:
            self._refuse_tag(event.tag, place)
        elif "\0" in event.value:
            self.fault(place, "holds a NUL character", "printable text")
        elif not event.implicit[0]:
            return event.value
        else:
            try:
                return meaning(event.value)
            except ValueError as error:
                self.fault(place, str(error), "a finite number of ordinary size", f"`{shortened(event.value)}`")
        return None

    def _key(self, event: events.ScalarEvent, place: Place) -> None:
        top = self._stack[-1]
        top.key, plain = event.value, event.implicit[0]
        if event.tag is not None:
            self._refuse_tag(event.tag, place)
        elif plain and event.value == "<<":
            self.fault(place, "merge keys are not YAML 1.2", "the fields written out, or an alias of a whole value")
            top.drop = True
        elif plain and not _is_text(event.value):
            self.fault(place, "a field's name must be text", "a quoted name", f"`{shortened(event.value)}`")
        if first := top.value.place.keys.get(event.value):
            self.fault(place, f"is given twice, first at {first.line}:{first.column}", "each field once")
            top.drop = True
        else:
            top.value.place.keys[event.value] = place

    def _start(self, event: events.CollectionStartEvent) -> None:
        place = self._place(event)
        self._count(place, 1)
        self._bound_depth(place, len(self._stack) + 1)
        if event.tag is not None:
            self._refuse_tag(event.tag, place)
        is_key = self._refused_as_key(place)
        if event.anchor:
            self._anchors[event.anchor] = None
        data: Any = {} if isinstance(event, events.MappingStartEvent) else []
        path = self._stack[-1].here if self._stack else ()
        self._stack.append(_Open(Value(data, place), path, event.anchor, is_key))

    def _end(self) -> None:
        closed = self._stack.pop()
        if closed.anchor:
            self._anchors[closed.anchor] = closed.value
        if not closed.is_key:
            self._put(closed.value)

    def _alias(self, event: events.AliasEvent) -> None:
        place, name = self._place(event), str(event.anchor)
        if self._refused_as_key(place):
            return
        target = self._anchors.get(name)
        if target is None:
            problem = "stands inside what it repeats" if name in self._anchors else "repeats nothing that stands above"
            self.fault(place, problem, "an alias of a value that is complete", f"`*{shortened(name)}`")
            target = Value(None, place)
        self._bound_depth(place, len(self._stack) + target.depth)
        self._count(place, target.size)
        repeated = Place(place.line, place.column, target.place.keys, target.place.inside)
        self._put(Value(target.data, repeated, target.size, target.depth))

    def _put(self, value: Value) -> None:
        if self._stack:
            self._stack[-1].put(value)
        else:
            self.root = value

    def _refused_as_key(self, place: Place) -> bool:
        """Whether a field's name was due, which a list, mapping or alias cannot be."""
        if not (self._stack and self._stack[-1].awaits_key):
            return False
        self.fault(place, "a field's name must be text", "a name written out", "an alias, a list or a mapping")
        self._stack[-1].key, self._stack[-1].drop = "?", True
        return True

    def _refuse_tag(self, tag: str, place: Place) -> None:
        self.fault(place, "has a tag", "no tags; a value is text when it is quoted", f"`{shortened(tag)}`")

    def _count(self, place: Place, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            self.stop(place, "the file holds too many values", f"at most {MOST_VALUES}, repeated ones counted again")

    def _bound_depth(self, place: Place, depth: int) -> None:
        if depth > DEEPEST:
            self.stop(place, "is nested too deep", f"at most {DEEPEST} mappings and lists inside one another")


def _is_text(plain: str) -> bool:
    try:
        return isinstance(meaning(plain), str)
    except ValueError:
        return False
