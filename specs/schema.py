"""specs: JSON Schema of claims, models and suites, for editors and for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from .claim import ClaimAdapter
from .model import Model
from .suite import Suite

PACKAGED = Path(__file__).parent / "schema"
"""The schema files that ship with mi-atlas."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_KINDS: dict[str, TypeAdapter[Any]] = {"claim": ClaimAdapter, "model": TypeAdapter(Model), "suite": TypeAdapter(Suite)}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (draft 2020-12) by kind of spec; descriptions are the docstrings."""
    return {name: {"$schema": DIALECT, **kind.json_schema()} for name, kind in _KINDS.items()}


def write(folder: Path = PACKAGED) -> list[Path]:
    """Write `KIND.schema.json` for every kind into a folder, which is made if need be; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, schema in schemas().items():
        files.append(folder / f"{name}.schema.json")
        files[-1].write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return files
