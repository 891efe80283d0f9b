"""benchmarks: how long it takes to grade 1,000 claims on runs that are all in the ledger, part by part.

    python benchmarks/grading.py [--claims 1000] [--keep FOLDER]

The claims are about two sweeps of pocket-qwen, layers and MLPs: which component matters most, by how much one exceeds
another, whether an effect reaches a bound, how often an answer changes; in the suite and beyond it. All are measured
first. Then all are graded once more, as after a change of the grader; then audited again with nothing to do. Seconds
are CPU seconds of this one process, imports not among them. Take it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle, islice, permutations, product
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mi_atlas.engine.grade.rule  # noqa: F401 - imports are not timed
import yaml
from mi_atlas.engine import audit, gather
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.workspace import find_workspace

LAYERS = [f"L{layer}" for layer in range(6)]
MLPS = [f"{layer}.mlp" for layer in LAYERS]
PARTS = (
    (audit, "load", "read and check the claims"),
    (Audit, "_read", "read the ledger, resolve"),
    (Audit, "_grade", "grade"),
    (Audit, "_record", "record"),
)


def expectations() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Evaluator, quantity, granularity and expectation of claims that differ in what they say of the same runs."""
    for granularity, places in (("layer", LAYERS), ("mlp", MLPS)):
        for scope, place in product(("in_suite", "beyond_suite"), places):
            yield "ablation", "kl", granularity, {"form": "top_component", "component": place, "scope": scope}
        for pair, k in product(permutations(places, 2), (1.2, 1.5, 2, 3, 5, 8)):
            sides = {name: {"component": place} for name, place in zip(("numerator", "denominator"), pair, strict=True)}
            yield "ablation", "kl", granularity, {"form": "ratio", **sides, "at_least": k}
        for place, side, step in product(places, ("at_least", "at_most"), range(19)):
            expect = {"form": "threshold", "component": place, side: round(0.002 * 1.6**step, 5)}
            yield "ablation", "kl", granularity, expect | {"scope": ("in_suite", "beyond_suite")[step % 2]}
    for place, side, step in product(LAYERS, ("at_least", "at_most"), range(14)):
        yield "skipping", "top1_change", "layer", {"form": "proportion", "component": place, side: (step + 1) / 15}


def document(evaluator: str, quantity: str, granularity: str, expect: dict[str, Any]) -> dict[str, Any]:
    """A claim file."""
    values = {"ablation": ("zero", "mean", "resample"), "skipping": ("skip", "mean")}[evaluator]
    return {
        "statement": "Generated, to see how fast claims are graded.",
        "model": "pocket-qwen",
        "suite": "main-12",
        "metric": {"evaluator": evaluator, "quantity": quantity, "sites": {"granularity": granularity}},
        "counterfactual": {"intervention": values[0]},
        "robustness": [{"intervention": value} for value in values[1:]],
        "control": {"kind": "matched_norm_noise", "draws": 20, "ratio": 1.5},
        "positive_control": {"kind": "skip_all_layers"},
        "expect": expect,
        "threshold": {"high": 0.995, "medium": 0.95},
        "threats": ["The suite is synthetic."],
    }


def write(root: Path, count: int) -> None:
    """So many claim files, of every sort in turn."""
    (root / "claims" / "x").mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(islice(cycle(list(expectations())), count)):
        text = yaml.safe_dump({"claim": f"x/c{number}", **document(*one)})
        (root / "claims" / "x" / f"c{number}.yaml").write_text(text)


def timed(function: Callable[..., Any], spent: Counter[str], name: str) -> Callable[..., Any]:
    """The function, its CPU seconds added up under a name."""

    def wrapper(*args: Any, **more: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args, **more)
        finally:
            spent[name] += time.process_time() - start

    return wrapper


def audited(root: Path) -> tuple[Counter[str], Counter[str]]:
    """CPU seconds of an audit by part, and how many claims have which grade."""
    spent: Counter[str] = Counter()
    with ExitStack() as stack:
        for owner, name, words in PARTS:
            stack.enter_context(patch.object(owner, name, timed(getattr(owner, name), spent, words)))
        result = timed(lambda: Audit(find_workspace(root), Options(), Silent()).run(), spent, "all")()
    spent["the rest"] = 2 * spent["all"] - sum(spent.values())
    return spent, Counter(verdict.grade for verdict in result.verdicts.values())


def main() -> None:
    """Measure, grade again, audit again; print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--claims", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="a folder that keeps the workspace, for the next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = options.keep or Path(name)
        write(root, options.claims)
        audited(root)
        with patch.object(gather, "GRADER_VERSION", f"{gather.GRADER_VERSION}, once more {time.time()}"):
            again, grades = audited(root)
            settled, _ = audited(root)
    print(f"{options.claims} claims: {', '.join(f'{count} {grade}' for grade, count in sorted(grades.items()))}\n")
    print("| part | all graded again, s | nothing to do, s |\n|---|---|---|")
    for part in (*(words for _, _, words in PARTS), "the rest", "all"):
        print(f"| {part} | {again[part]:.2f} | {settled[part]:.2f} |")


if __name__ == "__main__":
    main()
