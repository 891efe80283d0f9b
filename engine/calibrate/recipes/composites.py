"""engine: recipes of claims over other claims, each of which is a claim about a simulated world."""

from __future__ import annotations

import random

from ..worlds import MODEL, ONE_FAMILY, OTHER, STRONG, TRAININGS, Draft, Over, Truth, draw, recipe

PARTS = ("threshold", "threshold, share", "ratio", "top_component, signed", "proportion")

SEEDS = 24

CLEAR = 20.0
"""How many times its bound an effect is that clears it in every training in which it is there."""


@recipe("composite", scopes=("in_suite",))
def _composite(chance: random.Random, truth: Truth) -> Over:
    """Two or three claims; where it is false one of them is, by as little as can be where it is so at the bound."""
    names = chance.sample(PARTS, chance.choice((2, 3)))
    wrong = chance.randrange(len(names))
    truths: list[Truth] = [truth if number == wrong else "true" for number in range(len(names))]
    parts = [draw(name, chance, each) for name, each in zip(names, truths, strict=True)]
    return Over(tuple(part for part in parts if isinstance(part, Draft)), {"form": "composite"})


@recipe("migration", scopes=("in_suite",))
def _migration(chance: random.Random, truth: Truth) -> Over:
    """L2 is on top in one model, L4 in the other; false: L2 there too, and at the bound they tie."""
    effect = chance.uniform(0.1, 1)
    rest = {f"L{i}": effect * chance.uniform(0.2, 1) for i in range(6)}
    here, there = rest | {"L2": STRONG * effect, "L4": effect}, rest | {"L2": effect, "L4": STRONG * effect}
    second = "L4"
    if truth == "at the bound":
        there["L2"] = there["L4"]
    elif truth == "false":
        there, second = here, chance.choice(("L2", "L4"))
    world = {"models": {MODEL: here, OTHER: there}}

    def part(model: str, component: str) -> Draft:
        expect = {"form": "top_component", "component": component}
        return Draft("positive", here, expect, world=world, fields={"model": model})

    return Over((part(MODEL, "L2"), part(OTHER, second)), {"form": "migration"}, one_world=True)


@recipe("stability", scopes=("in_suite",))
def _stability(chance: random.Random, truth: Truth) -> Over:
    """An effect is there in so many of all trainings; in the others it is at its own bound, or below it."""
    share, bound = chance.uniform(0.5, 0.8), chance.uniform(0.02, 0.2)
    true_share = {"true": 0.99, "false": share - chance.uniform(0.1, 0.4), "at the bound": share}[truth]
    there = [chance.random() < true_share for _ in range(SEEDS)]
    without = bound / chance.choice((1, 4))
    models = {name: {"L1": bound * CLEAR if has else without} for name, has in zip(TRAININGS, there, strict=False)}
    expect = {"form": "threshold", "component": "L1", "at_least": bound}

    def part(name: str) -> Draft:
        fields = {"model": name, "suite": ONE_FAMILY}
        return Draft("positive", {"L1": bound}, expect, world={"models": models}, fields=fields)

    return Over(tuple(map(part, models)), {"form": "stability", "at_least": share}, one_world=True)
