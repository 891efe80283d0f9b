"""specs: variants: one intervention on several models, or several forms of one, side by side on the same texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..base import Spec
from ..interventions import Intervention
from ..kinds import kind
from ..model import Model, NamedModel
from ..references import Refers
from ..sites import ConditionName, SiteLabel, parse_component
from .base import LOGITS, NATS, PLAIN, SIGNED_NATS, ConditionMetric
from .steering import Words

STEERED = ("steering_kl", "steering_slope")

INTERVENTIONS_OF = {
    "ablation_kl": ("zero", "mean", "resample"),
    "steering_kl": ("steer", "anti"),
    "steering_slope": ("steer", "anti"),
}
"""Quantity -> what may be done for it; for all others: hold."""

ABOUT = {
    "kl_from_reference": "distribution",
    "target_logprob_drop": "answer",
    "exact_match": "answer",
    "ablation_kl": "ablation",
    "steering_kl": "steered",
    "steering_slope": "slope",
}
"""Quantity -> what is measured together."""


class Variant(Spec):
    """A model, and where in it."""

    model: Annotated[NamedModel | None, Refers("model")] = None
    """A model's name, or the model; the claim's own if left out."""
    site: SiteLabel | None = None
    """Where the intervention acts."""


@kind("metric")
class VariantsMetric(ConditionMetric):
    """The same measurement on several models, such as one in several number formats, on the same texts.

    A direction is learnt in the model of `reference`, at its site, and added as it is to the others where they are one
    model in several number formats: same vector, same norm, same tokens. Other models learn their own.
    """

    QUANTITIES: ClassVar = {
        "kl_from_reference": NATS,
        "target_logprob_drop": SIGNED_NATS,
        "exact_match": PLAIN,
        "ablation_kl": NATS,
        "steering_kl": NATS,
        "steering_slope": LOGITS,
    }
    INTERVENTIONS = ("hold", "zero", "mean", "resample", "steer", "anti")
    CONTROLS = (
        *("matched_norm_noise", "random_direction", "shuffled_labels", "untrained_model"),
        *("mismatched_outputs", "permuted_conditions"),
    )
    DISCOVERY = True

    evaluator: Literal["variants"]
    """variants"""
    quantity: Literal[
        "kl_from_reference", "target_logprob_drop", "exact_match", "ablation_kl", "steering_kl", "steering_slope"
    ]
    """kl_from_reference: KL(reference || variant) of the next token, nats. target_logprob_drop: log-probability of the
    whole target in the reference less in the variant, nats. exact_match: 1 where greedy decoding gives all of it.
    ablation_kl: KL(clean || intervened) of the variant when its site is ablated, nats. steering_kl, steering_slope: kl
    and slope as of steering, when a direction is added at its site."""
    variants: Annotated[dict[ConditionName, Variant], Field(min_length=2)]
    """Condition -> a model, and where in it."""
    reference: ConditionName
    """The variant that the others are compared with."""
    positive: Words | None = None
    """For steering: whole answers of the positive side."""
    negative: Words | None = None
    """For steering: those of the other side."""
    families: Words | None = None
    """For steering: the families that have directions and are steered; every one if left out."""

    @model_validator(mode="after")
    def _fitting(self) -> VariantsMetric:
        if self.reference not in self.variants:
            raise ValueError(f"reference is `{self.reference}`, but the variants are {', '.join(self.variants)}")
        needs = self.quantity in INTERVENTIONS_OF
        for name, variant in self.variants.items():
            if needs != (variant.site is not None):
                raise ValueError(f"variants.{name}.site belongs to {', '.join(INTERVENTIONS_OF)}, which need it")
            if variant.site and parse_component(variant.site).positions:
                raise ValueError(f"variants.{name}.site is at every token: not {variant.site}")
        if (self.quantity in STEERED) != (self.positive is not None) or (self.positive is None) != (
            self.negative is None
        ):
            raise ValueError("positive and negative belong to steering, which needs both")
        return self

    @property
    def interventions(self) -> tuple[str, ...]:
        """What may be done for the quantity."""
        return INTERVENTIONS_OF.get(self.quantity, ("hold",))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The variants."""
        return tuple(self.variants)

    @property
    def variants_of(self) -> Mapping[str, str | Model]:
        """The variants that are other models than the claim's."""
        return {name: variant.model for name, variant in self.variants.items() if variant.model is not None}

    def settings(self) -> dict[str, Any]:
        """Of the variants their sites: which models they are is said by these models' own parts. What is measured."""
        sites = {name: variant.site for name, variant in self.variants.items()}
        return super().settings() | {"variants": sites, "about": ABOUT[self.quantity]}


@kind("intervention")
class Hold(Intervention):
    """Nothing is done: the model is taken as it is."""

    intervention: Literal["hold"]
    """hold"""
