"""evaluators/finetuning: which modules of a model a recipe trains, and how many parameters that makes."""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from ...specs.canonical import digest
from ...specs.recipe import AtlasTargets, NamedTargets, RandomTargets, Recipe
from ...specs.sites import Site, SiteKind, parse_site
from ..anatomy import Anatomy, dissect
from ..cells import NotEvaluated
from .job import atlas_name

Words = str | Sequence[str]
Maps = Mapping[str, Mapping[str, float]]

WHOLE = ("layer", "operator", "mlp")
"""Components of which every linear module is trained; any other is a module itself."""

LISTED = 10_000
"""Choices of layers up to which all are listed; of more, distinct ones are drawn."""


@dataclass(frozen=True)
class Parts:
    """The linear modules of a model's layers, by name."""

    anatomy: Anatomy
    names: Mapping[int, str]
    """id of a module -> its full name."""

    @classmethod
    def of(cls, module: nn.Module) -> Parts:
        """Of a causal language model without an adapter."""
        return cls(dissect(module), {id(each): name for name, each in module.named_modules()})

    def linear(self, module: nn.Module) -> tuple[str, ...]:
        """Full names of the linear modules in a module, itself included."""
        return tuple(self.names[id(each)] for each in module.modules() if isinstance(each, nn.Linear))

    def component(self, site: Site) -> tuple[str, ...]:
        """The linear modules that a component is made of; none where the model lacks it."""
        if site.layer >= len(self.anatomy.layers):
            return ()
        if site.granularity in WHOLE:
            return self.linear(self.anatomy.module(site))
        try:
            port = self.anatomy.port(site)
        except NotEvaluated:
            return ()
        return self.linear(port.module) if port.columns is None and port.side == "output" else ()

    def modules(self, layer: int, words: Words) -> tuple[str, ...]:
        """What a word, or a list of kinds of modules, stands for in a layer."""
        anatomy, operator = self.anatomy, self.anatomy.operators[layer]
        if not isinstance(words, str):
            found = {name for kind in words for name in self.component(Site(layer, kind))}  # type: ignore[arg-type]
            return tuple(name for name in self.linear(anatomy.layers[layer]) if name in found)
        if words == "all_linear":
            return self.linear(anatomy.layers[layer])
        if words == "mlp":
            return self.linear(anatomy.mlps[layer])
        if words == "operator_output":
            return self.linear(anatomy.projection(layer))
        return self.linear(operator) if (words == "convolution") == anatomy.is_convolution(layer) else ()

    def unknown(self, words: Words) -> NotEvaluated:
        """That the model has no such modules, and which it has."""
        names = dict.fromkeys(name.rpartition(".")[2] for layer in self.anatomy.layers for name in self.linear(layer))
        text = words if isinstance(words, str) else ", ".join(words)
        return NotEvaluated("no_such_module", f"the model has no {text} to train; its layers have {', '.join(names)}")


def modules_of(
    recipe: Recipe, module: nn.Module, maps: Maps, seed: int, layers_draw: int | None = None
) -> tuple[str, ...]:
    """Full names of the modules that a recipe's targets mean, in the model's order; none without targets.

    `maps`: `atlas_name` -> component -> typical effect, for targets that are read from a map. `seed` draws random
    targets. With `layers_draw` they are as many of the same kinds and sizes in other layers, drawn without repetition.

    Raises:
        NotEvaluated: `no_such_module`, with those that there are; `empty_atlas`; `too_few_components`.
    """
    if recipe.targets is None and layers_draw is None:
        return ()
    parts = Parts.of(module)
    found = set(_aimed(parts, recipe, maps, seed))
    found -= {name for layer in recipe.skip or () for name in parts.component(Site(layer, "layer"))}
    if layers_draw is not None:
        found = set(_elsewhere(parts, found, recipe.skip or (), layers_draw))
    return tuple(name for layer in parts.anatomy.layers for name in parts.linear(layer) if name in found)


def parameters(module: nn.Module, modules: Collection[str], rank: int) -> int:
    """What adapters of a rank have on those modules, counted from shapes: rank (columns in + columns out) each."""
    named = dict(module.named_modules())
    return sum(rank * (int(named[name].in_features) + int(named[name].out_features)) for name in modules)


def _aimed(parts: Parts, recipe: Recipe, maps: Maps, seed: int) -> list[str]:
    targets, skipped = recipe.targets, recipe.skip or ()
    if targets is None:
        return []
    if isinstance(targets, NamedTargets):
        return _named(parts, targets, skipped)
    if isinstance(targets, AtlasTargets):
        effects = maps.get(atlas_name(targets)) or {}
        sites = _top(effects, targets, skipped)
    else:
        sites = _drawn(parts, targets, skipped, seed)
    below = {site: _of_component(parts, site, targets.modules) for site in sites}
    if bare := [site.label for site, names in below.items() if not names]:
        wanted = targets.modules or "linear module"
        raise NotEvaluated("no_such_module", f"{', '.join(bare)}: {parts.unknown(wanted)}")
    return [name for names in below.values() for name in names]


def _named(parts: Parts, targets: NamedTargets, skipped: Collection[int]) -> list[str]:
    count = len(parts.anatomy.layers)
    layers = range(count) if targets.layers == "all" else targets.layers
    if beyond := [layer for layer in layers if layer >= count]:
        raise NotEvaluated("no_such_module", f"the model has layers L0 to L{count - 1}, no L{beyond[0]}")
    left = [layer for layer in layers if layer not in skipped]
    for words in (targets.modules,) if isinstance(targets.modules, str) else [(kind,) for kind in targets.modules]:
        if not any(parts.modules(layer, words) for layer in left):
            raise parts.unknown(words)
    return [name for layer in left for name in parts.modules(layer, targets.modules)]


def _of_component(parts: Parts, site: Site, words: Words | None) -> tuple[str, ...]:
    own = parts.component(site)
    if words is None:
        return own
    wanted = parts.modules(site.layer, words)
    return tuple(name for name in own if name in wanted)


def _top(effects: Mapping[str, float], targets: AtlasTargets, skipped: Collection[int]) -> list[Site]:
    """The components with the largest effects, of equal ones the first."""
    sites = {site: effect for label, effect in effects.items() if (site := parse_site(label)).layer not in skipped}
    if not sites:
        raise NotEvaluated("empty_atlas", f"the map of {targets.suite} that says what to train is empty")
    if targets.top > len(sites):
        raise NotEvaluated(
            "empty_atlas", f"the map has {len(sites)} components; the recipe trains the top {targets.top}"
        )
    return sorted(sites, key=lambda site: -sites[site])[: targets.top]


def _drawn(parts: Parts, targets: RandomTargets, skipped: Collection[int], seed: int) -> list[Site]:
    kinds: tuple[SiteKind, ...] = (
        (targets.granularity,) if isinstance(targets.granularity, str) else targets.granularity
    )
    sites = [site for site in parts.anatomy.sites(kinds) if site.layer not in skipped]
    able = [site for site in sites if _of_component(parts, site, targets.modules)]
    if sites and not able:
        raise parts.unknown(targets.modules or kinds)
    if targets.count > len(able):
        text = f"the model has {len(able)} components of {', '.join(kinds)}; the recipe trains {targets.count}"
        raise NotEvaluated("too_few_components", text)
    return random.Random(digest("random_matched", seed)).sample(able, targets.count)


def _elsewhere(parts: Parts, chosen: set[str], skipped: Collection[int], draw: int) -> frozenset[str]:
    """Draw number `draw` of other layers for the same modules."""
    shapes = _shapes(parts, skipped)
    groups: dict[frozenset[tuple[str, int, int]], list[int]] = defaultdict(list)
    for layer, there in shapes.items():
        if mine := frozenset(shape for shape, name in there.items() if name in chosen):
            groups[mine].append(layer)
    pools = [[layer for layer in shapes if pattern <= shapes[layer].keys()] for pattern in groups]
    sizes = [len(layers) for layers in groups.values()]

    def names(choice: Sequence[Sequence[int]]) -> frozenset[str] | None:
        found = [
            shapes[at][one] for pattern, layers in zip(groups, choice, strict=True) for at in layers for one in pattern
        ]
        return frozenset(found) if len(set(found)) == len(found) and set(found) != chosen else None

    rng = random.Random(digest("random_matched_layers", sorted(chosen)))
    if math.prod(map(math.comb, map(len, pools), sizes)) <= LISTED:
        every = itertools.product(*(itertools.combinations(pool, k) for pool, k in zip(pools, sizes, strict=True)))
        distinct = sorted({found for choice in every if (found := names(choice))}, key=sorted)
        rng.shuffle(distinct)
    else:
        distinct = list(itertools.islice(_distinct(names, pools, sizes, rng), draw + 1))
    if not groups or draw >= len(distinct):
        text = f"the model has {len(distinct) if groups else 0} other choices of layers for {len(chosen)} modules"
        raise NotEvaluated("too_few_components", f"{text}; draw {draw + 1} of random_matched_layers needs more")
    return distinct[draw]


def _distinct(names, pools, sizes, rng) -> Iterator[frozenset[str]]:  # type: ignore[no-untyped-def]
    seen = set()
    while True:
        found = names([sorted(rng.sample(pool, k)) for pool, k in zip(pools, sizes, strict=True)])
        if found and found not in seen:
            seen.add(found)
            yield found


def _shapes(parts: Parts, skipped: Collection[int]) -> dict[int, dict[tuple[str, int, int], str]]:
    """Layer -> (name within the layer, columns in, columns out) of its linear modules -> full name."""
    found: dict[int, dict[tuple[str, int, int], str]] = {}
    for layer, module in enumerate(parts.anatomy.layers):
        if layer not in skipped:
            inside = {id(each): name for name, each in module.named_modules()}
            found[layer] = {
                (inside[id(each)], each.in_features, each.out_features): parts.names[id(each)]
                for each in module.modules()
                if isinstance(each, nn.Linear)
            }
    return found
