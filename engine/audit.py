"""engine: one audit, in order: resolve, plan, execute, grade, record.

What is settled (same claim, same evidence, same look) keeps its verdict, and an audit in which everything is
settled imports neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..evaluators.models.locate import Absent
from ..specs.canonical import digest
from ..specs.claim import CompositeClaim, MeasuredClaim
from ..specs.load import LoadedClaim
from ..store import Ledger, RecordedVerdict, VerdictRow, audit_lock
from .accepted import exit_code, load_accepted
from .errors import MachineError
from .execute import execute
from .gather import evidence_digest, gather, missing_arms
from .grade import Verdict, grade, grade_composite, pending
from .measure import Failure, Place
from .memo import Memo
from .plan import GroupStep, Plan, make_plan
from .registrations import Registrations, Standing, load_registrations, save_registrations
from .resolve import Resolved, Resolver
from .select import Selection, load, select
from .workspace import Workspace


class Talk(Protocol):
    """How an audit speaks to whoever started it."""

    def wait(self, message: str) -> None:
        """Something is waited for; the message names the holder."""

    def begin(self, plan: Plan) -> None:
        """This plan is about to be executed."""

    def progress(self, step: GroupStep, done: int) -> None:
        """So many runs of the step are finished."""

    def end(self) -> None:
        """Execution is over."""


class Silent:
    """A listener that says nothing."""

    def wait(self, message: str) -> None:
        """Nothing."""

    def begin(self, plan: Plan) -> None:
        """Nothing."""

    def progress(self, step: GroupStep, done: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


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


class Audit:
    """The state of one audit of some claims of a workspace."""

    def __init__(self, workspace: Workspace, options: Options, talk: Talk) -> None:
        self.workspace, self.options, self.talk = workspace, options, talk
        every, self.library = load(workspace)
        self.claims = select(every, options.selection)
        kind = "calibration" if options.calibration else "evidence"
        self.ledger = Ledger(workspace.ledger, kind, on_wait=talk.wait)
        self.failures: dict[str, Failure] = {}
        self.measured = self.cached = 0
        if options.download:
            self._download()
        self._read()

    def run(self) -> AuditResult:
        """Settle every claim, record the audit, say how it stands against the accepted grades."""
        settled = {} if self.options.rerun else {name: self._settled(name) for name in self.resolved}
        verdicts = {name: verdict for name, verdict in settled.items() if verdict is not None}
        loose = [name for name in self.resolved if name not in verdicts]
        audit_id: int | None = None
        if loose:
            with audit_lock(self.workspace.ledger, self.talk.wait):
                audit_id = self.ledger.start_audit(self._about())
                self._read()
                verdicts |= self._measure_and_grade(loose)
        verdicts |= self._composites(verdicts)
        verdicts = {name: verdicts[name] for name in self.claims}
        code, regressed = exit_code(verdicts, load_accepted(self.workspace.accepted))
        self._record(verdicts, audit_id, code)
        return AuditResult(verdicts, self.claims, code, self.measured, self.cached, regressed)

    def preview(self) -> Plan:
        """The plan of what is not settled; nothing is executed or recorded."""
        loose = [r for name, r in self.resolved.items() if self.options.rerun or self._settled(name) is None]
        return make_plan(loose, self.ledger, self.options.rerun)

    def _read(self) -> None:
        """Everything that the ledger and the registrations say before anything is measured."""
        with self.ledger.reading():
            files, suites = self.ledger.recall_all("file"), self.ledger.recall_all("suite")
            self.stored: Mapping[str, RecordedVerdict] = self.ledger.verdicts()
        self.memo = Memo(files, suites, self.workspace.root)
        shipped = self.workspace.claims / "registrations.lock"
        self.registrations: Registrations = load_registrations(self.workspace.registrations, shipped)
        resolver = Resolver(self.library, self.memo, self.workspace.root)
        self.resolved: dict[str, Resolved] = {}
        for name, loaded in self.claims.items():
            if isinstance(loaded.claim, MeasuredClaim):
                self.resolved[name] = self._resolve(resolver, loaded.claim)

    def _resolve(self, resolver: Resolver, claim: MeasuredClaim) -> Resolved:
        estimand = claim.estimand_hash(*resolver.specs(claim))
        looked = bool(self.registrations.estimands.get(estimand, {}).get("looks"))
        draw = self.registrations.draw(estimand) + (1 if self.options.confirm and looked else 0)
        return resolver.resolve(claim, draw)

    def _standing(self, resolved: Resolved) -> Standing | None:
        return self.registrations.standing(resolved.estimand, resolved.bound, resolved.data, resolved.draw)

    def _settled(self, name: str) -> Verdict | None:
        """The stored verdict, if neither the claim nor what it rests on changed since."""
        resolved, row = self.resolved[name], self.stored.get(name)
        if row is None or row.claim_hash != claim_hash(resolved):
            return None
        standing = None
        if "main" not in resolved.absent:
            standing = self._standing(resolved)
            if standing is None:
                return None
        elif not self.registrations.is_registered(resolved.estimand, resolved.bound):
            return None
        if row.evidence_digest != evidence_digest(resolved, resolved.absent, standing):
            return None
        return Verdict.from_json(row.document)

    def _measure_and_grade(self, loose: list[str]) -> dict[str, Verdict]:
        claims = [self.resolved[name] for name in loose]
        for resolved in claims:
            self.registrations.register(resolved.claim.claim, resolved.estimand, resolved.bound)
        save_registrations(self.registrations, self.workspace.registrations)
        plan = make_plan(claims, self.ledger, self.options.rerun)
        self.measured, self.cached = plan.misses, plan.hits
        if plan.steps:
            self.talk.begin(plan)
            try:
                self.failures = execute(
                    plan,
                    self.ledger,
                    Place(self.workspace.root, pick_device(self.options.device)),
                    self.talk.progress,
                    self.options.rerun,
                    self.options.processes,
                )
            finally:
                self.talk.end()
        verdicts = {resolved.claim.claim: self._grade(resolved) for resolved in claims}
        save_registrations(self.registrations, self.workspace.registrations)
        return verdicts

    def _grade(self, resolved: Resolved) -> Verdict:
        absent = missing_arms(resolved, self.failures)
        for arm in ("main", "clean"):
            if arm in absent:
                return pending(resolved.claim, *absent[arm])
        with self.ledger.reading():
            values = self.ledger.values(resolved.keys)
            infos = self.ledger.runs(resolved.main_keys)
        measured_at = min(info.measured_at for info in infos.values())
        look = self.registrations.look(resolved.estimand, resolved.bound, resolved.data, resolved.draw, measured_at)
        return grade(resolved.claim, gather(resolved, values, absent, look), self.options.calibration)

    def _composites(self, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
        composites = {}
        for name, loaded in self.claims.items():
            if isinstance(loaded.claim, CompositeClaim):
                children = [(self.resolved[child].claim, verdicts[child]) for child in loaded.claim.expect.claims]
                composites[name] = grade_composite(loaded.claim, children)
        return composites

    def _record(self, verdicts: Mapping[str, Verdict], audit_id: int | None, code: int) -> None:
        rows = [self._row(name, verdict) for name, verdict in verdicts.items()]
        with self.ledger.writing():
            audit_id = audit_id or self.ledger.start_audit(self._about())
            self.memo.save(self.ledger)
            self.ledger.record_verdicts(audit_id, rows)
            self.ledger.finish_audit(audit_id, code)

    def _row(self, name: str, verdict: Verdict) -> VerdictRow:
        if name in self.resolved:
            resolved = self.resolved[name]
            hashes = claim_hash(resolved), self._evidence(resolved)
        else:
            children = [self.resolved[child] for child in self.claims[name].claim.expect.claims]
            hashes = (
                digest("composite", [claim_hash(child) for child in children]),
                digest("children", [self._evidence(child) for child in children]),
            )
        return VerdictRow(name, *hashes, verdict.grade, verdict.code, verdict.reason, verdict.to_json())

    def _evidence(self, resolved: Resolved) -> str:
        absent = missing_arms(resolved, self.failures)
        standing = None if "main" in absent or "clean" in absent else self._standing(resolved)
        return evidence_digest(resolved, absent, standing)

    def _about(self) -> dict[str, Any]:
        chosen = self.options.selection
        return {
            "claims": list(self.claims),
            "patterns": list(chosen.patterns),
            "tags": list(chosen.tags),
            "models": list(chosen.models),
            "rerun": self.options.rerun,
            "confirm": self.options.confirm,
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
