"""specs: what forms that compare two effects have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from ..base import Spec
from ..sites import EffectPattern

Scope = Literal["in_suite", "beyond_suite"]
"""in_suite: over new prompts of these families. beyond_suite: in more than half of all families like these."""

_ONE_MARGIN = ConfigDict(json_schema_extra={"oneOf": [{"required": ["difference"]}, {"required": ["factor"]}]})


class Side(Spec):
    """One side of a ratio: a site, or the mean over the sites of every layer (`L*.mlp`)."""

    component: EffectPattern
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


class Paired(Spec):
    """Two effects, compared template by template, and the margin between them."""

    model_config = _ONE_MARGIN

    test: Side
    """The effect in question."""
    reference: Side
    """What it is compared with, on the same examples."""
    difference: Annotated[float, Field(gt=0)] | None = None
    """The margin, in the quantity's unit, of a quantity that is compared as it is."""
    factor: Annotated[float, Field(gt=1)] | None = None
    """The margin, as a factor, of a quantity that is compared on the log scale (KL)."""
    scope: Scope = "in_suite"
    """How far the claim reaches."""

    @model_validator(mode="after")
    def _one_margin(self) -> Paired:
        if (self.difference is None) == (self.factor is None):
            raise ValueError("the margin is exactly one of difference and factor")
        if self.test == self.reference:
            raise ValueError("test and reference are the same effect")
        return self
