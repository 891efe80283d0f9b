"""evaluators/planted: a planted model, and its truth as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from tokenizers import Tokenizer

from ...specs.model import Model, Source
from ...specs.sites import SiteKind, granularity_of
from ..models.load import LoadedModel
from ..models.locate import Located
from ..tasks.example import Block, Split
from .body import Body
from .prompts import Task, make_block, make_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class PlantedClaim:
    """A claim about ablations of one site at a time, and whether it is true; quantity `kl`."""

    holds: bool
    expect: Mapping[str, Any]
    """As in a claim's file: form, component, bound."""
    counterfactual: Literal["zero", "mean"] = "zero"

    @property
    def granularity(self) -> SiteKind:
        """The sweep it is made over."""
        return granularity_of(self.expect["component"])


@dataclass(frozen=True)
class Truth:
    """What is known of a planted model; JSON all through (`dataclasses.asdict`)."""

    kind: str
    seed: int
    architecture: str
    """qwen2, llama or lfm2."""
    layers: int
    statement: str
    """In one sentence."""
    facts: Mapping[str, Any]
    """What is planted where; the file of the kind says what its names mean."""
    claims: tuple[PlantedClaim, ...]
    """True and false ones, each true or false by a wide margin."""


@dataclass(frozen=True)
class Planted:
    """A genuine transformers model (eval, float32) of known structure."""

    module: PreTrainedModel
    tokenizer: Tokenizer
    task: Task
    truth: Truth
    extras: Mapping[str, Any] = field(default_factory=dict)
    """What the proof of its kind needs beside the facts, such as a second task."""

    @property
    def kind(self) -> str:
        """As in KINDS."""
        return self.truth.kind

    @property
    def seed(self) -> int:
        """With the kind it determines the model."""
        return self.truth.seed

    def examples(self, n: int = 120, seed: int = 0, draw: int = 1, split: Split = "verification") -> Block:
        """`n` unique examples, spread evenly over the split's templates (30 for verification, 10 for discovery)."""
        return make_block(self.module, self.tokenizer, self.task, n, seed, draw, split)

    def token(self, word: str) -> int:
        """The id of a word of the vocabulary."""
        found = self.tokenizer.token_to_id(word)
        assert found is not None, word
        return found

    def loaded(self) -> LoadedModel:
        """The model as evaluators are given it."""
        spec = Model(model=f"planted-{self.kind}-{self.seed}".replace("_", "-"), source=Source(path="planted"))
        located = Located(spec, Path(), {}, self.truth.layers, type(self.module).__name__, Path(), {}, 0)
        return LoadedModel(self.module, self.tokenizer, located, torch.device("cpu"), torch.float32)


def plant(
    body: Body,
    kind: str,
    seed: int,
    vocabulary: Sequence[str],
    task: Task,
    statement: str,
    facts: Mapping[str, Any],
    claims: tuple[PlantedClaim, ...],
    **extras: Any,
) -> Planted:
    """The finished model with its truth; word i of the vocabulary is token i + 1."""
    truth = Truth(kind, seed, body.sizes.architecture, body.sizes.layers, statement, facts, claims)
    return Planted(body.module, make_tokenizer(vocabulary), task, truth, extras)


def top(holds: bool, component: str, counterfactual: Literal["zero", "mean"] = "zero") -> PlantedClaim:
    """The component has the largest typical effect of its sweep."""
    return PlantedClaim(holds, {"form": "top_component", "component": component}, counterfactual)


def at_least(holds: bool, component: str, bound: float) -> PlantedClaim:
    """The component's typical effect is at least `bound` nats."""
    return PlantedClaim(holds, {"form": "threshold", "component": component, "at_least": bound})


def at_most(holds: bool, component: str, bound: float) -> PlantedClaim:
    """The component's typical effect is at most `bound` nats."""
    return PlantedClaim(holds, {"form": "threshold", "component": component, "at_most": bound})
