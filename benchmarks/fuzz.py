"""benchmarks: fuzzing for hours of what is read from others; faults are kept in tests/corpus, where tests read them.

    python -m benchmarks.fuzz [--minutes 30] [--target claim] [--seed 0]

Run from the folder of the checkout. A fault is a traceback, more than 2 s for one input, or more than 1 GiB of memory.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
import traceback
from collections import Counter
from hashlib import sha256

from tests.fuzzing import CORPUS, TARGETS, drawn

LONGEST_S, MOST_BYTES = 2.0, 2**30


def main() -> int:
    """Print inputs and faults of each target; 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, end = random.Random(options.seed), time.monotonic() + 60 * options.minutes
    targets = options.target or sorted(TARGETS)
    tried, slowest, faults = Counter[str](), dict.fromkeys(targets, 0.0), set[str]()
    while time.monotonic() < end:
        for target in targets:
            data, start = drawn(target, draw), time.process_time()
            try:
                TARGETS[target](data)
                wrong = ""
            except Exception:
                wrong = traceback.format_exc()
            took = time.process_time() - start
            tried[target] += 1
            slowest[target] = max(slowest[target], took)
            what = wrong.strip().splitlines()[-1] if wrong else f"{took:.1f} s" if took > LONGEST_S else ""
            if what and f"{target} {what[:60]}" not in faults:
                faults.add(f"{target} {what[:60]}")
                path = CORPUS / target / sha256(data).hexdigest()[:12]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                print(f"{path.name}: {target}: {wrong or what}", flush=True)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for target in targets:
        print(f"  {target:10} {tried[target]:8} inputs, slowest {slowest[target]:.2f} s")
    print(f"{len(faults)} faults; at most {most / 2**20:.0f} MiB of memory")
    return 1 if faults or most > MOST_BYTES else 0


if __name__ == "__main__":
    raise SystemExit(main())
