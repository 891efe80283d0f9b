"""engine: claims on simulated numbers whose truth is known by construction, one recipe a form.

Half of the false claims of a form are false by as little as can be: their truth is exactly the bound, two components
tie exactly, or the control does exactly what it may not. Sizes are the defaults: twelve families, ten templates of
each, twenty draws.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Truth = Literal["true", "false", "at the bound"]
"""`at the bound` is false, too: every claim says more than its bound."""

TRUTHS: tuple[Truth, ...] = ("true", "true", "false", "at the bound")
"""In turn, so that half of the claims are true."""

SIZES = (3, 10, 30)
"""Templates a family."""

MODEL = "pocket-qwen"
"""Gives the clean pass and the positive control; its numbers enter no claim."""

STRONG = 2.0
"""A true effect, as a multiple of what it must exceed."""


@dataclass(frozen=True)
class Known:
    """A claim and its truth."""

    document: Mapping[str, Any]
    form: str
    scope: str
    truth: Truth
    templates: int
    """A family."""

    @property
    def holds(self) -> bool:
        """Whether the claim is true."""
        return self.truth == "true"


@dataclass(frozen=True)
class Draft:
    """What a recipe decides."""

    quantity: str
    effects: Mapping[str, float]
    expect: Mapping[str, Any]
    control: float = 0.1
    """What a typical draw of the control does, as a multiple of the effect."""
    other_control: Mapping[str, float] = field(default_factory=dict)
    """The same at single components."""
    spread: float = 1.0
    """Of the numbers, relative to other recipes'."""


Recipe = Callable[[random.Random, Truth], Draft]

_recipes: dict[str, Recipe] = {}


def recipe(name: str) -> Callable[[Recipe], Recipe]:
    """Decorator: register how claims of a form, or of one kind of them, are drawn."""

    def register(draft: Recipe) -> Recipe:
        _recipes[name] = draft
        return draft

    return register


def names() -> tuple[str, ...]:
    """The recipes, in order."""
    return tuple(_recipes)


def claims(count: int, seed: int, scope: str, sizes: tuple[int, ...] = SIZES) -> Iterator[Known]:
    """`count` claims of every recipe, in turn true and false."""
    for name, draft in _recipes.items():
        for number in range(count):
            truth = TRUTHS[number % len(TRUTHS)]
            chance = random.Random(f"{name} {scope} {seed} {number}")
            templates = sizes[number // len(TRUTHS) % len(sizes)]
            yield _known(name, draft(chance, truth), truth, scope, templates, chance, number)


def _known(
    name: str, draft: Draft, truth: Truth, scope: str, templates: int, chance: random.Random, number: int
) -> Known:
    families = draft.spread * chance.uniform(0.3, 1.5)
    world = {
        "seed": chance.randrange(2**31),
        "effects": dict(draft.effects),
        "families": families,
        "fixed": scope == "in_suite",
        "templates": draft.spread * chance.uniform(0.5, 2.0),
        "items": draft.spread * chance.uniform(0.2, 1.0),
        "common": draft.spread * chance.uniform(0.2, 1.0),
        "tails": chance.choice(("normal", "skewed", "heavy")),
        "control": dict.fromkeys(draft.effects, draft.control) | dict(draft.other_control),
        "draws": draft.spread * chance.uniform(0.2, 0.7),
    }
    if scope == "beyond_suite" and truth == "true" and not _in_most_families(draft, families, chance):
        truth = "false"
    document = {
        "claim": "simulated/" + f"{name}-{scope}-{number}".replace(", ", "-").replace(" ", "-").replace("_", "-"),
        "statement": f"A simulated claim of form {draft.expect['form']}.",
        "model": MODEL,
        "suite": f"simulated-{templates}",
        "metric": {"evaluator": "simulated", "quantity": draft.quantity, "world": world},
        "counterfactual": {"intervention": "zero"},
        "robustness": [{"intervention": "mean"}],
        "control": {"kind": "matched_norm_noise", "draws": 20, "ratio": 1.5},
        "expect": {**draft.expect, "scope": scope},
        "threshold": {"high": 0.995, "medium": 0.95},
    }
    return Known(document, name, scope, truth, templates)


def _in_most_families(draft: Draft, spread: float, chance: random.Random) -> bool:
    """Whether the claimed component beats all others in more than half of 10,000 families."""
    if draft.expect["form"] != "top_component":
        return True
    logarithmic, own = draft.quantity == "positive", draft.expect["component"]
    level = {site: math.log(effect) if logarithmic else effect for site, effect in draft.effects.items()}
    wins = 0
    for _ in range(FAMILIES):
        drawn = {site: chance.gauss(mean, spread) for site, mean in level.items()}
        wins += max(drawn, key=lambda site: drawn[site]) == own
    return wins > FAMILIES / 2


FAMILIES = 10_000
"""From which it is measured what holds in most families."""


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
    return Draft("positive", rivals | {top: effect * factor}, {"form": "top_component", "component": top})


@recipe("top_component, signed")
def _top_signed(chance: random.Random, truth: Truth) -> Draft:
    effect = chance.uniform(1, 3)
    gap = {"true": 1.0, "false": -chance.uniform(0.2, 1), "at the bound": 0.0}[truth]
    rivals = {f"L{i}": effect * chance.uniform(0.2, 1) for i in range(6) if i != 2} | {"L4": effect}
    return Draft("signed", rivals | {"L2": effect + gap}, {"form": "top_component", "component": "L2"})


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
