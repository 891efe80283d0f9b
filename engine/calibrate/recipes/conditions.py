"""engine: recipes of claims about how effects vary over conditions."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from statistics import stdev

from ..worlds import STRONG, Draft, Truth, recipe

LAYERS = 8

NOISE = 0.05
"""What a draw of the control typically does, wherever it does the same at all conditions."""


def _draft(
    logs: Mapping[str, float], expect: Mapping[str, object], drawn: Mapping[str, float], spread: float, **world: str
) -> Draft:
    """Typical effects, and those of the draws, by their logarithms."""
    control = {site: math.exp(drawn.get(site, math.log(NOISE)) - log) for site, log in logs.items()}
    effects = {site: math.exp(log) for site, log in logs.items()}
    return Draft("positive", effects, expect, other_control=control, spread=spread, world=world)


@recipe("correlation", scopes=("in_suite",))
def _correlation(chance: random.Random, truth: Truth) -> Draft:
    """Effects that fall with depth; at the bound they are drawn without regard to it, and where false they rise."""
    slope = {"true": -2.0, "false": chance.uniform(0.3, 2), "at the bound": 0.0}[truth]
    rise = [slope * (2 * layer / (LAYERS - 1) - 1) for layer in range(LAYERS)]
    logs = {f"L{layer}": chance.gauss(each, 0.5) for layer, each in enumerate(rise)}
    method = chance.choice(("pearson", "spearman"))
    expect = {"form": "correlation", "conditions": "L*", "sign": "negative", "method": method}
    return _draft({site: log - 0.5 for site, log in logs.items()}, expect, {}, 0.5)


@recipe("correlation, two quantities", scopes=("in_suite",))
def _quantities(chance: random.Random, truth: Truth) -> Draft:
    """Two numbers of the same runs, so that their noise is one; at the bound nothing else goes together."""
    spread = 0.0 if truth == "at the bound" else 0.8
    logs = {f"L{layer}": chance.gauss(0, spread) for layer in range(LAYERS)}
    sign = "negative" if truth == "false" else "positive"
    return _draft(
        logs, {"form": "correlation", "conditions": "L*", "x": "signed", "sign": sign}, {}, 0.5, beside="signed"
    )


@recipe("spread_ratio", scopes=("in_suite",))
def _spread_ratio(chance: random.Random, truth: Truth) -> Draft:
    """Four conditions a side, of exactly the claimed factor at the bound; draws differ at those of the denominator."""
    bound, below = chance.uniform(1.5, 2.5), chance.uniform(0.3, 0.5)
    factor = {"true": STRONG, "false": 1 / chance.uniform(1.2, 2), "at the bound": 1.0}[truth]
    upper, lower = [f"L{layer}" for layer in range(4)], [f"L{layer}" for layer in range(4, LAYERS)]
    narrow = _apart(chance, lower, below)
    expect = {
        "form": "spread_ratio",
        "numerator": {"conditions": upper},
        "denominator": {"conditions": lower},
        "at_least": bound,
    }
    drawn = {site: math.log(NOISE) + log for site, log in narrow.items()}
    return _draft(_apart(chance, upper, below * bound * factor) | narrow, expect, drawn, 0.3)


def _apart(chance: random.Random, sites: Sequence[str], spread: float) -> dict[str, float]:
    """Numbers of this standard deviation and no mean."""
    drawn = [chance.gauss(0, 1) for _ in sites]
    mean, own = sum(drawn) / len(drawn), stdev(drawn)
    return {site: (each - mean) / own * spread for site, each in zip(sites, drawn, strict=True)}
