"""engine: take claims of known truth through the whole engine, in ledgers of type calibration."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from ...specs.claim import CompositeClaim
from ..audit import Audit, Options
from ..gather import gather, missing_arms
from ..grade import Verdict
from ..talk import Silent
from ..workspace import Workspace
from .naive import RULES, judge, judge_all
from .warm import Warm, write
from .worlds import Known

AT_ONCE = 100
"""Documents of one workspace and ledger, which is deleted when they are graded."""


@dataclass(frozen=True)
class Graded:
    """A claim of known truth, and its verdict."""

    known: Known
    verdict: Verdict
    naive: Mapping[str, bool] = field(default_factory=dict)
    """Naive rule -> whether it calls the claim true, on the same evidence."""


def graded(claims: Iterable[Known], processes: int = 1) -> Iterator[Graded]:
    """The verdict on each claim, from a YAML file through an audit; so many processes work side by side."""
    batches = _batches(iter(claims))
    if processes == 1:
        yield from chain.from_iterable(map(_audited, batches))
        return
    with ProcessPoolExecutor(processes, get_context("forkserver")) as pool:
        yield from chain.from_iterable(pool.map(_audited, batches))


def _batches(claims: Iterator[Known]) -> Iterator[tuple[Known, ...]]:
    """As many as together have AT_ONCE documents, or one that has more."""
    some: list[Known] = []
    for known in claims:
        if some and sum(len(each.documents) for each in some) + len(known.documents) > AT_ONCE:
            yield tuple(some)
            some = []
        some.append(known)
    if some:
        yield tuple(some)


def _audited(claims: Sequence[Known]) -> list[Graded]:
    wanted = [(d["model"], d["suite"]) for known in claims for d in known.documents if "model" in d]
    with tempfile.TemporaryDirectory() as folder:
        return audited(_warm().workspace(Path(folder), wanted), claims)


@cache
def _warm() -> Warm:
    return Warm()


def audited(workspace: Workspace, claims: Sequence[Known]) -> list[Graded]:
    """Write the claims into a workspace that has no others, audit them all, and ask the naive rules."""
    for document in chain.from_iterable(known.documents for known in claims):
        write(workspace.claims, str(document["claim"]), document)
    audit = Audit(workspace, Options(calibration=True, processes=1), Silent())
    verdicts = audit.run().verdicts
    with audit.ledger.reading():
        naive = {name: _naive(audit, name) for name in audit.resolved}
    for name, loaded in audit.claims.items():
        if isinstance(loaded.claim, CompositeClaim):
            naive[name] = judge_all(loaded.claim, [naive[part] for part in loaded.claim.expect.claims])
    names = [str(known.document["claim"]) for known in claims]
    return [Graded(known, verdicts[name], naive[name]) for known, name in zip(claims, names, strict=True)]


def _naive(audit: Audit, name: str) -> dict[str, bool]:
    resolved = audit.resolved[name]
    absent, standing = missing_arms(resolved, audit.failures), audit.standing(resolved)
    if "main" in absent or "clean" in absent or standing is None:
        return dict.fromkeys(RULES, False)
    evidence = gather(resolved, audit.ledger.values(resolved.keys), absent, standing)
    return judge(resolved.claim, evidence)
