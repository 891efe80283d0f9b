"""tests: prompts of mixed lengths and one set of interventions for every meaning there is."""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from mi_atlas.evaluators.replay import (
    Add,
    Constant,
    Donor,
    Intervention,
    MatchedNormNoise,
    Replay,
    ResidualZero,
    Value,
    Zero,
)
from mi_atlas.specs.sites import SITE_KINDS, Site
from torch import Tensor

from .models import VOCABULARY

LENGTHS = (5, 9, 1, 5, 12)


def tokens(lengths: tuple[int, ...] = LENGTHS, seed: int = 0) -> list[list[int]]:
    """Random prompts."""
    rng = random.Random(seed)
    return [[rng.randrange(VOCABULARY) for _ in range(length)] for length in lengths]


def values(site: Site, captured: Tensor) -> Iterator[Value]:
    """Every value that has a meaning at a site; donors are the site's own rows, shuffled."""
    generator = torch.Generator().manual_seed(1)
    yield Constant(captured.mean(0))
    yield Donor(captured, torch.randperm(len(captured), generator=generator))
    yield Add(torch.randn(captured.shape[1], generator=generator))
    yield MatchedNormNoise(3)
    if site.granularity != "residual":
        yield Zero()
    if site.granularity == "layer":
        yield ResidualZero()


def every_intervention(replay: Replay, prompts: list[list[int]]) -> list[Intervention]:
    """Every value at every site of a model; of each layer's four heads the first and the last."""
    sites = [site for site in replay.anatomy.sites(SITE_KINDS) if site.head in (None, 0, 3)]
    captured = replay.captures(prompts, sites)
    return [Intervention(site, value) for site in sites for value in values(site, captured[site])]
