"""engine: what the pages of a report say: read from the ledger and the claim files, never measured.

A claim's figures are drawn only where every run that it needs now is in the ledger; a verdict whose claim, runs or
grader have changed since is shown with that said beside it. Imported only by `report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...evaluators.models.locate import Absent, Located
from ...specs.claim import CompositeClaim, MeasuredClaim
from ..basis import Cause, causes
from ..gather import gather, missing_arms
from ..grade import Verdict
from ..grade.case import Case, read
from ..grade.evidence import Evidence
from ..grade.forms import FormError
from ..grade.judged import prepared
from ..history import Histories, Step
from ..registrations import Standing
from ..report import Row, page_of, rows
from .figures import Figure, figures
from .maps import Atlas, HeatMap
from .provenance import Fact, asked, model_facts, model_label, model_page, provenance
from .written import Answer, answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...store import RecordedVerdict, RunInfo
    from ..audit import Audit
    from ..needs import Resolved

    Values = Mapping[str, Mapping[str, NDArray[np.float64]]]

SHOWN = ("layer", "head grid", "positions")
"""Kinds of maps on the first page."""

UNLOOKED = Standing(look=1, before_data=True)
"""For a map, on which nothing is graded."""


@dataclass(frozen=True)
class ClaimView:
    """Everything that a claim's page says."""

    row: Row
    claim: Any
    verdict: Verdict | None
    page: str
    model: str
    """Empty for a claim over others."""
    spec: str
    """The claim's file."""
    asked: tuple[Fact, ...]
    provenance: tuple[Fact, ...]
    figures: tuple[Figure, ...]
    answers: tuple[Answer, ...]
    """Some of those that were judged."""
    steps: tuple[Step, ...]
    stale: tuple[Cause, ...]
    """What has changed since the verdict."""
    rests_on: tuple[str, ...] = ()
    """Claims below it."""
    serves: tuple[str, ...] = ()
    """Claims that rest on it."""

    @property
    def name(self) -> str:
        """The claim's id."""
        return self.row.claim

    @property
    def grade(self) -> str:
        """Without qualifiers."""
        return self.row.bare

    @property
    def notes(self) -> str:
        """The qualifiers."""
        return self.row.grade.partition(" (")[2].removesuffix(")")

    @property
    def holds(self) -> bool:
        """Whether it survived."""
        return self.grade in ("High", "Medium")

    @property
    def gem(self) -> bool:
        """Whether its author called it surprising, and it survived."""
        return "gem" in self.row.tags and self.holds


@dataclass(frozen=True)
class ModelView:
    """Everything that a model's page says."""

    name: str
    page: str
    here: bool
    facts: tuple[Fact, ...]
    maps: tuple[HeatMap, ...]
    claims: tuple[ClaimView, ...]

    @property
    def shown(self) -> tuple[HeatMap, ...]:
        """Those of its maps that the first page shows."""
        return tuple(drawn for drawn in self.maps if drawn.kind in SHOWN) or self.maps[:1]


@dataclass(frozen=True)
class Material:
    """The whole report."""

    claims: Mapping[str, ClaimView]
    models: tuple[ModelView, ...]
    audits: int
    at: str
    """When the latest of the shown verdicts was recorded; empty where there is none."""
    version: str


@dataclass
class _Read:
    """What the ledger gave, for all claims at once."""

    stored: Mapping[str, RecordedVerdict]
    histories: Histories
    values: Values
    infos: Mapping[str, RunInfo]
    atlases: dict[str, Atlas] = field(default_factory=dict)


def material(state: Audit) -> Material:
    """Read everything; `state` is an audit that was not run."""
    import mi_atlas

    wanted = {key for resolved in state.resolved.values() for key in resolved.keys}
    with state.ledger.reading():
        read_ = _Read(state.stored, Histories(state.ledger), state.ledger.values(wanted), state.ledger.runs(wanted))
    verdicts = {name: Verdict.from_json(row.document) for name, row in read_.stored.items() if name in state.claims}
    table = {row.claim: row for row in rows(state.claims, verdicts)}
    claims = {name: _claim(name, state, read_, table[name], verdicts.get(name)) for name in sorted(state.claims)}
    claims = _linked(claims)
    times = [read_.stored[name].recorded_at for name in verdicts]
    return Material(
        claims,
        _models(state, read_, claims.values()),
        len(read_.histories.audits),
        max(times, default=""),
        mi_atlas.__version__,
    )


def _claim(name: str, state: Audit, read_: _Read, row: Row, verdict: Verdict | None) -> ClaimView:
    loaded, resolved = state.claims[name], state.resolved.get(name)
    drawn = _drawn(state, resolved, read_) if resolved else ()
    if resolved:
        _map(resolved, read_)
    stored = read_.stored.get(name)
    on_record = verdict is not None and "as recorded" in verdict.qualifiers
    return ClaimView(
        row=row,
        claim=loaded.claim,
        verdict=verdict,
        page=page_of(name),
        model=model_label(loaded.claim.model) if isinstance(loaded.claim, MeasuredClaim) else "",
        spec=loaded.path.read_text(encoding="utf-8"),
        asked=asked(loaded.claim, resolved),
        provenance=provenance(state, resolved, stored, read_.infos, read_.histories) if resolved else (),
        figures=drawn,
        answers=answers(state, resolved, read_.values) if resolved else (),
        steps=read_.histories.steps(name),
        stale=() if on_record else _stale(state, name, stored, read_.histories),
    )


def _drawn(state: Audit, resolved: Resolved, read_: _Read) -> tuple[Figure, ...]:
    standing = state.standing(resolved)
    absent = missing_arms(resolved, {})
    if standing is None or not resolved.keys or "main" in absent or not resolved.keys <= read_.values.keys():
        return ()
    try:
        case = read(resolved.claim, _evidence(state, resolved, read_, absent, standing))
    except FormError:
        return ()
    return figures(case) if isinstance(case, Case) else ()


def _evidence(
    state: Audit, resolved: Resolved, read_: _Read, absent: Mapping[str, tuple[str, str]], standing: Standing
) -> Evidence:
    if not resolved.claim.metric.panel:
        return gather(resolved, read_.values, absent, standing)
    first, *_ = prepared(resolved.claim, state.shelf.evidence(resolved, absent, standing))
    return first


def _map(resolved: Resolved, read_: _Read) -> None:
    """Add a claim's ablations to the map of its model, read as KL on all examples."""
    claim, place = resolved.claim, resolved.located
    if claim.metric.evaluator != "ablation" or not isinstance(place, Located) or "main" in resolved.absent:
        return
    plain = claim.model_copy(update={"metric": claim.metric.model_copy(update={"quantity": "kl", "only": "all"})})
    series = {at: keys for at, keys in resolved.series.items() if at.role in ("effect", "clean")}
    if not {key for keys in series.values() for key in keys} <= read_.values.keys():
        return
    evidence = gather(replace(resolved, claim=plain, series=series), read_.values, {}, UNLOOKED)
    suite = next(iter(resolved.runs.values())).group.suite.suite or "a suite of its own"
    read_.atlases.setdefault(model_label(claim.model), Atlas()).add(suite, evidence)


def _stale(state: Audit, name: str, stored: RecordedVerdict | None, histories: Histories) -> tuple[Cause, ...]:
    """Why an audit would grade the claim anew; empty where its verdict stands."""
    if stored is None:
        return ()
    now = state.hashes(name)
    if now == (stored.claim_hash, stored.evidence_digest):
        return ()
    found = causes(histories.basis(stored.claim_hash, stored.evidence_digest), state.basis(name))
    edited = now[0] != stored.claim_hash and all(cause.category != "spec" for cause in found)
    return (Cause("spec", "what is claimed or measured was edited"), *found) if edited else found


def _linked(claims: dict[str, ClaimView]) -> dict[str, ClaimView]:
    """The claims, each knowing those it rests on and those that rest on it."""
    below = {
        name: tuple(child for child in view.claim.expect.claims if child in claims)
        for name, view in claims.items()
        if isinstance(view.claim, CompositeClaim)
    }
    return {
        name: replace(
            view,
            rests_on=below.get(name, ()),
            serves=tuple(parent for parent, children in below.items() if name in children),
        )
        for name, view in claims.items()
    }


def _models(state: Audit, read_: _Read, claims: Iterable[ClaimView]) -> tuple[ModelView, ...]:
    located: dict[str, Located | Absent] = {}
    for resolved in state.resolved.values():
        located.setdefault(model_label(resolved.claim.model), resolved.located)
    of = list(claims)
    return tuple(
        ModelView(
            name=name,
            page=model_page(name),
            here=isinstance(place, Located),
            facts=model_facts(place),
            maps=read_.atlases[name].maps() if name in read_.atlases else (),
            claims=tuple(view for view in of if view.model == name),
        )
        for name, place in sorted(located.items())
    )
