"""benchmarks: what is measured: sets of prompts and of interventions, KL at the last position."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mi_atlas.evaluators.replay import Constant, Intervention, Replay, Zero
from mi_atlas.specs.sites import GRANULARITIES

Positions = tuple[int, ...]

LENGTH = 24
"""Tokens of a prompt, unless told otherwise."""


@dataclass(frozen=True)
class Workload:
    """Prompts of token ids, and interventions to measure on each of them."""

    what: str
    prompts: list[list[int]]
    interventions: list[Intervention]


def prompts(vocabulary: int, lengths: list[int]) -> list[list[int]]:
    """Random tokens."""
    rng = random.Random(0)
    return [[rng.randrange(vocabulary) for _ in range(length)] for length in lengths]


def components(replay: Replay, positions: Positions | None = None) -> list[Intervention]:
    """Every layer, operator and MLP removed."""
    return [Intervention(site, Zero(), positions) for site in replay.anatomy.sites(GRANULARITIES)]


def heads(replay: Replay, positions: Positions | None = None, first: int | None = None) -> list[Intervention]:
    """Every head removed, or the first so many of each layer."""
    sites = [site for site in replay.anatomy.sites(("head",)) if first is None or (site.head or 0) < first]
    return [Intervention(site, Zero(), positions) for site in sites]


def grid(replay: Replay) -> list[Intervention]:
    """The stream entering every layer at every position, replaced by a vector, as a patching grid does."""
    vector = torch.randn(replay.anatomy.width, generator=torch.Generator().manual_seed(0))
    sites = replay.anatomy.sites(("residual",))[:-1]
    return [Intervention(site, Constant(vector), (position,)) for site in sites for position in range(LENGTH)]


def equal(count: int) -> list[int]:
    """Prompts of one length."""
    return [LENGTH] * count


def mixed(count: int) -> list[int]:
    """Prompts of 8 to 40 tokens."""
    return [8 + (11 * i) % 33 for i in range(count)]


def one(count: int) -> list[int]:
    """A single prompt."""
    return [LENGTH]


WORKLOADS: dict[str, tuple[str, Callable[[int], list[int]], Callable[[Replay], list[Intervention]]]] = {
    "w1": ("every layer, operator and MLP removed", equal, components),
    "w2": ("every head removed", equal, heads),
    "mixed": ("as w1, prompts of mixed lengths", mixed, components),
    "one": ("as w1, a single prompt", one, components),
    "last": ("as w1, at the last position only", equal, lambda replay: components(replay, (-1,))),
    "last-heads": ("as w2, at the last position only", equal, lambda replay: heads(replay, (-1,))),
    "grid": ("a patching grid: every layer's stream at every position", one, grid),
}
"""Name -> what it is, lengths of so many prompts, interventions on a model."""


def workload(name: str, replay: Replay, count: int) -> Workload:
    """A named workload for a model, with so many prompts."""
    what, lengths, interventions = WORKLOADS[name]
    return made(what, replay, lengths(count), interventions(replay))


def made(what: str, replay: Replay, lengths: list[int], interventions: list[Intervention]) -> Workload:
    """A workload that says its own size."""
    span = f"{min(lengths)} tokens" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)} tokens"
    several = "prompts" if len(lengths) > 1 else "prompt"
    size = f"{len(interventions)} interventions x {len(lengths)} {several} of {span}"
    return Workload(f"{what}: {size}", prompts(replay.anatomy.vocabulary, lengths), interventions)
