"""specs: the forms of claims over other claims."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..base import ClaimId, Many, Spec
from ..kinds import kind


class _OverClaims(Spec):
    @model_validator(mode="after")
    def _distinct(self) -> _OverClaims:
        claims = self.claims  # type: ignore[attr-defined]
        if len(set(claims)) < len(claims):
            raise ValueError("claims names a claim twice")
        return self


@kind("composite")
class Migration(_OverClaims):
    """The top component differs between models, or in one model between suites or settings of the metric: the named
    top_component claims all hold, and name different sites."""

    form: Literal["migration"]
    """migration"""
    claims: Annotated[Many[ClaimId], Field(min_length=2)]
    """The top_component claims, one a model, or one a suite or setting."""


@kind("composite")
class Stability(_OverClaims):
    """One and the same claim holds in at least so large a share of independently trained models.

    Such as: the same component is on top whatever the training seed.
    """

    form: Literal["stability"]
    """stability"""
    claims: Annotated[Many[ClaimId], Field(min_length=2)]
    """Claims that differ in their model only, one a training seed; 24 are the least that show .8."""
    at_least: Annotated[float, Field(ge=0.5, lt=1)]
    """The least share, of all models trained like these, in which the claim is true."""


@kind("composite")
class Composite(_OverClaims):
    """All of the named claims hold."""

    form: Literal["composite"]
    """composite"""
    claims: Annotated[Many[ClaimId], Field(min_length=2)]
    """The claims, of any form, on any models."""
