"""specs: what "without it" means: the value that replaces the update a site adds to the residual stream."""

from __future__ import annotations

from typing import Literal

from .base import Spec
from .kinds import kind


@kind("intervention")
class Zero(Spec):
    """The update is zero: at a layer the block becomes the identity (skip)."""

    intervention: Literal["zero"]
    """zero"""


@kind("intervention")
class Mean(Spec):
    """The update is its mean over all positions of all clean prompts of the suite."""

    intervention: Literal["mean"]
    """mean"""


@kind("intervention")
class Resample(Spec):
    """The update is the one another prompt of the suite has there; first, last and inner positions keep their class."""

    intervention: Literal["resample"]
    """resample"""
    seed: int = 0
    """Which donors are drawn."""


def label(intervention: str, seed: int = 0) -> str:
    """`zero`, `resample`, `resample[1]`: how evidence names an intervention."""
    return f"{intervention}[{seed}]" if seed else intervention
