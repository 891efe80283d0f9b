"""engine: a claim held against every recorded case by itself: how often what it says is so, and where it is not.

A universal wording ("all", "every", "none", "identical") is a statement about what was recorded: one counterexample
beyond the numeric floor refutes it as worded. "At least" and "at most" hold at the bound itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...specs.claim import MeasuredClaim
from ...specs.forms import (
    Equality,
    Monotone,
    NonInferiority,
    Null,
    Proportion,
    Rank,
    Ratio,
    Side,
    Threshold,
    TopComponent,
)
from ...specs.interventions import word
from ..grade import intervention_label
from ..grade.words import number
from .evidence import Recorded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Truths = NDArray[np.bool_]
    Read = Callable[[str | None, str], Floats]

FLOOR = 1e-6
"""A difference that is smaller, or smaller by this factor than what differs, is arithmetic."""

MOST_NAMED = 6


@dataclass(frozen=True)
class Cases:
    """Of each recorded unit, whether what the claim says is so there."""

    units: tuple[str, ...]
    so: tuple[bool, ...]
    family: bool

    @property
    def against(self) -> tuple[str, ...]:
        """Where it is not."""
        return tuple(unit for unit, so in zip(self.units, self.so, strict=True) if not so)

    def __str__(self) -> str:
        what = "families" if self.family else "prompts"
        named = ", ".join(self.against[:MOST_NAMED]) + (" ..." if len(self.against) > MOST_NAMED else "")
        where = f" (not in {named})" if self.against and self.family else ""
        return f"it holds in {sum(self.so)} of {len(self.so)} {what}{where}"


def cases(claim: MeasuredClaim, found: Recorded) -> Cases | None:
    """The claim in each unit; None where its form says nothing of a single one, or what it compares is not there."""
    own = intervention_label(claim.counterfactual)

    def read(intervention: str | None, site: str) -> Floats:
        return found.means[intervention or own, site]

    try:
        so = _so(claim.expect, found.evidence.sweep, read)
    except KeyError:
        return None
    return None if so is None else Cases(found.units, tuple(map(bool, so)), found.by_family)


def _so(expect: object, sweep: Sequence[str], read: Read) -> Truths | None:
    match expect:
        case Threshold() | Proportion() as expect:
            return _bounded(read(None, expect.component), expect.at_least, expect.at_most)
        case Null() as expect:
            return read(None, expect.component) <= FLOOR
        case TopComponent() as expect:
            return _better(sweep, expect.component, read) < 1
        case Rank() as expect:
            return _better(sweep, expect.component, read) < expect.within
        case Ratio() as expect:
            above, below = _side(expect.numerator, sweep, read), _side(expect.denominator, sweep, read)
            return _bounded(above - expect.at_least * below, 0.0, None)
        case Equality() as expect:
            one, other = _side(expect.test, sweep, read), _side(expect.reference, sweep, read)
            return abs(one - other) <= FLOOR * (1 + abs(other))
        case NonInferiority() as expect if expect.difference is not None:
            gain = _side(expect.test, sweep, read) - _side(expect.reference, sweep, read)
            return _bounded(gain if expect.larger == "better" else -gain, -expect.difference, None)
        case Monotone() as expect:
            return _ordered(expect, read)
    return None


def _bounded(values: Floats, at_least: float | None, at_most: float | None) -> Truths:
    if at_least is not None:
        return values >= at_least - FLOOR * (1 + abs(at_least))
    assert at_most is not None
    return values <= at_most + FLOOR * (1 + abs(at_most))


def _better(sweep: Sequence[str], component: str, read: Read) -> Floats:
    """How many components have at least as much of an effect; an exact tie is none that leads."""
    own = read(None, component)
    return sum((read(None, other) >= own - FLOOR * abs(own)).astype(float) for other in sweep if other != component)  # type: ignore[return-value]


def _side(side: Side, sweep: Sequence[str], read: Read) -> Floats:
    from ..grade.forms.ratio import refs_of

    values = [read(ref.intervention, ref.site) for ref in refs_of(side, tuple(sweep))]
    return sum(values[1:], values[0]) / len(values)


def _ordered(expect: Monotone, read: Read) -> Truths:
    import numpy as np

    steps = [(None, site) for site in expect.components or ()]
    steps += [(word(dose), str(expect.site)) for dose in expect.doses or ()]  # type: ignore[misc]
    rises = np.diff(np.stack([read(*step) for step in steps]), axis=0)
    return np.asarray(((rises if expect.order == "rising" else -rises) > 0).all(axis=0))


def leaders(claim: MeasuredClaim, found: Recorded) -> tuple[str, ...]:
    """The components that have exactly the largest effect in every unit."""
    own = intervention_label(claim.counterfactual)
    series = {site: found.means.get((own, site)) for site in found.evidence.sweep}
    there = {site: values for site, values in series.items() if values is not None}
    top = [max(values[i] for values in there.values()) for i in range(len(found.units))]
    return tuple(site for site, values in there.items() if list(values) == top)


def lead_of(claim: MeasuredClaim, found: Recorded) -> float | None:
    """How much larger the component's mean is than that of the strongest other one; None where there is none."""
    own, mine = intervention_label(claim.counterfactual), claim.expect.component
    means = {site: float(values.mean()) for (name, site), values in found.means.items() if name == own and len(values)}
    rivals = [value for site, value in means.items() if site != mine]
    return means[mine] - max(rivals) if mine in means and rivals else None


def summary(claim: MeasuredClaim, found: Recorded) -> str:
    """What was recorded of the components that the claim names, on average: `L2 19.1, L22 15.4 nats`."""
    own = intervention_label(claim.counterfactual)
    mine = sorted(
        ((float(values.mean()), site) for (name, site), values in found.means.items() if name == own), reverse=True
    )
    named = [f"{site} {number(value, 3)}" for value, site in mine[:3]]
    return f"largest means: {', '.join(named)} {found.unit}".rstrip() if len(mine) > 1 else ""
