"""specs: what "without it" means: the value that replaces the update a site adds to the residual stream."""

from __future__ import annotations

from typing import Any, Literal

from .base import Spec
from .kinds import kind


class Intervention(Spec):
    """A subclass is registered under its `intervention`."""

    @property
    def word(self) -> str:
        """What an evaluator is told: the intervention, and in parentheses what else of it decides the numbers."""
        return str(self.intervention)  # type: ignore[attr-defined]


@kind("intervention")
class Zero(Intervention):
    """The update is zero: at a layer the block becomes the identity (skip)."""

    intervention: Literal["zero"]
    """zero"""


@kind("intervention")
class Mean(Intervention):
    """The update is its mean over all positions of all clean prompts of the suite."""

    intervention: Literal["mean"]
    """mean"""


@kind("intervention")
class Resample(Intervention):
    """The update is the one another prompt of the suite has there; first, last and inner positions keep their class."""

    intervention: Literal["resample"]
    """resample"""
    seed: int = 0
    """Which donors are drawn."""


@kind("intervention")
class Noise(Intervention):
    """The update is a random vector of its own norm, drawn for each token."""

    intervention: Literal["noise"]
    """noise"""
    seed: int = 0
    """Which random vectors."""


def word(value: Any) -> str:
    """What an evaluator is told of an intervention spec, also another package's."""
    return str(getattr(value, "word", None) or value.intervention)


def label(intervention: str, seed: int = 0) -> str:
    """`zero`, `resample`, `resample[1]`: how evidence names an intervention."""
    return f"{intervention}[{seed}]" if seed else intervention
