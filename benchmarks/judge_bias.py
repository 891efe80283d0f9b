"""benchmarks: how often judged claims are graded wrongly where the judge favours length, with labels and without.

    python -m benchmarks.judge_bias [--audits 300] [--seed 0] [--page docs/calibration.md]

Every audit is a claim of known truth on simulated items, graded by the rule as it would be on measured ones. It prints
its section of the page, and puts it in the place of the old one.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from mi_atlas.engine.calibrate.judged import LONGER, WORLDS, Outcomes, outcomes
from mi_atlas.engine.calibrate.report import Rate

AUDITS = 300
TITLE = "## Judged claims"
COLUMNS = (
    "people and judge",
    "claim",
    "items, labels",
    "judge alone",
    "no labels: High",
    "Medium",
    "corrected: High",
    "Medium",
    "Refuted",
    "interval holds the truth",
)


def section(audits: int, seed: int) -> list[str]:
    """The lines of the page's section, from a run of it."""
    start, found = time.process_time(), []
    for world in WORLDS:
        found.append(outcomes(world, audits, seed))
        print(f"  {world.name}: {audits} audits", file=sys.stderr, flush=True)
    seconds = time.process_time() - start
    false = [one for one in found if not one.world.holds]
    high = Rate(sum(one.corrected["High"] for one in false), sum(one.audits for one in false))
    return [
        TITLE,
        "",
        f"`python -m benchmarks.judge_bias --audits {audits} --seed {seed}` wrote this section, in {seconds:.0f} CPU "
        f"seconds: {audits} audits a line. A condition's answers are compared with another's; {100 * LONGER:.0f}% of "
        "them are the longer ones. A judge that favours length by 25 points says of two equal answers three times of "
        "four that the longer one is better. The claim, the condition wins more than half, goes through the rule that "
        "grades measured ones; the judge's gate is taken as passed. Judge alone: how often its scores show the claim "
        "at the alpha of High, all else left out. Without labels Medium is the most, and a comparison that does not "
        "hold between answers of one length is Pending. Corrected: by the labels of people on a random part (PPI++).",
        "",
        f"- false claims graded High, corrected: {high.count} of {high.of}, {high}; at most {100 * high.upper:.2f}% "
        "with 95% confidence",
        "",
        *_table(found),
    ]


def _table(found: list[Outcomes]) -> Iterator[str]:
    for line in (COLUMNS, ("---",) * len(COLUMNS), *map(_row, found)):
        yield f"| {' | '.join(line)} |"


def _row(one: Outcomes) -> tuple[str, ...]:
    shares = (one.judge_alone, *(one.uncorrected[grade] for grade in ("High", "Medium")))
    after = (one.corrected[grade] for grade in ("High", "Medium", "Refuted"))
    rates = [str(Rate(count, one.audits)) for count in (*shares, *after, one.covered)]
    what = "true" if one.world.holds else "false"
    return (one.world.name, what, f"{one.world.items}, {one.world.labels}", *rates)


def put(page: str, lines: list[str]) -> str:
    """A page with the section in the place of an older one, or at its end."""
    others = re.sub(rf"\n*^{TITLE}\n.*?(?=^## |\Z)", "\n\n", page, flags=re.MULTILINE | re.DOTALL)
    return others.rstrip() + "\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Run it, print it, write it into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--audits", type=int, default=AUDITS, help="of every world")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path, default=Path("docs/calibration.md"))
    options = parser.parse_args()
    lines = section(options.audits, options.seed)
    print("\n".join(lines))
    options.page.write_text(put(options.page.read_text(encoding="utf-8"), lines), encoding="utf-8")


if __name__ == "__main__":
    main()
