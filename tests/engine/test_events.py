"""tests: an audit as a stream of events, its log file, and the view on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from mi_atlas.engine import measure as measuring
from mi_atlas.engine.cli import app
from mi_atlas.engine.terminal import run
from mi_atlas.store import Ledger

from .conftest import Desk, claim


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_events_of_an_audit_tell_its_plan_its_end_and_every_verdict(filled: Desk) -> None:
    code, out, err = filled.type("audit", "--json")
    assert code == 0, err
    told = events(out)
    kinds = Counter(event["event"] for event in told)
    assert kinds["begin"] == kinds["end"] == 1
    assert kinds["verdict"] == 2
    (begin,) = [event for event in told if event["event"] == "begin"]
    steps = [event for event in told if event["event"] == "step"]
    assert {step["step"]: step["runs"] for step in begin["steps"]} == {step["step"]: step["runs"] for step in steps}
    assert sum(step["runs"] for step in steps) == begin["runs"] == told[-1]["measured"]
    assert {step["model"] for step in begin["steps"]} == {"small", *(f"small, untrained {n}" for n in range(20))}
    ledger = Ledger(filled.workspace.ledger).verdicts()
    verdicts = {event["claim"]: (event["grade"], event["code"]) for event in told if event["event"] == "verdict"}
    assert verdicts == {name: (row.grade, row.code) for name, row in ledger.items()}
    assert (told[-1]["event"], told[-1]["exit_code"], told[-1]["audit"], told[-1]["judges"]) == ("end", 0, 1, {})
    times = [event["seconds"] for event in told]
    assert times == sorted(times)
    log = filled.workspace.ledger.parent / "logs" / "audit-1.log"
    logged = events(log.read_text())
    assert [{k: v for k, v in event.items() if k != "at"} for event in logged] == told
    assert [event["at"] for event in logged] == sorted(event["at"] for event in logged)


def test_what_could_not_be_measured_is_in_the_log_with_its_reason(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: Any) -> None:
        raise MemoryError("1 GB")

    desk.write("small/hub", claim())
    monkeypatch.chdir(desk.root)
    monkeypatch.setattr(measuring, "_load", fail)
    monkeypatch.setattr(measuring, "_loaded", {})
    assert run(app, ["audit", "--device", "cpu"]) == 2
    assert "Pending" in capsys.readouterr().out
    logged = events((desk.workspace.ledger.parent / "logs" / "audit-1.log").read_text())
    (failed,) = [event for event in logged if event["event"] == "failed"]
    (begin,) = [event for event in logged if event["event"] == "begin"]
    assert (failed["code"], failed["runs"]) == ("out_of_memory", begin["runs"])
    assert "1 GB" in failed["reason"]


def test_an_audit_that_cannot_end_tells_the_error_and_its_log_stays(desk: Desk) -> None:
    desk.write("small/hub", claim())
    desk.workspace.ledger.parent.mkdir()
    desk.workspace.ledger.write_bytes(b"not a ledger" * 1000)
    code, out, err = desk.type("audit", "--json")
    assert code == 4
    assert "Traceback" not in err
    assert [event["event"] for event in events(out)] == ["error"]
    (log,) = (desk.workspace.ledger.parent / "logs").iterdir()
    assert events(log.read_text())[0]["error"] == "LedgerCorrupt"


def test_a_log_that_cannot_be_written_ends_no_audit(desk: Desk) -> None:
    desk.write("small/hub", claim())
    desk.workspace.ledger.parent.mkdir()
    (desk.workspace.ledger.parent / "logs").write_text("a file where the folder would be")
    code, out, err = desk.type("audit")
    assert code == 0, err
    assert "small/hub" in out


def test_on_a_terminal_steps_are_shown_while_they_are_measured(filled: Desk) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", "from mi_atlas.engine.cli import main; main()", "audit", "--device", "cpu"]
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "NO_COLOR": "1"}
    process = subprocess.Popen(
        words, cwd=filled.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, env=environ
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += (some := os.read(ours, 65536))
        except OSError:  # the other end is closed
            break
        if not some:
            break
    out, _ = process.communicate(timeout=300)
    os.close(ours)
    assert process.returncode == 0
    assert b"small/hub" in out
    assert b"measuring 92 runs (0 cached)" in shown
    assert b"of 21 steps" in shown
    assert b"small, untrained" in shown
    assert b"left" in shown
