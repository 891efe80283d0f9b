"""specs: the forms a claim's expectation can take, and the bound each sets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from .base import ClaimId, Many, Spec
from .kinds import kind
from .sites import SiteLabel, SitePattern

Scope = Literal["in_suite", "beyond_suite"]
"""in_suite: over new prompts of these families. beyond_suite: in more than half of all families like these."""


@kind("expect")
class TopComponent(Spec):
    """One component has the largest typical effect of the sweep: mean log KL; for a signed quantity the mean."""

    form: Literal["top_component"]
    """top_component"""
    component: SiteLabel
    """The site that is claimed to be on top."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""


@kind("expect")
class Threshold(Spec):
    """A site's typical effect is at least, or at most, a stated size."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["at_least"]}, {"required": ["at_most"]}]})

    form: Literal["threshold"]
    """threshold"""
    component: SiteLabel
    """The site."""
    at_least: float | None = None
    """Lower bound, in the quantity's unit."""
    at_most: float | None = None
    """Upper bound, in the quantity's unit (a negative result)."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""

    @model_validator(mode="after")
    def _one_bound(self) -> Threshold:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a threshold states exactly one of at_least and at_most")
        return self


class Side(Spec):
    """One side of a ratio: a site, or the mean over the sites of every layer (`L*.mlp`)."""

    component: SitePattern
    """The site or sites."""
    intervention: Literal["zero", "mean", "resample", "noise", "residual_zero"] | None = None
    """Instead of the counterfactual's; residual_zero is the artefact, allowed only here."""

    @model_validator(mode="after")
    def _artefact_of_layers(self) -> Side:
        if self.intervention == "residual_zero" and "." in self.component:
            raise ValueError(
                "residual_zero zeroes a decoder layer's whole output; its component is a layer, such as L3"
            )
        return self


@kind("expect")
class Ratio(Spec):
    """One effect is at least k times another, typically and example by example."""

    form: Literal["ratio"]
    """ratio"""
    numerator: Side
    """The larger effect."""
    denominator: Side
    """The smaller effect."""
    at_least: Annotated[float, Field(gt=0)]
    """k: the least factor between them."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""


@kind("expect")
class RankStability(Spec):
    """Two interventions put the components of the sweep in about the same order."""

    form: Literal["rank_stability"]
    """rank_stability"""
    against: Literal["zero", "mean", "resample", "noise"]
    """The intervention with whose order that of the counterfactual, and of every robustness value, is compared."""
    at_least: Annotated[float, Field(gt=0, lt=1)]
    """Least mean rank correlation (Spearman) over the components, within each example."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""


@kind("composite")
class Migration(Spec):
    """The top component differs between models: the named top_component claims all hold, and name different sites."""

    form: Literal["migration"]
    """migration"""
    claims: Annotated[Many[ClaimId], Field(min_length=2)]
    """The top_component claims, one a model."""

    @model_validator(mode="after")
    def _distinct(self) -> Migration:
        if len(set(self.claims)) < len(self.claims):
            raise ValueError("claims names a claim twice")
        return self
