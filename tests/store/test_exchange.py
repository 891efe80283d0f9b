"""tests: evidence goes to another ledger and back: nothing is rewritten, what differs is kept twice, what is not whole
is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from mi_atlas.specs.canonical import digest, digest_file
from mi_atlas.store import FinishedRun, JudgeReply, Label, Ledger, LedgerError

NAN = float("nan")


def run(site: str, *values: float, texts: tuple[str, ...] = ()) -> FinishedRun:
    parts = {"site": site, "model": "m"}
    return FinishedRun(digest("cell", parts), parts, {"kl": values}, "2026-01-01", 0.1, "cpu", {"torch": "2"}, texts)


def agree(parts: Mapping[str, str], ours: Any, theirs: Any) -> bool:
    return ours.keys() == theirs.keys() and all(np.allclose(ours[q], theirs[q], equal_nan=True) for q in ours)


def ledgers(folder: Path) -> tuple[Ledger, Ledger]:
    one, other = Ledger(folder / "one.duckdb"), Ledger(folder / "other.duckdb")
    one.commit([run("same", 1.0, NAN), run("differs", 3.0), run("wrote", 1.0, texts=("hello",))])
    other.commit([run("same", 1.0, NAN), run("differs", 4.0), run("new", 5.0), run("wrote", 1.0, texts=("other",))])
    other.keep_replies([JudgeReply("q", "j", b"\x00raw", 0.1, 1, None, 1)])
    other.keep_labels([Label("k", 0, "r", "overall", 4.0)])
    return one, other


@pytest.mark.parametrize("by", ["files", "ledger"])
def test_what_is_new_comes_in_what_is_known_stays_and_what_differs_is_kept_twice(tmp_path: Path, by: str) -> None:
    one, other = ledgers(tmp_path)
    if by == "files":
        assert other.export(tmp_path / "out")["run"] == 4
        taken = one.take_files(tmp_path / "out", agree)
    else:
        taken = one.take_ledger(other, agree)
    differing = {run("differs").key, run("wrote").key}
    assert (taken.runs, taken.known, set(taken.conflicts), taken.replies, taken.labels) == (1, 1, differing, 1, 1)
    assert set(one.conflicts()) == differing
    assert one.values([run("new").key])[run("new").key]["kl"].tolist() == [5.0]
    assert one.runs([run("differs").key])[run("differs").key].take == 2
    assert one.replies(["q"]) == {"q": b"\x00raw"}
    again = one.take_ledger(other, agree)
    assert (again.runs, again.conflicts, again.replies, again.labels) == (0, (), 0, 0)


def test_a_conflict_is_over_once_the_run_was_measured_again(tmp_path: Path) -> None:
    one, other = ledgers(tmp_path)
    one.take_ledger(other, agree)
    one.commit([run("differs", 4.0)], supersede=True)
    assert set(one.conflicts()) == {run("wrote").key}
    one.disagree([run("same", 2.0, 2.0)], "verified")
    assert one.conflicts()[run("same").key] == "verified"


def test_a_ledger_goes_to_files_and_back(tmp_path: Path) -> None:
    _, other = ledgers(tmp_path)
    other.export(tmp_path / "out")
    copy = Ledger(tmp_path / "copy.duckdb")
    assert copy.take_files(tmp_path / "out", agree).runs == 4
    keys = [run(site).key for site in ("same", "differs", "new", "wrote")]
    assert copy.runs(keys) == other.runs(keys)
    assert copy.texts(keys) == other.texts(keys)
    assert {key: values["kl"].tobytes() for key, values in copy.values(keys).items()} == {
        key: values["kl"].tobytes() for key, values in other.values(keys).items()
    }


def test_a_selection_holds_no_other_runs(tmp_path: Path) -> None:
    _, other = ledgers(tmp_path)
    assert other.export(tmp_path / "out", [run("new").key])["run"] == 1
    copy = Ledger(tmp_path / "copy.duckdb")
    copy.take_files(tmp_path / "out", agree)
    assert copy.hits([run("new").key, run("same").key]) == {run("new").key}


def spoil(folder: Path, manifest: dict[str, Any], table: str, query: str) -> None:
    """Another content of a file, under a digest that fits."""
    path = folder / f"{table}.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table old as select * from read_parquet('{path}')")
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")
    manifest["files"][table]["sha256"] = digest_file(path)


def damage(folder: Path, how: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    match how:
        case "missing file":
            (folder / "measurement.parquet").unlink()
        case "cut file":
            data = (folder / "measurement.parquet").read_bytes()
            (folder / "measurement.parquet").write_bytes(data[:-9])
        case "cut file, digest made to fit":
            data = (folder / "measurement.parquet").read_bytes()
            (folder / "measurement.parquet").write_bytes(data[:-9])
            manifest["files"]["measurement"]["sha256"] = digest_file(folder / "measurement.parquet")
        case "no manifest":
            (folder / "manifest.json").unlink()
            return
        case "newer format":
            manifest["format"] = 99
        case "no object":
            manifest = ["format"]
        case "link":
            (folder / "run.parquet").rename(folder / "elsewhere")
            (folder / "run.parquet").symlink_to(folder / "elsewhere")
        case "huge manifest":
            (folder / "manifest.json").write_text(json.dumps(manifest | {"more": "x" * 2_000_000}))
            return
        case "nested manifest":
            (folder / "manifest.json").write_text("[" * 100_000)
            return
        case "paths in the manifest":
            manifest["files"] = {f"../{name}": about for name, about in manifest["files"].items()}
        case "a folder in the place of a file":
            (folder / "run.parquet").unlink()
            (folder / "run.parquet").mkdir()
        case "no name of a part":
            spoil(folder, manifest, "run_part", "select run_id, null::varchar as part, digest from old")
        case "no date":
            spoil(folder, manifest, "run", "select * replace (null::varchar as measured_at) from old")
        case "versions that are no JSON":
            spoil(folder, manifest, "run", "select * replace ('{' as versions) from old")
        case "text in the place of numbers":
            spoil(folder, manifest, "measurement", "select * replace ('drop table run' as value) from old")
        case "one number for all runs":
            spoil(folder, manifest, "run", "select * replace (1 as id) from old")
        case "a column less":
            spoil(folder, manifest, "measurement", "select run_id, position, quantity from old")
        case "table of another":
            (folder / "run.parquet").write_bytes((folder / "run_part.parquet").read_bytes())
            manifest["files"]["run"]["sha256"] = digest_file(folder / "run.parquet")
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "how",
    [
        "missing file",
        "cut file",
        "cut file, digest made to fit",
        "no manifest",
        "newer format",
        "no object",
        "link",
        "table of another",
        "huge manifest",
        "nested manifest",
        "paths in the manifest",
        "a folder in the place of a file",
        "no name of a part",
        "no date",
        "versions that are no JSON",
        "text in the place of numbers",
        "one number for all runs",
        "a column less",
    ],
)
def test_what_is_not_whole_is_refused_and_nothing_of_it_is_taken(tmp_path: Path, how: str) -> None:
    one, other = ledgers(tmp_path)
    other.export(tmp_path / "out")
    damage(tmp_path / "out", how)
    with pytest.raises(LedgerError) as caught:
        one.take_files(tmp_path / "out", agree)
    assert "fix:" in str(caught.value)
    assert one.hits([run("new").key]) == set()
    assert one.conflicts() == {}


def test_a_run_under_a_key_that_is_not_its_own_is_refused(tmp_path: Path) -> None:
    one, other = ledgers(tmp_path)
    parts = {"site": "forged", "model": "m"}
    other.commit([FinishedRun(run("precious").key, parts, {"kl": [9.0]}, "2026", 0.1, "cpu", {})])
    with pytest.raises(LedgerError, match="parts make another key"):
        one.take_ledger(other, agree)
    assert one.hits([run("new").key, run("precious").key]) == set()


def test_a_ledger_is_not_merged_with_itself_or_with_nothing(tmp_path: Path) -> None:
    one, _ = ledgers(tmp_path)
    with pytest.raises(LedgerError, match="this very ledger"):
        one.take_ledger(Ledger(tmp_path / "one.duckdb"), agree)
    with pytest.raises(LedgerError, match="no ledger to merge"):
        one.take_ledger(Ledger(tmp_path / "none.duckdb"), agree)
    with pytest.raises(LedgerError, match="no ledger to export"):
        Ledger(tmp_path / "none.duckdb").export(tmp_path / "out")
