"""specs: where recorded numbers are: file patterns and paths into JSON whose `{fields}` bind what they match.

    phase3_{kind}_seed{seed}.json     a file: a field matches a part of its name; `*` and `**/` match and bind nothing
    effect_matrix/{layer}/{column}    a value: a step is a key or an index; a field stands for every one there is
    ablation/L{layer}H{head}          a part of a key

`{layer}`, `{head}`, `{seed}`, `{rank}`, `{date}` and `{time}` stand for whole numbers only. A field that is bound
already stands for what it was bound to: `families/{column}` is the label of that column. `~1` in a step is a `/`, `~0`
a `~`, as in a JSON pointer (RFC 6901). Nothing is evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, Field

SUFFIXES = (".json", ".jsonl", ".csv")
"""Of files that are read: JSON; JSON lines and tables with a header, each a list of rows."""

Fields = Mapping[str, str]
"""Name -> what it is bound to."""

NUMERIC = ("layer", "head", "seed", "rank", "date", "time")
"""Fields that match digits only."""

_FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_INTEGER = re.compile(r"[0-9]{1,15}")


def fields_of(text: str) -> tuple[str, ...]:
    """The names in braces, each once."""
    return tuple(dict.fromkeys(_FIELD.findall(text)))


def filled(text: str, fields: Fields) -> str:
    """The text with its fields replaced; whole numbers lose leading zeros, so that `layer_02` and 2 are one label.

    Raises:
        KeyError: a field is bound to nothing.
    """
    return _FIELD.sub(lambda found: _plain(fields[found[1]]), text) if "{" in text else text


def matched(pattern: str, path: str) -> Fields | None:
    """What a file pattern binds in a relative path with `/`; None if it is another file."""
    found = _file_pattern(pattern).fullmatch(path)
    return found.groupdict() if found else None


def walk(document: Any, path: str, bound: Fields) -> Iterator[tuple[str, dict[str, str], Any]]:
    """Every value at a path: its JSON pointer, the fields that lead there (with those bound before), and the value."""
    steps = _steps(path)

    def inside(value: Any, depth: int, pointer: str, fields: dict[str, str]) -> Iterator[Any]:
        if depth == len(steps):
            yield pointer, fields, value
            return
        for key, more in _children(value, *steps[depth], fields):
            child = value[int(key)] if isinstance(value, list) else value[key]
            escaped = key.replace("~", "~0").replace("/", "~1")
            yield from inside(child, depth + 1, f"{pointer}/{escaped}", fields | more if more else fields)

    yield from inside(document, 0, "", dict(bound))


def at(document: Any, path: str, fields: Fields) -> Any:
    """The one value at a path whose fields are all bound; None where there is none."""
    value = document
    for step, bound in _steps(path):
        key = _FIELD.sub(lambda found: fields[found[1]], step) if bound else step
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and _INTEGER.fullmatch(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def number(value: Any) -> float:
    """A JSON number, of `true` and `false` 1 and 0; NaN for what is none (a text, NaN, an infinity)."""
    if not isinstance(value, int | float):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan


def _children(value: Any, step: str, bound: bool, fields: Fields) -> Iterator[tuple[str, dict[str, str]]]:
    if not isinstance(value, dict | list):
        return
    exact = _FIELD.sub(lambda found: fields.get(found[1], found[0]), step) if bound else step
    if not bound or not _FIELD.search(exact):
        is_index = isinstance(value, list) and _INTEGER.fullmatch(exact) and int(exact) < len(value)
        if is_index or (isinstance(value, dict) and exact in value):
            yield exact, {}
        return
    pattern = _step_pattern(exact)
    for key in value if isinstance(value, dict) else map(str, range(len(value))):
        if found := pattern.fullmatch(key):
            yield key, found.groupdict()


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[tuple[str, bool], ...]:
    """Each step, and whether it holds fields."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")] if path else []
    return tuple((step, bool(_FIELD.search(step))) for step in steps)


@lru_cache(maxsize=4096)
def _step_pattern(step: str) -> re.Pattern[str]:
    return re.compile(_regex(step, r".+?"), re.DOTALL)


@lru_cache(maxsize=1024)
def _file_pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*)", pattern)
    stars = {"**/": r"(?:.+/)?", "*": r"[^/]*"}
    return re.compile("".join(stars.get(part) or _regex(part, r"[^/]+?") for part in parts))


def _regex(text: str, anything: str) -> str:
    parts = _FIELD.split(text)
    fields = {part: "[0-9]+" if part in NUMERIC else anything for part in parts[1::2]}
    return "".join(f"(?P<{part}>{fields[part]})" if i % 2 else re.escape(part) for i, part in enumerate(parts))


def _plain(value: str) -> str:
    return str(int(value)) if _INTEGER.fullmatch(value) else value


def _sound(text: str) -> str:
    names = _FIELD.findall(text)
    if len(set(names)) < len(names):
        raise ValueError("a field stands twice in it")
    if "}{" in text:
        raise ValueError("two fields stand side by side: nothing says where the first ends")
    if set("{}") & set(_FIELD.sub("", text)):
        raise ValueError("a field is a name in braces, such as {layer}")
    return text


def _relative(text: str) -> str:
    if text.startswith("/") or "\\" in text or ".." in text.split("/"):
        raise ValueError(
            "a file pattern stays below the folder that is imported: no `..`, no `/` at its start, no `\\`"
        )
    if not text.lower().endswith(SUFFIXES):
        raise ValueError(f"recorded files end in {', '.join(SUFFIXES)}")
    return text


Label = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_sound)]
"""A text whose `{fields}` are replaced: `L{layer}.mlp`."""

JsonPath = Annotated[str, Field(max_length=400), AfterValidator(_sound)]
"""Steps into a JSON document, separated by `/`: `effect_matrix/{layer}/{column}`."""

FilePattern = Annotated[str, Field(min_length=6, max_length=300), AfterValidator(_sound), AfterValidator(_relative)]
"""Files below the imported folder: `**/ablation_seed{seed}.json`."""
