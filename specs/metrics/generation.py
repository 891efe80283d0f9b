"""specs: what models write, decided by a program or by judges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..base import Many
from ..controls import DrawnControl
from ..interventions import Intervention
from ..judge import Judge, NamedJudge
from ..kinds import kind
from ..model import Model, NamedModel
from ..recipe import NamedRecipe, Recipe
from ..references import Refers
from ..sites import ConditionName
from .base import NATS, PLAIN, ConditionMetric, Quantity, Repeated
from .training import SEEDS, Seeds, conditions_of

OWN = "as_is"
"""The condition that a metric without recipes and models has: the claim's own model."""

Models = Annotated[dict[ConditionName, NamedModel], Refers("model")]


class _Written(ConditionMetric):
    """Answers of the claim's model after each recipe, or of each of several models, to the suite's prompts."""

    models: Models = Field(default_factory=dict)
    """Condition -> a model's name, or the model."""
    recipes: Annotated[dict[ConditionName, NamedRecipe], Refers("recipe")] = Field(default_factory=dict)
    """Condition -> a recipe by which the claim's model is trained first."""
    seeds: Seeds = 8
    """Trainings of each recipe; 5 are the least that are graded."""

    @model_validator(mode="after")
    def _distinct(self) -> _Written:
        if both := {*self.models} & {*self.recipes}:
            raise ValueError(f"recipes.{min(both)} is a condition of models, too")
        return self

    @property
    def conditions(self) -> tuple[str, ...] | None:
        """Models and recipes; the claim's own model where there are none of either."""
        found = conditions_of(self.recipes)
        return None if found is None else (*self.models, *found) or (OWN,)

    @property
    def repeated(self) -> Repeated | None:
        """The training seeds, where there is a training."""
        return Repeated("training seeds", self.seeds, SEEDS) if self.recipes else None

    @property
    def measured_by(self) -> str:
        """The evaluator that writes the answers."""
        return "generation"

    @property
    def variants_of(self) -> Mapping[str, str | Model]:
        """The models."""
        return self.models

    @property
    def trainings(self) -> Mapping[str, Recipe]:
        """The recipes, and those of sweeps."""
        found = conditions_of(self.recipes)
        if found is None:
            raise ValueError(f"metric {self.evaluator} names recipes that were not put in their place")
        return found

    def settings(self) -> dict[str, Any]:
        """Nothing: how answers are judged decides nothing about how they are written."""
        return {}


@kind("metric")
class GenerationMetric(_Written):
    """What a program says of the answers: no judge is asked."""

    QUANTITIES: ClassVar = {
        "passed": PLAIN,
        "failed": PLAIN,
        "constraints_met": PLAIN,
        "looped": PLAIN,
        "repetition": Quantity("", "log"),
        "answer_loss": NATS,
    }
    INTERVENTIONS = ("generate",)
    CONTROLS = (
        *("mismatched_outputs", "reference_outputs", "shuffled_tokens", "open_order"),
        *("permuted_conditions", "untrained_model"),
    )

    evaluator: Literal["generation"]
    """generation"""
    quantity: Literal["passed", "failed", "constraints_met", "looped", "repetition", "answer_loss"]
    """passed: 1 where the item's check accepts the answer; failed: where it does not. constraints_met: share of the
    item's constraints that the answer keeps. looped: 1 where the answer repeats itself until it is cut. repetition: one
    plus the share of its 4-grams that occurred before. answer_loss: of the item's reference answer, nats a token."""

    @property
    def judging(self) -> Mapping[str, Any]:
        """Nothing beside the items' own checks."""
        return {}


@kind("metric")
class JudgedMetric(_Written):
    """What judges say of the answers, mean over judges and draws. Judges count once their gate has passed."""

    QUANTITIES: ClassVar = {"score": PLAIN, "won": PLAIN, "answer_loss": NATS, "training_loss": NATS}
    INTERVENTIONS = ("generate",)
    CONTROLS = ("mismatched_outputs", "permuted_conditions", "untrained_model")

    evaluator: Literal["judged"]
    """judged"""
    quantity: Literal["score", "won", "answer_loss", "training_loss"]
    """score: on the rubric's scale, turned so that more is better. won: 1 where the answer is preferred to that of
    `versus` in both orders. answer_loss: of the item's reference answer, nats a token; training_loss: as of training:
    with correlation, x: training_loss."""
    judges: Annotated[Many[NamedJudge], Field(min_length=1), Refers("judge")]
    """Names in specs/library/judges, or judges, of two model families at least: one alone decides nothing."""
    dimension: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "overall"
    """Which of the rubric's dimensions."""
    versus: ConditionName | None = None
    """won: the condition that the others are compared with."""

    @property
    def judging(self) -> Mapping[str, Any]:
        """Who judges, what they are asked, and what answers are compared with; addresses and keys are no part of it."""
        asked = [
            each.model_dump(mode="json", include={"model", "rubric", "sampling", "structured"})
            if isinstance(each, Judge)
            else each
            for each in self.judges
        ]
        return {"judges": asked, "dimension": self.dimension, "versus": self.versus}

    @property
    def panel(self) -> tuple[str, ...]:
        """The judges, by number and model."""
        names = (each.model if isinstance(each, Judge) else each for each in self.judges)
        return tuple(f"{number}:{name}" for number, name in enumerate(names, 1))

    @model_validator(mode="after")
    def _against(self) -> JudgedMetric:
        if (self.quantity == "won") != (self.versus is not None):
            raise ValueError("versus belongs to won, which needs it")
        return self


@kind("intervention")
class Generate(Intervention):
    """The model answers the prompt at length; without it there is no answer.

    An answer ends where the model ends its turn or its text, else after `tokens` tokens or where its context is full.
    In a conversation the model's own answers stand between the turns, each as long; the last one is what counts.
    """

    intervention: Literal["generate"]
    """generate"""
    tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    """Longest answer."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0: greedy, the likeliest token each time."""
    draws: Annotated[int, Field(ge=1, le=20)] = 1
    """Answers to each prompt, where they are drawn; what is measured is their mean."""

    @property
    def word(self) -> str:
        """`generate(256)`, `generate(256,0.7,4)`."""
        drawn = f",{self.temperature:g},{self.draws}" if self.temperature else ""
        return f"generate({self.tokens}{drawn})"

    @model_validator(mode="after")
    def _greedy_once(self) -> Generate:
        if self.draws > 1 and not self.temperature:
            raise ValueError("draws of a greedy answer are all the same: temperature must be above 0")
        return self


@kind("control")
class MismatchedOutputs(DrawnControl):
    """The check, or the judge, is given the answer to another prompt of its category; accepting that says nothing."""

    TWISTED = True
    kind: Literal["mismatched_outputs"]
    """mismatched_outputs"""


@kind("control")
class ReferenceOutputs(DrawnControl):
    """The check is given a right answer, rewritten at random where that changes nothing: case, blanks, order of keys.

    For bounds from above: where a check refuses right answers, that a model fails it says nothing.
    """

    TWISTED = True
    kind: Literal["reference_outputs"]
    """reference_outputs"""


@kind("control")
class ShuffledTokens(DrawnControl):
    """The check is given the answer's tokens in random order: a loop that is found there is found in anything."""

    TWISTED = True
    kind: Literal["shuffled_tokens"]
    """shuffled_tokens"""


@kind("control")
class OpenOrder(DrawnControl):
    """The injected order, drawn from the set, stands in the instruction instead, where it should be followed."""

    TWISTED = True
    kind: Literal["open_order"]
    """open_order"""
