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
from ..evaluators.models.locate import Absent, Located, locate, untrained
from ..evaluators.registry import find_version
from ..evaluators.tasks import TaskError
from ..specs.canonical import canonical, digest
from ..specs.claim import MeasuredClaim
from ..specs.interventions import label, word
from ..specs.library import Library
from ..specs.metrics.base import Metric
from ..specs.model import Model
from ..specs.sites import granularity_of, is_condition
from ..specs.suite import Suite
from .controls import Effect, control_runs, positive_run
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
        self._runs: dict[tuple[str, tuple[str, str, int]], tuple[Run, ...]] = {}
        self._alike: dict[tuple[object, ...], tuple[dict[Address, tuple[str, ...]], dict[str, Run]]] = {}
        self._estimands: dict[int, tuple[MeasuredClaim, str]] = {}

    def renew(self, memo: Memo) -> None:
        """Look at every file anew; what is named by its content stays."""
        self._memo = memo
        self._located.clear()

    def estimand(self, claim: MeasuredClaim) -> str:
        """The hash of what a claim measures."""
        if id(claim) not in self._estimands:
            self._estimands[id(claim)] = claim, claim.estimand_hash(*self.specs(claim))
        return self._estimands[id(claim)][1]

    def specs(self, claim: MeasuredClaim) -> tuple[Model, Suite, Model | None]:
        """The claim's model and suite in full, and the other model of its metric, where it names one."""
        suite = claim.suite if isinstance(claim.suite, Suite) else self._library.suite(claim.suite)
        donor = getattr(claim.metric, "donor", None)
        return self._model(claim.model), suite, donor and self._model(donor)

    def _model(self, named: str | Model) -> Model:
        return named if isinstance(named, Model) else self._library.model(named)

    def resolve(self, claim: MeasuredClaim, draw: int, weights: int | None = None) -> Resolved:
        """The runs of a claim on one verification draw of its suite; `weights`: on random ones of this seed."""
        model, suite, _ = self.specs(claim)
        located = self._locate(model)
        if weights is not None and not isinstance(located, Absent):
            located = untrained(located, weights)
        resolved = Resolved(claim, self.estimand(claim), claim.bound_hash, draw, located)
        if isinstance(located, Absent):
            resolved.absent["main"] = (located.reason, _how_to_get(located) + _unbuilt(claim.metric.evaluator))
            return resolved
        try:
            find_version(claim.metric.evaluator)
            resolved.sweep = claim.metric.sweep(located.frame)
            group = self._group(located, suite, draw, claim.metric)
            resolved.blocks, resolved.more = group.blocks, group.more
            alike = _deciding(claim, group, resolved.sweep)
            if alike in self._alike:
                resolved.series, resolved.runs = self._alike[alike]
            else:
                for address, run_group, cell in self._series(claim, group, resolved.sweep):
                    self._add(resolved, address, run_group, cell)
                self._alike[alike] = resolved.series, resolved.runs
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
        check = positive_run(claim.positive_control, group.located)
        place = Address("positive_control", "positive_control", check.intervention, check.site, 0)
        yield place, group if check.own else checks, (check.site, check.intervention, check.seed)
        effects = form.effects(claim, sweep)
        numbers = range(1, claim.metric.repeated.times + 1) if claim.metric.repeated else (None,)
        for arm, value in _values(claim):
            for effect in (each for number in numbers for each in _at(effects, value, number)):
                name = label(effect.intervention, effect.seed)
                cell = effect.site, effect.intervention, effect.seed
                yield Address("effect", arm, name, effect.site, 0), group, cell
        stand_ins = _at(form.controls(claim, sweep), claim.counterfactual)
        for run in control_runs(claim.control, group.located, stand_ins, sweep):
            same = run.model is group.located
            other = group if same else self._group(run.model, group.suite, group.draw, claim.metric)
            name = label(run.effect.intervention, run.effect.seed)
            cell = run.site or run.effect.site, run.intervention, run.seed
            yield Address("control", "control", name, run.effect.site, run.draw), other, cell

    def _add(self, resolved: Resolved, address: Address, group: Group, what: tuple[str, str, int]) -> None:
        if address in resolved.series:
            return
        runs = self._runs.get((group.key, what))
        if runs is None:
            runs = tuple(_run(group, Cell(block.family, *what), block) for block in group.blocks)
            self._runs[group.key, what] = runs
        resolved.series[address] = tuple(run.key for run in runs)
        resolved.runs.update((run.key, run) for run in runs)

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


def _deciding(claim: MeasuredClaim, group: Group, sweep: tuple[str, ...]) -> tuple[object, ...]:
    """What decides which runs a claim needs: claims that differ in their bound alone share them."""
    form = find_form(claim.expect.form)
    values = tuple((arm, word(value), getattr(value, "seed", 0)) for arm, value in _values(claim))
    said = repr((claim.control, claim.positive_control, claim.metric.repeated))
    return group.key, sweep, values, said, form.effects(claim, sweep), form.controls(claim, sweep)


def _run(group: Group, cell: Cell, block: BlockInfo) -> Run:
    evaluator = (group.evaluator, group.version)
    parts = cell_parts(cell, group.located.parts, block.digest, group.pool, evaluator, group.more)
    return Run(cell_key(parts), parts, cell, group)


def _unbuilt(evaluator: str) -> str:
    try:
        find_version(evaluator)
    except NotEvaluated as error:
        return f"; and {error}"
    return ""


def _values(claim: MeasuredClaim) -> Iterator[tuple[str, object]]:
    yield "main", claim.counterfactual
    for value in claim.robustness:
        yield f"robustness.{intervention_label(value)}", value


def _at(refs: tuple[Ref, ...], value: object, repetition: int | None = None) -> tuple[Effect, ...]:
    """The effects a form refers to, where the claim's own value is `value`; a repetition's number is its seed."""
    own, seed = word(value), getattr(value, "seed", 0)
    seeds = (seed, 0) if repetition is None else (repetition, repetition)
    return tuple(Effect(ref.intervention or own, seeds[bool(ref.intervention)], ref.site) for ref in refs)


def _kind(component: str) -> str:
    """`layer`, `head@last`: what of a model a component is, and at which tokens; of a condition its name."""
    if is_condition(component):
        return component
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
