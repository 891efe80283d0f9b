"""benchmarks: faults at the boundaries of an audit, drawn by seed; what is lost, and which grades are wrong.

    python -m benchmarks.faults [--count 500] [--first 0] [--judged]

Run from the folder of the checkout. Each seed is an audit of two claims in which one crossing of a boundary (a file
opened, written or moved; a connection, statement or commit of the ledger; an evaluator's result) fails or is where the
process is killed, and an audit without faults after it. The exit code is 1 where a committed run is lost, a grade
differs other than to Pending, or a traceback is shown. With `--judged` a third claim asks a judge on a server of this
machine, and calls of it fail, too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.engine.conftest import claim, furnished, write_model
from tests.engine.faults import JUDGED, KINDS, Outcome, outcome, reference
from tests.engine.knowing import Knowing, judge, judged


def main() -> int:
    """Print what came of every kind of fault; 1 where something is lost or wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--judged", action="store_true")
    options = parser.parse_args()
    if not options.judged:
        return drawn(options.first, options.count, KINDS)
    with Knowing().running() as server:
        os.environ["A_URL"] = server.address
        return drawn(options.first, options.count, JUDGED)


def drawn(first: int, count: int, kinds: Sequence[str]) -> int:
    """The seeds one after another."""
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "model").mkdir()
        desk = furnished(scratch / "desk", write_model(scratch / "model", 2, 1))
        desk.write("small/hub", claim("L1"))
        desk.write("small/wrong", claim("L0"))
        if kinds is JUDGED:
            desk.write("small/judged", judged(desk, judge("a")))
        expected, start = reference(desk.root, scratch), time.monotonic()
        for seed in range(first, first + count):
            found.append(outcome(desk.root, scratch, seed, expected, kinds))
            if (bad := found[-1]).lost or bad.wrong or bad.traceback:
                print(bad, flush=True)
            if len(found) % 20 == 0:
                print(summary(found, time.monotonic() - start), flush=True)
    for kind, count in sorted(Counter(kind_of(each) for each in found if each.happened).items()):
        codes = Counter(each.exit_code for each in found if each.happened and kind_of(each) == kind)
        print(f"  {kind:14} {count:4} happened; exit codes {dict(sorted(codes.items()))}")
    print(summary(found, time.monotonic() - start))
    return 1 if any(each.lost or each.wrong or each.traceback for each in found) else 0


def kind_of(outcome: Outcome) -> str:
    """Which boundary."""
    return outcome.fault.rpartition(",")[0].rpartition(" ")[0]


def summary(found: list[Outcome], seconds: float) -> str:
    """One line."""
    return (
        f"{len(found)} seeds, {sum(each.happened for each in found)} faults happened: "
        f"{sum(each.lost for each in found)} of {sum(each.committed for each in found)} committed runs lost, "
        f"{sum(len(each.wrong) for each in found)} grades wrong, "
        f"{sum(bool(each.traceback) for each in found)} tracebacks; {seconds:.0f} s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
