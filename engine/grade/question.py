"""engine: what a form asks of one arm of a claim. Nothing here imports numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .evidence import Ref

if TYPE_CHECKING:
    from ...specs.claim import MeasuredClaim
    from .evidence import Floats
    from .table import Table


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

    def place(self, ref: Ref) -> tuple[str, str]:
        """Where the evidence has a series: intervention label and site."""
        return ref.intervention or self.own, ref.site

    def series(self, ref: Ref) -> Floats:
        """Values of a series (n,), in the quantity's unit."""
        return self.table.series(self.place(ref))

    def denominators(self, ref: Ref) -> Floats:
        """What a share's series is a share of (n,)."""
        return self.table.denominators(self.place(ref))

    def draws(self, ref: Ref, numbers: Sequence[int]) -> Floats:
        """Values of the control draws that stand in for a series (draws, n)."""
        return self.table.draws(self.place(ref), numbers)


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
    may_refute: Floats
    """(1 + families, contrasts), bool: whether a contrast may speak against the claim; row 0 over the suite."""
    spare: int = 0
    """So many of the contrasts need not clear the bound: which ones, the claim does not say."""
