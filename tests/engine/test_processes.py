"""tests: audits as processes: killed, two at once, read meanwhile, and how long nothing takes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from mi_atlas.store import Ledger

from .conftest import Desk, claim

KILLS = 6


def grades(desk: Desk) -> dict[str, tuple[str, str]]:
    """claim -> (grade, reason), as `table` prints them."""
    code, out, err = desk.type("table", "--format", "json")
    assert code == 0, err
    return {row["claim"]: (row["grade"], row["evidence"]) for row in json.loads(out)}


def fill(desk: Desk) -> None:
    """Some claims, a few hundred runs."""
    desk.write("small/hub", claim())
    desk.write("small/wrong", claim("L0", control={"kind": "untrained_model", "draws": 20, "ratio": 1.5}))


def test_kill_9_at_any_moment_loses_nothing_that_was_committed(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fill(desk)
    start = time.monotonic()
    assert desk.type("audit")[0] in (0, 2)
    whole, seconds = grades(desk), time.monotonic() - start
    ledger = desk.workspace.ledger
    keys = stored_keys(desk)
    for path in ledger.parent.iterdir():
        path.unlink()
    moments = random.Random(9)
    done = 0
    for _ in range(KILLS):
        process = desk.command("audit")
        with suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.3, 1.0) * seconds)
        process.kill()
        process.communicate()
        stored = len(Ledger(ledger).hits(keys))
        assert stored >= done, "a committed run was lost"
        done = stored
    code, _, err = desk.type("audit")
    assert code in (0, 2), err
    assert grades(desk) == whole
    assert {info.take for info in Ledger(ledger).runs(keys).values()} == {1}, "a committed run was measured again"


def stored_keys(desk: Desk) -> list[str]:
    """Keys of every run that the claims need."""
    from mi_atlas.engine.audit import Audit, Options

    from .conftest import Listener

    audit = Audit(desk.workspace, Options(), Listener())
    return sorted({key for resolved in audit.resolved.values() for key in resolved.keys})


def test_two_audits_at_once_measure_each_run_once_and_table_works_meanwhile(desk: Desk) -> None:
    fill(desk)
    audits = [desk.command("audit"), desk.command("audit")]
    tables = 0
    while any(process.poll() is None for process in audits):
        code, _, err = desk.type("table")
        assert code == 0, err
        tables += 1
        time.sleep(0.5)
    outcomes = [(*process.communicate(), process.returncode) for process in audits]
    assert all(code in (0, 2) for *_, code in outcomes), outcomes
    assert tables > 2
    waiting = [err for _, err, _ in outcomes if "waiting for another audit" in err]
    assert len(waiting) == 1
    assert "process" in waiting[0]
    assert {info.take for info in Ledger(desk.workspace.ledger).runs(stored_keys(desk)).values()} == {1}


def test_an_audit_with_nothing_to_do_imports_no_torch(desk: Desk) -> None:
    fill(desk)
    desk.audit()
    program = (
        "import sys; sys.argv = ['mi-atlas', 'audit']\n"
        "from mi_atlas.engine.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'torch', 'transformers', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert code in (0, 2), code\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=desk.root, capture_output=True, timeout=60)
