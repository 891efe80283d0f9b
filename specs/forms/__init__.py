"""specs: the forms a claim's expectation can take, and the bound each sets."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from .. import interventions, metrics  # noqa: F401 - doses are interventions, some of which metrics bring along
from ..base import Many, Spec
from ..kinds import kind, one_of
from ..sites import EffectLabel
from .conditions import Correlation, SpreadRatio
from .over_claims import Composite, Migration, Stability
from .paired import Paired, Scope, Side
from .repeated import Efficiency, Speed

__all__ = [
    "Composite",
    "Correlation",
    "Efficiency",
    "Equality",
    "Interaction",
    "Migration",
    "Monotone",
    "NonInferiority",
    "Null",
    "Proportion",
    "Rank",
    "RankStability",
    "Ratio",
    "Scope",
    "Side",
    "Speed",
    "SpreadRatio",
    "Stability",
    "Threshold",
    "TopComponent",
]

_ONE_BOUND = ConfigDict(json_schema_extra={"oneOf": [{"required": ["at_least"]}, {"required": ["at_most"]}]})


@kind("expect")
class TopComponent(Spec):
    """One component has the largest typical effect of the sweep: mean log KL; for a signed quantity the mean."""

    form: Literal["top_component"]
    """top_component"""
    component: EffectLabel
    """The site that is claimed to be on top."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""


@kind("expect")
class Threshold(Spec):
    """A site's typical effect is at least, or at most, a stated size."""

    model_config = _ONE_BOUND

    form: Literal["threshold"]
    """threshold"""
    component: EffectLabel
    """The site."""
    at_least: float | None = None
    """Lower bound, in the quantity's unit."""
    at_most: float | None = None
    """Upper bound, in the quantity's unit (a negative result)."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""

    @model_validator(mode="after")
    def _one_bound(self) -> Threshold:
        _one_of_two(self, "a threshold")
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


@kind("expect")
class Rank(Spec):
    """One component is among the k of the sweep with the largest typical effects."""

    form: Literal["rank"]
    """rank"""
    component: EffectLabel
    """The site that is claimed to be near the top."""
    within: Annotated[int, Field(ge=2)]
    """k; for 1 there is the form top_component."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""


@kind("expect")
class Monotone(Spec):
    """Every step along an order of components, or of doses at one component, raises the effect (or lowers it)."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["components"]}, {"required": ["site", "doses"]}]}
    )

    form: Literal["monotone"]
    """monotone"""
    components: Annotated[Many[EffectLabel], Field(min_length=4)] | None = None
    """The sites in the order that is claimed, such as layers; 6 are the least for High, 4 for Medium."""
    site: EffectLabel | None = None
    """Instead of components: the one site at which doses are compared."""
    doses: Annotated[Many[one_of("intervention")], Field(min_length=4)] | None = None  # type: ignore[valid-type]
    """Interventions of one kind in the order that is claimed, such as steering strengths. The counterfactual is one of
    them. They are one method: Medium at most."""
    order: Literal["rising", "falling"] = "rising"
    """Which way the effect goes along them."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""

    @model_validator(mode="after")
    def _one_order(self) -> Monotone:
        if (self.components is None) == (self.doses is None) or (self.doses is None) != (self.site is None):
            raise ValueError("monotone names either components, or a site and doses")
        steps = self.components or [dose.model_dump_json() for dose in self.doses or ()]
        if len(set(steps)) < len(steps):
            raise ValueError("the order names the same step twice")
        if len({dose.intervention for dose in self.doses or ()}) > 1:
            raise ValueError("doses are interventions of one kind")
        return self


@kind("expect")
class Interaction(Spec):
    """The effect of several components together is at least, or at most, k times the sum of what each does alone."""

    model_config = _ONE_BOUND

    form: Literal["interaction"]
    """interaction"""
    components: Annotated[Many[EffectLabel], Field(min_length=2, max_length=8)]
    """The sites that are intervened on at once, and each alone: two layers that back each other up, say."""
    at_least: Annotated[float, Field(gt=0)] | None = None
    """k: above 1, each stands in for the others (super-additive)."""
    at_most: Annotated[float, Field(gt=0)] | None = None
    """k: below 1, they do the same thing one after the other (sub-additive)."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""

    @model_validator(mode="after")
    def _several(self) -> Interaction:
        _one_of_two(self, "interaction")
        if len(set(self.components)) < len(self.components):
            raise ValueError("components names a site twice")
        if any("+" in component for component in self.components):
            raise ValueError("components are single sites; the form intervenes on them together itself")
        return self


@kind("expect")
class Equality(Paired):
    """Two effects are the same but for a stated margin, in either direction."""

    form: Literal["equality"]
    """equality"""


@kind("expect")
class NonInferiority(Paired):
    """One effect falls short of another by less than a stated margin."""

    form: Literal["non_inferiority"]
    """non_inferiority"""
    larger: Literal["better", "worse"] = "better"
    """Whether a larger value of the quantity is better (exact_match) or worse (exact_match_drop, kl)."""


class _Rate(Spec):
    SCOPES: ClassVar = {
        "beyond_suite": "beyond_suite: over new families like these, whose own rates differ (ICC .3 or what is seen)"
    }
    """How the scope of a rate reads, where it is not that of a mean."""


@kind("expect")
class Null(_Rate):
    """Something hardly ever happens: the rate of a quantity that is 0 or 1 in each example is at most eps.

    In YAML the form is quoted, "null": without quotes it is the absence of a value.
    """

    form: Literal["null"]
    """null, in quotes"""
    component: EffectLabel
    """The site."""
    at_most: Annotated[float, Field(gt=0, le=0.5)]
    """eps: .05 needs 104 templates without a single event, .02 needs 263. A rate of 0 is no claim."""
    scope: Scope = "in_suite"
    """in_suite: over new prompts of these families. beyond_suite: over new families, 32 at least for .05."""


@kind("expect")
class Proportion(_Rate):
    """The rate of a quantity that is 0 or 1 in each example is at least, or at most, a stated share."""

    model_config = _ONE_BOUND

    form: Literal["proportion"]
    """proportion"""
    component: EffectLabel
    """The site."""
    at_least: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Least rate."""
    at_most: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Largest rate (a negative result)."""
    scope: Scope = "in_suite"
    """in_suite: over new prompts of these families. beyond_suite: over new families."""

    @model_validator(mode="after")
    def _one_bound(self) -> Proportion:
        _one_of_two(self, "proportion")
        return self


def _one_of_two(expect: Threshold | Interaction | Proportion, what: str) -> None:
    if (expect.at_least is None) == (expect.at_most is None):
        raise ValueError(f"{what} states exactly one of at_least and at_most")
