"""engine: small plots as inline SVG: strips that lie in a row of a table, whose text says the same.

A strip has no view box: places along it are percentages, so that it is as wide as the page lets it be while dots stay
round and text keeps its size. Every text that goes in is escaped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..grade.words import number

MARGIN = 3.0
"""Percent of a strip that is kept free at either end."""

MOST_TICKS = 5

FEW = 3
"""Values that are each drawn this often on average are drawn once, with an area."""


@dataclass(frozen=True)
class Axis:
    """Where values stand along all strips of one figure."""

    low: float
    high: float
    logarithmic: bool
    unit: str = ""

    def at(self, value: float) -> float:
        """Percent from the left; what lies outside is put at the end."""
        low, high, here = (self._scaled(each) for each in (self.low, self.high, value))
        share = (here - low) / (high - low) if high > low else 0.5
        return round(MARGIN + (100 - 2 * MARGIN) * min(max(share, 0.0), 1.0), 2)

    def _scaled(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.logarithmic else value

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round values between the ends."""
        return tuple(_decades(self.low, self.high) if self.logarithmic else _steps(self.low, self.high))


def axis(values: Iterable[float], logarithmic: bool, unit: str = "") -> Axis:
    """An axis that holds all values; infinite ones are left out."""
    kept = [value for value in values if math.isfinite(value) and (value > 0 or not logarithmic)]
    low, high = (min(kept), max(kept)) if kept else (0.0, 1.0)
    if logarithmic:
        low, high = (low, high) if kept else (0.1, 10.0)
        return Axis(low / 1.1, high * 1.1, True, unit)
    room = 0.04 * (high - low) or abs(high) * 0.1 or 1.0
    return Axis(low - room, high + room, False, unit)


def strip(where: Axis, label: str, marks: Iterable[Markup], height: int = 20) -> Markup:
    """One strip; the label is what somebody hears who does not see it."""
    line = Markup('<line class="rule" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>').format(MARGIN, 100 - MARGIN, y=height / 2)
    svg = '<svg class="strip" role="img" aria-label="{}" width="100%" height="{}">{}</svg>'
    return Markup(svg).format(label, height, Markup("").join([line, *marks]))


def interval(where: Axis, low: float, high: float, height: int = 20) -> Markup:
    """A line from one limit to the other; open where a limit is infinite."""
    y = height / 2
    line = '<line class="interval" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>'
    ends = [
        Markup('<line class="end" x1="{x}%" x2="{x}%" y1="{}" y2="{}"/>').format(y - 4, y + 4, x=where.at(end))
        for end in (low, high)
        if math.isfinite(end)
    ]
    return Markup(line).format(where.at(low), where.at(high), y=y) + Markup("").join(ends)


def dot(where: Axis, value: float, kind: str = "estimate", radius: float = 4.5, height: int = 20) -> Markup:
    """A value."""
    return Markup('<circle class="{}" cx="{}%" cy="{}" r="{}"/>').format(kind, where.at(value), height / 2, radius)


def dots(where: Axis, values: Sequence[float], kind: str, radius: float = 2.5, height: int = 20) -> Markup:
    """Many values, each a faint dot, in two rows above and below the line.

    Where few values are different, as of counts, one dot for each, of an area that says how often it occurs.
    """
    counts = Counter(values)
    if len(values) >= FEW * len(counts):
        areas = {value: count / len(values) for value, count in sorted(counts.items())}
        sized = [(value, height / 2, max(height / 2 * math.sqrt(area), 1.5)) for value, area in areas.items()]
    else:
        sized = [(value, height / 2 + (-radius, radius)[place % 2], radius) for place, value in enumerate(values)]
    circle = str(Markup('<circle class="{}" cx="%s%%" cy="%s" r="%.3g"/>').format(kind))
    return Markup("".join(circle % (where.at(value), y, size) for value, y, size in sized))


def bar(where: Axis, value: float, kind: str, height: int = 20) -> Markup:
    """A bar from the left end, or from zero, to a value."""
    start = where.at(where.low if where.logarithmic else min(max(0.0, where.low), where.high))
    left, right = sorted((start, where.at(value)))
    box = '<rect class="{}" x="{}%" width="{}%" y="{}" height="{}"/>'
    return Markup(box).format(kind, left, round(max(right - left, 0.3), 2), height / 2 - 4, 8)


def upright(where: Axis, value: float, kind: str, height: int = 20) -> Markup:
    """A line across the strip at a value, such as a bound."""
    return Markup('<line class="{}" x1="{x}%" x2="{x}%" y1="0" y2="{}"/>').format(kind, height, x=where.at(value))


def scale(where: Axis) -> Markup:
    """The axis below the strips; its numbers are hidden from screen readers, who have them in the rows."""
    parts = []
    for value in where.ticks:
        x = where.at(value)
        anchor = "start" if x < 8 else "end" if x > 92 else "middle"
        parts.append(
            Markup(
                '<line class="rule" x1="{x}%" x2="{x}%" y1="0" y2="4"/><text x="{x}%" y="16" text-anchor="{}">{}</text>'
            ).format(anchor, number(value, 3), x=x)
        )
    svg = '<svg class="strip" aria-hidden="true" width="100%" height="20">{}</svg>'
    return Markup(svg).format(Markup("").join(parts))


def _steps(low: float, high: float) -> list[float]:
    if not high > low:
        return [low]
    rough = (high - low) / (MOST_TICKS - 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * each for each in (1, 2, 5, 10) if size * each >= rough)
    first = math.ceil(low / step - 1e-9)
    return [
        0.0 if index == 0 else float(f"{index * step:.12g}")
        for index in range(first, math.floor(high / step + 1e-9) + 1)
    ]


def _decades(low: float, high: float) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for each in ((1, 2, 5), (1, 3), (1,)):
        found = [float(f"{digit}e{power}") for power in exponents for digit in each]
        found = [value for value in found if low <= value <= high]
        if len(found) <= MOST_TICKS:
            break
    while len(found) > MOST_TICKS:
        found = found[::2]
    return found or [float(f"{math.sqrt(low * high):.2g}")]
