"""engine: from a claim to the runs it needs, each with a key. Nothing is measured and nothing is loaded here.

A claim that cannot be resolved is not an error: its main arm is absent, with a code and a reason,
and the claim ends Pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..evaluators.cells import Cell, NotEvaluated, cell_key, cell_parts
from ..evaluators.finetuning.job import atlas_name
from ..evaluators.models.locate import Absent, Located, locate, untrained
from ..evaluators.registry import find_version
from ..evaluators.tasks import TaskError
from ..specs.canonical import canonical, digest
from ..specs.claim import PROSE, MeasuredClaim
from ..specs.interventions import label, word
from ..specs.library import Library
from ..specs.metrics.base import Metric, Sites
from ..specs.model import Model
from ..specs.recipe import AtlasTargets, Recipe
from ..specs.sites import granularity_of, is_condition
from ..specs.suite import Suite
from .controls import Effect, control_runs, positive_run
from .grade.evidence import Ref, intervention_label
from .grade.forms import FormError, find_form
from .memo import BlockInfo, Memo
from .trainings import MAP_DRAW, MapRuns, Training, maps_of

if TYPE_CHECKING:
    from ..evaluators.tasks.example import Split

CLEAN = "-"
"""The site of a pass without intervention."""

CHECKS = "ablation"
"""The evaluator of the clean pass and the positive control, whatever a claim's own is."""

_NOT_MEASURED = {*PROSE, "expect", "threshold"}
"""Fields of a claim that are no part of its estimand."""


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
    variants: Mapping[str, Located] = field(default_factory=dict)
    """Condition -> another model, where the metric compares several."""
    trainings: Mapping[str, Training] = field(default_factory=dict)
    """Condition -> how the model is trained first, and what that needs."""
    split: Split = "verification"
    """Which of the suite's examples the blocks are."""

    @cached_property
    def inputs(self) -> Mapping[str, MapRuns]:
        """Maps that must have been measured before, by name."""
        return {name: found for each in self.trainings.values() for name, found in each.maps.items()}

    @cached_property
    def key(self) -> str:
        """Groups with equal keys are the same group (64 hex digits)."""
        blocks = [block.digest for block in self.blocks]
        parts = {"model": self.located.parts, "blocks": blocks, "evaluator": self.evaluator, "more": self.more}
        return digest("group", parts)

    @cached_property
    def more(self) -> Mapping[str, str]:
        """Parts of a cell's key that not every evaluator has."""
        others = {**({"donor": self.donor} if self.donor else {}), **self.variants}
        parts = {f"{which}.{name}": value for which, other in others.items() for name, value in other.parts.items()}
        if self.trainings:
            parts["trainings"] = digest("trainings", {name: each.parts for name, each in self.trainings.items()})
        if self.settings:
            parts["settings"] = canonical(self.settings)
        if self.discovery:
            parts["discovery"] = digest("discovery", [block.digest for block in self.discovery])
        return parts

    def more_at(self, site: str) -> Mapping[str, str]:
        """The same of a cell, whose numbers rest on the training of its own condition, where it is of one."""
        if site not in self.trainings or "reference" in self.settings:
            return self.more
        return {**self.more, "trainings": digest("trainings", {site: self.trainings[site].parts})}

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


class Runs(dict[str, Run]):
    """Runs by key; one object for all claims that need the same ones."""

    @cached_property
    def evaluators(self) -> list[tuple[str, int]]:
        """Names and versions, sorted."""
        return sorted({(run.group.evaluator, run.group.version) for run in self.values()})

    @cached_property
    def cells(self) -> str:
        """Digest of what is measured, in whatever family; empty where nothing is."""
        cells = {(run.cell.site, run.cell.intervention, run.cell.seed) for run in self.values()}
        return digest("cells", sorted(cells)) if cells else ""


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
    runs: Runs = field(default_factory=Runs)
    absent: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Arm -> (code, reason)."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Parts of the runs' keys that not every evaluator has."""
    rearranged: bool = False
    """Whether the control's draws are made of the effects' own numbers."""
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
        self._models, self._suites = cache(library.model), cache(library.suite)
        self._located: dict[int, tuple[Model, Located | Absent]] = {}
        self._asked: dict[tuple[object, ...], tuple[Located, Suite, Group]] = {}
        self._groups: dict[str, Group] = {}
        self._runs: dict[tuple[str, tuple[str, str, int]], tuple[Run, ...]] = {}
        self._maps: dict[tuple[str, str], MapRuns] = {}
        self._alike: dict[tuple[object, ...], tuple[dict[Address, tuple[str, ...]], Runs, tuple[str, ...]]] = {}
        self._estimands: dict[tuple[object, ...], str] = {}
        self._hashes: dict[int, tuple[MeasuredClaim, str, str]] = {}

    def renew(self, memo: Memo) -> None:
        """Look at every file anew; what is named by its content stays."""
        self._memo = memo
        self._located.clear()
        self._asked.clear()

    def estimand(self, claim: MeasuredClaim) -> str:
        """The hash of what a claim measures."""
        return self._hashed(claim)[0]

    def specs(self, claim: MeasuredClaim) -> tuple[Model, Suite, Model | None]:
        """The claim's model and suite in full, and the other model of its metric, where it names one."""
        suite = claim.suite if isinstance(claim.suite, Suite) else self._suites(claim.suite)
        donor = getattr(claim.metric, "donor", None)
        return self._model(claim.model), suite, donor and self._model(donor)

    def _hashed(self, claim: MeasuredClaim) -> tuple[str, str]:
        """Those of estimand and bound."""
        if id(claim) not in self._hashes:
            specs = self.specs(claim)
            measured = (*map(id, specs), *_measured(claim))
            if measured not in self._estimands:
                self._estimands[measured] = claim.estimand_hash(*specs)
            self._hashes[id(claim)] = claim, self._estimands[measured], claim.bound_hash
        return self._hashes[id(claim)][1:]

    def _model(self, named: str | Model) -> Model:
        return named if isinstance(named, Model) else self._models(named)

    def resolve(self, claim: MeasuredClaim, draw: int, weights: int | None = None) -> Resolved:
        """The runs of a claim on one verification draw of its suite; `weights`: on random ones of this seed."""
        model, suite, _ = self.specs(claim)
        located = self._locate(model)
        if weights is not None and not isinstance(located, Absent):
            located = untrained(located, weights)
        resolved = Resolved(claim, *self._hashed(claim), draw, located)
        if isinstance(located, Absent):
            resolved.absent["main"] = (located.reason, _how_to_get(located) + _unbuilt(claim.metric.evaluator))
            return resolved
        try:
            find_version(claim.metric.evaluator)
            resolved.sweep = claim.metric.sweep(located.frame)
            group = self._group(located, suite, draw, claim.metric)
            resolved.blocks, resolved.more = group.blocks, group.more
            resolved.rearranged = claim.control.REARRANGED
            alike = _deciding(claim, group, resolved.sweep)
            if alike not in self._alike:
                for address, run_group, cell in self._series(claim, group, resolved.sweep):
                    self._add(resolved, address, run_group, cell)
                self._alike[alike] = resolved.series, resolved.runs, data_of(resolved)
            resolved.series, resolved.runs, resolved.data = self._alike[alike]
        except (NotEvaluated, FormError) as error:
            resolved.absent["main"] = (error.code, str(error))
        except TaskError as error:
            resolved.absent["main"] = ("suite_not_generated", str(error))
        resolved.data = resolved.data or data_of(resolved)
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
        effects, repeated = form.effects(claim, sweep), claim.metric.repeated
        numbers = range(1, repeated.times + 1) if repeated else (None,)
        for arm, value in _values(claim):
            for effect in (each for number in numbers for each in _at(effects, value, number)):
                name = label(effect.intervention, effect.seed)
                cell = effect.site, effect.intervention, effect.seed
                yield Address("effect", arm, name, effect.site, 0), group, cell
        if claim.control.REARRANGED:
            return
        stand_ins = _at(form.controls(claim, sweep), claim.counterfactual)
        for run in control_runs(claim.control, group.located, stand_ins, sweep):
            same = run.model is group.located
            other = group if same else self._group(run.model, group.suite, group.draw, claim.metric)
            name = label(run.effect.intervention, run.effect.seed)
            takes_turns = repeated and run.intervention == run.effect.intervention
            seed = 1 + run.draw % repeated.least if repeated and takes_turns else run.seed
            cell = run.site or run.effect.site, run.intervention, seed
            yield Address("control", "control", name, run.effect.site, run.draw), other, cell

    def _add(self, resolved: Resolved, address: Address, group: Group, what: tuple[str, str, int]) -> None:
        if address in resolved.series:
            return
        runs = self._cells(group, what)
        resolved.series[address] = tuple(run.key for run in runs)
        resolved.runs.update((run.key, run) for run in runs)
        for needed in group.inputs.values():
            resolved.runs.update((run.key, run) for run in needed.runs)

    def _cells(self, group: Group, what: tuple[str, str, int]) -> tuple[Run, ...]:
        if (group.key, what) not in self._runs:
            runs = tuple(_run(group, Cell(block.family, *what), block) for block in group.blocks)
            self._runs[group.key, what] = runs
        return self._runs[group.key, what]

    def _group(self, located: Located, suite: Suite, draw: int, metric: Metric | None = None) -> Group:
        evaluator, settings = (metric.evaluator, metric.settings()) if metric else (CHECKS, {})
        donor, (variants, recipes) = getattr(metric, "donor", None), _beside(metric)
        asked = id(located), id(suite), draw, evaluator, repr((settings, donor, variants, recipes))
        if asked not in self._asked:
            group = Group(
                located, suite, draw, self._memo.blocks(suite, located, draw), evaluator, find_version(evaluator)
            )
            if metric:
                group = replace(group, settings=settings, donor=donor and self._other(donor))
                others = {name: self._other(named) for name, named in variants.items()}
                group = replace(group, variants=others, trainings=self._trainings(located, recipes))
                if metric.DISCOVERY:
                    group = replace(group, discovery=self._memo.blocks(suite, located, draw, "discovery"))
            self._asked[asked] = located, suite, self._groups.setdefault(group.key, group)
        return self._asked[asked][-1]

    def _trainings(self, located: Located, recipes: Mapping[str, Recipe]) -> dict[str, Training]:
        maps = {name: self._map(located, aim) for name, aim in maps_of(recipes.values()).items()}
        return {
            name: Training.of(recipe, maps, self._workspace, self._memo.file_digest) for name, recipe in recipes.items()
        }

    def _map(self, located: Located, aim: AtlasTargets) -> MapRuns:
        """The runs of a map on discovery examples, of every component of its kinds."""
        suite = self._suites(aim.suite)
        blocks = self._memo.blocks(suite, located, MAP_DRAW, "discovery")
        group = Group(located, suite, MAP_DRAW, blocks, CHECKS, find_version(CHECKS), split="discovery")
        name = group.key, atlas_name(aim)
        if name not in self._maps:
            components = Sites(granularity=aim.granularity).components(located.frame)
            if not components:
                raise NotEvaluated(
                    "empty_atlas", f"a recipe is aimed by a map of {aim.granularity}; the model has none"
                )
            runs = {site: self._cells(group, (site, aim.intervention, 0)) for site in components}
            self._maps[name] = MapRuns.of(located.spec.dtype, blocks, runs)
        return self._maps[name]

    def _other(self, named: str | Model) -> Located:
        found = self._locate(self._model(named))
        if isinstance(found, Absent):
            raise NotEvaluated(found.reason, _how_to_get(found))
        return found

    def _locate(self, model: Model) -> Located | Absent:
        if id(model) not in self._located:
            self._located[id(model)] = model, locate(model, self._workspace, self._memo.file_digest)
        return self._located[id(model)][1]


def _measured(claim: MeasuredClaim) -> Iterator[str]:
    """All of a claim but prose and what the estimate is held against."""
    for name, value in claim:
        if name not in _NOT_MEASURED:
            for part in value if isinstance(value, tuple) else (value,):
                yield part if isinstance(part, str) else part.model_dump_json()


def _beside(metric: Metric | None) -> tuple[Mapping[str, str | Model], Mapping[str, Recipe]]:
    """Other models that a metric compares, and trainings."""
    return (metric.variants_of, metric.trainings) if metric else ({}, {})


def _how_to_get(absent: Absent) -> str:
    size = f" ({absent.bytes / 1e9:.1f} GB)" if absent.bytes else ""
    return f"{absent.message}; `{absent.command}` fetches them{size}" if absent.command else absent.message


def _deciding(claim: MeasuredClaim, group: Group, sweep: tuple[str, ...]) -> tuple[object, ...]:
    """What decides which runs a claim needs: claims that differ in their bound alone share them."""
    form = find_form(claim.expect.form)
    values = tuple((arm, word(value), getattr(value, "seed", 0)) for arm, value in _values(claim))
    checks = claim.control.model_dump_json(), claim.positive_control.model_dump_json(), claim.metric.repeated
    return group.key, sweep, values, checks, form.effects(claim, sweep), form.controls(claim, sweep)


def _run(group: Group, cell: Cell, block: BlockInfo) -> Run:
    evaluator = (group.evaluator, group.version)
    parts = cell_parts(cell, group.located.parts, block.digest, group.pool, evaluator, group.more_at(cell.site))
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


def data_of(resolved: Resolved) -> tuple[str, ...]:
    """What the main arm looks at, as registrations name it, sorted."""
    located = resolved.located
    if isinstance(located, Absent) or not resolved.series:
        return ()
    blocks = [block.digest for block in resolved.blocks]
    evaluator = resolved.claim.metric.evaluator
    items = {
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
    return tuple(sorted(items))
