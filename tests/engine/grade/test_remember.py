"""tests of engine/grade: what claims that differ in their bound share is worked out once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np
import pytest
from mi_atlas.engine.grade import Evidence, Verdict, grade
from mi_atlas.engine.grade.remember import remembered

from .worlds import Floats, at_least, ratio, sweep

MOST_CALLS = 1_750
"""Of a claim with two arms, as Python's profiler counts them; there are 1,270 for a threshold, 1,620 for a ratio."""


def shut(found: Evidence) -> Evidence:
    """The same evidence, read-only as the ledger gives it."""
    for values in (*found.effects.values(), *found.control.values(), found.positive, found.noise):
        assert values is not None
        values.flags.writeable = False
    return found


def calls(work: Callable[[], Any]) -> int:
    """Functions that are called meanwhile."""
    count = 0

    def note(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("form", [at_least, ratio])
def test_a_claim_with_another_bound_costs_a_fraction(form: Callable[[float], Any]) -> None:
    """The first works out tables, samples and controls; the others only hold them against their bound."""
    grade(form(0.3), shut(sweep([0.5, 0.3], seed=1)))
    found = shut(sweep([0.5, 0.3], seed=2))
    first, second, third = [calls(lambda k=k: grade(form(k), replace(found, look=1))) for k in (0.5, 0.2, 0.1)]
    assert second == third
    assert second < 0.5 * first
    assert second < MOST_CALLS


def test_what_is_remembered_is_what_would_be_worked_out() -> None:
    """A claim graded after others has the verdict that it has alone, on arrays that nobody has seen."""
    found = shut(sweep([0.5, 0.3], seed=3))
    alone: list[Verdict] = [grade(at_least(bound), sweep([0.5, 0.3], seed=3)) for bound in (0.5, 0.1, 0.01)]
    assert [grade(at_least(bound), found) for bound in (0.5, 0.1, 0.01)] == alone


def test_arrays_are_told_apart_by_what_they_hold() -> None:
    asked = []

    @remembered(8)
    def total(values: Floats, times: int) -> Floats:
        asked.append(times)
        return np.asarray(values.sum(axis=0) * times)

    table = np.arange(6.0).reshape(2, 3)
    assert total(table, 2).tolist() == total(table.copy(), 2).tolist() == [6.0, 10.0, 14.0]
    assert asked == [2]
    assert total(table.reshape(3, 2), 2).tolist() == [12.0, 18.0], "the same bytes in another shape"
    table[0, 0] = 1.0
    assert total(table, 2).tolist() == [8.0, 10.0, 14.0]
    with pytest.raises(ValueError, match="read-only"):
        total(table, 2)[0] = 0.0
