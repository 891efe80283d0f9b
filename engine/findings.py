"""engine: what came of a claim's adversarial twins, and what it means for the claim's grade.

A twin is graded as any claim on its first look would be, and is nowhere recorded as a claim: it enters neither the
registrations nor the verdicts. A claim with a twin that is High is Medium at most, in this audit and, since what was
found is remembered with the claim and its runs, in every later one on the same evidence. Nothing here imports numpy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

from ..specs.canonical import digest
from .grade import Condition, Verdict
from .needs import Resolved
from .registrations import Standing
from .resolve import Resolver
from .twins import Twin, twins_of

HOLDS = ("High", "Medium")
"""Grades of claims that are asked for their twins: where a claim does not hold, another version of it may."""

STANDING = Standing(look=1, before_data=True)
"""How every twin stands."""


@dataclass(frozen=True)
class Outcome:
    """What came of a twin."""

    name: str
    change: str
    grade: str
    reason: str
    evidence: str
    """Digest of what the grade rests on."""


@dataclass(frozen=True)
class Found:
    """What is known of a claim's twins."""

    outcomes: tuple[Outcome, ...] = ()
    none: str = ""
    """Why there are none."""

    @property
    def high(self) -> tuple[Outcome, ...]:
        """Those that should have failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.grade == "High")

    @property
    def said(self) -> str:
        """`3 twins, none High`."""
        if self.none:
            return f"no twins: {self.none}"
        count = f"{len(self.outcomes)} twin{'s' if len(self.outcomes) > 1 else ''}"
        return f"{count}, {', '.join(outcome.name for outcome in self.high) or 'none'} High"

    def to_json(self) -> str:
        """One line; equal findings give equal text."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Found:
        """What `to_json` wrote."""
        document = json.loads(text)
        return cls(tuple(Outcome(**outcome) for outcome in document["outcomes"]), document["none"])


def memory_key(resolved: Resolved) -> str:
    """Under which what is found of a claim's twins is remembered: the claim and its runs (64 hex digits)."""
    return digest("twins-of", [resolved.estimand, resolved.bound, sorted(resolved.runs)])


def capped(verdict: Verdict, found: Found | None) -> Verdict:
    """A verdict with what is known of the claim's twins: Medium at most where one of them is High."""
    if found is None or verdict.grade not in HOLDS:
        return verdict
    *lines, missing = verdict.explanation
    checks = [
        Condition(f"twin {each.name}", each.grade != "High", f"{each.change}: {each.grade}, {each.reason}")
        for each in found.outcomes
    ]
    failed = sorted(checks, key=lambda check: check.met)
    told = "; ".join(f"{each.name} ({each.change}) {each.grade}" for each in found.outcomes)
    lines.append(f"twins: {told or f'none: {found.none}'}")
    more = replace(verdict, conditions=(*failed, *verdict.conditions), explanation=(*lines, missing))
    if not found.high:
        return replace(more, reason=f"{verdict.reason}; {found.said}")
    first = failed[0]
    holds = verdict.reason.partition("; not High: ")[0]
    return replace(
        more,
        grade="Medium",
        code="twin_is_high",
        reason=f"{holds}; not High: {first.name} holds as well ({first.detail})",
        explanation=(*lines, f"missing for High: {first.name} must fail; {first.detail}"),
    )


def summary(verdicts: Mapping[str, Verdict], found: Mapping[str, Found]) -> str:
    """`9 twins of 4 claims, 1 High: a/b (wrong-layer); claims that have none: 2; ...`."""
    held = [name for name, verdict in verdicts.items() if verdict.grade in HOLDS]
    asked = {name: found[name] for name in held if name in found}
    counts = [len(each.outcomes) for each in asked.values() if not each.none]
    high = {name: ", ".join(twin.name for twin in each.high) for name, each in asked.items() if each.high}
    several = sum(len(asked[name].high) for name in high)
    told = f"{several} High: {'; '.join(f'{name} ({twins})' for name, twins in high.items())}" if high else "none High"
    none, not_asked = sum(bool(each.none) for each in asked.values()), len(verdicts) - len(held)
    beside = f"; claims that have none: {none}; that do not hold and are not asked: {not_asked}"
    return f"{sum(counts)} twins of {len(counts)} claim{'s' * (len(counts) != 1)}, {told}{beside}"


def resting_on(evidence: str, found: Found | None) -> str:
    """What a grade rests on, with what is known of the claim's twins (64 hex digits)."""
    return evidence if found is None else digest("evidence-and-twins", [evidence, found.to_json()])


@dataclass
class Inquiry:
    """The twins of some claims: what is known of them already, and which are still to be measured."""

    found: dict[str, Found] = field(default_factory=dict)
    """Claim -> what is known of all its twins."""
    open: dict[str, list[tuple[Twin, Resolved]]] = field(default_factory=dict)
    """Claim -> its twins, where something of them is not known."""

    @property
    def wanted(self) -> list[Resolved]:
        """What is to be measured."""
        return [resolved for twins in self.open.values() for _, resolved in twins]

    def close(
        self, grade: Callable[[Resolved, Standing], Verdict], evidence: Callable[[Resolved, Standing], str]
    ) -> None:
        """Grade what was open, now that it is measured."""
        for name, twins in self.open.items():
            outcomes = []
            for twin, resolved in twins:
                verdict = grade(resolved, STANDING)
                resting = evidence(resolved, STANDING)
                outcomes.append(Outcome(twin.name, twin.change, verdict.grade, verdict.reason, resting))
            self.found[name] = Found(tuple(outcomes))
        self.open.clear()


def inquire(
    claims: Mapping[str, Resolved],
    resolver: Resolver,
    known: Mapping[str, Found],
    evidence: Callable[[Resolved, Standing], str],
    again: bool,
) -> Inquiry:
    """Derive the twins of some claims; what is known of them on the same evidence is not open, unless `again`."""
    inquiry = Inquiry()
    for name, claim in claims.items():
        twins, none = twins_of(claim)
        if none:
            inquiry.found[name] = Found(none=none)
            continue
        resolved = [resolver.resolve(twin.claim, claim.draw, twin.weights) for twin in twins]
        before = known.get(name, Found())
        resting = [evidence(each, STANDING) for each in resolved]
        if not again and resting == [outcome.evidence for outcome in before.outcomes]:
            inquiry.found[name] = before
        else:
            inquiry.open[name] = list(zip(twins, resolved, strict=True))
    return inquiry
