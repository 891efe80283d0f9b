"""engine: what a form asks of one arm of a claim. Nothing here imports numpy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ...specs.interventions import label
from .evidence import Ref

if TYPE_CHECKING:
    from ...specs.claim import MeasuredClaim
    from .evidence import Floats
    from .table import Table


def mean(values: Sequence[Floats]) -> Floats:
    """Of one series or several (n,), example by example."""
    return values[0] if len(values) == 1 else sum(values[1:], values[0]) / len(values)


class Fault(NamedTuple):
    """Why something cannot be decided."""

    code: str
    message: str


@dataclass(frozen=True)
class Arm:
    """One arm of a claim: the distinct examples, read at one intervention value."""

    claim: MeasuredClaim
    sweep: tuple[str, ...]
    """Labels of all components of the sweep."""
    table: Table
    own: str
    """Label of the arm's intervention value."""
    repetitions: tuple[int, ...] = ()
    """The independent ones (trainings, sessions) of a metric that is repeated."""
    repetition: int = 0
    """The one that is read; 0: of their series the mean."""

    def each(self) -> Iterator[Arm]:
        """This arm in every repetition; itself where there is none."""
        if not self.repetitions:
            yield self
        for number in self.repetitions:
            yield replace(self, repetitions=(), repetition=number)

    def place(self, ref: Ref) -> tuple[str, str]:
        """Where the evidence has a series: intervention label and site."""
        return label(ref.intervention or self.own, self.repetition), ref.site

    def series(self, ref: Ref) -> Floats:
        """Values of a series (n,), in the quantity's unit."""
        return mean([arm.table.series(arm.place(ref)) for arm in self.each()])

    def typical(self, values: Floats) -> Floats:
        """Template means (..., templates) of values (..., n): of their logs, where the quantity has them."""
        return self.table.logs(values) if self.claim.metric.kind.scale == "log" else self.table.template_means(values)

    def denominators(self, ref: Ref) -> Floats:
        """What a share's series is a share of (n,)."""
        return mean([arm.table.denominators(arm.place(ref)) for arm in self.each()])

    def companion(self, name: str, ref: Ref) -> Floats:
        """Another number of the same runs (n,), which the form asks for by name."""
        return mean([arm.table.companion(name, arm.place(ref)) for arm in self.each()])

    def draws(self, ref: Ref, numbers: Sequence[int]) -> Floats:
        """Values of the control draws that stand in for a series (draws, n); a draw is a repetition of its own."""
        return self.table.draws(self.drawn(ref), numbers)

    def drawn(self, ref: Ref) -> tuple[str, str]:
        """What control draws stand in for: intervention label and site."""
        return ref.intervention or self.own, ref.site


@dataclass(frozen=True)
class Scale:
    """On which scale contrasts are compared, and with what."""

    logarithmic: bool
    unit: str
    """Of what is shown: nats, logits, x (a factor)."""
    bound: float
    """What the claim must clear, on the scale of the comparison."""
    against: float
    """Beyond which the claim is refuted; the bound itself, unless the form leaves a gap."""
    sign: int = 1
    """+1: at least; -1: at most."""
    origin: float = 0.0
    per: float = 1.0
    """A share is compared as numerator - origin * denominator; shown is origin + that / mean denominator."""

    def shown(self, value: float) -> float:
        """A value as a person reads it."""
        return math.exp(min(value, 700.0)) if self.logarithmic else self.origin + value / self.per


@dataclass(frozen=True, eq=False)
class Question:
    """Contrasts that must all clear the bound, or all but so many; one column each."""

    names: tuple[str, ...]
    """What each contrast compares with (the rivals); one empty name where there is a single contrast."""
    units: Floats
    """(templates, contrasts), on the scale of the comparison."""
    scale: Scale
    may_refute: Floats | None = None
    """(1 + families, contrasts), bool: whether a contrast may speak against the claim; row 0 over the suite. None: all
    may."""
    spare: int = 0
    """So many of the contrasts need not clear the bound: which ones, the claim does not say."""
    levels: Floats | None = None
    """(repetitions, contrasts): the suite's mean in each training or session; None where nothing was repeated."""
