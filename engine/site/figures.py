"""engine: the figures of one claim: its estimate against the bound, by family, beside its control and its rivals.

What is drawn is what the grade read: the same evidence, the same contrasts, the same limits. Imported only by `report`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from ..grade.case import Case
from ..grade.evidence import Ref
from ..grade.explain import claimed
from ..grade.forms import FormError
from ..grade.repeated import averaged
from ..grade.words import component, confidence, number, quantity
from . import plots

if TYPE_CHECKING:
    from ..grade.answer import Answer
    from ..grade.evidence import Floats

MOST_ROWS = 40
"""Components that are shown; of more, the strongest."""


@dataclass(frozen=True)
class Line:
    """One row of a figure: a label, a strip, and the same in words."""

    label: str
    strip: Markup
    text: str
    marked: bool = False


@dataclass(frozen=True)
class Figure:
    """A table of strips over one axis."""

    name: str
    caption: str
    lines: tuple[Line, ...]
    axis: Markup
    unit: str


def figures(case: Case) -> tuple[Figure, ...]:
    """Those that can be drawn of a case; a figure that a form has no numbers for is left out."""
    made = []
    for draw in (_arms, _families, _control, _sweep):
        try:
            figure = draw(case)
        except (FormError, KeyError):
            continue
        if figure and figure.lines:
            made.append(figure)
    return tuple(made)


def _arms(case: Case) -> Figure:
    """The main arm and every robustness value, each with both one-sided limits, against the bound."""
    arms = {case.main.own: case.answer, **case.robustness}
    scale = case.answer.scale
    bound = scale.shown(scale.bound)
    ends = {label: _limits(answer) for label, answer in arms.items()}
    values = [value for label in arms for value in (*ends[label], arms[label].shown(arms[label].value))]
    where = plots.axis([*values, bound], scale.logarithmic, scale.unit)
    lines = []
    for label, answer in arms.items():
        low, high = ends[label]
        value = answer.shown(answer.value)
        text = f"{quantity(value, 'x' if scale.unit == 'x' else '')} [{_end(low)}, {_end(high)}]"
        marks = [
            plots.upright(where, bound, "bound"),
            plots.interval(where, low, high),
            plots.dot(where, value, "estimate" if label == case.main.own else "other"),
        ]
        unit = f" {scale.unit}" if scale.unit not in ("", "x") else ""
        heard = f"{label}: {text}{unit}; the claim needs {claimed(answer)}"
        lines.append(Line(label, plots.strip(where, heard, marks), text, label == case.main.own))
    against = f", against {component(case.answer.hardest)}" if case.answer.hardest else ""
    caption = (
        f"Estimate{against} and one-sided limits ({confidence(case.alphas.high)} on the side that the claim needs, "
        f"{confidence(case.alphas.refute)} on the other); dashed: what must be cleared, {claimed(case.answer)}."
    )
    return Figure("Estimate against the bound", caption, tuple(lines), plots.scale(where), scale.unit)


def _families(case: Case) -> Figure | None:
    """The contrast that is hardest to clear, template by template within each family.

    Not where a form answers on another scale than that of its templates: they would not lie around the estimate.
    """
    asked, layout = case.form.asked(case.main), case.main.table.layout
    if asked.scale != case.answer.scale:
        return None
    names = list(asked.names)
    column = names.index(case.answer.hardest) if case.answer.hardest in names else 0
    units = asked.units[:, column]
    scale = case.answer.scale
    shown = [scale.shown(value) for value in units.tolist()]
    bound = scale.shown(scale.bound)
    inside = _most(shown, scale.logarithmic)
    where = plots.axis([*inside, bound], scale.logarithmic, scale.unit)
    beyond = sum(value < where.low or value > where.high for value in shown)
    lines = []
    for family, start, size in zip(layout.families, layout.starts, layout.sizes.astype(int), strict=True):
        mean = scale.shown(float(units[start : start + size].mean()))
        text = f"{quantity(mean, scale.unit)} (n = {size})"
        marks = [
            plots.upright(where, bound, "bound"),
            plots.dots(where, shown[start : start + size], "unit"),
            plots.dot(where, mean, "estimate", 4),
        ]
        heard = f"{family}: mean {text}, templates from {_range(shown[start : start + size], scale.unit)}"
        lines.append(Line(family, plots.strip(where, heard, marks), text))
    rest = f" {beyond} templates lie beyond the ends and are drawn there." if beyond else ""
    each = "Each faint dot is a template, the unit of replication (or several that agree, by its area)"
    caption = f"{each}; the solid one is its family's mean.{rest}"
    return Figure("Family by family", caption, tuple(lines), plots.scale(where), scale.unit)


def _control(case: Case) -> Figure | None:
    """Every control draw beside the effect, and the margin by which it must fail."""
    refs = case.form.controls(case.claim, case.main.sweep)
    drawn_at = [{key[2] for key in case.evidence.control if key[:2] == case.main.drawn(ref)} for ref in refs]
    numbers = sorted(set.intersection(*drawn_at)) if drawn_at else []
    if not numbers:
        return None
    effect, drawn, _ = averaged(case.main, lambda one: case.form.control(one, numbers))
    layout, scale = case.main.table.layout, case.form.asked(case.main).scale
    draws, level = layout.means(drawn.T).mean(axis=0), float(layout.means(effect).mean())
    ratio = case.claim.control.ratio
    if scale.logarithmic:
        shown, own, unit = np.exp(draws - level).tolist(), 1.0, "x"
        margin = 1 / ratio if scale.sign > 0 else ratio
    else:
        shown, own, unit = (draws / scale.per).tolist(), level / scale.per, scale.unit
        margin = own / ratio if scale.sign > 0 else own * ratio
    where = plots.axis([*shown, own, margin], scale.logarithmic, unit)
    kind = case.claim.control.kind
    effect_text = "the effect" if scale.logarithmic else f"the effect: {quantity(own, unit)}"
    draws_text = f"{len(shown)} draws, {_range(shown, unit)}"
    rows = [
        Line(
            "effect",
            plots.strip(where, effect_text, [plots.upright(where, margin, "bound"), plots.dot(where, own)]),
            quantity(own, unit),
            True,
        ),
        Line(
            kind,
            plots.strip(
                where,
                f"{kind}: {draws_text}",
                [plots.upright(where, margin, "bound"), plots.dots(where, shown, "draw", 3.5)],
            ),
            draws_text,
        ),
    ]
    side = "below" if scale.sign > 0 else "above"
    compared = "as a multiple of the effect" if scale.logarithmic else f"in {unit}" if unit else "as they are"
    caption = (
        f"What {kind} does in place of the effect, {compared}. For the claim to be specific, a typical draw must lie "
        f"{side} the dashed margin ({number(ratio)}x), and every draw {side} the effect."
    )
    return Figure("Control draws", caption, tuple(rows), plots.scale(where), unit)


def _sweep(case: Case) -> Figure | None:
    """Every component of the sweep under the claim's own intervention."""
    kind, main = case.claim.metric.kind, case.main
    places = [label for label in main.sweep if main.place(Ref(None, label)) in case.evidence.effects]
    if main.repetitions or kind.scale == "share" or len(places) < 3:
        return None
    typical = _typical(case, kind.scale == "log")
    values = {label: typical(main.series(Ref(None, label))) for label in places}
    shown = list(values)
    if len(shown) > MOST_ROWS:
        strongest = sorted(shown, key=lambda label: (-values[label], label))[:MOST_ROWS]
        shown = [label for label in shown if label in strongest]
    named = _named(case)
    where = plots.axis(values.values(), kind.scale == "log", kind.unit)
    lines = tuple(
        Line(
            component(label),
            plots.strip(
                where,
                f"{component(label)}: {quantity(values[label], kind.unit)}",
                [plots.bar(where, values[label], "named" if label in named else "bar")],
            ),
            quantity(values[label], kind.unit),
            label in named,
        )
        for label in shown
    )
    some = f" The {MOST_ROWS} largest of {len(places)} are shown." if len(places) > MOST_ROWS else ""
    word = "Typical" if kind.scale == "log" else "Mean"
    name = "KL" if case.claim.metric.quantity == "kl" else case.claim.metric.quantity.replace("_", " ")
    caption = f"{word} {name} of every component under {main.own}.{some}"
    return Figure("All components", caption, lines, plots.scale(where), kind.unit)


def _typical(case: Case, logarithmic: bool) -> Callable[[Floats], float]:
    table = case.main.table
    if logarithmic:
        return lambda values: math.exp(float(table.layout.means(table.logs(values)).mean()))
    return lambda values: float(table.family_means(values).mean())


def _named(case: Case) -> set[str]:
    expect = case.claim.expect.model_dump(mode="json")
    return set(_strings(expect)) & set(case.main.sweep)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _limits(answer: Answer) -> tuple[float, float]:
    """Both limits as they are shown, the smaller first; never on the wrong side of the estimate."""
    value = answer.shown(answer.value)
    near, far = answer.shown(answer.lower), answer.shown(answer.upper)
    low, high = (near, far) if answer.scale.sign > 0 else (far, near)
    return min(low, value), max(high, value)


def _most(values: Sequence[float], logarithmic: bool) -> list[float]:
    """All values on a log scale, and all that are 0 or 1; else those that are no far outliers."""
    if logarithmic or {*values} <= {0.0, 1.0}:
        return list(values)
    low, high = np.quantile(np.array(values), [0.02, 0.98])
    room = high - low
    return [value for value in values if low - room <= value <= high + room]


def _end(value: float) -> str:
    return number(value) if math.isfinite(value) and abs(value) < 1e12 else ("-∞" if value < 0 else "∞")


def _range(values: Sequence[float], unit: str) -> str:
    return f"{number(min(values))} to {quantity(max(values), unit)}"
