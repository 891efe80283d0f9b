"""engine: from a claim to the runs it needs, each with a key. Nothing is measured and nothing is loaded here.

A claim that cannot be resolved is not an error: its main arm is absent, with a code and a reason,
and the claim ends Pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..evaluators.cells import Cell, NotEvaluated, cell_key, cell_parts
from ..evaluators.models.locate import Absent, Located, locate
from ..evaluators.registry import find_version
from ..evaluators.tasks import TaskError
from ..specs.canonical import canonical, digest
from ..specs.claim import MeasuredClaim
from ..specs.interventions import label, word
from ..specs.library import Library
from ..specs.metrics.base import Metric
from ..specs.model import Model
from ..specs.sites import ALL_LAYERS, granularity_of
from ..specs.suite import Suite
from .controls import Effect, control_runs
from .grade.evidence import Ref, intervention_label
from .grade.forms import FormError, find_form
from .memo import BlockInfo, Memo

CLEAN = "-"
"""The site of a pass without intervention."""

CHECKS = "ablation"
"""The evaluator of the clean pass and the positive control, whatever a claim's own is."""


@dataclass(frozen=True)
class Group:
    """What is loaded together: one model before the blocks of one draw of one suite, for one evaluator."""

    located: Located
    suite: Suite
    draw: int
    blocks: tuple[BlockInfo, ...]
    evaluator: str
    version: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the metric says beside components, interventions and quantity."""
    discovery: tuple[BlockInfo, ...] = ()
    """The examples that the evaluator learns from."""
    donor: Located | None = None
    """Another model, where the metric names one."""

    @cached_property
    def key(self) -> str:
        """Groups with equal keys are the same group (64 hex digits)."""
        blocks = [block.digest for block in self.blocks]
        parts = {"model": self.located.parts, "blocks": blocks, "evaluator": self.evaluator, "more": self.more}
        return digest("group", parts)

    @cached_property
    def more(self) -> Mapping[str, str]:
        """Parts of a cell's key that not every evaluator has."""
        parts = {f"donor.{name}": value for name, value in (self.donor.parts if self.donor else {}).items()}
        if self.settings:
            parts["settings"] = canonical(self.settings)
        if self.discovery:
            parts["discovery"] = digest("discovery", [block.digest for block in self.discovery])
        return parts

    @cached_property
    def pool(self) -> str:
        """Digest of all blocks, of which mean and resample take their values."""
        return digest("pool", [block.digest for block in self.blocks])


@dataclass(frozen=True)
class Run:
    """One cell with its key and the parts it was made of."""

    key: str
    parts: Mapping[str, str]
    cell: Cell
    group: Group


class Address(NamedTuple):
    """Which place of a claim's evidence a series of cells (one a block) fills."""

    role: str
    """effect, control, positive_control, clean."""
    arm: str
    """main, robustness.mean, control, positive_control, clean: what is Pending if the series cannot be had."""
    intervention: str
    site: str
    draw: int


@dataclass
class Resolved:
    """A claim, the runs it needs, and what is missing."""

    claim: MeasuredClaim
    estimand: str
    bound: str
    draw: int
    located: Located | Absent
    sweep: tuple[str, ...] = ()
    """Labels of the components that the claim compares."""
    blocks: tuple[BlockInfo, ...] = ()
    series: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    """Address -> keys of its runs, one a block, in the order of the blocks."""
    runs: dict[str, Run] = field(default_factory=dict)
    absent: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Arm -> (code, reason)."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Parts of the runs' keys that not every evaluator has."""
    data: tuple[str, ...] = ()
    """What the main arm looks at, as registrations name it; the evaluator's version is no part of it."""

    @property
    def keys(self) -> frozenset[str]:
        """Keys of all runs."""
        return frozenset(self.runs)

    @property
    def main_keys(self) -> frozenset[str]:
        """Keys of the runs of the main arm."""
        return frozenset(key for address, keys in self.series.items() if address.arm == "main" for key in keys)


class Resolver:
    """Resolves claims against a library of named specs; equal runs of different claims are one object."""

    def __init__(self, library: Library, memo: Memo, workspace: Path) -> None:
        self._library = library
        self._memo = memo
        self._workspace = workspace
        self._located: dict[str, Located | Absent] = {}
        self._groups: dict[str, Group] = {}
        self._runs: dict[tuple[str, Cell], Run] = {}

    def specs(self, claim: MeasuredClaim) -> tuple[Model, Suite, Model | None]:
        """The claim's model and suite in full, and the other model of its metric, where it names one."""
        suite = claim.suite if isinstance(claim.suite, Suite) else self._library.suite(claim.suite)
        donor = getattr(claim.metric, "donor", None)
        return self._model(claim.model), suite, donor and self._model(donor)

    def _model(self, named: str | Model) -> Model:
        return named if isinstance(named, Model) else self._library.model(named)

    def resolve(self, claim: MeasuredClaim, draw: int) -> Resolved:
        """The runs of a claim on one verification draw of its suite."""
        model, suite, donor = self.specs(claim)
        located = self._locate(model)
        resolved = Resolved(claim, claim.estimand_hash(model, suite, donor), claim.bound_hash, draw, located)
        if isinstance(located, Absent):
            resolved.absent["main"] = (located.reason, _how_to_get(located))
            return resolved
        try:
            resolved.sweep = claim.metric.sweep(located.frame)
            group = self._group(located, suite, draw, claim.metric)
            resolved.blocks, resolved.more = group.blocks, group.more
            for address, run_group, cell in self._series(claim, group, resolved.sweep):
                self._add(resolved, address, run_group, cell)
        except (NotEvaluated, FormError) as error:
            resolved.absent["main"] = (error.code, str(error))
        except TaskError as error:
            resolved.absent["main"] = ("suite_not_generated", str(error))
        resolved.data = tuple(sorted(_data_items(resolved)))
        return resolved

    def _series(
        self, claim: MeasuredClaim, group: Group, sweep: tuple[str, ...]
    ) -> Iterator[tuple[Address, Group, tuple[str, str, int]]]:
        """What fills each place of the evidence: (component, intervention, seed), measured in a group."""
        form, checks = find_form(claim.expect.form), self._group(group.located, group.suite, group.draw)
        yield Address("clean", "clean", "none", CLEAN, 0), checks, (CLEAN, "none", 0)
        yield Address("positive_control", "positive_control", "zero", ALL_LAYERS, 0), checks, (ALL_LAYERS, "zero", 0)
        effects = form.effects(claim, sweep)
        for arm, value in _values(claim):
            for effect in _at(effects, value):
                name = label(effect.intervention, effect.seed)
                cell = effect.site, effect.intervention, effect.seed
                yield Address("effect", arm, name, effect.site, 0), group, cell
        stand_ins = _at(form.controls(claim, sweep), claim.counterfactual)
        for run in control_runs(claim.control, group.located, stand_ins, sweep):
            other = self._group(run.model, group.suite, group.draw, claim.metric)
            name = label(run.effect.intervention, run.effect.seed)
            cell = run.site or run.effect.site, run.intervention, run.seed
            yield Address("control", "control", name, run.effect.site, run.draw), other, cell

    def _add(self, resolved: Resolved, address: Address, group: Group, what: tuple[str, str, int]) -> None:
        if address in resolved.series:
            return
        runs = [self._run(group, Cell(block.family, *what), block) for block in group.blocks]
        resolved.series[address] = tuple(run.key for run in runs)
        resolved.runs.update((run.key, run) for run in runs)

    def _run(self, group: Group, cell: Cell, block: BlockInfo) -> Run:
        known = self._runs.get((group.key, cell))
        if known is None:
            evaluator = (group.evaluator, group.version)
            parts = cell_parts(cell, group.located.parts, block.digest, group.pool, evaluator, group.more)
            known = self._runs[group.key, cell] = Run(cell_key(parts), parts, cell, group)
        return known

    def _group(self, located: Located, suite: Suite, draw: int, metric: Metric | None = None) -> Group:
        evaluator, blocks = metric.evaluator if metric else CHECKS, self._memo.blocks(suite, located, draw)
        group = Group(located, suite, draw, blocks, evaluator, find_version(evaluator))
        if metric:
            group = replace(group, settings=metric.settings(), donor=self._donor(metric))
            if metric.DISCOVERY:
                group = replace(group, discovery=self._memo.blocks(suite, located, draw, "discovery"))
        return self._groups.setdefault(group.key, group)

    def _donor(self, metric: Metric) -> Located | None:
        named = getattr(metric, "donor", None)
        if named is None:
            return None
        found = self._locate(self._model(named))
        if isinstance(found, Absent):
            raise NotEvaluated(found.reason, _how_to_get(found))
        return found

    def _locate(self, model: Model) -> Located | Absent:
        key = digest("model", model)
        if key not in self._located:
            self._located[key] = locate(model, self._workspace, self._memo.file_digest)
        return self._located[key]


def _how_to_get(absent: Absent) -> str:
    size = f" ({absent.bytes / 1e9:.1f} GB)" if absent.bytes else ""
    return f"{absent.message}; `{absent.command}` fetches them{size}" if absent.command else absent.message


def _values(claim: MeasuredClaim) -> Iterator[tuple[str, object]]:
    yield "main", claim.counterfactual
    for value in claim.robustness:
        yield f"robustness.{intervention_label(value)}", value


def _at(refs: tuple[Ref, ...], value: object) -> tuple[Effect, ...]:
    """The effects a form refers to, where the claim's own value is `value`."""
    own = word(value)
    return tuple(
        Effect(ref.intervention or own, 0 if ref.intervention else getattr(value, "seed", 0), ref.site) for ref in refs
    )


def _kind(component: str) -> str:
    """`layer`, `head@last`: what of a model a component is, and at which tokens."""
    _, at, positions = component.partition("@")
    return granularity_of(component) + at + positions


def _data_items(resolved: Resolved) -> set[str]:
    located = resolved.located
    if isinstance(located, Absent) or not resolved.series:
        return set()
    blocks = [block.digest for block in resolved.blocks]
    evaluator = resolved.claim.metric.evaluator
    return {
        digest(
            "data",
            {
                "model": located.parts,
                "blocks": blocks,
                "evaluator": evaluator,
                "granularity": _kind(address.site),
                "intervention": address.intervention,
                **resolved.more,
            },
        )
        for address in resolved.series
        if address.arm == "main"
    }
