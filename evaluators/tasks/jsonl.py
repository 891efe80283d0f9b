"""evaluators/tasks: rows from a file of one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...specs.errors import Fault
from .errors import TaskError


def jsonl_rows(path: Path) -> tuple[dict[int, Any], list[Fault]]:
    """Line number -> what stands on it, without empty lines; and a fault for every line that is no JSON.

    Raises:
        TaskError: a file that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    rows: dict[int, Any] = {}
    faults: list[Fault] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows[number] = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = f"is no JSON: {getattr(error, 'msg', error)}"
            faults.append(Fault(path, number, getattr(error, "colno", 1), "", problem))
    return rows, faults
