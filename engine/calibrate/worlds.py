"""engine: claims on simulated numbers whose truth is known by construction; `recipes` says how each form's are drawn.

Half of the false claims of a form are false by as little as can be: their truth is exactly the bound, two components
tie exactly, or the control does exactly what it may not. Each has twelve families, 10 or 30 templates of each, and
twenty draws.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal, TypeVar

Truth = Literal["true", "false", "at the bound"]
"""`at the bound` is false, too: every claim says more than its bound."""

TRUTHS: tuple[Truth, ...] = ("true", "true", "false", "at the bound")
"""In turn, so that half of the claims are true."""

SIZES = (10, 30)
"""Templates a family, as claims have by default; fewer are not graded."""

ONE_FAMILY = "simulated-one-family"
"""A suite of thirty templates of one family."""

MODEL = "pocket-qwen"
"""Gives the clean pass and the positive control; its numbers enter no claim."""

OTHER = "pocket-llama"
"""Likewise, where a claim is about two models."""

TRAININGS = tuple(f"simulated-training-{number:02d}" for number in range(1, 31))
"""Likewise, where a claim is about models that differ in their training seed."""

STRONG = 2.0
"""A true effect, as a multiple of what it must exceed."""

FAMILIES = 10_000
"""From which it is measured what holds in most families."""


@dataclass(frozen=True)
class Known:
    """A claim and its truth."""

    documents: tuple[Mapping[str, Any], ...]
    """The claim's own is the last; before it those of the claims that it rests on."""
    recipe: str
    """By which it was drawn: `threshold, at most`."""
    scope: str
    truth: Truth
    templates: int
    """A family."""

    @property
    def document(self) -> Mapping[str, Any]:
        """The claim's own."""
        return self.documents[-1]

    @property
    def holds(self) -> bool:
        """Whether the claim is true."""
        return self.truth == "true"


@dataclass(frozen=True)
class Draft:
    """What a recipe decides of a measured claim."""

    quantity: str
    effects: Mapping[str, float]
    expect: Mapping[str, Any] | Callable[[Mapping[str, Any]], Mapping[str, Any]]
    """Form and bound; a function is given the world, from which it measures where the bound is."""
    control: float = 0.1
    """What a typical draw of the control does, as a multiple of the effect."""
    other_control: Mapping[str, float] = field(default_factory=dict)
    """The same at single components."""
    spread: float = 1.0
    """Of the numbers, relative to other recipes'."""
    in_family: Callable[[Mapping[str, float]], bool] | None = None
    """Whether the claim is true of a family in which the components have these effects (logarithms, where they are
    positive): a true claim is so in most of 10,000, for which they are made more alike where need be. None: the claim
    is held against what is typical of families."""
    world: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the world, in place of those that are drawn."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the claim, in place of the usual ones."""


@dataclass(frozen=True)
class Over:
    """What a recipe decides of a claim over other claims."""

    parts: tuple[Draft, ...]
    expect: Mapping[str, Any]
    """Form and bound; which claims it rests on is added."""
    one_world: bool = False
    """Whether all the parts are about one world; otherwise each has its own."""


Recipe = Callable[[random.Random, Truth], Draft | Over]

SCOPES = ("in_suite", "beyond_suite")

_recipes: dict[str, tuple[Recipe, tuple[str, ...]]] = {}


R = TypeVar("R", bound=Recipe)


def recipe(name: str, scopes: tuple[str, ...] = SCOPES) -> Callable[[R], R]:
    """Decorator: register how claims of a form, or of one kind of them, are drawn, for the scopes of known truth."""

    def register(draft: R) -> R:
        _recipes[name] = draft, scopes
        return draft

    return register


def names(scope: str) -> tuple[str, ...]:
    """The recipes for a scope, in order."""
    import_module(f"{__package__}.recipes")
    return tuple(name for name, (_, scopes) in _recipes.items() if scope in scopes)


def form_of(name: str) -> str:
    """The form that a recipe is of: what stands before the comma."""
    return name.partition(",")[0]


def draw(name: str, chance: random.Random, truth: Truth) -> Draft | Over:
    """What a recipe decides."""
    return _recipes[name][0](chance, truth)


def claims(count: int, seed: int, scope: str, sizes: tuple[int, ...] = SIZES) -> Iterator[Known]:
    """`count` claims of every form, in turn true and false; recipes of one form have equal shares of them."""
    forms = Counter(form_of(name) for name in names(scope))
    for name in names(scope):
        for number in range(math.ceil(count / forms[form_of(name)] / len(TRUTHS)) * len(TRUTHS)):
            truth = TRUTHS[number % len(TRUTHS)]
            chance = random.Random(f"{name} {scope} {seed} {number}")
            templates = sizes[number // len(TRUTHS) % len(sizes)]
            slug = f"{name}-{scope}-{number}".replace(", ", "-").replace(" ", "-").replace("_", "-")
            draft = draw(name, chance, truth)
            if isinstance(draft, Over):
                documents = _over(draft, f"simulated/{slug}", scope, templates, chance)
            else:
                document = measured(draft, f"simulated/{slug}", scope, templates, chance)
                while scope == "beyond_suite" and truth == "true" and not _in_most_families(draft, document, chance):
                    alike = {"families": 0.8 * document["metric"]["world"]["families"]}
                    draft = replace(draft, world={**draft.world, **alike})
                    document = measured(draft, f"simulated/{slug}", scope, templates, chance)
                documents = (document,)
            yield Known(documents, name, scope, truth, templates)


def _over(over: Over, claim: str, scope: str, templates: int, chance: random.Random) -> tuple[Mapping[str, Any], ...]:
    state, parts = chance.getstate(), []
    for number, draft in enumerate(over.parts, 1):
        if over.one_world:
            chance.setstate(state)
        parts.append(measured(draft, f"{claim}-{number}", scope, templates, chance))
    expect = {**over.expect, "claims": [part["claim"] for part in parts]}
    return *parts, {"claim": claim, "statement": "A claim about simulated claims.", "expect": expect}


def measured(draft: Draft, claim: str, scope: str, templates: int, chance: random.Random) -> Mapping[str, Any]:
    """The document of a claim, about a world whose spreads, tails and sizes vary."""
    world = {
        "families": draft.spread * chance.uniform(0.3, 1.5),
        "seed": chance.randrange(2**31),
        "effects": dict(draft.effects),
        "fixed": scope == "in_suite",
        "templates": draft.spread * chance.uniform(0.5, 2.0),
        "items": draft.spread * chance.uniform(0.2, 1.0),
        "common": draft.spread * chance.uniform(0.2, 1.0),
        "tails": chance.choice(("normal", "skewed", "heavy")),
        "control": dict.fromkeys(draft.effects, draft.control) | dict(draft.other_control),
        "draws": draft.spread * chance.uniform(0.2, 0.7),
        **draft.world,
    }
    expect = draft.expect(world) if callable(draft.expect) else draft.expect
    metric = {"evaluator": "simulated", "quantity": draft.quantity, "world": world}
    own = {"suite": f"simulated-{templates}", "metric": metric, "expect": {**expect, "scope": scope}}
    return {**measured_claim(claim), **own, **draft.fields}


def measured_claim(name: str) -> dict[str, Any]:
    """A claim about a world with a single component."""
    world = {"seed": 0, "effects": {"L1": 1.0}, "control": {"L1": 0.1}}
    return {
        "claim": name,
        "statement": "A claim about simulated numbers.",
        "model": MODEL,
        "suite": ONE_FAMILY,
        "metric": {"evaluator": "simulated", "quantity": "positive", "world": world},
        "counterfactual": {"intervention": "zero"},
        "robustness": [{"intervention": "mean"}],
        "control": {"kind": "matched_norm_noise", "draws": 20, "ratio": 1.5},
        "expect": {"form": "threshold", "component": "L1", "at_least": 0.5},
        "threshold": {"high": 0.995, "medium": 0.95},
    }


def _in_most_families(draft: Draft, document: Mapping[str, Any], chance: random.Random) -> bool:
    """Whether a claim is true of more than half of 10,000 families."""
    if draft.in_family is None:
        return True
    logarithmic, spread = draft.quantity == "positive", document["metric"]["world"]["families"]
    level = {site: math.log(effect) if logarithmic else effect for site, effect in draft.effects.items()}
    holds = sum(
        draft.in_family({site: chance.gauss(mean, spread) for site, mean in level.items()}) for _ in range(FAMILIES)
    )
    return holds > FAMILIES / 2
