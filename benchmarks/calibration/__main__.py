"""benchmarks: the error rates of the grades: thousands of simulated claims, hundreds on planted and pocket models.

    python -m benchmarks.calibration [--claims 300] [--planted 10] [--pocket 4] [--page docs/calibration.md]

It prints what it has found, and writes the page. A claim that is false is drawn as carefully as one that is true: half
of the simulated ones are false by nothing, and bounds on pocket models lie just beyond what was measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from mi_atlas.engine.calibrate.report import LEGEND, Tally, by_form, errors, table
from mi_atlas.engine.calibrate.run import graded
from mi_atlas.engine.calibrate.worlds import SCOPES, claims, form_of
from mi_atlas.engine.measure import cores

from .. import judge_bias
from . import models, published


def main() -> None:
    """Run everything, print it, write the page."""
    options = _options()
    start, counts, bound = time.monotonic(), dict[tuple[str, str], Tally](), dict[tuple[str, int], Counter[bool]]()
    known = chain.from_iterable(claims(options.claims, options.seed, scope) for scope in SCOPES)
    for each in _told(graded(known, options.processes), None, "simulated"):
        counts.setdefault((each.known.recipe, each.known.scope), Tally()).add(each)
        if each.known.truth == "at the bound" and each.known.scope == "in_suite":
            place = (form_of(each.known.recipe), each.known.templates)
            bound.setdefault(place, Counter())[each.verdict.grade == "High"] += 1
    simulated_s, start = time.monotonic() - start, time.monotonic()
    again = list(published.claims(options.published, options.seed))
    lines = published.page(_told(graded(again, options.processes), len(again), "stated power"), bound)
    real = dict[tuple[str, str], Tally]()
    work = models.tasks(options.planted, options.pocket, options.sample)
    for each in _told(models.graded(work, options.processes), len(work), "models", of=len):
        for one in each:
            real.setdefault((one.known.recipe, one.known.scope), Tally()).add(one)
    text = _page(options, counts, real, lines, (simulated_s, time.monotonic() - start))
    print(text)
    options.page.write_text(text, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--claims", type=int, default=300, help="simulated, of every form and scope")
    parser.add_argument("--published", type=int, default=60, help="simulated, of every stated power")
    parser.add_argument("--planted", type=int, default=10, help="planted models of each kind")
    parser.add_argument("--pocket", type=int, default=4, help="sweeps of each pocket model and kind of site")
    parser.add_argument("--sample", type=int, default=10_000, help="prompts that truth on a pocket model rests on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--page", type=Path, default=Path("docs/calibration.md"))
    return parser.parse_args()


def _told(items: Iterable[Any], count: int | None, what: str, of: Callable[..., int] = lambda item: 1) -> Iterator[Any]:
    graded_claims = 0
    for done, item in enumerate(items, 1):
        graded_claims += of(item)
        if done % 60 == 0 or done == count or of is len:
            print(f"  {what}: {done} of {count or 'all'}, {graded_claims} claims", file=sys.stderr, flush=True)
        yield item


def _page(
    options: argparse.Namespace,
    simulated: dict[tuple[str, str], Tally],
    real: dict[tuple[str, str], Tally],
    lines: list[str],
    seconds: tuple[float, float],
) -> str:
    return "\n".join(
        [
            "# How often grades are wrong",
            "",
            f"`python -m benchmarks.calibration --claims {options.claims} --planted {options.planted} --pocket "
            f"{options.pocket} --sample {options.sample} --published {options.published} --seed {options.seed}` wrote "
            f"this page, in {seconds[0] / 60:.0f} minutes for the simulated claims and {seconds[1] / 60:.0f} for the "
            f"rest, on {options.processes} processes. Every claim went through the whole engine, from a YAML file to a "
            "verdict, in ledgers of type calibration. Intervals are Clopper and Pearson's at 95%.",
            "",
            "## Simulated claims",
            "",
            "Their numbers are drawn from a stated distribution (spreads, tails and sizes vary), so that their truth "
            "is known by construction, or measured on a large sample of the distribution where no formula gives it. "
            "Half are true; half of the false ones are false by as little as can be: their truth is exactly the bound.",
            "",
            *_pooled(simulated),
            *table(by_form(simulated)),
            "",
            LEGEND,
            "",
            "## Claims on models",
            "",
            "On planted models truth follows from how they were built. On pocket models it was measured on a large "
            "sample of other prompts: thirty templates of each of twelve families, and up to "
            f"{options.sample} prompts in all, as many as the generator finds; claims are then audited on ten "
            "templates of each family and one prompt of each. Bounds lie at the half and the double of what was "
            "measured, and, for the false ones, three standard errors of it beyond it. Several claims are about the "
            "same sweep: these counts are not independent, and the intervals are too narrow for that.",
            "",
            *_pooled(real),
            *table(real),
            "",
            "## What the design states",
            "",
            "Fewer than ten templates a family are not graded, and the largest suite has thirty: of the stated sizes, "
            "3, 10, 30 and 100, two can be measured. How much numbers vary the design does not state for each line; "
            "the spreads are ours. Agreement is within 99% intervals.",
            "",
            *lines,
            "",
            *judge_bias.section(judge_bias.AUDITS, options.seed),
            "",
        ]
    )


def _pooled(counts: dict[tuple[str, str], Tally]) -> list[str]:
    high, refuted = errors(counts)
    return [
        f"- false claims graded High: {high.count} of {high.of}, {high}; at most {100 * high.upper:.2f}% with 95% "
        "confidence",
        f"- true claims Refuted: {refuted.count} of {refuted.of}, {refuted}; at most {100 * refuted.upper:.2f}% with "
        "95% confidence",
        "",
    ]


if __name__ == "__main__":
    main()
