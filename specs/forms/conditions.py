"""specs: the forms of claims about how effects vary over conditions: the components that a metric sweeps."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ..base import Many, Spec
from ..kinds import kind
from ..sites import EffectPattern

Conditions = EffectPattern | Annotated[Many[EffectPattern], Field(min_length=1)]
"""Labels of components or of trainings' conditions, or `L*.mlp` for those of every layer; one or a list."""


def patterns(conditions: str | tuple[str, ...]) -> tuple[str, ...]:
    """One or several, always as a tuple."""
    return (conditions,) if isinstance(conditions, str) else conditions


@kind("expect")
class Correlation(Spec):
    """Over conditions, the quantity rises (or falls) with their depth, or with another quantity of the same runs."""

    SCOPES: ClassVar = {"in_suite": "in_suite: over conditions like these, measured on prompts of these families"}
    """How the scope reads, where the condition is the unit."""

    form: Literal["correlation"]
    """correlation"""
    x: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "depth"
    """What the quantity goes with: depth (the layer's number), or another quantity of the metric."""
    conditions: Conditions
    """The components that are compared: six are the least, 20 are usual."""
    sign: Literal["positive", "negative"]
    """Whether the quantity rises with x, or falls."""
    method: Literal["pearson", "spearman"] = "spearman"
    """Which correlation: of the numbers (of a KL: its logarithms), or of their ranks."""
    blocks: Annotated[Many[Conditions], Field(min_length=2)] | None = None
    """Groups of the conditions, such as the thirds of the depth, within each of which x must do its work."""
    scope: Literal["in_suite"] = "in_suite"
    """in_suite: the conditions are a sample, the families are these. Beyond the suite it is not offered."""

    def places(self) -> dict[str, str]:
        """Field -> each site label or pattern that the claim names."""
        found = {f"conditions[{i}]": each for i, each in enumerate(patterns(self.conditions))}
        for number, block in enumerate(self.blocks or ()):
            found |= {f"blocks[{number}][{i}]": each for i, each in enumerate(patterns(block))}
        return found


class Factor(Spec):
    """Conditions between which effects differ."""

    conditions: Conditions
    """At least three components."""


@kind("expect")
class SpreadRatio(Spec):
    """Effects differ k times as much between some conditions as between others."""

    SCOPES: ClassVar = {"in_suite": "in_suite: of these conditions, over new prompts of the same families"}
    """How the scope reads, where conditions are what they are."""

    form: Literal["spread_ratio"]
    """spread_ratio"""
    numerator: Factor
    """The conditions that differ more."""
    denominator: Factor
    """The conditions that differ less."""
    at_least: Annotated[float, Field(gt=0)]
    """k: the least factor between the two standard deviations (of a KL: of its logarithm)."""
    scope: Literal["in_suite"] = "in_suite"
    """in_suite: over new prompts of these families. Beyond the suite it is not offered."""

    @model_validator(mode="after")
    def _two_factors(self) -> SpreadRatio:
        if self.numerator == self.denominator:
            raise ValueError("numerator and denominator are the same conditions")
        return self

    def places(self) -> dict[str, str]:
        """Field -> each site label or pattern that the claim names."""
        sides = {"numerator": self.numerator, "denominator": self.denominator}
        return {
            f"{side}.conditions[{i}]": each
            for side, factor in sides.items()
            for i, each in enumerate(patterns(factor.conditions))
        }
