"""benchmarks: retrain every pocket model from nothing and say whether it is the one that ships.

Run `python benchmarks/pocket.py [NAME...] [--jobs 2]`; about ten minutes a model, each on one core. It exits with 1
where one does not match, and ends in the time that all took together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from mi_atlas.evaluators.pocket.build import build
from mi_atlas.evaluators.pocket.recipe import recipe_names


def rebuild(name: str) -> tuple[str, bool, float]:
    """What is to be said of a model, whether it matches, and the seconds it took."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = build(name, Path(folder) / name)
    return str(report), report.matches, time.perf_counter() - start


def main() -> int:
    """Build each and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=recipe_names(), help="pocket models (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="models at once")
    chosen = parser.parse_args()
    start, fine = time.perf_counter(), True
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.jobs, mp_context=context) as pool:
        for done in as_completed([pool.submit(rebuild, name) for name in chosen.names]):
            text, matches, seconds = done.result()
            fine &= matches
            print(f"{text} ({seconds:.0f} s)", flush=True)
    print(f"{len(chosen.names)} models in {time.perf_counter() - start:.0f} s, {chosen.jobs} at once")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
