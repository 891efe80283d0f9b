"""judges: how fast a server is asked: how many calls at once, and how long between two tries of one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 30.0
"""Between two tries, where the server names no time."""


class Pace:
    """How many calls run at once: half as many when a server has too much to do, one more a round that is answered.

    Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain 1989): calls that began before a
    decrease do not cause another. A server that asks for a pause gets it from all calls.
    """

    def __init__(self, most: int) -> None:
        self.limit = float(most)
        """Calls at once, now; its whole part counts."""
        self._most = most
        self._busy = 0
        self._lowered = self._resumes = float("-inf")
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Waits until one more call may run, and gives the time at which it begins (monotonic seconds)."""
        while True:
            while (pause := self._resumes - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            async with self._changed:
                await self._changed.wait_for(lambda: self._busy < int(self.limit))
                if self._resumes <= time.monotonic():
                    self._busy += 1
                    break
        try:
            yield time.monotonic()
        finally:
            async with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def went_well(self) -> None:
        """A call was answered."""
        self.limit = min(float(self._most), self.limit + 1 / self.limit)

    def crowded(self, began: float, pause: float | None) -> None:
        """A call that began then found the server with too much to do; `pause`: what it asks for, in seconds."""
        if began > self._lowered:
            self.limit, self._lowered = max(1.0, self.limit / 2), time.monotonic()
        if pause:
            self._resumes = max(self._resumes, time.monotonic() + pause)


def wait_before(tries: int, first: float, draw: random.Random) -> float:
    """Seconds before another try: uniform up to `first`, doubled with each try ("full jitter")."""
    return draw.uniform(0, min(LONGEST_WAIT_S, first * 2 ** min(tries - 1, 30)))


def retry_after(value: str | None, longest: float) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms, at most `longest`; None: it says nothing."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(longest, float(value[:9]))
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(longest, max(0.0, when.timestamp() - time.time()))
