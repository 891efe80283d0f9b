"""benchmarks: what is measured: sets of prompts and of interventions, KL at the last position."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from mi_atlas.evaluators.replay import Constant, Intervention, Replay, Zero
from mi_atlas.specs.sites import GRANULARITIES


@dataclass(frozen=True)
class Workload:
    """Prompts of token ids, and interventions to measure on each of them."""

    name: str
    what: str
    prompts: list[list[int]]
    interventions: list[Intervention]


def prompts(vocabulary: int, lengths: list[int]) -> list[list[int]]:
    """Random tokens."""
    rng = random.Random(0)
    return [[rng.randrange(vocabulary) for _ in range(length)] for length in lengths]


def _w1(replay: Replay, positions: tuple[int, ...] | None = None) -> list[Intervention]:
    return [Intervention(site, Zero(), positions) for site in replay.anatomy.sites(GRANULARITIES)]


def _w2(replay: Replay, positions: tuple[int, ...] | None = None) -> list[Intervention]:
    return [Intervention(site, Zero(), positions) for site in replay.anatomy.sites(("head",))]


def _grid(replay: Replay, length: int) -> list[Intervention]:
    """The stream entering every layer at every position, replaced by a vector, as a patching grid does."""
    vector = torch.randn(replay.anatomy.width, generator=torch.Generator().manual_seed(0))
    sites = replay.anatomy.sites(("residual",))[:-1]
    return [Intervention(site, Constant(vector), (position,)) for site in sites for position in range(length)]


EQUAL, MIXED, LENGTH = [24] * 12, [8 + (11 * i) % 33 for i in range(12)], 24

WORKLOADS: dict[str, tuple[str, list[int], Callable[[Replay], list[Intervention]]]] = {
    "w1": ("every layer, operator and MLP removed; 12 prompts of 24 tokens", EQUAL, _w1),
    "w2": ("every head removed; 12 prompts of 24 tokens", EQUAL, _w2),
    "mixed": ("w1 with prompts of 8 to 40 tokens", MIXED, _w1),
    "one": ("w1 with one prompt of 24 tokens", [LENGTH], _w1),
    "last": ("w1 at the last position only", EQUAL, lambda replay: _w1(replay, (-1,))),
    "last-heads": ("w2 at the last position only", EQUAL, lambda replay: _w2(replay, (-1,))),
    "grid": ("every layer's stream at every position; one prompt of 24 tokens", [LENGTH], lambda r: _grid(r, LENGTH)),
}


def workload(name: str, replay: Replay) -> Workload:
    """A named workload for a model."""
    what, lengths, interventions = WORKLOADS[name]
    return Workload(name, what, prompts(replay.anatomy.vocabulary, lengths), interventions(replay))
