"""specs: patching between a model and what training made of it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from ..interventions import Intervention
from ..kinds import kind
from ..sites import Frame
from .adapter import TrainedMetric
from .base import NATS, SHARE, SIGNED_NATS, SweptMetric
from .patching import without_given


@kind("metric")
class CrossModelMetric(TrainedMetric, SweptMetric):
    """What the trained model's activations do in the base model, or the other way round, on the same prompt."""

    QUANTITIES: ClassVar = {"recovery": SHARE, "increment": SIGNED_NATS, "kl": NATS}
    INTERVENTIONS = ("trained_into_base", "base_into_trained")
    CONTROLS = ("wrong_donor", "matched_norm_patch", "shuffled_answers", "random_component", "wrong_layer")

    evaluator: Literal["cross_model"]
    """cross_model"""
    quantity: Literal["recovery", "increment", "kl"]
    """With p the log-probability of the target's first token, recovery: the share of p(trained) - p(base) that the
    patch brings (trained_into_base) or takes (base_into_trained); of the residual stream it is cumulative, and 1 at its
    end by construction. increment: what this component adds to the recovery, nats: of a stream, p patched there less p
    patched where it enters the layer before; of anything else, p patched here and at all like it before, less p patched
    at those before only. Along the layers the increments add up. kl: KL(unpatched || patched), nats."""

    @model_validator(mode="after")
    def _in_order(self) -> CrossModelMetric:
        if self.quantity == "increment" and len(self.sites.granularities) + self.sites.together > 2:
            raise ValueError("increment is along the layers: sites has one granularity, one component at a time")
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every component of `sites`, but those that recover 1 by construction; their increment is what was missing."""
        every = super().sweep(frame)
        return every if self.quantity == "increment" else without_given(every, frame)

    def settings(self) -> dict[str, Any]:
        """Whether patches are measured each by itself, or in steps."""
        return super().settings() | {"about": "increment" if self.quantity == "increment" else "patched"}


@kind("intervention")
class TrainedIntoBase(Intervention):
    """The base model runs with the trained model's activations at the component: are they sufficient?"""

    intervention: Literal["trained_into_base"]
    """trained_into_base"""


@kind("intervention")
class BaseIntoTrained(Intervention):
    """The trained model runs with the base model's activations at the component: are its own necessary?"""

    intervention: Literal["base_into_trained"]
    """base_into_trained"""
