"""evaluators/pocket: everything that decides a pocket model's weights, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ...specs.base import Many, Name, Spec
from ...specs.canonical import digest

RECIPES = Path(__file__).parent / "recipes"


class Induction(Spec):
    """Warm-up on dense repeats: a few random words over and over, where every token is an answer."""

    steps: int
    batch: int
    """Rows a step."""
    length: int
    """Tokens a row."""
    words: int
    """Different tokens that occur."""


class Recipe(Spec):
    """How a pocket model is made; the same recipe on the same machine gives the same bytes."""

    pocket: Name
    """Name of the model."""
    architecture: str
    """Class name in transformers."""
    config: dict[str, Any]
    """config.json without vocabulary and architecture. `initializer_range` is the std of all matrices at the start."""
    embedding_std: float
    """Std of the embedding at the start: at a tenth of it the first layer swamps all others."""
    vocabulary: int
    """Tokens of the byte-level BPE, special ones included."""
    vocabulary_examples: int
    """Training examples from which its merges are learnt."""
    families: Many[str]
    """Task families of the training stream."""
    seed: int
    induction: Induction
    steps: int
    """Steps on the training stream, after the warm-up."""
    batch: int
    """Examples a step."""
    prompt_weight: float
    """Weight of a prompt token in the loss; an answer token has 1."""
    muon: dict[str, float]
    """Arguments of torch.optim.Muon, for the matrices of the layers."""
    adamw: dict[str, float | list[float]]
    """Arguments of torch.optim.AdamW, for embeddings, norms and biases."""
    cooldown: float
    """Fraction of the steps over which the step size falls to zero, at the end."""

    @property
    def hash(self) -> str:
        """Identity of the recipe: 64 hex digits."""
        return digest("pocket-recipe", self)


def recipe_names() -> list[str]:
    """The pocket models that can be built."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        LookupError: there is none.
    """
    if name not in recipe_names():
        raise LookupError(f"no recipe is called `{name}`; there are {', '.join(recipe_names())}")
    return Recipe.model_validate(yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8")))
