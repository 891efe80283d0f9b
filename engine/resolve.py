"""engine: from a claim to the runs it needs, each with a key. Nothing is measured and nothing is loaded here.

A claim that cannot be resolved is not an error: its main arm is absent, with a code and a reason,
and the claim ends Pending.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from ..evaluators.cells import Cell, NotEvaluated
from ..evaluators.finetuning.job import atlas_name
from ..evaluators.models.locate import Absent, Located, locate, untrained
from ..evaluators.registry import find_version
from ..evaluators.tasks import TaskError
from ..specs.claim import PROSE, MeasuredClaim
from ..specs.interventions import label, word
from ..specs.library import Library
from ..specs.metrics.base import Metric, Sites, turn
from ..specs.model import Model
from ..specs.recipe import AtlasTargets, Recipe
from ..specs.suite import Suite
from .controls import Effect, control_runs, positive_run
from .grade.evidence import Ref, intervention_label
from .grade.forms import FormError, find_form
from .judging.answers import GATE, What, answers_to, gate_run, judging_group
from .machine import TIMED, machine_digest
from .memo import Memo
from .needs import Address, Group, Resolved, Run, Runs, data_of
from .trainings import MAP_DRAW, MapRuns, Training, maps_of

CLEAN = "-"
"""The site of a pass without intervention."""

CHECKS = "ablation"
"""The evaluator of the clean pass and the positive control, whatever a claim's own is."""

_NOT_MEASURED = {*PROSE, "expect", "threshold"}
"""Fields of a claim that are no part of its estimand."""


class Resolver:
    """Resolves claims against a library of named specs; equal runs of different claims are one object."""

    def __init__(self, library: Library, memo: Memo, workspace: Path, device: str | None = None) -> None:
        self._memo = memo
        self._device = device
        self._workspace = workspace
        self._models, self._suites = cache(library.model), cache(library.suite)
        self._located: dict[int, tuple[Model, Located | Absent]] = {}
        self._asked: dict[tuple[object, ...], tuple[Located, Suite, Group]] = {}
        self._groups: dict[str, Group] = {}
        self._runs: dict[tuple[str, What], tuple[Run, ...]] = {}
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

    def outline(self, claim: MeasuredClaim, draw: int) -> Resolved:
        """A claim and its model, without runs: no prompt is generated for it."""
        resolved = Resolved(claim, *self._hashed(claim), draw, self._locate(self.specs(claim)[0]))
        resolved.absent["main"] = ("not_audited", "it was not audited")
        return resolved

    def resolve(self, claim: MeasuredClaim, draw: int, weights: int | None = None) -> Resolved:
        """The runs of a claim on one verification draw of its suite; `weights`: on random ones of this seed."""
        model, suite, _ = self.specs(claim)
        located = self._locate(model)
        if weights is not None and not isinstance(located, Absent):
            located = untrained(located, weights)
        resolved = Resolved(claim, *self._hashed(claim), draw, located)
        if isinstance(located, Absent):
            resolved.absent["main"] = (located.reason, _how_to_get(located) + _unbuilt(claim.metric.measured_by))
            return resolved
        try:
            find_version(claim.metric.measured_by)
            resolved.sweep = claim.metric.sweep(located.frame)
            group = self._group(located, suite, draw, claim.metric)
            resolved.blocks, resolved.more = group.blocks, group.more
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
    ) -> Iterator[tuple[Address, Group, What]]:
        """What fills each place of the evidence: (component, intervention, seed), measured in a group."""
        form, checks = find_form(claim.expect.form), self._group(group.located, group.suite, group.draw)
        for judge in claim.metric.panel:
            yield Address(GATE, GATE, GATE, judge, 0), group, (judge, GATE, 0)
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
            own = {effect.site for effect in effects}  # a single condition is dealt among all of them
            others = tuple(Ref(None, site) for site in sweep if site not in own) if len(own) == 1 else ()
            for effect in (each for number in numbers for each in _at(others, claim.counterfactual, number)):
                name = label(effect.intervention, effect.seed)
                cell = effect.site, effect.intervention, effect.seed
                yield Address("effect", "control", name, effect.site, 0), group, cell
            return
        stand_ins = _at(form.controls(claim, sweep), claim.counterfactual)
        for run in control_runs(claim.control, group.located, stand_ins, sweep):
            same = run.model is group.located
            other = group if same else self._group(run.model, group.suite, group.draw, claim.metric)
            name = label(run.effect.intervention, run.effect.seed)
            takes_turns = repeated and run.intervention == run.effect.intervention
            seed = turn(run.draw, repeated.least) if repeated and takes_turns else run.seed
            cell = run.site or run.effect.site, run.intervention, seed
            yield Address("control", "control", name, run.effect.site, run.draw), other, cell

    def _add(self, resolved: Resolved, address: Address, group: Group, what: What) -> None:
        if address in resolved.series:
            return
        runs = self._cells(group, what)
        resolved.series[address] = tuple(run.key for run in runs)
        resolved.runs.update((run.key, run) for run in runs)
        for written in self._read_by(group, what):
            resolved.runs.update((run.key, run) for run in written)
        for needed in (group.writing or group).inputs.values():
            resolved.runs.update((run.key, run) for run in needed.runs)

    def _cells(self, group: Group, what: What) -> tuple[Run, ...]:
        if (group.key, what) not in self._runs:
            self._runs[group.key, what] = self._new_cells(group, what)
        return self._runs[group.key, what]

    def _new_cells(self, group: Group, what: What) -> tuple[Run, ...]:
        if group.writing and what[1] == GATE:
            return (gate_run(group, what, self._workspace),)
        reads = list(zip(*self._read_by(group, what), strict=True)) or [()] * len(group.blocks)
        return tuple(
            Run.of(group, Cell(block.family, *what), block, tuple(run.key for run in some))
            for block, some in zip(group.blocks, reads, strict=True)
        )

    def _read_by(self, group: Group, what: What) -> list[tuple[Run, ...]]:
        """The runs whose answers are judged in these: one tuple a side of a comparison, one run a block."""
        if group.writing is None or what[1] == GATE:
            return []
        return [self._cells(group.writing, each) for each in answers_to(group, what)]

    def _group(self, located: Located, suite: Suite, draw: int, metric: Metric | None = None) -> Group:
        evaluator, settings = (metric.measured_by, metric.settings()) if metric else (CHECKS, {})
        donor, (variants, recipes) = getattr(metric, "donor", None), _beside(metric)
        judging = metric.judging if metric else None
        asked = id(located), id(suite), draw, evaluator, repr((settings, donor, variants, recipes, judging))
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
                if evaluator in TIMED:
                    group = replace(group, machine=machine_digest(self._device))
                if judging is not None:
                    group = judging_group(group, metric)
            self._asked[asked] = located, suite, self._groups.setdefault(group.key, group)
        return self._asked[asked][-1]

    def _trainings(self, located: Located, recipes: Mapping[str, Recipe]) -> dict[str, Training]:
        maps = {name: self._map(located, aim) for name, aim in maps_of(recipes.values()).items()}
        return {name: Training.of(recipe, maps, self._memo.data_digest) for name, recipe in recipes.items()}

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
