"""evaluators/pocket: everything that decides a pocket model's weights, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ...specs.base import Name, Spec
from ...specs.canonical import digest
from ...specs.library import Library

RECIPES = Path(__file__).parent / "recipes"


class Rows(Spec):
    """Rows of random words that go into one step."""

    count: int
    length: int
    """Tokens of each."""
    share: float = 1.0
    """How much their mean loss counts in the step."""


class Warmup(Spec):
    """Teaches looking up what stood after a word: first repeats, then look-ups; without the first the second fail."""

    repeat_steps: int
    repeats: Rows
    """Of each of these steps."""
    lookup_steps: int
    lookups: Rows
    """Of each of these steps."""
    kept_repeats: Rows
    """Repeats beside the look-ups."""
    kept_lookups: Rows
    """Look-ups beside the tasks, which would wipe them out."""


class LaterRun(Spec):
    """A shorter run from the weights of the one before, as bfloat16 rounds them, with fresh optimizers."""

    extra: dict[str, int]
    """Task families seen more often than in the first run: these times are added to its mixture."""
    steps: int
    """Steps, without look-ups."""
    pace: float
    """Step size at the start, relative to the first run's; it falls to zero in a line."""


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
    mixture: dict[str, int]
    """Task families of the training stream, and how often each is seen relative to the others. In a file, a suite
    stands for its families; a family named twice is seen as often as both say."""
    seed: int
    warmup: Warmup
    steps: int
    """Steps on the training stream, after the warm-up; only the tokens of the answer count."""
    pure_steps: int
    """The last of these steps, without look-ups."""
    batch: int
    """Examples a step."""
    muon: dict[str, float]
    """Arguments of torch.optim.Muon, for the matrices of the layers."""
    adamw: dict[str, float | list[float]]
    """Arguments of torch.optim.AdamW, for embeddings, biases and the gains of norms."""
    gain_lr: float
    """Step size for the gains of norms: at ten times this the warm-up shuts most MLPs off for good."""
    cooldown: float
    """Fraction of the steps over which the step size falls to zero, at the end."""
    later: dict[str, LaterRun]
    """The runs after the first, in order; each has a name, so that a recipe `like` this one can change it."""

    @property
    def families(self) -> tuple[str, ...]:
        """The task families."""
        return tuple(self.mixture)

    @property
    def stream(self) -> tuple[str, ...]:
        """The task families, each as often as the mixture says."""
        return tuple(family for family, times in self.mixture.items() for _ in range(times))

    def later_stream(self, run: LaterRun) -> tuple[str, ...]:
        """The same for a later run."""
        return (*self.stream, *(family for family, times in run.extra.items() for _ in range(times)))

    @property
    def all_steps(self) -> int:
        """Times the weights move in the first run."""
        return self.warmup.repeat_steps + self.warmup.lookup_steps + self.steps

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
    fields = _fields(name)
    return Recipe.model_validate(fields | {"mixture": _families(fields["mixture"])})


def _fields(name: str) -> dict[str, Any]:
    """What the file says, on top of the recipe it is `like`, if it names one; `null` takes an entry away."""
    fields: dict[str, Any] = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    base = fields.pop("like", None)
    return _merged(_fields(base), fields) if base else fields


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(base[key], changes[key]) for key in base if isinstance(changes.get(key), dict)}
    return {key: value for key, value in (base | changes | both).items() if value is not None}


def _families(mixture: dict[str, int]) -> dict[str, int]:
    library, shares = Library(), dict[str, int]()
    for name, times in mixture.items():
        for family in (library.suite(name).families or ()) if name in library.suites else (name,):
            shares[family] = shares.get(family, 0) + times
    return {family: times for family, times in shares.items() if times}
