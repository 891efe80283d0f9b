"""specs: simulated numbers, to try the grades on claims whose truth is known. They are never evidence."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..base import Spec
from ..kinds import kind
from ..sites import Frame, SiteLabel
from .base import NATS, PLAIN, SHARE, Metric, Repeated

Spread = Annotated[float, Field(ge=0, le=10)]


class Repetitions(Spec):
    """Trainings or sessions, each with numbers of its own."""

    what: Literal["training seeds", "sessions"]
    """What is repeated."""
    count: Annotated[int, Field(ge=1, le=100)]
    """How often."""
    spread: Spread
    """Between them, for each component by itself."""


LEAST = {"training seeds": 5, "sessions": 12}
"""Repetitions that a claim needs."""


class World(Spec):
    """How the numbers come about. Spreads are standard deviations, of logarithms where the quantity is positive."""

    seed: Annotated[int, Field(ge=0)]
    """Another seed, another world of the same kind."""
    effects: Annotated[dict[SiteLabel, float], Field(min_length=1)]
    """Component -> its true effect: typical (the exponential of the mean logarithm), mean, share or rate."""
    families: Spread = 1.0
    """Between task families."""
    fixed: bool = True
    """Whether the true effects hold on average over the suite's own families, or over all families like these."""
    templates: Spread = 1.0
    """Between templates of a family."""
    items: Spread = 0.5
    """Between examples of a template."""
    common: Spread = 0.7
    """Of what all components have in common in a template."""
    tails: Literal["normal", "skewed", "heavy"] = "normal"
    """Of the spread between templates: normal; a centred exponential; Student's t with 5 degrees of freedom."""
    control: dict[SiteLabel, Annotated[float, Field(ge=0, le=1e6)]]
    """Component -> what a typical draw of the control does there, as a multiple of the true effect."""
    draws: Spread = 0.5
    """Between draws of the control."""
    models: dict[str, dict[SiteLabel, float]] = Field(default_factory=dict)
    """Name of a model -> its true effects, in place of `effects`. Where there are any, models differ in all numbers."""
    repeated: Repetitions | None = None
    """Whether all of it is measured again and again."""
    parameters: dict[SiteLabel, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Component -> an exact count."""
    beside: Literal["positive", "signed"] | None = None
    """Another quantity of the same runs that is drawn too, for claims on two."""


@kind("metric")
class SimulatedMetric(Metric):
    """Numbers drawn from a stated distribution: a claim on them is graded in a calibration ledger only.

    In any other ledger it is Pending: simulated evidence says nothing about a model.
    """

    QUANTITIES: ClassVar = {"positive": NATS, "signed": PLAIN, "part": SHARE, "event": PLAIN}
    INTERVENTIONS = ("zero", "mean", "resample")
    CONTROLS = ("matched_norm_noise",)
    SIMULATED = True
    EXACT = ("parameters",)

    evaluator: Literal["simulated"]
    """simulated"""
    quantity: Literal["positive", "signed", "part", "event"]
    """positive: like a KL. signed: like a logit difference. part: a share of a positive number. event: 0 or 1."""
    world: World
    """Where the numbers come from."""

    @property
    def repeated(self) -> Repeated | None:
        """What the world says."""
        told = self.world.repeated
        return Repeated(told.what, told.count, LEAST[told.what]) if told else None

    def settings(self) -> dict[str, Any]:
        """The quantity too: no other is drawn, but what the world has beside it."""
        return {**super().settings(), "quantity": self.quantity}

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """The components that have an effect."""
        return tuple(self.world.effects)
