"""benchmarks: fuzzing for hours of what is read from others; faults are kept in tests/corpus, where tests read them.

    python -m benchmarks.fuzz [--minutes 30] [--target claim] [--seed 0] [--guided]

Run from the folder of the checkout. A fault is a traceback, more than 2 s for one input, or more than 1 GiB of memory.
With `--guided` (and `pip install atheris`) inputs are bred by the code that they reach, in a process a target.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from hashlib import sha256
from pathlib import Path

from tests.fuzzing import CORPUS, TARGETS, drawn, seeds

LONGEST_S, MOST_BYTES = 2.0, 2**30


def main() -> int:
    """Print inputs and faults of each target; 1 where there is a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true")
    options = parser.parse_args()
    targets = options.target or sorted(TARGETS)
    if options.guided:
        return max([bred(target, options.minutes / len(targets), options.seed) for target in targets])
    return drawn_at_random(targets, options.minutes, options.seed)


def drawn_at_random(targets: list[str], minutes: float, seed: int) -> int:
    """Inputs made of right ones by chance; 1 where there is a fault."""
    draw, end = random.Random(seed), time.monotonic() + 60 * minutes
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


def bred(target: str, minutes: float, seed: int) -> int:
    """Inputs bred by atheris, which ends at the first fault and keeps it; 1 where there is one."""
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    before = set((CORPUS / target).iterdir())
    process = multiprocessing.get_context("spawn").Process(target=breed, args=(target, minutes, seed))
    process.start()
    process.join()
    found = set((CORPUS / target).iterdir()) - before
    print(f"  {target}: exit code {process.exitcode}, {len(found)} inputs kept", flush=True)
    return int(process.exitcode != 0)


def breed(target: str, minutes: float, seed: int) -> None:
    """Runs until the time is over or an input is a fault; ends the process."""
    import atheris

    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(seeds(target)):
            (Path(folder) / str(number)).write_bytes(data)
        limits = [f"-timeout={LONGEST_S:.0f}", f"-rss_limit_mb={MOST_BYTES // 2**20}", "-max_len=20000"]
        total = [f"-max_total_time={60 * minutes:.0f}", f"-seed={seed + 1}", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, *total, f"-artifact_prefix={CORPUS / target}/", folder], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    raise SystemExit(main())
