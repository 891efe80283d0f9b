"""store: the SQL of runs, their parts, their measurements and the attempts that failed.

A key that was measured again has several takes, one row of `run` each: the newest is served, all are kept.
Ids are `max + 1`: DuckDB lets one process write at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .rows import FailedAttempt, FinishedRun, RunInfo, utc_now

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

NEWEST = "select max(id) from run where key in (select unnest($1::varchar[])) group by key"


def next_id(connection: DuckDBPyConnection, table: str) -> int:
    """The next free id of a table."""
    return int(connection.execute(f"select coalesce(max(id), 0) + 1 from {table}").fetchall()[0][0])


def select_hits(connection: DuckDBPyConnection, keys: Iterable[str]) -> set[str]:
    """Which of the keys have a committed run."""
    query = "select key from run where key in (select unnest($1::varchar[]))"
    return {key for (key,) in connection.execute(query, [list(keys)]).fetchall()}


def insert_runs(connection: DuckDBPyConnection, runs: Iterable[FinishedRun], supersede: bool) -> None:
    """Add finished runs in bulk; a key that is there is left out, or with `supersede` gets another take."""
    wanted: dict[str, FinishedRun] = {}
    for run in runs:
        wanted.setdefault(run.key, run)
    takes = dict(
        connection.execute(
            "select key, max(take) from run where key in (select unnest($1::varchar[])) group by key", [list(wanted)]
        ).fetchall()
    )
    fresh = [run for run in wanted.values() if supersede or run.key not in takes]
    if not fresh:
        return
    first = next_id(connection, "run")
    ids = range(first, first + len(fresh))
    rows = [
        (i, r.key, takes.get(r.key, 0) + 1, r.measured_at, r.seconds, r.device, json.dumps(dict(r.versions)))
        for i, r in zip(ids, fresh, strict=True)
    ]
    insert(connection, "run", rows)
    insert(connection, "run_part", [(i, *part) for i, r in zip(ids, fresh, strict=True) for part in r.parts.items()])
    insert_measurements(connection, dict(zip(ids, fresh, strict=True)))
    texts = [(i, place, text) for i, r in zip(ids, fresh, strict=True) for place, text in enumerate(r.texts)]
    insert(connection, "written", texts)


def insert(connection: DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Add rows to a table, column by column: one statement for all of them."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        unnested = ", ".join(f"unnest(${i})" for i in range(1, len(columns) + 1))
        connection.execute(f"insert into {table} select {unnested}", columns)


def insert_measurements(connection: DuckDBPyConnection, runs: Mapping[int, FinishedRun]) -> None:
    """Add one row per example and quantity: NaN is stored as null, infinities as they are.

    Raises:
        ValueError: for a run without parts or values, and for values that are not one flat sequence per quantity.
    """
    import numpy as np

    series: dict[str, list[tuple[int, NDArray[np.float64]]]] = {}
    for run_id, run in runs.items():
        if not run.parts or not run.values:
            raise ValueError(f"run {run.key} has no parts or no values: what measured nothing is a failed attempt")
        for quantity, values in run.values.items():
            array = np.asarray(values, dtype=np.float64)
            if array.ndim != 1 or not array.size:
                raise ValueError(f"run {run.key}: `{quantity}` has shape {array.shape}, not one value per example")
            series.setdefault(quantity, []).append((run_id, array))
    for quantity, parts in series.items():
        sizes = [array.size for _, array in parts]
        measured = {
            "run_id": np.repeat(np.array([run_id for run_id, _ in parts], dtype=np.int32), sizes),
            "position": np.concatenate([np.arange(size, dtype=np.int32) for size in sizes]),
            "value": np.concatenate([array for _, array in parts]),
        }
        connection.register("measured", measured)
        connection.execute("insert into measurement select run_id, position, $1, value from measured", [quantity])
        connection.unregister("measured")


def select_values(connection: DuckDBPyConnection, keys: Iterable[str]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """key -> quantity -> values in example order, of the newest take; keys without a run are left out."""
    import numpy as np

    columns = connection.execute(
        f"""select run.key, quantity, list(value order by position) as series
            from measurement join run on run.id = run_id
            where run_id in ({NEWEST}) group by all order by run.key, quantity""",
        [list(keys)],
    ).fetchnumpy()
    values: dict[str, dict[str, NDArray[np.float64]]] = {}
    for key, quantity, series in zip(columns["key"], columns["quantity"], columns["series"], strict=True):
        values.setdefault(key, {})[quantity] = np.ma.filled(series, np.nan)
    return values


def select_texts(connection: DuckDBPyConnection, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """key -> what was written, of the newest take; keys of runs that wrote nothing are left out."""
    rows = connection.execute(
        f"""select key, list(text order by position) from written join run on run.id = run_id
            where run_id in ({NEWEST}) group by key order by key""",
        [list(keys)],
    ).fetchall()
    return {key: tuple(texts) for key, texts in rows}


def select_infos(connection: DuckDBPyConnection, keys: Iterable[str]) -> dict[str, RunInfo]:
    """key -> how it was measured, of the newest take; keys without a run are left out."""
    rows = connection.execute(
        f"""select key, list(part), list(digest), measured_at, seconds, device, versions, take
            from run join run_part on run_id = id
            where id in ({NEWEST}) group by all order by key""",
        [list(keys)],
    ).fetchall()
    infos: dict[str, RunInfo] = {}
    for key, names, digests, measured_at, seconds, device, versions, take in rows:
        parts = dict(sorted(zip(names, digests, strict=True)))
        infos[key] = RunInfo(key, parts, measured_at, seconds, device, json.loads(versions), take)
    return infos


def select_dates(connection: DuckDBPyConnection, keys: Iterable[str]) -> dict[str, str]:
    """key -> when it was measured, of the newest take; keys without a run are left out."""
    return dict(connection.execute(f"select key, measured_at from run where id in ({NEWEST})", [list(keys)]).fetchall())


def newest_date(connection: DuckDBPyConnection) -> str | None:
    """When the last run was measured; None: there is none."""
    date = connection.execute("select max(measured_at) from run").fetchall()[0][0]
    return None if date is None else str(date)


def insert_attempt(connection: DuckDBPyConnection, key: str, parts: Mapping[str, str], error: str) -> None:
    """Record that a run was tried and gave no result."""
    row = (next_id(connection, "attempt"), key, json.dumps(dict(parts)), error, utc_now())
    insert(connection, "attempt", [row])


def select_attempts(connection: DuckDBPyConnection, keys: Iterable[str]) -> dict[str, list[FailedAttempt]]:
    """key -> the attempts that failed, oldest first; keys without one are left out."""
    rows = connection.execute(
        "select key, parts, error, failed_at from attempt where key in (select unnest($1::varchar[])) order by id",
        [list(keys)],
    ).fetchall()
    attempts: dict[str, list[FailedAttempt]] = {}
    for key, parts, error, failed_at in rows:
        attempts.setdefault(key, []).append(FailedAttempt(key, json.loads(parts), error, failed_at))
    return attempts
