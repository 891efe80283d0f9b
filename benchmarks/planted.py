"""benchmarks: planted models: build many of every kind, prove them, and audit some of their claims; a line a kind.

    python benchmarks/planted.py [--seeds 20] [--audits 2]

Columns: models that pass their proofs; seconds to build and to prove one (mean, largest); architectures; claims
audited, and of these the true ones by grade and the false ones by grade. A true claim Refuted, or a false one
High or Medium, is an error of the auditor, and so is the exit code.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import yaml
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.select import Selection
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.workspace import find_workspace
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.planted import KINDS
from mi_atlas.evaluators.planted.folder import claim_documents, save
from mi_atlas.evaluators.planted.kinds import build, prove
from mi_atlas.evaluators.planted.proof import NotAsPlanted

ERRORS = {True: {"Refuted"}, False: {"High", "Medium"}}


def main() -> int:
    """Print the table; 1 where a proof failed or a grade is an error."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--audits", type=int, default=2, help="models of each kind that are audited")
    options = parser.parse_args()
    build(KINDS[0], 0)
    wrong = 0
    for kind in KINDS:
        line, faults = built_and_proven(kind, options.seeds)
        graded = [grades(kind, seed) for seed in range(options.audits)]
        counts = {holds: sum((each[holds] for each in graded), Counter[str]()) for holds in (True, False)}
        wrong += faults + sum(counts[holds][grade] for holds in ERRORS for grade in ERRORS[holds])
        print(f"{kind:19s}{line} | true: {spelt(counts[True])} | false: {spelt(counts[False])}", flush=True)
    return min(wrong, 1)


def built_and_proven(kind: str, seeds: int) -> tuple[str, int]:
    """The first columns, and how many proofs failed."""
    building, proving, architectures, faults = [], [], Counter[str](), 0
    for seed in range(seeds):
        start = time.perf_counter()
        planted = build(kind, seed)
        middle = time.perf_counter()
        try:
            prove(planted)
        except (NotAsPlanted, NotEvaluated) as fault:
            faults += 1
            print(f"  {kind} {seed}: {fault}")
        building.append(middle - start)
        proving.append(time.perf_counter() - middle)
        architectures[planted.truth.architecture] += 1
    times = " ".join(f"{sum(some) / seeds:.2f} ({max(some):.2f})" for some in (building, proving))
    return f"{seeds - faults}/{seeds} proven, s {times}, {spelt(architectures)}", faults


def grades(kind: str, seed: int) -> dict[bool, Counter[str]]:
    """Audit every claim of a model: true or false -> grade -> how many."""
    planted = build(kind, seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        save(planted, root / "model")
        documents = claim_documents(planted.truth, Path("model"))
        for claim, document in documents.items():
            path = root / "claims" / f"{claim}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump({"claim": claim, **document}))
        verdicts = Audit(find_workspace(root), Options(Selection()), Silent()).run().verdicts
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for claim, planted_claim in zip(documents, planted.truth.claims, strict=True):
        counts[planted_claim.holds][verdicts[claim].grade] += 1
    return counts


def spelt(counts: Counter[str]) -> str:
    """`High 3, Pending 1`."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    raise SystemExit(main())
