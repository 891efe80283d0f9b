"""specs: JSON Schema of claims and of every kind of named spec, for editors and for other programs."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from . import library
from .base import Spec
from .claim import ClaimAdapter

PACKAGED = Path(__file__).parent / "schema"
"""The schema files that ship with mi-atlas."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

KINDS: dict[str, TypeAdapter[Any]] = {
    "claim": ClaimAdapter,
    **{name: TypeAdapter(kind) for name, kind in library.KINDS.items()},
}
"""Kind of spec -> what validates one."""


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (draft 2020-12) by kind of spec; descriptions are the docstrings."""
    return {name: {"$schema": DIALECT, **_described(kind.json_schema())} for name, kind in KINDS.items()}


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Give every field of every class that the schema has the docstring that stands below it."""
    for part in (schema, *schema.get("$defs", {}).values()):
        fields = part.get("properties", {})
        named = (cls for cls in _below(Spec) if cls.__name__ == part.get("title"))
        cls = next((cls for cls in named if cls.model_fields.keys() == fields.keys()), None)
        for name, text in (_docstrings(cls) if cls else {}).items():
            if name in fields:
                fields[name] = dict(sorted({"description": text, **fields[name]}.items()))
    return schema


def _below(cls: type[Spec]) -> Iterator[type[Spec]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)


def _docstrings(cls: type[Spec]) -> dict[str, str]:
    """Field -> the string that stands below it, in the class or the nearest class above."""
    found: dict[str, str] = {}
    for each in reversed([cls for cls in cls.__mro__ if issubclass(cls, Spec)]):
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        except (OSError, TypeError):  # another package's class whose source is not there
            continue
        assert isinstance(tree, ast.ClassDef)
        for field, below in pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(below):
                found[field.target.id] = inspect.cleandoc(below.value.value)  # type: ignore[attr-defined]
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def write(folder: Path = PACKAGED) -> list[Path]:
    """Write `KIND.schema.json` for every kind into a folder, which is made if need be; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, schema in schemas().items():
        files.append(folder / f"{name}.schema.json")
        files[-1].write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return files
