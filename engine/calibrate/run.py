"""engine: take claims of known truth through the whole engine, in ledgers of type calibration."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path

from ...specs.library import Library
from ..audit import Audit, Options, Silent
from ..grade import Verdict
from ..workspace import Workspace
from .worlds import SIZES, Known

AT_ONCE = 60
"""Claims of one workspace and ledger, which is deleted when they are graded."""


@dataclass(frozen=True)
class Graded:
    """A claim of known truth, and its verdict."""

    known: Known
    verdict: Verdict


def graded(claims: Iterable[Known], processes: int = 1) -> Iterator[Graded]:
    """The verdict on each claim, from a YAML file through an audit; so many processes work side by side."""
    batches = _batches(iter(claims))
    if processes == 1:
        yield from chain.from_iterable(map(_audited, batches))
        return
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        yield from chain.from_iterable(pool.map(_audited, batches))


def _batches(claims: Iterator[Known]) -> Iterator[tuple[Known, ...]]:
    while some := tuple(islice(claims, AT_ONCE)):
        yield some


def _audited(claims: Sequence[Known]) -> list[Graded]:
    with tempfile.TemporaryDirectory() as folder:
        return _in(Path(folder), claims)


def _in(root: Path, claims: Sequence[Known]) -> list[Graded]:
    for templates in SIZES:
        _write(root / "specs" / "library" / "suites", f"simulated-{templates}", _suite(templates))
    for known in claims:
        _write(root / "claims", str(known.document["claim"]), known.document)
    workspace = Workspace(root, root / "claims", root / ".mi-atlas" / "ledger.duckdb")
    verdicts = Audit(workspace, Options(calibration=True, processes=1), Silent()).run().verdicts
    return [Graded(known, verdicts[known.document["claim"]]) for known in claims]


def _suite(templates: int) -> dict[str, object]:
    families = list(Library().suite("main-12").families or ())
    return {"suite": f"simulated-{templates}", "families": families, "templates": templates, "items": templates}


def _write(folder: Path, name: str, document: object) -> None:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
