"""benchmarks: two audits, a `table` loop, merges and random kills on one ledger, for half an hour; what is left of it.

    python -m benchmarks.soak [--minutes 30] [--seed 0]

Run from the folder of the checkout. The exit code is 1 where the ledger is not whole in the end, a verdict is not that
of an audit that nothing happened to, or a command that was not killed failed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.engine.conftest import write_model
from tests.engine.soak import Soak


def main() -> int:
    """Print how the commands ended and what is left; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "model").mkdir()
        report = Soak(Path(name), write_model(Path(name) / "model", 2, 1), options.seed).run(60 * options.minutes)
    print(report)
    return 0 if report.consistent else 1


if __name__ == "__main__":
    raise SystemExit(main())
