"""specs: training: what a model does after it is trained by one recipe or another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..controls import DrawnControl, Draws
from ..interventions import Intervention
from ..kinds import kind
from ..recipe import NamedRecipe, Recipe
from ..references import Refers
from ..sites import ConditionName
from .base import NATS, PLAIN, SIGNED_NATS, ConditionMetric, Quantity, Repeated, Sites

SEEDS = 5
"""Fewer trainings than this are not graded."""

Seeds = Annotated[int, Field(ge=1, le=100)]
Recipes = Annotated[dict[ConditionName, NamedRecipe], Field(min_length=1), Refers("recipe")]


def conditions_of(recipes: Mapping[str, str | Recipe]) -> dict[str, Recipe] | None:
    """Condition -> its training, sweeps spread out; None while a recipe is only named."""
    found: dict[str, Recipe] = {}
    for name, recipe in recipes.items():
        if isinstance(recipe, str):
            return None
        found |= recipe.conditions(name)
    return found


@kind("metric")
class TrainingMetric(ConditionMetric):
    """What a model does on held-out examples after it is trained; each number comes of one whole training.

    The conditions are recipes: the claim's model is trained by each with every seed, and all of them are measured on
    the same examples. A recipe with a sweep stands for one condition a label.
    """

    QUANTITIES: ClassVar = {
        "exact_match": PLAIN,
        "exact_match_gain": PLAIN,
        "answer_loss": NATS,
        "answer_loss_drop": SIGNED_NATS,
        "training_loss": NATS,
        "kl_from_base": NATS,
        "preferred": PLAIN,
        "reward": PLAIN,
        "map_agreement": PLAIN,
        "merge_gap": NATS,
        "peak_memory": Quantity("bytes", "log"),
        "duration": Quantity("s", "log"),
    }
    INTERVENTIONS = ("train",)
    CONTROLS = ("random_matched_layers", "shuffled_answers", "permuted_conditions")
    EXACT = ("parameters", "bytes")
    WHOLE = ("training_loss", "duration", "peak_memory")
    OF_MACHINE = ("duration", "peak_memory")
    DISCOVERY = True

    evaluator: Literal["training"]
    """training"""
    quantity: Literal[
        "exact_match",
        "exact_match_gain",
        "answer_loss",
        "answer_loss_drop",
        "training_loss",
        "kl_from_base",
        "preferred",
        "reward",
        "map_agreement",
        "merge_gap",
        "peak_memory",
        "duration",
    ]
    """On the suite's examples, which no recipe is trained on: exact_match: 1 where greedy decoding gives the whole
    target. exact_match_gain: that less the base model's. answer_loss: mean negative log-probability of the target's
    tokens, nats; answer_loss_drop: the base model's less that. kl_from_base: KL(base || trained) of the next token,
    nats: how far the training moved the model there. preferred: 1 where the target is likelier than the wrong target.
    reward: of a sampled answer, as grpo rewards it. map_agreement: Spearman's correlation of the ablation effects of
    the components of `map` with those in the condition `reference`, in each example. merge_gap: KL(with the adapter ||
    with the adapter merged into the weights), nats. The others are one number a training: training_loss: mean over
    answer tokens of the last tenth of the steps, nats; peak_memory: bytes that training took at most, measured, or
    counted from weights, gradients and optimizer states where it does not fit; duration: seconds."""
    recipes: Recipes
    """Condition -> a recipe's name, or the recipe. A sweep brings its own labels."""
    seeds: Seeds = 8
    """Trainings of each condition; 5 are the least that are graded."""
    map: Sites | None = None
    """map_agreement: the components of the map."""
    reference: ConditionName | None = None
    """map_agreement: the condition whose map the others are compared with."""

    @model_validator(mode="after")
    def _fitting(self) -> TrainingMetric:
        maps = self.quantity == "map_agreement"
        if maps != (self.map is not None) or maps != (self.reference is not None):
            raise ValueError("map and reference belong to map_agreement, which needs both")
        known = self.conditions
        if maps and known is not None and self.reference not in known:
            raise ValueError(f"reference is `{self.reference}`, but the conditions are {', '.join(known)}")
        return self

    @property
    def conditions(self) -> tuple[str, ...] | None:
        """The recipes, and those of sweeps."""
        found = conditions_of(self.recipes)
        return None if found is None else tuple(found)

    @property
    def trainings(self) -> Mapping[str, Recipe]:
        """The recipes, and those of sweeps."""
        found = conditions_of(self.recipes)
        if found is None:
            raise ValueError("metric training names recipes that were not put in their place")
        return found

    @property
    def repeated(self) -> Repeated:
        """The training seeds."""
        return Repeated("training seeds", self.seeds, SEEDS)

    def settings(self) -> dict[str, Any]:
        """`also`: merge_gap, which takes passes of its own, and peak_memory, which takes none."""
        also = {"also": self.quantity} if self.quantity in ("merge_gap", "peak_memory") else {}
        return super().settings() | also


@kind("intervention")
class Train(Intervention):
    """The model is trained by the condition's recipe; without it, it is the base model."""

    intervention: Literal["train"]
    """train"""


@kind("control")
class RandomMatchedLayers(DrawnControl):
    """The condition's recipe with other layers, drawn at random: as many modules of each kind, as many parameters.

    The draws take turns with the training seeds, so that twenty draws are twenty trainings and not 160.
    """

    TWISTED = True
    kind: Literal["random_matched_layers"]
    """random_matched_layers"""
    draws: Draws = 20
    """Distinct choices of layers, of which the model must have so many."""


@kind("control")
class ShuffledAnswers(DrawnControl):
    """The condition's recipe on the same prompts, their answers dealt out anew: what is learnt without the task."""

    TWISTED = True
    kind: Literal["shuffled_answers"]
    """shuffled_answers"""


@kind("control")
class PermutedConditions(DrawnControl):
    """Which condition a number belongs to is dealt anew, within each example: an association that needs no recipe.

    Nothing is run for it; where trainings are repeated, the draws take turns with them.
    """

    REARRANGED = True
    kind: Literal["permuted_conditions"]
    """permuted_conditions"""
