"""tests: faults drawn by seed lose no committed run and change no grade but to Pending.

`python -m benchmarks.faults` draws more of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Desk, claim
from .faults import outcome, reference
from .knowing import Knowing, judge, judged

SEEDS = range(10)


def test_no_fault_loses_a_committed_run_or_changes_a_grade(thin_desk: Desk, tmp_path: Path) -> None:
    thin_desk.write("small/hub", claim("L1"))
    thin_desk.write("small/wrong", claim("L0"))
    scratch = tmp_path.with_name(f"{tmp_path.name}-scratch")
    expected = reference(thin_desk.root, scratch)
    found = [outcome(thin_desk.root, scratch, seed, expected) for seed in SEEDS]
    assert [each for each in found if each.lost or each.wrong or each.traceback] == []
    assert sum(each.happened for each in found) >= 5
    assert len({each.fault.partition(" ")[0] for each in found if each.happened}) >= 3


def test_a_judge_that_is_gone_costs_no_reply_and_no_grade(
    thin_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path.with_name(f"{tmp_path.name}-scratch")
    thin_desk.write("small/judged", judged(thin_desk, judge("a")))
    with Knowing().running() as server:
        monkeypatch.setenv("A_URL", server.address)
        expected = reference(thin_desk.root, scratch)
        found = [outcome(thin_desk.root, scratch, seed, expected, ("judge",)) for seed in range(2)]
    assert [each for each in found if each.lost or each.wrong or each.traceback] == []
    assert sum(each.happened for each in found) == 2
    assert sum(each.committed for each in found) > 100
