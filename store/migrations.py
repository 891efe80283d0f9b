"""store: the tables of the ledger, as numbered steps; a step that was released is never changed, only followed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import LedgerTooNew, LedgerWrongKind, translate
from .rows import utc_now

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Migration = Callable[["DuckDBPyConnection"], object]
MIGRATIONS: list[Migration] = []


def migration(step: Migration) -> Migration:
    """Append a step; its number is its place in the list, from 1."""
    MIGRATIONS.append(step)
    return step


@migration
def first_tables(connection: DuckDBPyConnection) -> object:
    """Runs and their measurements, attempts, audits and verdicts, and the memo of what need not be computed twice."""
    return connection.execute("""
        create table run (
            id integer primary key, key varchar not null, take integer not null,
            measured_at varchar not null, seconds double not null, device varchar not null, versions varchar not null,
            unique (key, take)
        );
        create table run_part (run_id integer not null, part varchar not null, digest varchar not null);
        create table measurement (
            run_id integer not null, position integer not null, quantity varchar not null,
            value double -- null: measured, and not a number
        );
        create table attempt (
            id integer primary key, key varchar not null, parts varchar not null, error varchar not null,
            failed_at varchar not null
        );
        create table audit (
            id integer primary key, about varchar not null, started_at varchar not null,
            finished_at varchar, exit_code integer
        );
        create table verdict (
            id integer primary key, audit_id integer not null, recorded_at varchar not null,
            claim varchar not null, claim_hash varchar not null, evidence_digest varchar not null,
            grade varchar not null, code varchar not null, reason varchar not null, document varchar not null,
            unique (audit_id, claim)
        );
        create table memo (kind varchar, key varchar, value varchar not null, primary key (kind, key));
    """)


@migration
def imported_numbers(connection: DuckDBPyConnection) -> object:
    """Numbers that existing result files hold, by reading: the same files read by the same maps are read once."""
    return connection.execute("""
        create table imported (id integer primary key, reading varchar not null unique, imported_at varchar not null);
        create table imported_value (
            reading_id integer not null, source varchar not null, file varchar not null, digest varchar not null,
            pointer varchar not null, value double not null, model varchar not null, evaluator varchar not null,
            quantity varchar not null, unit varchar not null, intervention varchar not null,
            component varchar not null, control varchar not null, family varchar not null, prompt varchar not null,
            seed varchar not null, draw varchar not null, n integer not null, spread double,
            recipe varchar not null, void varchar not null
        );
    """)


@migration
def answers_and_judges(connection: DuckDBPyConnection) -> object:
    """What models wrote, what judges replied to each question, byte for byte, and what people say of answers."""
    return connection.execute("""
        create table written (run_id integer not null, position integer not null, text varchar not null);
        create table reply (
            id integer primary key, key varchar not null, judge varchar not null, raw blob not null,
            received_at varchar not null, seconds double not null, tokens_in integer, tokens_out integer,
            attempts integer not null
        );
        create table label (
            id integer primary key, key varchar not null, position integer not null, rubric varchar not null,
            dimension varchar not null, score double not null, labelled_at varchar not null
        );
    """)


@migration
def conflicting_results(connection: DuckDBPyConnection) -> object:
    """Two runs of one key that differ by more than numerics, and how they met: merge, import or verify."""
    return connection.execute("""
        create table conflict (
            key varchar not null, first_run integer not null, second_run integer not null,
            found_at varchar not null, how varchar not null
        );
    """)


def create(path: Path, kind: str) -> None:
    """Make an empty ledger, whole or not at all; one that another process made meanwhile is kept."""
    import tempfile

    import duckdb

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            draft = Path(folder) / "new.duckdb"
            with duckdb.connect(str(draft)) as connection:
                connection.execute("create table ledger (kind varchar, created_at varchar)")
                connection.execute("insert into ledger values ($1, $2)", [kind, utc_now()])
                connection.execute("create table migration (number integer, name varchar, applied_at varchar)")
                apply(connection)
            publish(draft, path)
    except OSError as error:
        raise translate(path, error) from error


def publish(draft: Path, path: Path) -> None:
    """Give a finished file its name, unless something has that name already."""
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not path.exists():
            draft.replace(path)


def check(connection: DuckDBPyConnection, path: Path, kind: str) -> int:
    """How many steps this ledger has had.

    Raises:
        LedgerWrongKind: if it is of another kind, or is a database of something else.
        LedgerTooNew: if it has had steps that this code does not know.
    """
    import duckdb

    try:
        found = connection.execute("select kind from ledger").fetchall()
        applied = steps_applied(connection)
    except duckdb.CatalogException:
        raise LedgerWrongKind(path, "is a DuckDB database, but not a ledger of mi-atlas") from None
    if found != [(kind,)]:
        raise LedgerWrongKind(path, f"is a ledger of kind '{found[0][0]}', and '{kind}' was asked for")
    if applied > len(MIGRATIONS):
        raise LedgerTooNew(path, f"has had {applied} migrations, and this mi-atlas knows {len(MIGRATIONS)}")
    return applied


def upgrade(connection: DuckDBPyConnection, path: Path) -> None:
    """Copy an older ledger beside itself, then apply the steps it has not had: all of them, or none."""
    applied = steps_applied(connection)
    if applied == len(MIGRATIONS):  # another process did it while we waited
        return
    back_up(connection, path.with_name(f"{path.name}.v{applied}-{utc_now()[:19].replace(':', '')}.bak"))
    connection.begin()
    apply(connection)
    connection.commit()


def steps_applied(connection: DuckDBPyConnection) -> int:
    """The number of the last step that was applied; 0 for none."""
    return int(connection.execute("select coalesce(max(number), 0) from migration").fetchall()[0][0])


def apply(connection: DuckDBPyConnection) -> None:
    """Apply the steps that were not applied yet, in order."""
    applied = steps_applied(connection)
    for number, step in enumerate(MIGRATIONS[applied:], start=applied + 1):
        step(connection)
        connection.execute("insert into migration values ($1, $2, $3)", [number, step.__name__, utc_now()])


def back_up(connection: DuckDBPyConnection, copy: Path) -> None:
    """Write a copy of the open ledger.

    Why through DuckDB: to open and close the file here a second time would drop our own lock on it (POSIX fcntl).
    """
    import tempfile

    with tempfile.TemporaryDirectory(dir=copy.parent, prefix=f".{copy.name}-") as folder:
        draft = Path(folder) / "copy.duckdb"
        quoted = str(draft).replace("'", "''")
        connection.execute(f"attach '{quoted}' as backup")
        name = connection.execute("select current_database()").fetchall()[0][0].replace('"', '""')
        connection.execute(f'copy from database "{name}" to backup')
        connection.execute("detach backup")
        draft.replace(copy)
