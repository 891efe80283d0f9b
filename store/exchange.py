"""store: evidence that goes to another ledger, as Parquet files or from ledger to ledger, and what comes of it there.

A row that is there is never rewritten. Of a run that both have, measured alike, the one that is there stays; where the
two differ by more than numerics, both are kept and the key is in conflict until it is measured again. What comes in is
checked: each file against the manifest's digest, each run's key against its parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..specs.canonical import digest, digest_file
from .errors import LedgerError
from .rows import FinishedRun, utc_now
from .runs import insert, insert_runs, next_id, select_values

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    Values = Mapping[str, NDArray[np.float64]]

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 1_000_000
MOST_MEMORY = "1GB"
AT_ONCE = 2000
"""Runs that are compared together."""

COLUMNS = {
    "run": (
        ("id", "integer"),
        ("key", "varchar"),
        ("measured_at", "varchar"),
        ("seconds", "double"),
        ("device", "varchar"),
        ("versions", "varchar"),
    ),
    "run_part": (("run_id", "integer"), ("part", "varchar"), ("digest", "varchar")),
    "measurement": (("run_id", "integer"), ("position", "integer"), ("quantity", "varchar"), ("value", "double")),
    "written": (("run_id", "integer"), ("position", "integer"), ("text", "varchar")),
    "reply": (
        ("key", "varchar"),
        ("judge", "varchar"),
        ("raw", "blob"),
        ("received_at", "varchar"),
        ("seconds", "double"),
        ("tokens_in", "integer"),
        ("tokens_out", "integer"),
        ("attempts", "integer"),
    ),
    "label": (
        ("key", "varchar"),
        ("position", "integer"),
        ("rubric", "varchar"),
        ("dimension", "varchar"),
        ("score", "double"),
        ("labelled_at", "varchar"),
    ),
}
"""Table -> the columns that go from ledger to ledger, and their types."""

OF_RUNS = ("run_part", "measurement", "written")
"""Tables whose rows belong to a run."""

Agree = Callable[[Mapping[str, str], "Values", "Values"], bool]
"""(parts of a run, its values here, its values there) -> whether they are the same but for numerics."""


class ExchangeError(LedgerError):
    """What was to be imported is not whole, or is not what it says it is; nothing of it was taken."""

    fix = "export it again from the ledger that it came from"


@dataclass(frozen=True)
class Taken:
    """What came in."""

    runs: int
    known: int
    """Runs that were there, and agree."""
    conflicts: tuple[str, ...]
    """Keys of runs that were there, and differ; both are kept."""
    replies: int
    labels: int


def export(connection: DuckDBPyConnection, folder: Path, keys: Iterable[str] | None = None) -> dict[str, int]:
    """Write the newest take of runs (of all, or of these keys), every reply and label; table -> rows."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = "" if keys is None else "where key in (select unnest($1::varchar[]))"
    given = [] if keys is None else [list(keys)]
    connection.execute(f"create temp table chosen as select max(id) as id from run {chosen} group by key", given)
    rows: dict[str, int] = {}
    try:
        for table, columns in COLUMNS.items():
            names = ", ".join(f"t.{name}" for name, _ in columns)
            by = {"run": "id", **dict.fromkeys(OF_RUNS, "run_id")}.get(table)
            join = f"join chosen on chosen.id = t.{by}" if by else ""
            query = f"select {names} from {table} t {join} order by all"
            target = str(folder / f"{table}.parquet").replace("'", "''")
            counted = connection.execute(f"copy ({query}) to '{target}' (format parquet, compression zstd)").fetchall()
            rows[table] = int(counted[0][0])
    finally:
        connection.execute("drop table chosen")
    files = {table: {"rows": rows[table], "sha256": digest_file(folder / f"{table}.parquet")} for table in COLUMNS}
    manifest = {"format": FORMAT, "exported_at": utc_now(), "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return rows


def parquet(folder: Path) -> dict[str, str]:
    """Table -> SQL that reads its file, once the manifest and every digest were checked.

    Raises:
        ExchangeError: something is missing, damaged or not ours. Names come from here, never from the manifest.
    """
    try:
        with (folder / MANIFEST).open("rb") as stream:
            manifest = json.loads(stream.read(LARGEST_MANIFEST))
        found = manifest["format"], {table: manifest["files"][table]["sha256"] for table in COLUMNS}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ExchangeError(folder, f"{MANIFEST} cannot be read: {type(error).__name__}: {error}") from error
    if found[0] != FORMAT:
        raise ExchangeError(folder, f"is of format {found[0]}, and this mi-atlas reads {FORMAT}", "upgrade mi-atlas")
    for table, expected in found[1].items():
        path = folder / f"{table}.parquet"
        if path.is_symlink() or not path.is_file():
            raise ExchangeError(folder, f"{path.name} is missing, or is no file")
        if digest_file(path) != expected:
            raise ExchangeError(folder, f"{path.name} is not the file that was exported: its digest differs")
    quoted = {table: str(folder / f"{table}.parquet").replace("'", "''") for table in COLUMNS}
    return {table: f"read_parquet('{path}')" for table, path in quoted.items()}


def take(connection: DuckDBPyConnection, source: Mapping[str, str], agree: Agree, where: Path, how: str) -> Taken:
    """Add what a source has and this ledger has not; `how` says where conflicts come from.

    Raises:
        ExchangeError: a run's key is not that of its parts, or a column is missing.
    """
    connection.execute(f"set memory_limit = '{MOST_MEMORY}'")
    for table, columns in COLUMNS.items():
        typed = ", ".join(f"{name}::{kind} as {name}" for name, kind in columns)
        connection.execute(f"create temp view incoming_{table} as select {typed} from {source[table]}")
    try:
        keys = _checked(connection, where)
        common = connection.execute("select key from run where key in (select key from incoming_run)").fetchall()
        here = {key for (key,) in common}
        differing = _differing(connection, {key: keys[key] for key in keys if key in here}, agree)
        fresh = [run_id for key, (run_id, _) in keys.items() if key not in here or key in differing]
        before = dict(connection.execute("select key, max(id) from run group by key").fetchall())
        ids = _insert_runs(connection, fresh)
        conflicts = [(key, before[key], ids[keys[key][0]], utc_now(), how) for key in sorted(differing)]
        insert(connection, "conflict", conflicts)
        counts = [_insert_rows(connection, table) for table in ("reply", "label")]
    finally:
        for table in COLUMNS:
            connection.execute(f"drop view if exists incoming_{table}")
    return Taken(len(fresh) - len(differing), len(here) - len(differing), tuple(sorted(differing)), *counts)


def _checked(connection: DuckDBPyConnection, where: Path) -> dict[str, tuple[int, dict[str, str]]]:
    """Key -> (id there, parts) of the newest take of each run."""
    rows = connection.execute(
        """select key, id, list(part), list(digest) from incoming_run join incoming_run_part on run_id = id
           where id in (select max(id) from incoming_run group by key) group by all order by id"""
    ).fetchall()
    keys: dict[str, tuple[int, dict[str, str]]] = {}
    for key, run_id, names, digests in rows:
        parts = dict(zip(names, digests, strict=True))
        if None in names or digest("cell", parts) != key:
            raise ExchangeError(where, f"run {key[:12]}... is not what its key says: its parts make another key")
        keys[key] = run_id, parts
    missing = connection.execute(
        """select count(distinct key) from incoming_run
           where key not in (select key from incoming_run join incoming_run_part on run_id = id)
              or key not in (select key from incoming_run join incoming_measurement on run_id = id)"""
    ).fetchall()[0][0]
    if missing:
        raise ExchangeError(where, f"{missing} runs have no parts or no values")
    for (versions,) in connection.execute("select distinct versions from incoming_run").fetchall():
        if not _is_object(versions):
            raise ExchangeError(where, "a run does not say in JSON what it was measured with")
    return keys


def _is_object(text: str | None) -> bool:
    try:
        return text is not None and isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _differing(
    connection: DuckDBPyConnection, common: Mapping[str, tuple[int, dict[str, str]]], agree: Agree
) -> set[str]:
    """Keys of runs that both have, and whose values or texts are not the same."""
    differing: set[str] = set()
    names = sorted(common)
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        ours = select_values(connection, some)
        theirs = _their_values(connection, {common[key][0]: key for key in some})
        differing |= {key for key in some if not agree(common[key][1], ours[key], theirs[key])}
    texts = connection.execute(
        """select distinct i.key from incoming_run i join run r on r.key = i.key
           join incoming_written w on w.run_id = i.id left join written o on o.run_id = r.id and o.position = w.position
           where r.id in (select max(id) from run group by key)
             and i.id in (select max(id) from incoming_run group by key) and o.text is distinct from w.text"""
    ).fetchall()
    return differing | {key for (key,) in texts}


def _their_values(connection: DuckDBPyConnection, keys: Mapping[int, str]) -> dict[str, Values]:
    import numpy as np

    columns = connection.execute(
        """select run_id, quantity, list(value order by position) as series from incoming_measurement
           where run_id in (select unnest($1::integer[])) group by all""",
        [list(keys)],
    ).fetchnumpy()
    found: dict[str, dict[str, Any]] = {}
    for run_id, quantity, series in zip(columns["run_id"], columns["quantity"], columns["series"], strict=True):
        found.setdefault(keys[int(run_id)], {})[quantity] = np.ma.filled(series, np.nan)
    return dict(found)


def _insert_runs(connection: DuckDBPyConnection, theirs: list[int]) -> dict[int, int]:
    """Runs by their ids there, as further takes; id there -> id here."""
    first = next_id(connection, "run")
    ids = {run_id: first + place for place, run_id in enumerate(theirs)}
    connection.execute("create temp table renamed (theirs integer, ours integer)")
    insert(connection, "renamed", list(ids.items()))
    connection.execute(
        """insert into run
           select ours, key, 1 + coalesce((select max(take) from run old where old.key = i.key), 0),
                  measured_at, seconds, device, versions
           from incoming_run i join renamed on theirs = i.id order by ours"""
    )
    for table in OF_RUNS:
        rest = ", ".join(name for name, _ in COLUMNS[table][1:])
        connection.execute(
            f"insert into {table} select ours, {rest} from incoming_{table} join renamed on theirs = run_id"
        )
    connection.execute("drop table renamed")
    return ids


def _insert_rows(connection: DuckDBPyConnection, table: str) -> int:
    """Rows that are not there yet, in every column; how many."""
    names = ", ".join(name for name, _ in COLUMNS[table])
    first = next_id(connection, table)
    added = connection.execute(
        f"""insert into {table} select {first} - 1 + row_number() over (), {names}
            from (select {names} from incoming_{table} except select {names} from {table})"""
    ).fetchall()
    return int(added[0][0])


def open_conflicts(connection: DuckDBPyConnection) -> dict[str, str]:
    """Key -> how its two results met, of keys that were not measured again since."""
    rows = connection.execute(
        """select c.key, arg_max(c.how, greatest(c.first_run, c.second_run)) from conflict c
           join (select key, max(id) as newest from run group by key) r on r.key = c.key
           group by c.key having max(greatest(c.first_run, c.second_run)) >= max(r.newest)"""
    ).fetchall()
    return dict(rows)


def insert_conflicts(connection: DuckDBPyConnection, finished: Sequence[FinishedRun], how: str) -> None:
    """Further takes of runs that are there, whose results differ."""
    before = dict(connection.execute("select key, max(id) from run group by key").fetchall())
    insert_runs(connection, finished, True)
    after = dict(connection.execute("select key, max(id) from run group by key").fetchall())
    insert(connection, "conflict", [(run.key, before[run.key], after[run.key], utc_now(), how) for run in finished])
