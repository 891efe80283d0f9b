"""specs: controls, which must fail by a stated margin, and positive controls, which must succeed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Spec
from .kinds import kind

Draws = Annotated[int, Field(ge=20, le=1000)]
Margin = Annotated[float, Field(gt=1.0, le=1000.0)]


@kind("control")
class MatchedNormNoise(Spec):
    """The site's update is kept and a random vector of the update's own norm is added, position by position."""

    kind: Literal["matched_norm_noise"]
    """matched_norm_noise"""
    draws: Draws = 20
    """Independent random vectors; 20 is the least the statistics are made for."""
    ratio: Margin = 1.5
    """The effect must exceed the typical draw's by this factor."""


@kind("control")
class UntrainedModel(Spec):
    """The same intervention on models of the same architecture with random weights."""

    kind: Literal["untrained_model"]
    """untrained_model"""
    draws: Draws = 20
    """Independent initialisations."""
    ratio: Margin = 1.5
    """The effect must exceed the typical untrained model's by this factor."""


@kind("control")
class RandomComponent(Spec):
    """The same intervention at other components of the sweep, drawn at random: most of them must matter less."""

    kind: Literal["random_component"]
    """random_component"""
    draws: Draws = 20
    """Distinct components, of which the sweep must have so many beside the claim's own."""
    ratio: Margin = 1.5
    """The effect must exceed the typical draw's by this factor."""


@kind("positive_control")
class SkipAllLayers(Spec):
    """Every decoder layer is skipped at once: a metric that does not move under this is dead."""

    kind: Literal["skip_all_layers"] = "skip_all_layers"
    """skip_all_layers"""
