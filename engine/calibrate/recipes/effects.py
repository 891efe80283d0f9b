"""engine: recipes of claims about the effects of components: one measured claim each."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from itertools import pairwise

from ..worlds import STRONG, Draft, Truth, recipe


@recipe("threshold")
def _threshold(chance: random.Random, truth: Truth) -> Draft:
    bound = chance.uniform(0.02, 0.5)
    factor = {"true": STRONG, "false": 1 / chance.uniform(1.2, 4), "at the bound": 1.0}[truth]
    return Draft("positive", {"L1": bound * factor}, {"form": "threshold", "component": "L1", "at_least": bound})


@recipe("threshold, at most")
def _at_most(chance: random.Random, truth: Truth) -> Draft:
    bound = chance.uniform(0.02, 0.5)
    factor = {"true": 1 / STRONG, "false": chance.uniform(1.2, 4), "at the bound": 1.0}[truth]
    return Draft("positive", {"L1": bound * factor}, {"form": "threshold", "component": "L1", "at_most": bound}, 10.0)


@recipe("threshold, signed")
def _signed(chance: random.Random, truth: Truth) -> Draft:
    bound = chance.uniform(0.5, 2)
    gap = {"true": 1.0, "false": -chance.uniform(0.2, 1), "at the bound": 0.0}[truth]
    return Draft("signed", {"L1": bound + gap}, {"form": "threshold", "component": "L1", "at_least": bound})


@recipe("threshold, share")
def _share(chance: random.Random, truth: Truth) -> Draft:
    bound = chance.uniform(0.3, 0.7)
    gap = {"true": 0.5, "false": -chance.uniform(0.1, 0.3), "at the bound": 0.0}[truth]
    expect = {"form": "threshold", "component": "L1", "at_least": bound}
    return Draft("part", {"L1": bound + gap}, expect, spread=0.3)


@recipe("top_component")
def _top(chance: random.Random, truth: Truth) -> Draft:
    top, effect = "L2", chance.uniform(0.1, 1)
    factor = {"true": STRONG, "false": 1 / chance.uniform(1.2, 4), "at the bound": 1.0}[truth]
    rivals = {f"L{i}": effect * chance.uniform(0.2, 1) for i in range(6) if i != 2} | {"L4": effect}
    expect = {"form": "top_component", "component": top}
    return Draft("positive", rivals | {top: effect * factor}, expect, in_family=_wins("L2"))


@recipe("top_component, signed")
def _top_signed(chance: random.Random, truth: Truth) -> Draft:
    effect = chance.uniform(1, 3)
    gap = {"true": 1.0, "false": -chance.uniform(0.2, 1), "at the bound": 0.0}[truth]
    rivals = {f"L{i}": effect * chance.uniform(0.2, 1) for i in range(6) if i != 2} | {"L4": effect}
    expect = {"form": "top_component", "component": "L2"}
    return Draft("signed", rivals | {"L2": effect + gap}, expect, in_family=_wins("L2"))


@recipe("ratio")
def _ratio(chance: random.Random, truth: Truth) -> Draft:
    bound, below = chance.uniform(1.5, 4), chance.uniform(0.05, 0.3)
    factor = {"true": STRONG, "false": 1 / chance.uniform(1.2, 3), "at the bound": 1.0}[truth]
    sides = {"numerator": {"component": "L1"}, "denominator": {"component": "L3"}}
    effects, expect = {"L1": below * bound * factor, "L3": below}, {"form": "ratio", **sides, "at_least": bound}
    return Draft("positive", effects, expect, other_control={"L3": 1.0})


@recipe("specificity")
def _specificity(chance: random.Random, truth: Truth) -> Draft:
    """The effect clears its bound with ease; what is true or false is that it exceeds the control's 1.5-fold."""
    bound = chance.uniform(0.02, 0.2)
    control = {"true": 1 / 5, "false": 1 / chance.uniform(0.8, 1.3), "at the bound": 1 / 1.5}[truth]
    expect = {"form": "threshold", "component": "L1", "at_least": bound}
    return Draft("positive", {"L1": 4 * bound}, expect, control)


@recipe("null", scopes=("in_suite",))
def _null(chance: random.Random, truth: Truth) -> Draft:
    bound = 0.05
    rate = {"true": bound / 20, "false": chance.uniform(0.08, 0.2), "at the bound": bound}[truth]
    return Draft("event", {"L1": rate}, {"form": "null", "component": "L1", "at_most": bound}, 0.6 / rate, spread=0.3)


@recipe("proportion")
def _proportion(chance: random.Random, truth: Truth) -> Draft:
    bound = chance.uniform(0.4, 0.6)
    rate = bound + {"true": 0.25, "false": -chance.uniform(0.05, 0.2), "at the bound": 0.0}[truth]
    expect = {"form": "proportion", "component": "L1", "at_least": bound}
    return Draft("event", {"L1": rate}, expect, spread=0.3)


@recipe("proportion, at most")
def _proportion_at_most(chance: random.Random, truth: Truth) -> Draft:
    bound = chance.uniform(0.4, 0.6)
    rate = bound - {"true": 0.25, "false": -chance.uniform(0.05, 0.2), "at the bound": 0.0}[truth]
    expect = {"form": "proportion", "component": "L1", "at_most": bound}
    return Draft("event", {"L1": rate}, expect, control=0.95 / rate, spread=0.3)


@recipe("rank")
def _rank(chance: random.Random, truth: Truth) -> Draft:
    """Among the three largest, of which two are out of reach; at the bound it ties with another for the third place."""
    effect = chance.uniform(0.1, 0.5)
    own = {"true": STRONG, "false": 1 / chance.uniform(1.2, 4), "at the bound": 1.0}[truth]
    effects = {"L0": 8 * effect, "L1": 8 * effect, "L2": own * effect, "L3": effect, "L4": effect / 3, "L5": effect / 5}
    expect = {"form": "rank", "component": "L2", "within": 3}
    return Draft("positive", effects, expect, in_family=lambda own: sum(x > own["L2"] for x in own.values()) < 3)


@recipe("monotone")
def _monotone(chance: random.Random, truth: Truth) -> Draft:
    """Six steps up; at the bound two neighbours tie, and where it is false they go down."""
    effects = {f"L{i}": 0.02 * 4**i for i in range(6)}
    step = chance.randrange(5)
    if truth != "true":
        effects[f"L{step + 1}"] = effects[f"L{step}"] / (1 if truth == "at the bound" else chance.uniform(1.2, 3))
    control = {name: 0.05 / effect for name, effect in effects.items()}
    expect = {"form": "monotone", "components": list(effects)}
    return Draft("positive", effects, expect, other_control=control, in_family=_rises)


@recipe("equality")
def equality(chance: random.Random, truth: Truth) -> Draft:
    """Within a factor of three, in either direction."""
    effect, margin = chance.uniform(0.1, 0.5), 3.0
    factor = {"true": 1.0, "false": margin * chance.uniform(1.2, 2), "at the bound": margin}[truth]
    sides = {"test": {"component": "L1"}, "reference": {"component": "L3"}}
    effects = {"L1": effect * factor ** chance.choice((-1, 1)), "L3": effect}
    expect = {"form": "equality", **sides, "factor": margin}
    return Draft("positive", effects, expect, 50.0, in_family=lambda own: abs(own["L1"] - own["L3"]) < math.log(margin))


@recipe("non_inferiority")
def _non_inferiority(chance: random.Random, truth: Truth) -> Draft:
    """At least a third of the other."""
    effect, margin = chance.uniform(0.1, 0.5), 3.0
    factor = {"true": 1.0, "false": 1 / (margin * chance.uniform(1.2, 2)), "at the bound": 1 / margin}[truth]
    sides = {"test": {"component": "L1"}, "reference": {"component": "L3"}}
    expect = {"form": "non_inferiority", **sides, "factor": margin, "larger": "better"}
    return Draft("positive", {"L1": effect * factor, "L3": effect}, expect, control=0.02)


def _rises(effects: Mapping[str, float]) -> bool:
    steps = list(effects.values())
    return all(after > before for before, after in pairwise(steps))


def _wins(own: str) -> Callable[[Mapping[str, float]], bool]:
    return lambda effects: max(effects, key=lambda site: effects[site]) == own
