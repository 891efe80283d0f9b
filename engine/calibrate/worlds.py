"""engine: claims on simulated numbers whose truth is known by construction, one recipe a form.

Half of the false claims of a form are false by as little as can be: their truth is exactly the bound, two components
tie exactly, or the control does exactly what it may not. Each has twelve families, 3, 10 or 30 templates of each, and
twenty draws.
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
    recipe: str
    """By which it was drawn: `threshold, at most`."""
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

SCOPES = ("in_suite", "beyond_suite")

_recipes: dict[str, tuple[Recipe, tuple[str, ...]]] = {}


def recipe(name: str, scopes: tuple[str, ...] = SCOPES) -> Callable[[Recipe], Recipe]:
    """Decorator: register how claims of a form, or of one kind of them, are drawn, for the scopes of known truth."""

    def register(draft: Recipe) -> Recipe:
        _recipes[name] = draft, scopes
        return draft

    return register


def names(scope: str) -> tuple[str, ...]:
    """The recipes for a scope, in order."""
    return tuple(name for name, (_, scopes) in _recipes.items() if scope in scopes)


def claims(count: int, seed: int, scope: str, sizes: tuple[int, ...] = SIZES) -> Iterator[Known]:
    """`count` claims of every recipe, in turn true and false."""
    for name in names(scope):
        draft = _recipes[name][0]
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


@recipe("rank", scopes=("in_suite",))
def _rank(chance: random.Random, truth: Truth) -> Draft:
    """Among the three largest, of which two are out of reach; at the bound it ties with another for the third place."""
    effect = chance.uniform(0.1, 0.5)
    own = {"true": STRONG, "false": 1 / chance.uniform(1.2, 4), "at the bound": 1.0}[truth]
    effects = {"L0": 8 * effect, "L1": 8 * effect, "L2": own * effect, "L3": effect, "L4": effect / 3, "L5": effect / 5}
    return Draft("positive", effects, {"form": "rank", "component": "L2", "within": 3})


@recipe("monotone", scopes=("in_suite",))
def _monotone(chance: random.Random, truth: Truth) -> Draft:
    """Six steps up; at the bound two neighbours tie, and where it is false they go down."""
    effects = {f"L{i}": 0.02 * 4**i for i in range(6)}
    step = chance.randrange(5)
    if truth != "true":
        effects[f"L{step + 1}"] = effects[f"L{step}"] / (1 if truth == "at the bound" else chance.uniform(1.2, 3))
    control = {name: 0.05 / effect for name, effect in effects.items()}
    return Draft("positive", effects, {"form": "monotone", "components": list(effects)}, other_control=control)


@recipe("equality", scopes=("in_suite",))
def _equality(chance: random.Random, truth: Truth) -> Draft:
    """Within a factor of three, in either direction."""
    effect, margin = chance.uniform(0.1, 0.5), 3.0
    factor = {"true": 1.0, "false": margin * chance.uniform(1.2, 2), "at the bound": margin}[truth]
    sides = {"test": {"component": "L1"}, "reference": {"component": "L3"}}
    effects = {"L1": effect * factor ** chance.choice((-1, 1)), "L3": effect}
    return Draft("positive", effects, {"form": "equality", **sides, "factor": margin}, control=50.0)


@recipe("non_inferiority")
def _non_inferiority(chance: random.Random, truth: Truth) -> Draft:
    """At least a third of the other."""
    effect, margin = chance.uniform(0.1, 0.5), 3.0
    factor = {"true": 1.0, "false": 1 / (margin * chance.uniform(1.2, 2)), "at the bound": 1 / margin}[truth]
    sides = {"test": {"component": "L1"}, "reference": {"component": "L3"}}
    expect = {"form": "non_inferiority", **sides, "factor": margin, "larger": "better"}
    return Draft("positive", {"L1": effect * factor, "L3": effect}, expect, control=0.02)
