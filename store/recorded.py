"""store: the SQL of imported numbers: each with its file, the file's digest and the path inside it. Append-only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .rows import utc_now
from .runs import insert, next_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ImportedValue:
    """One recorded number, as a map read it."""

    source: str
    """Map and table."""
    file: str
    digest: str
    pointer: str
    value: float
    model: str
    evaluator: str
    quantity: str
    unit: str
    intervention: str
    component: str
    control: str
    family: str
    prompt: str
    seed: str
    draw: str
    n: int
    spread: float | None
    recipe: str
    void: str
    """Why it does not count, such as the replicate that it copies; empty where it counts."""


NAMES = [field.name for field in fields(ImportedValue)]


def insert_values(connection: DuckDBPyConnection, reading: str, values: Sequence[ImportedValue]) -> int:
    """Add what a reading (files and maps, by digest) found, unless that reading is there; how many were added."""
    known = connection.execute("select 1 from imported where reading = $1", [reading]).fetchall()
    if known:
        return 0
    number = next_id(connection, "imported")
    connection.execute("insert into imported values ($1, $2, $3)", [number, reading, utc_now()])
    insert(connection, "imported_value", [(number, *(getattr(each, name) for name in NAMES)) for each in values])
    return len(values)


def select_imported(connection: DuckDBPyConnection, digests: Iterable[str]) -> list[ImportedValue]:
    """What the latest reading of each file found, by source and pointer."""
    rows = connection.execute(
        f"""select {", ".join(NAMES)} from imported_value
            where digest in (select unnest($1::varchar[]))
            qualify reading_id = max(reading_id) over (partition by digest, file)
            order by source, file, pointer""",
        [list(digests)],
    ).fetchall()
    return [ImportedValue(*row) for row in rows]
