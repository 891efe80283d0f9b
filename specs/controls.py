"""specs: controls, which must fail by a stated margin, and positive controls, which must succeed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Spec
from .kinds import kind

Draws = Annotated[int, Field(ge=20, le=1000)]
Margin = Annotated[float, Field(gt=1.0, le=1000.0)]


class DrawnControl(Spec):
    """A control of random draws, each of which stands in for the effect."""

    TWISTED: ClassVar[bool] = False
    """Whether a draw is the effect's own intervention with something in it drawn at random. Of `steer(4)` and a control
    `random_direction` the evaluator is then told `steer(4)|random_direction`, and the number of the draw as seed; the
    runs of other controls are registered in `engine.controls`."""

    REARRANGED: ClassVar[bool] = False
    """Whether a draw is made of the effect's own numbers, which components they belong to being dealt anew."""

    kind: str
    """Which control."""
    draws: Draws = 20
    """How many draws; 20 is the least the statistics are made for."""
    ratio: Margin = 1.5
    """The effect must exceed the typical draw's by this factor; where it is at most a bound, the draws' the effect."""


@kind("control")
class MatchedNormNoise(DrawnControl):
    """The site's update is kept and a random vector of the update's own norm is added, position by position."""

    kind: Literal["matched_norm_noise"]
    """matched_norm_noise"""


@kind("control")
class UntrainedModel(DrawnControl):
    """The same intervention on models of the same architecture with random weights."""

    kind: Literal["untrained_model"]
    """untrained_model"""


@kind("control")
class RandomComponent(DrawnControl):
    """The same intervention at other components of the sweep, drawn at random: most of them must matter less."""

    kind: Literal["random_component"]
    """random_component"""
    draws: Draws = 20
    """Distinct components, of which the sweep must have so many beside the claim's own."""


@kind("control")
class WrongLayer(DrawnControl):
    """The same intervention at components of the same kind in other layers: the claim's own layer must matter."""

    kind: Literal["wrong_layer"]
    """wrong_layer"""
    draws: Draws = 20
    """Distinct components, of which the sweep must have so many of this kind, at the same tokens, in other layers."""


@kind("positive_control")
class SkipAllLayers(Spec):
    """Every decoder layer is skipped at once: a metric that does not move under this is dead."""

    kind: Literal["skip_all_layers"] = "skip_all_layers"
    """skip_all_layers"""


@kind("positive_control")
class ResampleAllLayers(Spec):
    """Every decoder layer's update is the one another prompt has there, all at once.

    A milder test than skipping: all that is written to the residual stream is of this model's own making, only of
    another prompt. A metric that does not move under this cannot tell prompts apart.
    """

    kind: Literal["resample_all_layers"]
    """resample_all_layers"""
