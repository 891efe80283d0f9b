"""engine: recipes of claims about whole trainings and sessions, each of which is off by something of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..worlds import STRONG, Draft, Truth, recipe
from .effects import equality

SEEDS, SESSIONS = 8, 12


def _trained(chance: random.Random, low: float, high: float, **more: Any) -> Mapping[str, Any]:
    return {"repeated": {"what": "training seeds", "count": SEEDS, "spread": chance.uniform(low, high)}, **more}


@recipe("threshold, trainings", scopes=("in_suite",))
def _threshold(chance: random.Random, truth: Truth) -> Draft:
    """What training changes, over new trainings."""
    bound = chance.uniform(0.02, 0.5)
    factor = {"true": STRONG**2, "false": 1 / chance.uniform(1.2, 4), "at the bound": 1.0}[truth]
    expect = {"form": "threshold", "component": "L1", "at_least": bound}
    return Draft("positive", {"L1": bound * factor}, expect, world=_trained(chance, 0.1, 0.7))


@recipe("non_inferiority, trainings", scopes=("in_suite",))
def _non_inferiority(chance: random.Random, truth: Truth) -> Draft:
    """Exact matches, .05 fewer at most."""
    effects, expect = _rates(chance, truth)
    expect = {"form": "non_inferiority", **expect}
    return Draft("event", effects, expect, 0.02, spread=0.3, world=_trained(chance, 0.02, 0.1))


@recipe("equality, trainings", scopes=("in_suite",))
def _equality(chance: random.Random, truth: Truth) -> Draft:
    """Losses within a factor of three, in either direction."""
    return replace(equality(chance, truth), world=_trained(chance, 0.1, 0.5))


@recipe("efficiency", scopes=("in_suite",))
def _efficiency(chance: random.Random, truth: Truth) -> Draft:
    """A quarter of the parameters for .05 fewer exact matches; what is false is now the count, now the quality."""
    counted = truth == "false" and chance.random() < 0.5
    effects, expect = _rates(chance, "true" if counted else truth)
    parameters = {"L1": 1000, "L3": 3990 if counted else 4000}
    expect = {"form": "efficiency", "at_most": 0.25, **expect}
    world = _trained(chance, 0.02, 0.1, parameters=parameters)
    return Draft("event", effects, expect, 0.02, spread=0.3, world=world)


@recipe("speed", scopes=("in_suite",))
def _speed(chance: random.Random, truth: Truth) -> Draft:
    """Seconds in sessions that differ by up to a third."""
    bound, seconds = chance.uniform(1.1, 2), chance.uniform(0.01, 1)
    factor = {"true": 1.5, "false": 1 / chance.uniform(1.05, 1.5), "at the bound": 1.0}[truth]
    sides = {"test": {"component": "L1"}, "reference": {"component": "L3"}}
    sessions = {"what": "sessions", "count": SESSIONS, "spread": chance.uniform(0.02, 0.3)}
    effects, expect = {"L1": seconds, "L3": seconds * bound * factor}, {"form": "speed", **sides, "at_least": bound}
    other = {"L1": 1.0, "L3": 0.3}
    return Draft("positive", effects, expect, other_control=other, spread=0.2, world={"repeated": sessions})


def _rates(chance: random.Random, truth: Truth) -> tuple[dict[str, float], dict[str, Any]]:
    margin, rate = 0.05, chance.uniform(0.8, 0.98)
    short = {"true": 0.0, "false": margin * chance.uniform(1.2, 3), "at the bound": margin}[truth]
    sides = {"test": {"component": "L1"}, "reference": {"component": "L3"}}
    return {"L1": rate - short, "L3": rate}, {**sides, "difference": margin, "larger": "better"}
