"""tests: the packaged core claims, from nothing, as a person without a workspace runs them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-c", "from mi_atlas.engine.cli import main; main()"]


def type_words(folder: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Type a command in a folder."""
    return subprocess.run([*PROGRAM, *words], cwd=folder, capture_output=True, text=True, timeout=900)


def audit(folder: Path) -> resource.struct_rusage:
    """Audit the core claims, in which only the absent model stands in the way; what that took."""
    process = subprocess.Popen([*PROGRAM, "audit", "--tag", "core"], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 2
    return usage


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, resource.struct_rusage]:
    """A folder in which the core claims were audited from an empty ledger, and what that took."""
    folder = tmp_path_factory.mktemp("elsewhere")
    return folder, audit(folder)


@pytest.fixture(scope="module")
def audited(first: tuple[Path, resource.struct_rusage]) -> Path:
    return first[0]


def test_every_core_claim_has_a_grade_with_a_reason(audited: Path) -> None:
    rows = json.loads(type_words(audited, ["table", "--tag", "core", "-f", "json"]).stdout)
    assert len(rows) >= 9
    assert all(row["verdict"] and "\n" not in row["evidence"] and len(row["evidence"]) > 20 for row in rows)
    pending = {row["claim"]: row["verdict"]["code"] for row in rows if row["verdict"]["grade"] == "Pending"}
    assert pending["qwen2.5-0.5b/hub"] == "weights_missing"


def test_a_claim_on_the_wrong_layer_is_refuted_and_the_right_one_is_not(audited: Path) -> None:
    rows = json.loads(type_words(audited, ["table", "pocket-qwen/*hub", "--tag", "core", "-f", "json"]).stdout)
    grades = {row["claim"]: row["verdict"]["grade"] for row in rows}
    assert grades["pocket-qwen/middle-layer-hub"] == "Refuted"
    assert grades["pocket-qwen/hub"] in ("High", "Medium")


def test_nothing_of_the_package_is_written(audited: Path) -> None:
    assert {path.name for path in audited.iterdir()} == {".mi-atlas"}


def test_the_audit_stays_under_two_gigabytes(first: tuple[Path, resource.struct_rusage]) -> None:
    assert first[1].ru_maxrss < 2 * 1024**2, "kilobytes"


def test_an_audit_with_nothing_to_do_takes_a_second_or_so(audited: Path) -> None:
    """Processor time, the best of five: what another process on the machine takes does not count."""
    seconds = [usage.ru_utime + usage.ru_stime for usage in (audit(audited) for _ in range(5))]
    assert min(seconds) < 1.6, seconds
