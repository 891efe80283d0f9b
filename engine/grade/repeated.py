"""engine: measurements that were repeated whole: trainings with other seeds, sessions. Imported only when grading.

Such a repetition, not the item, is what a claim on them is about: of S trainings on one and the same n items the
standard error is that over trainings (S - 1 df) and over items together. Repetitions that agree cell by cell are one,
and those that differ far less than their own scatter implies are none.
Source: Cameron, Gelbach & Miller 2011 (clusters in two ways).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...specs.metrics.base import Repeated
from .question import Arm, Fault, Question
from .rates import distinct_counts
from .replicates import distinct, too_alike, unlike

if TYPE_CHECKING:
    from .evidence import Floats, Ref


def independent(
    arm: Arm, refs: Sequence[Ref], repeated: Repeated, marks: Mapping[int, str], counts: bool
) -> tuple[int, ...] | Fault:
    """The repetitions of an arm that repeat no earlier one, or why there are too few."""
    numbers = range(1, repeated.times + 1)
    each = [replace(arm, repetition=number) for number in numbers]
    series = np.stack([[one.series(ref) for ref in refs] for one in each])
    counts = counts and bool(np.isin(series, (-1.0, 0.0, 1.0)).all())
    digests = [marks.get(number, str(number)) for number in numbers] if marks else []
    by_chance = arm.claim.metric.quantity in arm.claim.metric.OF_MACHINE
    kept = unlike(series.reshape(len(each), -1), digests, distinct_counts if counts else distinct, by_chance)
    if len(kept) < repeated.least:
        gone = f", of which {len(kept)} differ (the others repeat them cell by cell)" if len(kept) < len(each) else ""
        return Fault("too_few_repetitions", f"needs n = {repeated.least} {repeated.what}; has {len(each)}{gone}")
    if not counts and too_alike(arm.table.template_means(series[kept].mean(axis=1))):
        return Fault("repetitions_too_alike", f"the {repeated.what} differ far less than their own scatter implies")
    return tuple(numbers[index] for index in kept)


def pooled(arm: Arm, ask: Callable[[Arm], Question]) -> Question:
    """The question of an arm with repetitions: units are their mean, `levels` the suite's mean in each."""
    first, *others = each = [ask(one) for one in arm.each()]
    if not others:
        return first
    units = np.stack([question.units for question in each])
    allowed = [question.may_refute for question in each if question.may_refute is not None]
    return replace(
        first,
        units=units.mean(axis=0),
        levels=np.stack([arm.table.layout.means(one).mean(axis=0) for one in units]),
        scale=replace(first.scale, per=float(np.mean([question.scale.per for question in each]))),
        may_refute=np.all(allowed, axis=0) if allowed else None,
    )


def averaged(arm: Arm, compare: Callable[[Arm], tuple[Floats, Floats]]) -> tuple[Floats, Floats, Floats | None]:
    """Effect (templates,) and draws (draws, templates) of an arm, and the suite's mean effect in each repetition."""
    first, *others = each = [compare(one) for one in arm.each()]
    if not others:
        return *first, None
    effects = np.stack([effect for effect, _ in each])
    levels = arm.table.layout.means(effects.T).mean(axis=0)
    return effects.mean(axis=0), np.mean([draws for _, draws in each], axis=0), levels
