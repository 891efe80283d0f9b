"""tests of store: damaged files, full disks, folders that may not be written; each a clear error, nothing deleted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mi_atlas.store import FinishedRun, Ledger, LedgerCorrupt, LedgerError, LedgerFull, LedgerReadOnly, LedgerTooNew
from mi_atlas.store.errors import translate

Make = Callable[..., FinishedRun]


@pytest.fixture
def filled(ledger: Ledger, make_run: Make) -> Ledger:
    ledger.commit([make_run(f"k{i}", {"kl": [float(j) for j in range(500)]}) for i in range(50)])
    return ledger


def check_refused(ledger: Ledger, run: FinishedRun) -> None:
    """Reading all, and writing, say the file is damaged, name it, say what to do, and change no byte of it."""
    before = ledger.path.read_bytes()
    for use in (lambda: ledger.values([f"k{i}" for i in range(50)]), lambda: ledger.commit([run])):
        with pytest.raises(LedgerCorrupt, match="move it aside") as caught:
            use()
        assert str(ledger.path) in str(caught.value)
    assert ledger.path.read_bytes() == before


def test_a_file_that_is_no_database(ledger: Ledger, make_run: Make) -> None:
    ledger.path.write_text("claim: a\n" * 1000)
    check_refused(ledger, make_run("x"))


def test_an_empty_file(ledger: Ledger) -> None:
    ledger.path.touch()
    with pytest.raises(LedgerCorrupt, match="move it aside"):
        ledger.hits(["a"])


def test_a_damaged_header(filled: Ledger, make_run: Make) -> None:
    data = bytearray(filled.path.read_bytes())
    data[4096:12288] = os.urandom(8192)
    filled.path.write_bytes(data)
    check_refused(filled, make_run("x"))


def test_a_truncated_file(filled: Ledger, make_run: Make) -> None:
    data = filled.path.read_bytes()
    filled.path.write_bytes(data[: len(data) // 2])
    check_refused(filled, make_run("x"))


def test_damaged_data_is_an_error_and_never_another_number(filled: Ledger) -> None:
    data = filled.path.read_bytes()
    keys = [f"k{i}" for i in range(50)]
    outcomes = set()
    for offset in range(12288, len(data), 32_768):
        filled.path.write_bytes(data[:offset] + bytes(64) + data[offset + 64 :])
        try:
            values = filled.values(keys)
            assert all(by["kl"].tolist() == list(map(float, range(500))) for by in values.values())
            assert len(values) == 50
            outcomes.add("a block that is not in use")
        except LedgerCorrupt:
            outcomes.add("refused")
    assert "refused" in outcomes


@pytest.fixture
def log(filled: Ledger) -> Path:
    """The log that a process leaves which dies after its commits: twenty values of the memo."""
    code = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("pragma disable_checkpoint_on_shutdown")
for i in range(20):
    connection.execute("insert into memo values ('k', $1, $2)", [f"{i:02}", f"value number {i:02}"])
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, str(filled.path)], check=True)
    return filled.path.with_name(f"{filled.path.name}.wal")


def test_a_damaged_log_is_named(filled: Ledger, log: Path) -> None:
    damaged = log.read_bytes().replace(b"value number 10", b"value number 11")
    log.write_bytes(damaged)
    with pytest.raises(LedgerCorrupt, match=r"ledger\.duckdb\.wal"):
        filled.hits(["k1"])
    assert log.read_bytes() == damaged


def test_damage_anywhere_in_a_log_loses_its_end_at_most_and_never_changes_a_value(filled: Ledger, log: Path) -> None:
    data = log.read_bytes()
    written = {f"{i:02}": f"value number {i:02}" for i in range(20)}
    assert filled.recall_many("k", written) == written
    for offset in range(0, len(data) - 16, 61):
        log.write_bytes(data[:offset] + b"\xff" * 16 + data[offset + 16 :])
        try:
            found = filled.recall_many("k", written)
        except LedgerCorrupt:
            continue
        assert found == dict(list(written.items())[: len(found)])


def test_a_disk_that_fills_up_keeps_what_was_committed(filled: Ledger) -> None:
    """A limit on the size of files stands in for a disk without room: the write fails in the same system call."""
    code = """
import os, resource, sys
from pathlib import Path
import duckdb, numpy
from mi_atlas.store import FinishedRun, Ledger, LedgerFull
path = Path(sys.argv[1])
limit = path.stat().st_size + 50_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
values = {"kl": numpy.random.default_rng(0).random(1_000_000)}
try:
    Ledger(path).commit([FinishedRun("big", {"site": "L1"}, values, "2026-01-01", 1.0, "cpu", {})])
except LedgerFull as error:
    print("full", "make room" in str(error))
"""
    done = subprocess.run([sys.executable, "-c", code, str(filled.path)], capture_output=True, text=True, check=True)
    assert done.stdout == "full True\n", done.stdout + done.stderr
    assert filled.hits(["big", "k1"]) == {"k1"}
    assert filled.values(["k1"])["k1"]["kl"].size == 500


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        Path(folder).chmod(0o755)


@pytest.fixture
def locked_ledger(locked_folder: Path, make_run: Make) -> Ledger:
    ledger = Ledger(locked_folder / "ledger.duckdb")
    ledger.commit([make_run("a")])
    ledger.path.chmod(0o444)
    locked_folder.chmod(0o555)
    return ledger


@pytest.mark.usefixtures("locked_ledger", "nobody")
def test_a_ledger_that_may_not_be_written_can_be_read(locked_ledger: Ledger, make_run: Make) -> None:
    assert locked_ledger.hits(["a"]) == {"a"}
    with pytest.raises(LedgerReadOnly, match="writable"):
        locked_ledger.commit([make_run("b")])
    with pytest.raises(LedgerReadOnly, match="writable"):
        Ledger(locked_ledger.path.with_name("new.duckdb")).commit([make_run("b")])
    with pytest.raises(LedgerReadOnly, match="writable"):
        Ledger(locked_ledger.path.parent / "new" / "ledger.duckdb").commit([make_run("b")])


@pytest.fixture
def closed_ledger(locked_ledger: Ledger) -> Ledger:
    locked_ledger.path.parent.chmod(0o000)
    return locked_ledger


@pytest.mark.usefixtures("closed_ledger", "nobody")
def test_a_folder_that_may_not_be_looked_into_is_no_empty_ledger(closed_ledger: Ledger) -> None:
    with pytest.raises(LedgerReadOnly, match="Permission denied"):
        closed_ledger.hits(["a"])


def test_a_file_in_the_place_of_the_folder(tmp_path: Path, make_run: Make) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="file"):
        Ledger(tmp_path / "file" / "ledger.duckdb").commit([make_run("a")])


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=str(tmp_path)):
        Ledger(tmp_path).hits(["a"])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("IO Error: Could not write file: No space left on device", LedgerFull),
        ("[Errno 30] Read-only file system: '/x'", LedgerReadOnly),
        (
            "IO Error: Trying to read a database file with version number 99, but we can only read version 64",
            LedgerTooNew,
        ),
        ("something nobody has seen", LedgerError),
    ],
)
def test_messages_of_the_layer_below(tmp_path: Path, text: str, kind: type[LedgerError]) -> None:
    error = translate(tmp_path, OSError(text))
    assert type(error) is kind
    assert text in str(error)
