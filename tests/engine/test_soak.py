"""tests: a few seconds of everything at once; `python -m benchmarks.soak` is half an hour of it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from .soak import Soak


def test_a_ledger_that_everything_happens_to_at_once_is_whole_in_the_end(tmp_path: Path, thin_folder: Path) -> None:
    soak = Soak(tmp_path, thin_folder, seed=1)
    report = soak.run(seconds=8)
    assert report.consistent, report
    assert report.runs > 0
    assert sum(report.ended.values()) > 3
    with duckdb.connect(str(tmp_path / "desk" / ".mi-atlas" / "ledger.duckdb")) as connection:
        connection.execute("update measurement set value = value + 1 where run_id = (select min(id) from run)")
    soak.check()
    assert report.broken == 1
