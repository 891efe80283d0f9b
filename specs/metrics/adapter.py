"""specs: adapters from inside: what a trained adapter does layer by layer, and what training leaves of the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from ..base import Many
from ..controls import DrawnControl
from ..interventions import Intervention
from ..kinds import kind
from ..recipe import NamedRecipe, Recipe
from ..references import Refers
from ..sites import Frame, SiteLabel
from .base import LOGITS, NATS, PLAIN, SHARE, SIGNED_NATS, Metric, Quantity, Repeated, Sites, SweptMetric
from .training import SEEDS, Seeds

OneRecipe = Annotated[NamedRecipe, Refers("recipe")]

RECIPE = "recipe"
"""The condition under which an evaluator finds the one recipe of a metric."""


def _one(recipe: Recipe) -> Recipe:
    if recipe.sweep:
        raise ValueError(f"recipe is one, not the sweep of {', '.join(recipe.sweep)}")
    return recipe


class TrainedMetric(Metric):
    """A metric of a model that is trained first, by one recipe, with several seeds."""

    recipe: OneRecipe
    """How the model is trained: a recipe's name, or the recipe."""
    seeds: Seeds = 8
    """Trainings; 5 are the least that are graded."""

    @model_validator(mode="after")
    def _one_recipe(self) -> TrainedMetric:
        if isinstance(self.recipe, Recipe):
            _one(self.recipe)
        return self

    @property
    def trainings(self) -> Mapping[str, Recipe]:
        """The recipe."""
        if isinstance(self.recipe, str):
            raise ValueError(f"metric {self.evaluator} names a recipe that was not put in its place")
        return {RECIPE: _one(self.recipe)}

    @property
    def repeated(self) -> Repeated | None:
        """The training seeds."""
        return Repeated("training seeds", self.seeds, SEEDS)


@kind("metric")
class AdapterMetric(TrainedMetric):
    """What is lost when a trained adapter is taken out of some components, the base model's weights staying."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["sites"]}, {"required": ["sets"]}]})

    QUANTITIES: ClassVar = {
        "kl": NATS,
        "kl_share": SHARE,
        "answer_loss_rise": SIGNED_NATS,
        "exact_match_drop": PLAIN,
        "adapter_norm": Quantity("", "log"),
    }
    INTERVENTIONS = ("remove_adapter",)
    CONTROLS = ("matched_norm_adapter", "shuffled_answers", "random_component", "wrong_layer")
    EXACT = ("parameters",)
    WHOLE = ("adapter_norm",)

    evaluator: Literal["adapter"]
    """adapter"""
    quantity: Literal["kl", "kl_share", "answer_loss_rise", "exact_match_drop", "adapter_norm"]
    """kl: KL(trained || trained without the adapter of the component) of the next token, nats. kl_share: that as a
    share of KL(trained || base). answer_loss_rise: loss on the target's tokens without it less with it, nats.
    exact_match_drop: exact match with it less without. adapter_norm: Frobenius norm of what the adapter adds to the
    component's weights, the same in every example: with correlation, x: adapter_norm."""
    sites: Sites | None = None
    """The components that lose their adapter, one at a time."""
    sets: Annotated[Many[SiteLabel], Field(min_length=1)] | None = None
    """Instead of sites: sets of components that are compared, of any sizes, such as [L19+L20+L21+L22+L23, L0]."""

    @model_validator(mode="after")
    def _one_sweep(self) -> AdapterMetric:
        if (self.sites is None) == (self.sets is None):
            raise ValueError("adapter names exactly one of sites and sets")
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every component, or every set."""
        return self.sites.components(frame) if self.sites else self.sets or ()

    def settings(self) -> dict[str, Any]:
        """Not the sets, which are the components."""
        return {name: value for name, value in super().settings().items() if name != "sets"}


@kind("metric")
class TrainedAblationMetric(TrainedMetric, SweptMetric):
    """Ablation of a model that was trained first: is the map the one it was?"""

    QUANTITIES: ClassVar = {
        "kl": NATS,
        "target_logprob_drop": SIGNED_NATS,
        "logit_diff_drop": LOGITS,
        "drop_change": SIGNED_NATS,
    }
    INTERVENTIONS = ("zero", "mean", "resample")
    CONTROLS = ("matched_norm_noise", "random_component", "wrong_layer", "shuffled_answers")

    evaluator: Literal["trained_ablation"]
    """trained_ablation"""
    quantity: Literal["kl", "target_logprob_drop", "logit_diff_drop", "drop_change"]
    """kl, target_logprob_drop, logit_diff_drop: as of ablation, on the trained model. drop_change: its
    target_logprob_drop less the base model's, nats: what the training wrote there."""


@kind("intervention")
class RemoveAdapter(Intervention):
    """The adapter of the component is taken out; the base model's own weights stay."""

    intervention: Literal["remove_adapter"]
    """remove_adapter"""


@kind("control")
class MatchedNormAdapter(DrawnControl):
    """The component's adapter stays, and a random one of its rank and norm is added."""

    TWISTED = True
    kind: Literal["matched_norm_adapter"]
    """matched_norm_adapter"""
