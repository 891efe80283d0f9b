"""engine: one audit, in order: resolve, plan, execute, grade, record.

What is settled (same claim, same evidence, same look) keeps its verdict, and an audit in which everything is
settled imports neither torch nor numpy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ..evaluators.models.locate import Absent
from ..specs.canonical import digest
from ..specs.claim import CompositeClaim, MeasuredClaim
from ..specs.load import LoadedClaim
from ..store import Ledger, RecordedVerdict, VerdictRow, audit_lock, seen
from .accepted import exit_code, load_accepted
from .basis import KIND as BASIS
from .basis import Basis, basis_key, basis_of, basis_of_composite
from .errors import MachineError
from .execute import Writer, execute
from .findings import HOLDS, Found, capped, inquire, memory_key, resting_on
from .gather import evidence_digest, missing_arms
from .grade import Verdict, grade, grade_composite, pending
from .judging.answers import GATE, labels_digest
from .measure import Failure, Place
from .memo import Memo
from .needs import Resolved
from .plan import Plan, make_plan
from .registrations import Registrations, Standing, load_registrations, save_registrations
from .resolve import Resolver
from .select import Selection, load, select
from .shelf import Shelf
from .talk import Talk
from .verify import Verifier, in_conflict, sampled
from .workspace import Workspace

if TYPE_CHECKING:
    from .cluster import Cluster

WITHOUT = ("main", "clean", GATE)
"""Arms without which nothing was looked at."""


@dataclass(frozen=True)
class Options:
    """What an audit was asked to do."""

    selection: Selection = field(default_factory=Selection)
    rerun: bool = False
    """Measure again what the ledger has."""
    confirm: bool = False
    """Measure on the next verification draw."""
    download: bool = False
    """Fetch weights that are not here."""
    device: str | None = None
    """cpu, cuda, ...; None: an accelerator if there is one."""
    processes: int | None = None
    """How many measure small models side by side; None: one a core, where that is worth it."""
    twins: bool = False
    """Audit also versions of the claims that must fail."""
    judge_calls: int | None = None
    """Most questions that judges are asked; what is left is asked by the next audit. None: as many as it takes."""
    verify: float = 0.0
    """Share of the cached runs that are measured again and compared."""
    graded_only: bool = False
    """Look at what has a verdict; of other claims only their model is looked for."""
    cluster: Cluster | None = None
    """Where to measure what is neither timed nor judged; None: in this process, and others that it starts."""
    calibration: bool = False
    """Grade simulated evidence too, in a ledger of its own kind, whose verdicts enter no other."""


@dataclass
class AuditResult:
    """What came out: verdicts in the order of the claims' ids, and what it took."""

    verdicts: dict[str, Verdict]
    claims: Mapping[str, LoadedClaim]
    exit_code: int
    measured: int = 0
    cached: int = 0
    regressed: list[str] = field(default_factory=list)
    found: Mapping[str, Found] = field(default_factory=dict)
    """Of the twins of those claims that were asked for them, or had been before."""
    verified: int = 0
    """Cached runs that were measured again."""
    differing: int = 0
    """Those of them that differ by more than numerics, and are in conflict now."""


class Audit:
    """The state of one audit of some claims of a workspace."""

    def __init__(self, workspace: Workspace, options: Options, talk: Talk) -> None:
        self.workspace, self.options, self.talk = workspace, options, talk
        every, self.library = load(workspace)
        self.claims = select(every, options.selection)
        kind = "calibration" if options.calibration else "evidence"
        self.ledger = Ledger(workspace.ledger, kind, on_wait=talk.wait)
        self.failures: dict[str, Failure] = {}
        self.measured = self.cached = self.verified = self.differing = 0
        self.number: int | None = None
        self._spent: Mapping[str, tuple[int, int, int]] | None = None
        self.conflicts: dict[str, Failure] = {}
        self.memo = Memo({}, {}, workspace.root)
        self.resolver = Resolver(self.library, self.memo, workspace.root, options.device)
        self.shelf = Shelf(self.ledger, workspace.root)
        if options.download:
            self._download()
        self._read()

    def run(self) -> AuditResult:
        """Settle every claim, record the audit, say how it stands against the accepted grades."""
        if self.options.verify:
            with audit_lock(self.workspace.ledger, self.talk.wait):
                self._verify()
                self._read()
        found = {} if self.options.rerun else {name: self._settled(name) for name in self.resolved}
        kept = {name: row for name, row in found.items() if row is not None}
        verdicts = {name: Verdict.from_json(row.document) for name, row in kept.items()}
        loose = [name for name in self.resolved if name not in verdicts]
        audit_id: int | None = None
        if loose or self.options.twins:
            with audit_lock(self.workspace.ledger, self.talk.wait):
                audit_id = self.number = self.ledger.start_audit(self._about())
                self._read()
                verdicts |= self._measure_and_grade(loose) if loose else {}
                again = self._audit_twins(verdicts) if self.options.twins else {}
                verdicts |= again
                kept = {name: row for name, row in kept.items() if name not in again}
        verdicts |= self._composites(verdicts)
        verdicts = {name: verdicts[name] for name in self.claims}
        code, regressed = exit_code(verdicts, load_accepted(self.workspace.accepted))
        self._record(verdicts, kept, audit_id, code)
        counts = self.measured, self.cached, regressed, self.found, self.verified, self.differing
        return AuditResult(verdicts, self.claims, code, *counts)

    def judge_calls(self) -> dict[str, list[int]]:
        """Judge -> replies, tokens sent and tokens received, of this audit."""
        before = self._spent
        if before is None:
            return {}
        now = {
            judge: [a - b for a, b in zip(spent, before.get(judge, (0, 0, 0)), strict=True)]
            for judge, spent in self.ledger.spent().items()
        }
        return {judge: spent for judge, spent in now.items() if any(spent)}

    def preview(self) -> Plan:
        """The plan of what is not settled; nothing is executed or recorded."""
        loose = [r for name, r in self.resolved.items() if self.options.rerun or self._settled(name) is None]
        return make_plan(loose, self.ledger, self.options.rerun)

    def _read(self) -> None:
        """Everything that the ledger and the registrations say before anything is measured."""
        with self.ledger.reading():
            files, suites = self.ledger.recall_all("file"), self.ledger.recall_all("suite")
            self.stored: Mapping[str, RecordedVerdict] = self.ledger.verdicts()
            remembered = self.ledger.recall_all("twin")
            self.conflicts = in_conflict(self.ledger)
            seen(filter(None, [self.ledger.newest_date()]))
        self.memo = Memo(files, suites, self.workspace.root)
        shipped = self.workspace.claims / "registrations.lock"
        self.registrations: Registrations = load_registrations(self.workspace.registrations, shipped)
        self.resolver.renew(self.memo)
        draw = cache(self._draw)
        looked_at = {name for name in self.claims if name in self.stored or not self.options.graded_only}
        self.resolved: dict[str, Resolved] = {}
        for name, loaded in self.claims.items():
            if isinstance(loaded.claim, MeasuredClaim):
                resolve = self.resolver.resolve if name in looked_at else self.resolver.outline
                self.resolved[name] = resolve(loaded.claim, draw(self.resolver.estimand(loaded.claim)))
        with self.ledger.reading():
            for resolved in self.resolved.values():
                resolved.labels = labels_digest(resolved, self.ledger)
        keys = {name: memory_key(resolved) for name, resolved in self.resolved.items()} if remembered else {}
        self.found = {name: Found.from_json(remembered[key]) for name, key in keys.items() if key in remembered}

    def _draw(self, estimand: str) -> int:
        looked = bool(self.registrations.estimands.get(estimand, {}).get("looks"))
        return self.registrations.draw(estimand) + (1 if self.options.confirm and looked else 0)

    def standing(self, resolved: Resolved) -> Standing | None:
        """Which look at a claim this is; None: it was not looked at."""
        return self.registrations.standing(resolved.estimand, resolved.bound, resolved.data, resolved.draw)

    def _settled(self, name: str) -> RecordedVerdict | None:
        """The stored verdict, if neither the claim nor what it rests on changed since."""
        resolved, row = self.resolved[name], self.stored.get(name)
        if row is None or row.claim_hash != claim_hash(resolved):
            return None
        standing = None
        absent = missing_arms(resolved, self.conflicts)
        if not absent.keys() & set(WITHOUT):
            standing = self.standing(resolved)
            if standing is None:
                return None
        elif not self.registrations.is_registered(resolved.estimand, resolved.bound):
            return None
        evidence = evidence_digest(resolved, absent, standing)
        if row.evidence_digest != resting_on(evidence, self.found.get(name)):
            return None
        return row

    def _measure_and_grade(self, loose: list[str]) -> dict[str, Verdict]:
        claims = [self.resolved[name] for name in loose]
        for resolved in claims:
            self.registrations.register(resolved.claim.claim, resolved.estimand, resolved.bound)
        save_registrations(self.registrations, self.workspace.registrations)
        self._execute(claims)
        with self.ledger.reading():
            verdicts = {resolved.claim.claim: self._grade(resolved) for resolved in claims}
        save_registrations(self.registrations, self.workspace.registrations)
        return verdicts

    def _execute(self, claims: Sequence[Resolved]) -> None:
        plan = make_plan(claims, self.ledger, self.options.rerun)
        self.measured, self.cached = self.measured + plan.misses, self.cached + plan.hits
        if plan.steps:
            if self._spent is None and any(step.group.judges for step in plan.steps):
                self._spent = self.ledger.spent()
            self.talk.begin(plan)
            try:
                self.failures |= self._measured(plan)
            finally:
                self.talk.end()
        self.conflicts = in_conflict(self.ledger)
        self.shelf = Shelf(self.ledger, self.workspace.root, claims)

    def _verify(self) -> None:
        """Measure some of the cached runs again; what differs is kept beside what is there, and is in conflict."""
        runs = {key: run for resolved in self.resolved.values() for key, run in resolved.runs.items()}
        plan = sampled(runs, self.ledger, self.options.verify)
        self.verified = plan.misses
        if not plan.steps:
            return
        self.talk.begin(plan)
        try:
            writer = Verifier(self.ledger)
            self._measured(plan, writer)
        finally:
            self.talk.end()
        self.differing = writer.differing

    def _measured(self, plan: Plan, writer: Writer | None = None) -> dict[str, Failure]:
        place, device, processes = self._place(), self.options.device, self.options.processes
        how = plan, self.ledger, place, self.talk, self.options.rerun, processes, writer
        if self.options.cluster is None:
            return execute(*how)
        from .crew import Crew

        with Crew(self.options.cluster, place, device, processes, self.talk.wait) as crew:
            return execute(*how, crew)

    def _place(self) -> Place:
        device = pick_device(self.options.device)
        return Place(self.workspace.root, device, self.workspace.artefacts, self.options.judge_calls)

    def _audit_twins(self, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
        """Ask the claims that hold for their twins; the verdicts that change by what is found."""
        asked = {name: self.resolved[name] for name, verdict in verdicts.items() if verdict.grade in HOLDS}
        inquiry = inquire(asked, self.resolver, self.found, self._digest, self.options.rerun)
        self._execute(inquiry.wanted)
        with self.ledger.reading():
            inquiry.close(self._graded, self._digest)
            changed = {name: found for name, found in inquiry.found.items() if self.found.get(name) != found}
            self.found |= changed
            again = {name: self._grade(self.resolved[name]) for name in changed}
        self.ledger.remember_many("twin", {memory_key(asked[name]): each.to_json() for name, each in changed.items()})
        return again

    def _grade(self, resolved: Resolved) -> Verdict:
        return capped(self._graded(resolved), self.found.get(resolved.claim.claim))

    def _graded(self, resolved: Resolved, standing: Standing | None = None) -> Verdict:
        """What the evidence says by itself; where no standing is given, grading is a look at it."""
        absent = missing_arms(resolved, {**self.conflicts, **self.failures})
        for arm in WITHOUT:
            if arm in absent:
                return pending(resolved.claim, *absent[arm])
        if standing is None:
            about = resolved.estimand, resolved.bound, resolved.data, resolved.draw
            standing = self.registrations.look(*about, self.shelf.measured_at(resolved))
        return grade(resolved.claim, self.shelf.evidence(resolved, absent, standing), self.options.calibration)

    def _composites(self, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
        composites = {}
        for name, loaded in self.claims.items():
            if isinstance(loaded.claim, CompositeClaim):
                children = [(self.resolved[child].claim, verdicts[child]) for child in loaded.claim.expect.claims]
                composites[name] = grade_composite(loaded.claim, children)
        return composites

    def _record(
        self, verdicts: Mapping[str, Verdict], kept: Mapping[str, VerdictRow], audit_id: int | None, code: int
    ) -> None:
        rows = [kept.get(name) or self._row(name, verdict) for name, verdict in verdicts.items()]
        with self.ledger.writing():
            audit_id = self.number = audit_id or self.ledger.start_audit(self._about())
            self.memo.save(self.ledger)
            self.ledger.record_verdicts(audit_id, rows)
            self.ledger.remember_many(BASIS, self._bases(rows))
            self.ledger.finish_audit(audit_id, code)

    def _row(self, name: str, verdict: Verdict) -> VerdictRow:
        return VerdictRow(name, *self.hashes(name), verdict.grade, verdict.code, verdict.reason, verdict.to_json())

    def hashes(self, name: str) -> tuple[str, str]:
        """Of a claim and of what its grade rests on now; of a claim over others those of all of them."""
        if name in self.resolved:
            return claim_hash(self.resolved[name]), self._evidence(self.resolved[name])
        claims, evidence = zip(*map(self.hashes, self.claims[name].claim.expect.claims), strict=True)
        return digest("composite", list(claims)), digest("children", list(evidence))

    def basis(self, name: str) -> Basis:
        """What a claim's grade rests on now, part by part."""
        if name not in self.resolved:
            return basis_of_composite({child: self.hashes(child) for child in self.claims[name].claim.expect.claims})
        resolved = self.resolved[name]
        absent = missing_arms(resolved, {**self.conflicts, **self.failures})
        return basis_of(resolved, absent, self.standing(resolved), self.found.get(name))

    def _bases(self, rows: Sequence[VerdictRow]) -> dict[str, str]:
        """That of verdicts of which the ledger does not have it yet."""
        keys = {basis_key(row.claim_hash, row.evidence_digest): row.claim for row in rows}
        known = self.ledger.recall_many(BASIS, keys)
        return {key: json.dumps(self.basis(name), sort_keys=True) for key, name in keys.items() if key not in known}

    def _evidence(self, resolved: Resolved) -> str:
        return resting_on(self._digest(resolved), self.found.get(resolved.claim.claim))

    def _digest(self, resolved: Resolved, standing: Standing | None = None) -> str:
        absent = missing_arms(resolved, {**self.conflicts, **self.failures})
        looked = None if absent.keys() & set(WITHOUT) else standing or self.standing(resolved)
        return evidence_digest(resolved, absent, looked)

    def _about(self) -> dict[str, Any]:
        chosen = self.options.selection
        return {
            "claims": list(self.claims),
            "patterns": list(chosen.patterns),
            "tags": list(chosen.tags),
            "models": list(chosen.models),
            "rerun": self.options.rerun,
            "confirm": self.options.confirm,
            "twins": self.options.twins,
        }

    def _download(self) -> None:
        from ..evaluators.models.download import DownloadError, download

        self._read()
        for located in {id(r.located): r.located for r in self.resolved.values()}.values():
            if isinstance(located, Absent) and located.command is not None:
                self.talk.wait(f"fetching {located.spec.source.hub}")
                try:
                    download(located.spec)
                except DownloadError as error:
                    raise MachineError(str(error)) from error


def claim_hash(resolved: Resolved) -> str:
    """Estimand and bound in one (64 hex digits): what a verdict is about."""
    return digest("claim", [resolved.estimand, resolved.bound])


def pick_device(asked: str | None) -> str:
    """What is asked for, else an accelerator if there is one."""
    if asked:
        return asked
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
