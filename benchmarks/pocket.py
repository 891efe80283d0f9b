"""benchmarks: retrain every pocket model from nothing and say whether it is the one that ships.

Run `python benchmarks/pocket.py`; minutes a model on one core. It exits with 1 where one does not match.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from mi_atlas.evaluators.pocket.build import build
from mi_atlas.evaluators.pocket.recipe import recipe_names


def main() -> int:
    """Build each and print a line."""
    fine = True
    for name in recipe_names():
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            report = build(name, Path(folder) / name)
            print(f"{report} ({time.perf_counter() - start:.0f} s)", flush=True)
            fine &= report.matches
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
