"""engine: signs that numbers are no evidence: nothing moves, everything moves alike, two arms are one.

Each form says which of these checks are its own. Imported only when grading.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .question import Fault
from .remember import remembered
from .replicates import distinct
from .words import quantity

if TYPE_CHECKING:
    from .evidence import Floats
    from .table import Table

LEAST_SPREAD = 0.01
"""Share of the mean that components must differ by, or else one cascade is seen everywhere."""

MOST_DEAD = 0.10
"""Share of a ratio's denominators that may lie below the numeric floor."""

LEAST_POSITIVE = 0.01
"""nats: a typical positive control that moves the metric less than this shows it dead."""


def no_op(table: Table, values: Floats) -> Fault | None:
    """Nothing moves anywhere: the intervention was not applied, or cannot matter. `values` is (..., n)."""
    largest = float(np.abs(values).max())
    if largest > table.numeric_floor:
        return None
    found = f"largest {largest:.2g}, floor {table.numeric_floor:.0e}"
    said = f"no effect anywhere is distinguishable from numerics ({found}): the intervention may not have acted"
    return Fault("degenerate_no_op", said)


@remembered(1024)
def constant(values: Floats, table: Table) -> Fault | None:
    """One and the same value in every example (n,): a constant, not a measurement."""
    if len(values) < 2 or np.ptp(values) > 0 or abs(values[0]) <= table.numeric_floor:
        return None
    return Fault("degenerate_constant", f"every example gives exactly {values[0]:.6g}: a constant, not a measurement")


def cascade(components: Floats) -> Fault | None:
    """All components (k, n) have the same effect: what is seen is what happens downstream of any of them."""
    means = components.mean(axis=1)
    spread = float(np.ptp(means))
    if spread >= LEAST_SPREAD * float(np.abs(means).mean()):
        return None
    share = 100 * spread / float(np.abs(means).mean())
    return Fault("degenerate_cascade", f"all {len(means)} components have the same effect (spread {share:.2g}% of it)")


@remembered(1024)
def identical(one: Floats, other: Floats) -> bool:
    """Whether two series (n,) are the same measurement."""
    return len(distinct(np.stack([one, other]))) == 1


def sign_symmetric(table: Table, places: Iterable[tuple[str, str]]) -> Fault | None:
    """A push and its opposite have the same effect, example by example: its sign was lost, as under an absolute value.

    `places` are intervention labels and sites. Opposite are steer(4) and steer(-4), and to steer(4) anti(4). Values of
    0 and 1 may well agree.
    """
    pushes = {(_pushed(label), site): (label, site) for label, site in places}
    for (push, site), place in pushes.items():
        other = pushes.get((push.replace("(-", "("), site)) if "(-" in push else None
        if other is None:
            continue
        one, back = table.series(other), table.series(place)
        if not np.isin(one, (-1.0, 0.0, 1.0)).all() and identical(one, back):
            what = f"{other[0]} and {place[0]} at {site} have the same effect in every example"
            return Fault("degenerate_sign_symmetric", f"{what}: the sign makes no difference, so it may not have acted")
    return None


def _pushed(label: str) -> str:
    """`anti(4)` is `steer(-4)`."""
    return label.replace("anti(", "steer(-", 1) if label.startswith("anti(") else label


def ceiling(one: Floats, other: Floats, enough: int | None) -> Fault | None:
    """Two scores (n,) that are one value throughout, so that nothing tells them apart; so many templates would."""
    both = np.concatenate([one, other])
    if np.ptp(both) > 0:
        return None
    where = f"both are {both[0]:g} in every template, at their {'ceiling' if both[0] > 0 else 'floor'}"
    remedy = f"about n = {enough} templates would decide" if enough else "no practical n would decide"
    return Fault("ceiling", f"{where}, where they cannot differ; {remedy}")


@remembered(1024)
def dead_denominators(table: Table, values: Floats, side: str = "denominator") -> Fault | None:
    """Too many values (n,) of one side of a ratio are arithmetic noise."""
    share = float((values < table.numeric_floor).mean())
    if share <= MOST_DEAD:
        return None
    return Fault(
        f"dead_{side}s",
        f"{100 * share:.0f}% of the {side}s lie below the numeric floor {table.numeric_floor:.0e} (at most 10% may)",
    )


@lru_cache(maxsize=256)
def dead_positive_control(table: Table) -> Fault | None:
    """The positive control does not move the metric: what the metric does not show means nothing."""
    typical = float(np.exp(table.layout.means(table.logs(table.positive)).mean()))
    if typical >= max(LEAST_POSITIVE, 10 * table.log_floor):
        return None
    return Fault("dead_positive_control", f"the positive control moves the metric by only {quantity(typical, 'nats')}")
