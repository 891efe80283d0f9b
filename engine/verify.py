"""engine: the cache is put to the test: some of its runs are measured again and compared.

What differs by more than numerics is kept beside what is there, and the key is in conflict: whatever rests on it is
Pending until it is measured again with `--rerun`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING

from .execute import Writer
from .measure import CONFLICT, Failure
from .plan import Plan, plan_of
from .tolerance import agree

if TYPE_CHECKING:
    from ..store import Ledger
    from .needs import Run


def in_conflict(ledger: Ledger) -> dict[str, Failure]:
    """Key -> why nothing can rest on it, of runs with two results that differ."""
    why = "two results of it differ by more than numerics ({}); `mi-atlas audit --rerun` measures it again"
    return {key: Failure(CONFLICT, why.format(how)) for key, how in ledger.conflicts().items()}


def sampled(runs: Mapping[str, Run], ledger: Ledger, share: float) -> Plan:
    """A plan of a random share of those runs that the ledger has, at least one; another one in each audit."""
    cached = sorted(ledger.hits(runs) - ledger.conflicts().keys())
    number = len(ledger.audits())
    chosen = random.Random(f"verify {number}").sample(cached, ceil(share * len(cached)))
    return plan_of([runs[key] for key in chosen], 0)


class Verifier(Writer):
    """Compares what is measured with what the ledger has, and commits only what differs."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger, supersede=True)
        self.differing = 0

    def flush(self) -> None:
        """Keep what differs beside what is there."""
        import numpy as np

        stored = self._ledger.values(run.key for run in self._buffer)
        texts = self._ledger.texts(run.key for run in self._buffer)
        different = [
            run
            for run in self._buffer
            if not agree(run.parts, stored[run.key], {name: np.asarray(v, float) for name, v in run.values.items()})
            or tuple(run.texts) != texts.get(run.key, ())
        ]
        self._ledger.disagree(different, "measured again by audit --verify")
        self.differing += len(different)
        self._buffer.clear()

    def failed(self, runs: list[Run], failure: Failure) -> None:
        """What cannot be measured now says nothing about what was measured then."""
