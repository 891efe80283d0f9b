"""engine: recipes of claims whose truth is measured on a large sample of their world: orders, and sums of effects."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from ..sample import centre, logs
from ..worlds import STRONG, Draft, Truth, recipe


@recipe("interaction")
def _interaction(chance: random.Random, truth: Truth) -> Draft:
    """Two components do together at least so many times what each does."""
    return _joint(chance, truth, 1)


@recipe("interaction, at most")
def _sub_additive(chance: random.Random, truth: Truth) -> Draft:
    """The same turned round."""
    return _joint(chance, truth, -1)


def _joint(chance: random.Random, truth: Truth, side: int) -> Draft:
    one, other = chance.uniform(0.1, 0.5), chance.uniform(0.1, 0.5)
    effects = {"L1": one, "L3": other, "L1+L3": (one + other) * chance.uniform(0.5, 3)}
    away = side * {"true": math.log(STRONG), "false": -math.log(chance.uniform(1.2, 4)), "at the bound": 0.0}[truth]

    def expect(world: Mapping[str, Any]) -> Mapping[str, Any]:
        import numpy as np

        alone, second, joint = logs(world, ("L1", "L3", "L1+L3"))[0]
        bound = math.exp(centre(world, joint - np.logaddexp(alone, second)) - away)
        return {"form": "interaction", "components": ["L1", "L3"], "at_least" if side > 0 else "at_most": bound}

    return Draft("positive", effects, expect, 1.0 if side > 0 else 0.1, {"L1+L3": 0.05 if side > 0 else 1.0})


@recipe("rank_stability")
def _rank_stability(chance: random.Random, truth: Truth) -> Draft:
    """Six components in about the same order under two interventions; the control's draws turn it round."""
    step = chance.uniform(1.5, 3)
    effects = {f"L{i}": 0.1 * step**i for i in range(6)}
    away = {"true": 0.2, "false": -chance.uniform(0.03, 0.1), "at the bound": 0.0}[truth]

    def expect(world: Mapping[str, Any]) -> Mapping[str, Any]:
        bound = _correlation(world, tuple(effects)) - away
        return {"form": "rank_stability", "against": "mean", "at_least": min(max(bound, 0.01), 0.99)}

    turned = {site: 0.01 / effect**2 for site, effect in effects.items()}
    fields = {"robustness": [{"intervention": "resample"}]}
    return Draft("positive", effects, expect, other_control=turned, fields=fields)


def _correlation(world: Mapping[str, Any], sites: tuple[str, ...]) -> float:
    """Spearman's within each example, of orders under two interventions."""
    ranks = logs(world, sites, interventions=2).argsort(axis=1).argsort(axis=1).astype(float)
    ranks -= (len(sites) - 1) / 2
    return centre(world, (ranks[0] * ranks[1]).sum(axis=0) / (len(sites) * (len(sites) ** 2 - 1) / 12))
