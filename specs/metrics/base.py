"""specs: what every metric has in common: quantities with their units, sites that are swept, examples that count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from ..base import Many, Spec
from ..model import Model
from ..recipe import Recipe
from ..sites import Frame, PositionClass, SiteKind, components

Scale = Literal["log", "linear", "share"]
"""log: positive and heavy-tailed, compared on the log scale. linear: signed, compared by plain means. share: a ratio of
two means over the same examples, such as a recovery; it is never an average of ratios."""

Only = Literal["all", "clean_correct"]
"""all: every example. clean_correct: those that the clean model answers exactly; how many is counted and printed."""


class Quantity(NamedTuple):
    """A number per example."""

    unit: str
    """nats, logits; empty for a share."""
    scale: Scale


NATS = Quantity("nats", "log")
"""A KL divergence."""

SIGNED_NATS = Quantity("nats", "linear")
LOGITS = Quantity("logits", "linear")
SHARE = Quantity("", "share")
PLAIN = Quantity("", "linear")


class Repeated(NamedTuple):
    """What is repeated whole, with another seed or at another time, so that it, not the item, is the unit."""

    what: str
    """training seeds, sessions."""
    times: int
    least: int
    """Fewer are not graded."""


def turn(draw: int, times: int) -> int:
    """Which of so many repetitions, from 1, a draw of a control is made on: they take turns."""
    return 1 + draw % times


class Metric(Spec):
    """What is measured. A subclass is registered under its `evaluator` and says which quantities that one gives."""

    QUANTITIES: ClassVar[Mapping[str, Quantity]]
    """Name -> unit and scale."""
    INTERVENTIONS: ClassVar[tuple[str, ...] | None] = None
    """Counterfactuals and robustness values the evaluator knows; None: whatever has a spec."""
    CONTROLS: ClassVar[tuple[str, ...] | None] = None
    """Controls the evaluator knows, likewise."""
    FORMS: ClassVar[tuple[str, ...] | None] = None
    """Forms of claims that the numbers can carry, likewise."""
    EXACT: ClassVar[tuple[str, ...]] = ()
    """Exact numbers of a component that come with every run, the same in each example: parameters, bytes."""
    WHOLE: ClassVar[tuple[str, ...]] = ()
    """Quantities that are one number a repetition, the same in each example."""
    OF_MACHINE: ClassVar[tuple[str, ...]] = ()
    """Quantities in which a repetition differs from a copy of itself: seconds, memory."""
    BOTH_SIGNS: ClassVar[tuple[str, ...]] = ()
    """Quantities made of a push and its opposite, so that either gives the same."""
    SIMULATED: ClassVar[bool] = False
    """Whether the numbers come from no model: they count in a calibration ledger only."""
    DISCOVERY: ClassVar[bool] = False
    """Whether the evaluator learns something from the suite's discovery examples first, such as a direction."""

    evaluator: str
    """Which evaluator measures it."""
    quantity: str
    """Which number."""
    only: Only = "all"
    """Which examples count."""

    @property
    def kind(self) -> Quantity:
        """Unit and scale of the quantity."""
        return self.QUANTITIES[self.quantity]

    @property
    def interventions(self) -> tuple[str, ...] | None:
        """Those of INTERVENTIONS that the quantity can be of."""
        return self.INTERVENTIONS

    @property
    def measured_by(self) -> str:
        """The evaluator that runs the model: another than `evaluator` where this metric judges what that one wrote."""
        return self.evaluator

    @property
    def judging(self) -> Mapping[str, Any] | None:
        """What decides how answers are judged, beside the answers; None: nothing is written or judged."""
        return None

    @property
    def panel(self) -> tuple[str, ...]:
        """The judges, `1:mimo-v2.5`; none."""
        return ()

    @property
    def repeated(self) -> Repeated | None:
        """The trainings or sessions that each number comes of; None where a measurement is made once."""
        return None

    @property
    def trainings(self) -> Mapping[str, Recipe]:
        """How models are trained before they are measured: condition -> recipe; none.

        Raises:
            ValueError: a recipe is only named, or is a sweep where one is meant.
        """
        return {}

    @property
    def variants_of(self) -> Mapping[str, str | Model]:
        """Other models that are measured beside the claim's own: condition -> model; none."""
        return {}

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """The labels of the components that the claim compares, in a model of this frame."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """What of the metric decides the measured numbers, beside components, interventions, models and trainings."""
        beside = {"evaluator", "quantity", "sites", "only", "donor", "recipe", "recipes", "seeds", "sessions"}
        return self.model_dump(mode="json", exclude=beside, exclude_defaults=True)


class Sites(Spec):
    """The components that are intervened on, one at a time."""

    granularity: SiteKind | Many[SiteKind]
    """layer (the whole block), operator (attention or convolution), mlp, head, residual, a module; or several."""
    positions: PositionClass | Many[PositionClass] | None = None
    """At which tokens: a class, or several that are compared; every token if left out."""
    together: Annotated[int, Field(ge=1, le=3)] = 1
    """How many sites of a kind are intervened on at once: 2 sweeps all pairs."""

    @property
    def granularities(self) -> tuple[SiteKind, ...]:
        """The granularities, always as a tuple."""
        return self.granularity if isinstance(self.granularity, tuple) else (self.granularity,)

    @property
    def classes(self) -> tuple[PositionClass | None, ...]:
        """The classes of positions, always as a tuple; None: every token."""
        return self.positions if isinstance(self.positions, tuple) else (self.positions,)

    def components(self, frame: Frame) -> tuple[str, ...]:
        """The labels of the sweep in a model of this frame."""
        return components(self.granularities, frame, self.classes, self.together)


class ConditionMetric(Metric):
    """A metric that compares conditions which it names itself, such as recipes or number formats, and no sites."""

    @property
    def conditions(self) -> tuple[str, ...] | None:
        """Their names; None as long as a spec that brings some along is only named."""
        raise NotImplementedError

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every condition.

        Raises:
            ValueError: some are not known: the metric names specs that were not put in their place.
        """
        if self.conditions is None:
            raise ValueError(f"metric {self.evaluator} names specs that were not put in their place")
        return self.conditions


class SweptMetric(Metric):
    """A metric with sites."""

    sites: Sites
    """Where."""

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every component of `sites`."""
        return self.sites.components(frame)
