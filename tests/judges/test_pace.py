"""tests: how fast a server is asked, by hand-made calls."""

from __future__ import annotations

import asyncio
import random
import time
from email.utils import formatdate

import pytest
from mi_atlas.judges.pace import LONGEST_WAIT_S, Pace, retry_after, wait_before


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("99999999999", 60),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 60) == seconds


def test_retry_after_as_a_date() -> None:
    now = time.time()
    assert retry_after(formatdate(now + 20, usegmt=True), 60) == pytest.approx(20, abs=2)
    assert retry_after(formatdate(now + 3600, usegmt=True), 60) == 60
    assert retry_after(formatdate(now - 3600, usegmt=True), 60) == 0
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 60) == 0


def test_waits_are_uniform_up_to_a_bound_that_doubles() -> None:
    draw = random.Random(0)
    for tries, most in ((1, 1.0), (2, 2.0), (4, 8.0), (9, LONGEST_WAIT_S), (1000, LONGEST_WAIT_S)):
        waits = [wait_before(tries, 1.0, draw) for _ in range(2000)]
        assert 0 <= min(waits) < 0.02 * most
        assert 0.98 * most < max(waits) <= most
        assert sum(waits) / 2000 == pytest.approx(most / 2, rel=0.05)


def test_a_crowd_halves_once_a_round_and_answers_add_one_a_round() -> None:
    """8 -> 4 -> 2 by calls that began after the last decrease; from 1, answers give 2, 2.5, 2.9, and 8 after 32."""
    pace = Pace(8)
    began = time.monotonic()
    pace.crowded(began, None)
    pace.crowded(began, None)
    assert pace.limit == 4
    pace.crowded(time.monotonic() + 1, None)
    assert pace.limit == 2
    for _ in range(5):
        pace.crowded(time.monotonic() + 1, None)
    assert pace.limit == 1
    grown = []
    while pace.limit < 8:
        pace.went_well()
        grown.append(pace.limit)
    assert grown[:3] == [2, 2.5, 2.9]
    assert 28 <= len(grown) <= 36
    pace.went_well()
    assert pace.limit == 8


def test_no_more_calls_run_at_once_than_the_limit() -> None:
    async def most_at_once() -> int:
        pace, busy, most = Pace(8), 0, 0
        pace.crowded(time.monotonic(), None)

        async def call() -> None:
            nonlocal busy, most
            async with pace.turn():
                busy += 1
                most = max(most, busy)
                await asyncio.sleep(0.001)
                busy -= 1

        await asyncio.gather(*(call() for _ in range(40)))
        return most

    assert asyncio.run(most_at_once()) == 4


def test_a_call_that_is_ended_gives_its_turn_back() -> None:
    async def ended() -> float:
        pace = Pace(1)

        async def call(seconds: float) -> None:
            async with pace.turn():
                await asyncio.sleep(seconds)

        tasks = [asyncio.create_task(call(60)), asyncio.create_task(call(60)), asyncio.create_task(call(0))]
        await asyncio.sleep(0.01)
        began = time.monotonic()
        for task in tasks[:2]:
            task.cancel()
        await tasks[2]
        return time.monotonic() - began

    assert asyncio.run(ended()) < 1
