"""store: why a run is not there: the stored run that differs from it in the fewest parts, and in which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Difference = dict[str, tuple[str | None, str | None]]
"""part -> (stored, wanted); None where one of the two does not have the part."""


def explain(connection: DuckDBPyConnection, wanted: Sequence[Mapping[str, str]]) -> list[Difference | None]:
    """For each wanted run, how the nearest stored run differs; of several as near, the newest. None: nothing is stored.

    Parts are compared as integer codes, so that a thousand misses against ten thousand runs take about a second.
    """
    import numpy as np

    rows = connection.execute("select run_id, part, digest from run_part").fetchall()
    stored: dict[int, dict[str, str]] = {}
    for run_id, part, value in rows:
        stored.setdefault(run_id, {})[part] = value
    if not stored:
        return [None] * len(wanted)
    runs = [stored[run_id] for run_id in sorted(stored, reverse=True)]
    names = sorted({part for run in [*runs, *wanted] for part in run})
    codes: dict[str | None, int] = {None: 0}

    def coded(parts: Mapping[str, str]) -> list[int]:
        return [codes.setdefault(parts.get(name), len(codes)) for name in names]

    table = np.array([coded(run) for run in runs], dtype=np.int32).T.copy()
    differences: list[Difference | None] = []
    for parts in wanted:
        pairs = zip(table, coded(parts), strict=True)
        distance = sum((column != code for column, code in pairs), np.zeros(len(runs), np.int32))
        nearest = runs[int(np.argmin(distance))]
        both = {name: (nearest.get(name), parts.get(name)) for name in names}
        differences.append({name: pair for name, pair in both.items() if pair[0] != pair[1]})
    return differences
