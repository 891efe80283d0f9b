"""engine: whether a judged comparison comes out the same between answers of one length. Imported only when grading.

Judges favour length. The difference that a claim is about is regressed on the log ratio of the two answers' lengths,
over templates, weighted so that families count alike; the intercept is the difference at equal lengths. Where the mean
decides the claim and the intercept, at the same alpha, does not, it is length that decides. Standard errors allow for
unequal spreads (White 1980, HC1) and, with repetitions, for theirs.

Source: Dubois et al. 2404.04475 (length-controlled comparisons).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .evidence import Ref
from .forms.ratio import side_of
from .inference import t_probability
from .judged import is_judged
from .question import Arm, Fault
from .verdict import Condition
from .words import quantity

if TYPE_CHECKING:
    from .case import Case
    from .evidence import Floats
    from .inference import Layout

LENGTH = "length"
"""Companion of an effect: tokens of the answers."""


@dataclass(frozen=True)
class AtEqualLength:
    """A comparison at a length difference of zero."""

    value: float
    """The difference there, of the contrast that comes nearest to failing, as a person reads it."""
    p_for: float
    """Against "not beyond the bound", over all contrasts."""
    p_against: float
    """Against "not refuted", likewise."""


def length_fault(case: Case) -> Fault | None:
    """What a judged comparison says that it would not say between answers of one length; or that nobody knows."""
    if not is_judged(case.claim) or case.evidence.origin == "recorded":
        return None
    answer, alphas = case.answer, case.alphas
    try:
        found = at_equal_length(case)
    except KeyError:
        return Fault("judge_failed", "judge failed: length: nothing says how long the answers are")
    if found is None:
        return None
    lost = answer.p_mean < alphas.medium <= found.p_for or answer.p_against < alphas.refute <= found.p_against
    if not lost:
        return None
    there = quantity(found.value, answer.scale.unit)
    here = quantity(answer.shown(answer.value), answer.scale.unit)
    return Fault("judge_length", f"judge failed: length decides: {here}, but {there} between answers of one length")


def length_conditions(case: Case) -> Iterator[Condition]:
    """The condition of High that the same is said at equal lengths, of judged comparisons."""
    if not is_judged(case.claim):
        return
    try:
        found = at_equal_length(case)
    except KeyError:
        yield Condition(LENGTH, False, "nothing says how long the answers are")
        return
    if found is None:
        alone = case.claim.expect.form == "threshold" and case.claim.metric.versus is None
        what = "a single condition" if alone else f"form {case.claim.expect.form} is not compared at equal lengths"
        yield Condition(LENGTH, alone, what)
        return
    there = quantity(found.value, case.answer.scale.unit)
    yield Condition(LENGTH, found.p_for < case.alphas.high, f"between answers of one length {there}")


def at_equal_length(case: Case) -> AtEqualLength | None:
    """The intercepts of the claim's contrasts; None where it compares no two conditions.

    Raises:
        KeyError: the evidence has no lengths.
    """
    arm, question = case.main, case.form.asked(case.main)
    ratios = _log_ratios(arm, question.names)
    if ratios is None:
        return None
    scale = question.scale
    fits = []
    for place, ratio in enumerate(ratios):
        value, se, df = intercept(question.units[:, place], ratio, arm.table.layout)
        if question.levels is not None:
            levels = question.levels[:, place]
            se, df = math.hypot(se, levels.std(ddof=1) / math.sqrt(len(levels))), min(df, len(levels) - 1)
        fits.append((scale.sign * value, se, df))
    values, errors, degrees = map(np.array, zip(*fits, strict=True))
    p_for = t_probability(scale.sign * scale.bound - values, errors, degrees, 0.0)
    p_against = t_probability(values - scale.sign * scale.against, errors, degrees, 0.0)
    least = float(values[int(np.argmax(p_for))])
    return AtEqualLength(
        scale.shown(scale.sign * least), float(p_for.max()), float(min(p_against.min() * len(fits), 1))
    )


def intercept(units: Floats, ratios: Floats, layout: Layout) -> tuple[float, float, float]:
    """Intercept of units (templates,) on ratios (templates,), its standard error, and df; families count alike.

    Where answers always differ by one factor nothing is known of equal lengths: the error is infinite.
    """
    weights = np.repeat(1 / (len(layout.sizes) * layout.sizes), layout.sizes.astype(int))
    mean, count = float(weights @ ratios), len(units)
    away = ratios - mean
    spread = float(weights @ away**2)
    if spread < 1e-12:
        slope, reach = 0.0, np.where(abs(mean) < 1e-6, 0.0, math.inf) * np.ones(count)
    else:
        slope, reach = float(weights @ (away * units)) / spread, -mean * away / spread
    middle = float(weights @ units)
    residuals = units - middle - slope * away
    parts = weights * (1 + reach) * residuals
    if not np.isfinite(reach).all():
        return middle, math.inf, count - 2
    return middle - slope * mean, math.sqrt(float((parts**2).sum()) * count / (count - 2)), count - 2


def _log_ratios(arm: Arm, names: tuple[str, ...]) -> list[Floats] | None:
    """For each contrast, by which factor the one side's answers are longer, as a logarithm (templates,)."""
    expect: Any = arm.claim.expect

    def tokens(ref: Ref) -> Floats:
        return np.maximum(arm.companion(LENGTH, ref), 1.0)

    def ratio(one: Floats, other: Floats) -> Floats:
        return arm.table.template_means(np.log(one) - np.log(other))

    if hasattr(expect, "test"):
        one, other = (side_of(side, arm, tokens) for side in (expect.test, expect.reference))
        return [ratio(one, other)] * len(names)
    if expect.form == "top_component":
        return [ratio(tokens(Ref(None, expect.component)), tokens(Ref(None, rival))) for rival in names]
    if expect.form == "threshold" and arm.claim.metric.versus is not None:
        versus = tokens(Ref(None, arm.claim.metric.versus))
        return [ratio(tokens(Ref(None, expect.component)), versus)]
    return None
