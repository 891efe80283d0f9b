"""tests: what can happen to an audit: no room, folders that may not be written, clocks, files that change, no memory,
signals, judges that hang. A clear message, the right exit code, nothing lost, no other grade than Pending."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mi_atlas.engine import measure as measuring
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.cli import app
from mi_atlas.engine.judging import panel
from mi_atlas.engine.terminal import run
from mi_atlas.judges.asking import Limits
from mi_atlas.store import Ledger, rows, utc_now

from .conftest import HUB, Desk, Listener, claim, furnished, write_model
from .test_judged_audit import Knowing, judge, judged, knowing  # noqa: F401 - a fixture


def keys_of(desk: Desk) -> set[str]:
    return {key for each in Audit(desk.workspace, Options(), Listener()).resolved.values() for key in each.runs}


def start_anew(desk: Desk) -> None:
    shutil.rmtree(desk.workspace.ledger.parent)
    desk.workspace.registrations.unlink()


def test_a_disk_that_fills_up_during_an_audit_costs_the_rest_of_it_and_nothing_else(thin_desk: Desk) -> None:
    """A limit on the size of files stands in for a disk without room: the write fails in the same system call."""
    thin_desk.write("small/hub", claim("L1"))
    thin_desk.audit()
    before, limit = thin_desk.documents(), 16_384
    thin_desk.write_suite("second", seed=1)
    thin_desk.write("small/second", claim("L1", suite="second"))
    process = thin_desk.command("audit", preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit)))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 4, out + err
    assert "make room and try again: what was committed before is kept" in err
    assert "Traceback" not in err
    assert thin_desk.documents() == before
    result = thin_desk.audit()
    assert result.verdicts["small/hub"].to_json() == before["small/hub"]
    assert result.verdicts["small/second"].grade in ("High", "Medium")


@pytest.fixture
def open_desk(thin_folder: Path) -> Iterator[Desk]:
    """A workspace outside of what only its owner may look into."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        shutil.copytree(thin_folder, root / "model")
        for path in (root / "model", *(root / "model").iterdir()):
            path.chmod(0o755)
        yield furnished(root / "work", root / "model")
        for path in (root / "work", *(root / "work").rglob("*")):
            path.chmod(0o755)


@pytest.fixture
def locked_desk(open_desk: Desk) -> Desk:
    open_desk.write("small/hub", claim("L1"))
    for path in (open_desk.root, *open_desk.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return open_desk


@pytest.mark.usefixtures("locked_desk", "nobody")
def test_a_workspace_that_may_not_be_written_is_said_so_and_nothing_is_measured(
    locked_desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(locked_desk.root)
    assert run(app, ["audit", "--device", "cpu"]) == 4
    said = capsys.readouterr()
    assert "Permission denied" in said.err
    assert "fix: make the file and its folder writable" in said.err
    assert "small/hub" not in said.out
    assert not locked_desk.workspace.ledger.parent.exists()


class Clock(datetime):
    """The clock of this test's machine; `off` is how far it is set back."""

    off = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) - cls.off


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(Clock, "off", timedelta())
    monkeypatch.setattr(rows, "datetime", Clock)
    monkeypatch.setattr(rows, "_latest", list(rows._latest))
    return Clock


def test_times_go_on_though_the_clock_goes_back(clock: type[Clock], monkeypatch: pytest.MonkeyPatch) -> None:
    first = utc_now()
    clock.off = timedelta(days=400)
    second, third = utc_now(), utc_now()
    assert first < second < third
    later = (datetime.now(UTC) + timedelta(days=9)).isoformat(timespec="microseconds")
    rows.seen(["no date", "9999-12-31T23:59:59.999999+00:00", "2099", later])
    assert later < utc_now() < utc_now()
    assert utc_now()[:16] == later[:16]


def test_a_clock_that_goes_back_makes_no_claim_post_hoc_and_no_other_one_pre_registered(
    thin_desk: Desk, clock: type[Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a fresh process knows of time is what the workspace's files say: `_latest` starts anew each time."""
    thin_desk.write("small/hub", claim("L1"))
    expected = thin_desk.audit().verdicts["small/hub"].to_json()
    start_anew(thin_desk)

    long_ago = "2001-01-01T00:00:00.000000+00:00"
    clock.off = timedelta(days=400)
    with monkeypatch.context() as patch:  # another process, or machine, that measures
        patch.setattr(measuring, "utc_now", lambda: long_ago)
        verdict = thin_desk.audit().verdicts["small/hub"]
    assert verdict.to_json() == expected
    rows._latest[0] = "1970-01-01T00:00:00.000000+00:00"
    thin_desk.write("small/second", claim("L1", threshold={"high": 0.99, "medium": 0.9}))
    assert "registered after its data" in thin_desk.audit().verdicts["small/second"].to_json()


class Changing(Listener):
    """Changes something when the plan is made and nothing is measured."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def begin(self, plan: Any) -> None:
        super().begin(plan)
        if self.change:
            self.change()
            self.change = None


def test_weights_that_change_under_the_same_name_are_not_measured_as_the_old_ones(
    tmp_path: Path, thin_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_loaded", {})
    shutil.copytree(thin_folder, tmp_path / "model")
    desk = furnished(tmp_path / "work", tmp_path / "model")
    desk.write("small/hub", claim("L1"))

    def retrain() -> None:
        other = tmp_path / "other"
        other.mkdir()
        write_model(other, 2, 0)
        shutil.copy(other / "model.safetensors", tmp_path / "model" / "model.safetensors")

    planned = keys_of(desk)
    verdict = Audit(desk.workspace, Options(), Changing(retrain)).run().verdicts["small/hub"]
    assert (verdict.grade, verdict.code) == ("Pending", "model_changed")
    assert "weights of" in verdict.reason
    assert "audit again" in verdict.reason
    assert Ledger(desk.workspace.ledger).hits(planned) == set()
    again = desk.audit().verdicts["small/hub"]
    assert again.code != "model_changed"
    assert keys_of(desk).isdisjoint(planned)
    shutil.copy(thin_folder / "model.safetensors", tmp_path / "model" / "model.safetensors")
    assert desk.audit().verdicts["small/hub"].grade in ("High", "Medium")


def test_a_claim_that_is_edited_while_it_is_audited_keeps_what_was_claimed_then(thin_desk: Desk) -> None:
    path = thin_desk.write("small/hub", claim("L1"))
    before = path.read_text()
    wrong = yaml.safe_load(before) | {"expect": {"form": "top_component", "component": "L0"}}
    edit = Changing(lambda: path.write_text(yaml.safe_dump(wrong)))
    verdict = Audit(thin_desk.workspace, Options(), edit).run().verdicts["small/hub"]
    assert verdict.grade in ("High", "Medium")
    stored = Ledger(thin_desk.workspace.ledger).verdicts()["small/hub"].claim_hash
    again = thin_desk.audit()
    assert again.verdicts["small/hub"].grade == "Refuted"
    assert Ledger(thin_desk.workspace.ledger).verdicts()["small/hub"].claim_hash != stored
    path.write_text(before)
    back = thin_desk.audit()
    assert Ledger(thin_desk.workspace.ledger).verdicts()["small/hub"].claim_hash == stored
    assert back.verdicts["small/hub"].to_json() == verdict.to_json()


def test_a_suite_whose_rows_change_while_it_is_audited_is_pending(thin_desk: Desk) -> None:
    file, lines = thin_desk.root / "rows.jsonl", []
    for i in range(40):
        a, b = f"{i // 7}{i % 7}", f"{i % 7}{i // 7 + 1}"
        row = {"family": "mine", "template": f"t{i}", "clean": f"case {i}: {a} is", "corrupt": f"case {i}: {b} is"}
        lines.append(json.dumps({**row, "target": " red" if i % 2 else " blue", "wrong_target": " one"}))
    file.write_text("\n".join(lines))
    thin_desk.write("small/hub", claim("L1", suite={"jsonl": "rows.jsonl"}))
    edit = Changing(lambda: file.write_text("\n".join(lines).replace("case 3:", "case 33:")))
    verdict = Audit(thin_desk.workspace, Options(), edit).run().verdicts["small/hub"]
    assert (verdict.grade, verdict.code) == ("Pending", "suite_changed"), verdict.reason


def test_memory_that_an_evaluator_does_not_get_is_said_so(thin_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    thin_desk.write("small/hub", claim("L1"))
    find = measuring.find_evaluator

    class Greedy:
        def __init__(self, evaluator: Any) -> None:
            self._evaluator = evaluator

        def measure(self, model: Any, materials: Any, cells: Any) -> Iterator[Any]:
            for number, result in enumerate(self._evaluator.measure(model, materials, cells)):
                if number == 5:
                    torch.empty(2**58, dtype=torch.uint8)
                yield result

    with monkeypatch.context() as patch:
        patch.setattr(measuring, "find_evaluator", lambda name: Greedy(find(name)))
        verdict = thin_desk.audit().verdicts["small/hub"]
    assert (verdict.grade, verdict.code) == ("Pending", "out_of_memory"), verdict.reason
    assert len(Ledger(thin_desk.workspace.ledger).hits(keys_of(thin_desk))) == 5
    again = thin_desk.audit()
    assert again.cached == 5
    assert again.verdicts["small/hub"].grade in ("High", "Medium")


def test_told_to_end_an_audit_keeps_what_was_measured(desk: Desk) -> None:
    desk.write("small/hub", claim(f"L{HUB}"))
    desk.write("small/long", claim(control={"kind": "untrained_model", "draws": 80, "ratio": 1.5}))
    keys = keys_of(desk)
    process = desk.command("audit", "--processes", "1", start_new_session=True)
    deadline = time.monotonic() + 300
    while not desk.workspace.ledger.exists() or not Ledger(desk.workspace.ledger).hits(keys):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 143, out + err
    assert "interrupted; what was measured is kept" in err
    assert "Traceback" not in err
    kept = Ledger(desk.workspace.ledger).hits(keys)
    assert kept
    assert kept < keys
    assert desk.audit("small/hub").verdicts["small/hub"].grade in ("High", "Medium")


def test_a_judge_that_hangs_leaves_its_claims_pending(
    thin_desk: Desk,
    knowing: Knowing,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    knowing.latency = 60.0
    monkeypatch.setattr(panel, "Limits", partial(Limits, timeout_s=0.5, attempts=1))
    thin_desk.write("small/judged", judged(thin_desk, judge("a"), judge("b")))
    thin_desk.write("small/hub", claim("L1"))
    start = time.monotonic()
    verdicts = thin_desk.audit().verdicts
    assert time.monotonic() - start < 60
    assert (verdicts["small/judged"].grade, verdicts["small/judged"].code) == ("Pending", "judge_failed")
    assert "got no reply" in verdicts["small/judged"].reason
    assert verdicts["small/hub"].grade in ("High", "Medium")
