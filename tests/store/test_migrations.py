"""tests of store: older, newer and other ledgers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from mi_atlas.store import FinishedRun, Ledger, LedgerTooNew, LedgerWrongKind, migrations

Make = Callable[..., FinishedRun]


def add_column(connection: duckdb.DuckDBPyConnection) -> object:
    return connection.execute("alter table attempt add column host varchar")


def broken_step(connection: duckdb.DuckDBPyConnection) -> object:
    connection.execute("drop table memo")
    raise ZeroDivisionError


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


STEPS = "select number, name from migration order by number"
COLUMNS = "select column_name from information_schema.columns where table_name = 'attempt' and column_name = 'host'"


def test_a_new_ledger_says_its_kind_and_its_steps(ledger: Ledger, make_run: Make) -> None:
    ledger.commit([make_run("a")])
    assert rows(ledger.path, "select kind from ledger") == [("evidence",)]
    assert rows(ledger.path, STEPS) == [
        (number, step.__name__) for number, step in enumerate(migrations.MIGRATIONS, start=1)
    ]


@pytest.mark.parametrize("first_use", ["read", "write"])
def test_an_older_ledger_is_copied_then_migrated_at_its_first_use(
    ledger: Ledger, make_run: Make, monkeypatch: pytest.MonkeyPatch, first_use: str
) -> None:
    released = len(migrations.MIGRATIONS)
    ledger.commit([make_run("a")])
    monkeypatch.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, add_column])
    if first_use == "write":
        ledger.remember("file", "a", "1")
    assert ledger.hits(["a"]) == {"a"}
    assert rows(ledger.path, STEPS)[-1] == (released + 1, "add_column")
    assert rows(ledger.path, COLUMNS) == [("host",)]
    (copy,) = ledger.path.parent.glob("*.bak")
    assert copy.name.startswith(f"ledger.duckdb.v{released}-")
    assert len(rows(copy, STEPS)) == released
    assert rows(copy, COLUMNS) == []
    assert rows(copy, "select key from run") == [("a",)]
    assert ledger.values(["a"])["a"]["kl"].tolist() == [0.5, 0.25]
    ledger.commit([make_run("b")])
    assert len(list(ledger.path.parent.iterdir())) == 2, "the ledger and one copy: no second copy, nothing temporary"


def test_a_copy_is_a_ledger_that_can_be_put_back(
    ledger: Ledger, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.commit([make_run("a")])
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, add_column])
        ledger.hits(["a"])
    (copy,) = ledger.path.parent.glob("*.bak")
    copy.replace(ledger.path)
    ledger.commit([make_run("a"), make_run("b")])
    assert {info.take for info in ledger.runs(["a", "b"]).values()} == {1}
    with pytest.raises(duckdb.ConstraintException), duckdb.connect(str(ledger.path)) as connection:
        connection.execute("insert into run select * from run")


def test_a_step_that_fails_changes_nothing(ledger: Ledger, make_run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.remember("file", "a", "1")
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, add_column, broken_step])
        with pytest.raises(ZeroDivisionError):
            ledger.hits(["a"])
    assert ledger.recall("file", "a") == "1"
    assert rows(ledger.path, COLUMNS) == []


def test_a_ledger_of_a_newer_version_is_refused(
    ledger: Ledger, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "MIGRATIONS", [*migrations.MIGRATIONS, add_column])
        ledger.commit([make_run("a")])
    for use in (lambda: ledger.hits(["a"]), lambda: ledger.commit([make_run("b")])):
        with pytest.raises(LedgerTooNew, match="upgrade mi-atlas"):
            use()


def test_a_ledger_of_another_kind_is_refused(ledger: Ledger, make_run: Make) -> None:
    ledger.commit([make_run("a")])
    other = Ledger(ledger.path, kind="calibration")
    for use in (lambda: other.hits(["a"]), lambda: other.commit([make_run("b")])):
        with pytest.raises(LedgerWrongKind, match="kind 'evidence', and 'calibration' was asked for"):
            use()


def test_a_database_of_something_else_is_refused_and_not_touched(tmp_path: Path, make_run: Make) -> None:
    path = tmp_path / "mine.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table mine as select 1 as x")
    before = path.read_bytes()
    for use in (lambda: Ledger(path).hits(["a"]), lambda: Ledger(path).commit([make_run("b")])):
        with pytest.raises(LedgerWrongKind, match="not a ledger of mi-atlas"):
            use()
    assert path.read_bytes() == before


def test_a_ledger_made_meanwhile_by_another_process_is_kept(ledger: Ledger, make_run: Make) -> None:
    ledger.commit([make_run("a")])
    migrations.create(ledger.path, "evidence")
    assert ledger.hits(["a"]) == {"a"}


def test_a_file_system_without_hard_links_will_do(
    ledger: Ledger, make_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr("os.link", refuse)
    ledger.commit([make_run("a")])
    assert ledger.hits(["a"]) == {"a"}
    assert [entry.name for entry in ledger.path.parent.iterdir()] == ["ledger.duckdb"]
