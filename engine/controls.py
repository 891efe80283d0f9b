"""engine: which runs the draws of each kind of control need. One function a kind; it registers itself.

A kind whose spec is marked TWISTED needs none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from math import comb
from typing import TYPE_CHECKING, Any, NamedTuple

from ..specs.kinds import load_plugins
from ..specs.sites import Component, Site, parse_component

if TYPE_CHECKING:
    from ..evaluators.models.locate import Located

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


Control = Callable[[Any, "Located", Sequence[Effect], Sequence[str]], Iterator[DrawnRun]]
"""(control spec, the claim's model, effects, components of the sweep) -> runs."""

_controls: dict[str, Control] = {}


def control(kind: str) -> Callable[[Control], Control]:
    """Decorator: register the runs of a kind of control."""

    def register(runs: Control) -> Control:
        _controls[kind] = runs
        return runs

    return register


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


def _twisted(spec: Any, model: Located, effects: Sequence[Effect], sweep: Sequence[str]) -> Iterator[DrawnRun]:
    """The effect's own intervention with something in it drawn at random: `steer(4)|random_direction`."""
    for effect in effects:
        for draw in range(spec.draws):
            yield DrawnRun(draw, effect, model, f"{effect.intervention}|{spec.kind}", draw)


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
    from ..evaluators.cells import NotEvaluated

    for effect in effects:
        others = [component for component in sweep if component != effect.site]
        if len(others) < spec.draws:
            what = f"random_component needs {spec.draws} components beside {effect.site}; the sweep has {len(others)}"
            raise NotEvaluated("too_few_components", what)
        chosen = random.Random(f"{effect.site} {effect.seed}").sample(others, spec.draws)
        for draw, site in enumerate(chosen):
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
