"""tests: audits as processes: killed, two at once, read meanwhile, and how long nothing takes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

from mi_atlas.store import Ledger

from .conftest import Desk

KILLS = 3


def grades(desk: Desk) -> dict[str, tuple[str, str]]:
    """claim -> (grade, reason), as `table` prints them."""
    code, out, err = desk.type("table", "--format", "json")
    assert code == 0, err
    return {row["claim"]: (row["grade"], row["evidence"]) for row in json.loads(out)}


def test_kill_9_at_any_moment_loses_nothing_that_was_committed(filled: Desk) -> None:
    """Each process is killed a random time after it has committed a run; the file grows with what is committed."""
    keys = stored_keys(filled)
    whole = {name: (verdict.grade, verdict.reason) for name, verdict in filled.audit().verdicts.items()}
    ledger = filled.workspace.ledger
    for path in ledger.parent.iterdir():
        path.unlink()
    moments = random.Random(9)
    stored = [0]
    for _ in range(KILLS):
        process, size = filled.command("audit"), 0
        while process.poll() is None:
            grown = ledger.exists() and size != (size := ledger.stat().st_size)
            if grown and len(Ledger(ledger).hits(keys)) > stored[-1]:
                break
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.communicate()
        stored.append(len(Ledger(ledger).hits(keys)))
    assert stored == sorted(stored), "a committed run was lost"
    assert any(0 < count < len(keys) for count in stored), "one should have been killed in its midst"
    code, _, err = filled.type("audit")
    assert code in (0, 2), err
    assert grades(filled) == whole
    assert {info.take for info in Ledger(ledger).runs(keys).values()} == {1}, "a committed run was measured again"


def stored_keys(desk: Desk) -> list[str]:
    """Keys of every run that the claims need."""
    from mi_atlas.engine.audit import Audit, Options

    from .conftest import Listener

    audit = Audit(desk.workspace, Options(), Listener())
    return sorted({key for resolved in audit.resolved.values() for key in resolved.keys})


def test_two_audits_at_once_measure_each_run_once_and_table_works_meanwhile(filled: Desk) -> None:
    audits = [filled.command("audit"), filled.command("audit")]
    tables = 0
    while any(process.poll() is None for process in audits):
        code, _, err = filled.type("table")
        assert code == 0, err
        tables += 1
    outcomes = [(*process.communicate(), process.returncode) for process in audits]
    assert all(code in (0, 2) for *_, code in outcomes), outcomes
    assert tables > 2
    waiting = [err for _, err, _ in outcomes if "waiting for another audit" in err]
    assert len(waiting) == 1
    assert "process" in waiting[0]
    assert {info.take for info in Ledger(filled.workspace.ledger).runs(stored_keys(filled)).values()} == {1}


def test_an_audit_with_nothing_to_do_imports_no_torch(filled: Desk) -> None:
    filled.audit()
    program = (
        "import sys; sys.argv = ['mi-atlas', 'audit']\n"
        "from mi_atlas.engine.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'torch', 'transformers', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert code in (0, 2), code\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=filled.root, capture_output=True, timeout=300)
