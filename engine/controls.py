"""engine: which runs each kind of control and positive control needs. One function a kind; it registers itself.

A control whose spec is marked TWISTED or REARRANGED needs none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import comb
from typing import TYPE_CHECKING, Any, NamedTuple

from ..specs.canonical import digest
from ..specs.interventions import label, word
from ..specs.kinds import load_plugins
from ..specs.metrics.base import turn
from ..specs.sites import ALL_LAYERS, Component, Site, parse_component
from .grade.evidence import intervention_label
from .grade.forms import find_form

if TYPE_CHECKING:
    from ..evaluators.models.locate import Located
    from ..specs.claim import MeasuredClaim
    from .grade.evidence import Floats

ENTRY_POINTS = "mi_atlas.engine"


class Effect(NamedTuple):
    """An effect of the main arm that control draws stand in for."""

    intervention: str
    """zero, mean, resample, residual_zero."""
    seed: int
    site: str


class DrawnRun(NamedTuple):
    """What is run for one draw of a control in place of one effect."""

    draw: int
    effect: Effect
    model: Located
    intervention: str
    seed: int
    site: str | None = None
    """Another component than the effect's."""


class CheckRun(NamedTuple):
    """What is run for a positive control; its KL must be far from zero."""

    site: str
    intervention: str
    seed: int = 0
    own: bool = False
    """By the claim's own evaluator, which must then give a `kl`; else by ablation."""


Control = Callable[[Any, "Located", Sequence[Effect], Sequence[str]], Iterator[DrawnRun]]
"""(control spec, the claim's model, effects, components of the sweep) -> runs."""

PositiveControl = Callable[[Any, "Located"], CheckRun]
"""(positive control spec, the claim's model) -> the run."""

_controls: dict[str, Control] = {}
_positive_controls: dict[str, PositiveControl] = {}


def control(kind: str) -> Callable[[Control], Control]:
    """Decorator: register the runs of a kind of control."""

    def register(runs: Control) -> Control:
        _controls[kind] = runs
        return runs

    return register


def positive_control(kind: str) -> Callable[[PositiveControl], PositiveControl]:
    """Decorator: register the run of a kind of positive control."""

    def register(run: PositiveControl) -> PositiveControl:
        _positive_controls[kind] = run
        return run

    return register


def positive_run(spec: Any, model: Located) -> CheckRun:
    """The run of a claim's positive control.

    Raises:
        KeyError: nobody registered this kind, though its spec exists.
    """
    if spec.kind not in _positive_controls:
        load_plugins(ENTRY_POINTS)
    return _positive_controls[spec.kind](spec, model)


def elsewhere(component: str, sweep: Sequence[str]) -> list[str]:
    """The components of a sweep that are of the same kind, at the same tokens, and in none of the same layers."""

    def kind(read: Component) -> tuple[Any, ...]:
        return (read.positions, *(site.granularity for site in read.sites))

    own = parse_component(component)
    layers = {site.layer for site in own.sites}
    others = [other for other in map(parse_component, sweep) if kind(other) == kind(own)]
    return [other.label for other in others if layers.isdisjoint(site.layer for site in other.sites)]


def control_runs(spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]) -> Iterator[DrawnRun]:
    """The runs of a claim's control.

    Raises:
        KeyError: nobody registered this kind, though its spec exists.
    """
    runs = _twisted if getattr(spec, "TWISTED", False) else _controls.get(spec.kind)
    if runs is None:
        load_plugins(ENTRY_POINTS)
        runs = _controls[spec.kind]
    yield from runs(spec, model, effects, sweep)


def dealt_anew(
    claim: MeasuredClaim, sweep: Sequence[str], effects: Mapping[tuple[str, str], Floats]
) -> dict[tuple[str, str, int], Floats]:
    """Control draws made of the effects' own numbers: in each example they are dealt anew among the components.

    `effects`: (intervention label, component) -> values (n,). Where trainings are repeated, a draw is made of one of
    them, by turns. Of relabelled sessions a draw has all: in each they are dealt anew for all examples alike, and the
    draw is the geometric mean over the sessions.
    """
    import numpy as np

    own, repeated = claim.counterfactual, claim.metric.repeated
    drawn: dict[tuple[str, str, int], Floats] = {}
    refs = find_form(claim.expect.form).controls(claim, tuple(sweep))
    relabelled = claim.control.kind == "relabelled_sessions"
    for stands_for, draw in product(dict.fromkeys(ref.intervention for ref in refs), range(claim.control.draws)):
        seeds = [turn(draw, repeated.least) if repeated else getattr(own, "seed", 0)]
        if relabelled and repeated:
            seeds = list(range(1, repeated.times + 1))
        names = [label(stands_for or word(own), seed) for seed in seeds]
        sites = list(dict.fromkeys(site for intervention, site in effects if intervention in names))
        values = np.array([[effects[name, site] for name in names] for site in sites])
        dice = np.random.default_rng(int(digest("dealt anew", [names[0], draw])[:12], 16))
        order = dice.random((*values.shape[:2], 1) if relabelled else values.shape).argsort(axis=0)
        dealt = np.take_along_axis(values, np.broadcast_to(order, values.shape), axis=0)
        dealt = np.exp(np.log(dealt).mean(axis=1)) if relabelled else dealt[:, 0]
        for site in (ref.site for ref in refs if ref.intervention == stands_for):
            drawn[stands_for or intervention_label(own), site, draw] = dealt[sites.index(site)]
    return drawn


def _twisted(spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]) -> Iterator[DrawnRun]:
    """The effect's own intervention with something in it drawn at random: `steer(4)|random_direction`.

    An effect that is such a draw itself, as that of an adversarial twin is, has the draws of what it was made of.
    """
    for effect in effects:
        plain = effect.intervention.partition("|")[0]
        for draw in range(spec.draws):
            yield DrawnRun(draw, effect, model, f"{plain}|{spec.kind}", draw)


@control("matched_norm_noise")
def _matched_norm_noise(
    spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]
) -> Iterator[DrawnRun]:
    for effect in effects:
        for draw in range(spec.draws):
            yield DrawnRun(draw, effect, model, "matched_norm_noise", draw)


@control("untrained_model")
def _untrained_model(spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]) -> Iterator[DrawnRun]:
    from ..evaluators.models.locate import untrained

    for draw in range(spec.draws):
        other = untrained(model, draw)
        for effect in effects:
            yield DrawnRun(draw, effect, other, effect.intervention, effect.seed)


@control("random_component")
def _random_component(spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]) -> Iterator[DrawnRun]:
    for effect in effects:
        others = [component for component in sweep if component != effect.site]
        yield from _among(others, f"components beside {effect.site}", spec, model, effect)


@control("wrong_layer")
def _wrong_layer(spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]) -> Iterator[DrawnRun]:
    for effect in effects:
        what = f"components like {effect.site} in other layers"
        yield from _among(elsewhere(effect.site, sweep), what, spec, model, effect)


def _among(others: Sequence[str], what: str, spec: Any, model: Located, effect: Effect) -> Iterator[DrawnRun]:
    """The effect's intervention at some of these components, which are drawn without repetition."""
    from ..evaluators.cells import NotEvaluated

    if len(others) < spec.draws:
        needs = f"{spec.kind} needs {spec.draws} {what}; the sweep has {len(others)}"
        raise NotEvaluated("too_few_components", needs)
    for draw, site in enumerate(random.Random(f"{effect.site} {effect.seed}").sample(others, spec.draws)):
        yield DrawnRun(draw, effect, model, effect.intervention, effect.seed, site)


@control("random_layers")
def _random_layers(spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]) -> Iterator[DrawnRun]:
    from ..evaluators.cells import NotEvaluated

    for effect in effects:
        own = tuple(site.layer for site in parse_component(effect.site).sites)
        early = effect.intervention == "early_exit"
        own = tuple(range(own[0], model.layers)) if early else own
        others = comb(model.layers, len(own)) - 1
        if others < spec.draws:
            what = (
                f"random_layers needs {spec.draws} sets of {len(own)} layers beside {effect.site}; there are {others}"
            )
            raise NotEvaluated("too_few_sets", what)
        choice, drawn = random.Random(f"{effect.site} {effect.intervention} {effect.seed}"), {own}
        for draw in range(spec.draws):
            while (chosen := tuple(sorted(choice.sample(range(model.layers), len(own))))) in drawn:
                pass
            drawn.add(chosen)
            site = Component(tuple(Site(layer, "layer") for layer in chosen)).label
            yield DrawnRun(draw, effect, model, "skip" if early else effect.intervention, effect.seed, site)


@positive_control("skip_all_layers")
def _skip_all_layers(spec: Any, model: Located) -> CheckRun:
    return CheckRun(ALL_LAYERS, "zero")


@positive_control("resample_all_layers")
def _resample_all_layers(spec: Any, model: Located) -> CheckRun:
    every = Component(tuple(Site(layer, "layer") for layer in range(model.layers)))
    return CheckRun(every.label, "resample")
