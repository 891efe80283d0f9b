"""specs: one YAML file as plain values, with the place of every one of them.

On purpose there is less than YAML offers: one document a file, a mapping at its root, text as field names,
no tags (quote what is text), no merge keys (`<<`), no duplicate fields, and bounds on size, depth and the
number of values that aliases make. What an unquoted scalar means is in `yaml_scalars`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import Fault, dotted, shown
from .yaml_builder import Builder, Place, Stop

LARGEST_FILE = 1_000_000
"""Bytes."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_REFUSED = re.compile("[^\t\n\r -~\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)")
"""What YAML does not allow, and three more characters that YAML takes for a line's end and editors do not."""

_NAMES = {
    "\0": "a NUL character (is this a binary file?)",
    "\r": "a carriage return without a line feed",
    "\ufeff": "a byte order mark inside the text",
}

_PLAINER = {
    "mapping values are not allowed in this context": "a `:` where no field can start: quote text that holds `: `, "
    "or mend the indentation",
    "did not find expected key": "the indentation fits neither the line above nor the field it belongs to",
    "did not find expected ',' or ']'": "a list that was opened with `[` is not closed, or lacks a comma",
    "did not find expected ',' or '}'": "a mapping that was opened with `{` is not closed, or lacks a comma",
    "did not find expected '-' indicator": "a list item without its `-`, or a field among list items",
    "did not find expected <document start>": "a line that fits nothing above it: mend its indentation",
    "did not find expected node content": "a value is missing here",
}
"""libyaml's words -> the writer's."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and where it says it."""

    path: Path
    data: dict[str, Any] | None
    """Plain dicts, lists and scalars; None where there is nothing to go on with."""
    root: Place
    """The place of `data`, and inside it of every value."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with the YAML itself."""

    def place(self, path: Sequence[str | int]) -> Place:
        """The place of a value, or of the innermost value around it that exists."""
        place = self.root
        for step in path:
            if step not in place.inside:
                break
            place = place.inside[step]
        return place

    def get(self, path: Sequence[str | int]) -> Any:
        """The value at a path; None where there is none."""
        value: Any = self.data
        try:
            for step in path:
                value = value[step]
        except (LookupError, TypeError):
            return None
        return value

    def fault(
        self, path: Sequence[str | int], problem: str, found: str = "", accepted: str = "", suggestion: str = ""
    ) -> Fault:
        """What is wrong with the value at a path; where there is none, it is put at the innermost one around it."""
        place = self.place(path)
        return Fault(self.path, place.line, place.column, dotted(path), problem, found, accepted, suggestion)


def read(path: Path) -> Document:
    """The YAML document in a file; whatever is wrong, down to a missing file, is among its faults."""
    try:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "no regular file" if path.exists() else "missing, or a broken link"
            return _nothing(path, f"cannot be read: it is {kind}", "a YAML file")
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        return _nothing(path, f"cannot be read: {getattr(error, 'strerror', None) or error}", "a YAML file")
    return parse(raw, path)


def parse(raw: bytes | str, path: Path) -> Document:
    """The YAML document in a file's content; `path` is for messages only."""
    if len(raw) > LARGEST_FILE:
        return _nothing(path, "the file is too large", f"at most {LARGEST_FILE} bytes")
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode().removeprefix("\ufeff")
        problem = f"byte {error.start} (0x{error.object[error.start]:02x}) is not UTF-8"
        return _nothing(path, problem, "text saved as UTF-8", before)
    text = text.removeprefix("\ufeff")
    if refused := _REFUSED.search(text):
        name = _NAMES.get(refused[0], f"the character U+{ord(refused[0]):04X}, which YAML does not allow")
        return _nothing(path, f"holds {name}", "printable text", text[: refused.start()])
    return _build(text, path)


def _build(text: str, path: Path) -> Document:
    end = _end(text)
    builder = Builder(path, end)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
        if builder.root is None:
            builder.stop(Place(1, 1), "the file is empty", "a mapping of fields")
        if not isinstance(builder.root.data, dict):
            builder.stop(builder.root.place, "is no mapping", "a mapping of fields", shown(builder.root.data))
    except yaml.MarkedYAMLError as error:
        place, problem = _syntax_fault(error, text, end)
        builder.fault(place, f"is not YAML: {problem}")
        return Document(path, None, Place(1, 1), tuple(builder.faults))
    except Stop:
        return Document(path, None, Place(1, 1), tuple(builder.faults))
    return Document(path, builder.root.data, builder.root.place, tuple(builder.faults))


def _end(text: str) -> Place:
    """Behind the last character of the last line."""
    lines = text.removesuffix("\n").split("\n")
    return Place(len(lines), len(lines[-1].removesuffix("\r")) + 1)


def _syntax_fault(error: yaml.MarkedYAMLError, text: str, end: Place) -> tuple[Place, str]:
    """Where and what is no YAML; never a line that the file does not have."""
    mark: Any = error.problem_mark
    problem = str(error.problem)
    if problem == "found unexpected end of stream" and error.context_mark:
        problem, mark = "a quote is opened here and never closed", error.context_mark
    elif problem == "could not find expected ':'" and error.context_mark:
        problem, mark = "neither is `field: value` nor goes on from the line above", error.context_mark
    elif "tab character" in problem:
        problem = "a tab indents; use spaces"
    elif problem == "found character that cannot start any token":
        char = text[mark.index : mark.index + 1]
        problem = "a tab indents; use spaces" if char == "\t" else f"text that starts with {char!r} needs quotes"
    else:
        problem = _PLAINER.get(problem, f"{problem} {error.context or ''}".strip())
    return (end if mark.line >= end.line else Place(mark.line + 1, mark.column + 1)), problem


def _nothing(path: Path, problem: str, accepted: str, before: str = "") -> Document:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Document(path, None, Place(1, 1), (Fault(path, line, column, "", problem, accepted=accepted),))
