"""engine: exact statistics of how often something happens, over templates or families. Imported only when grading.

A trial is a *distinct template*. Its prompts are clones of one another, so a template of several is one trial, and is
counted at its worst: for "at most", it counts as an event if any of its prompts shows one; when the claim is to be
refuted, only if all do. (For "at least" the other way round.) The two counts enclose the rate over prompts.

In the suite, p-values are binomial and limits those of Clopper & Pearson 1934. Families of different rates make a sum
of Bernoulli trials of unequal rates, whose tails are no heavier than the binomial's of the mean rate (Hoeffding 1956).

Beyond it, templates of a family resemble each other: n of them count as n / (1 + (m - 1) ICC), m the size of a typical
family, and the count is scaled alike (Kish 1965; Korn & Graubard 1998). The ICC is estimated by analysis of variance,
but never taken below .3: where hardly anything happens it cannot be seen. What remains unseen is a family type that the
suite lacks and in which the event always happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaincinv  # type: ignore[import-untyped]

from .answer import Alphas, Answer
from .inference import POWER_QUANTILE
from .question import Arm, Fault, Scale
from .replicates import distinct
from .specificity import LEAST_DRAWS, usable_draws
from .table import LEAST_CELLS, Table, usable

if TYPE_CHECKING:
    from .evidence import Floats, Ref
    from .inference import Layout

    Limit = Callable[[float, float, float], float]

ICC_FLOOR = 0.3
"""Intraclass correlation of templates in a family, where none is seen or less."""

MOST_TRIALS = 100_000

SAME_PROMPT = 1e-6
"""Relative difference of the positive control's KL up to which two examples may be one prompt. Prompts of one answer
and one last token come within 5e-6 of each other."""


def at_most_so_many(count: float, trials: float, rate: float) -> float:
    """P(X <= count), X binomial; continued to fractional counts by the incomplete beta function."""
    return 1.0 if count >= trials else float(betainc(trials - count, count + 1, 1 - rate))


def at_least_so_many(count: float, trials: float, rate: float) -> float:
    """P(X >= count), likewise."""
    return 1.0 if count <= 0 else float(betainc(count, trials - count + 1, rate))


def upper(count: float, trials: float, alpha: float) -> float:
    """The largest rate at which so few are seen with probability alpha (Clopper & Pearson 1934)."""
    return 1.0 if count >= trials else float(betaincinv(count + 1, trials - count, 1 - alpha))


def lower(count: float, trials: float, alpha: float) -> float:
    """The least rate at which so many are seen with probability alpha."""
    return 0.0 if count <= 0 else float(betaincinv(count, trials - count + 1, alpha))


def design_effect(events: Floats, layout: Layout) -> tuple[float, float]:
    """How many templates (templates,) of 0 and 1 count as one, and the ICC that makes it so."""
    sizes, total = layout.sizes, float(layout.sizes.sum())
    families, typical = len(sizes), float((sizes**2).sum() / total)
    means = layout.means(events)
    within = float((sizes * means * (1 - means)).sum()) / max(total - families, 1)
    between = float((sizes * (means - events.mean()) ** 2).sum()) / max(families - 1, 1)
    size = (total - typical) / max(families - 1, 1)
    spread = between + (size - 1) * within
    icc = min(max((between - within) / spread if spread > 0 else 0.0, ICC_FLOOR), 1.0)
    return max(1 + (typical - 1) * icc, 1.0), icc


def least_families(share: float, alpha: float) -> int:
    """Families under which nothing shows that a rate is below so large a share, however many templates they have."""
    return math.ceil(ICC_FLOOR * math.ceil(math.log(alpha) / math.log1p(-share)))


@dataclass(frozen=True)
class RateAnswer(Answer):
    """The answer of an arm that counts events in templates; values are rates."""

    count: int = 0
    """Templates with the event, each taken at its worst for the claim."""
    count_against: int = 0
    """The same, taken at its best for the claim."""
    trials: int = 0
    effective: float = 0.0
    """Independent templates that they are worth."""
    icc: float | None = None
    """Beyond the suite."""

    @property
    def votes(self) -> bool:
        """Families differ in their rates; they are not asked one by one."""
        return False

    def needed(self, alpha: float) -> int | None:
        """Templates (families) that would decide with 80 % power at an alpha, if the rate stays as it is."""
        sign, bound = self.scale.sign, self.scale.bound
        speaks_for = self.value > sign * bound
        rate = sign * (self.value if speaks_for else self.adversary_value)
        below = (sign < 0) == speaks_for
        wanted = _least_trials(rate, bound, below, alpha)
        if wanted is None or not self.beyond:
            return wanted if wanted is None else max(wanted, self.n_units + 1)
        return max(math.ceil(self.families * wanted / self.effective), self.families + 1)


@dataclass(frozen=True)
class GuardedAnswer(Answer):
    """The answer of means of 0/1 differences, of which hardly any is not 0: held to an exact limit too."""

    rate: float = 0.0
    """Share of templates that differ in the direction that speaks against the claim."""
    most: float = 1.0
    """By how much a template can differ."""

    def needed(self, alpha: float) -> int | None:
        """Templates that would decide by both."""
        wanted = super().needed(alpha)
        exact = _least_trials(self.rate, min(self.scale.bound / self.most, 1.0), True, alpha)
        return None if wanted is None or exact is None else max(wanted, exact)


def guarded(found: Answer, units: Floats, most: float, alphas: Alphas) -> GuardedAnswer:
    """A claim of at most a margin, on differences (templates, contrasts) of at most `most`.

    The mean difference is at most `most` times the rate of templates that differ at all in that direction.
    """
    count, trials = int((units > 0).sum(axis=0).max()), len(units)
    p_value = at_most_so_many(count, trials, min(found.scale.bound / most, 1.0))
    exact = {
        "p_for": max(found.p_for, p_value),
        "p_mean": max(found.p_mean, p_value),
        "lower": min(found.lower, -most * upper(count, trials, alphas.high)),
        "lower_medium": min(found.lower_medium, -most * upper(count, trials, alphas.medium)),
    }
    whole = {field.name: getattr(found, field.name) for field in fields(found)} | exact
    return GuardedAnswer(**whole, rate=count / trials, most=most)


def _least_trials(rate: float, bound: float, below: bool, alpha: float) -> int | None:
    """The fewest trials at which four of five counts at a rate show it to be below (above) a bound."""
    if not (rate < bound if below else rate > bound):
        return None

    def shown(trials: int) -> bool:
        spread = POWER_QUANTILE * math.sqrt(trials * rate * (1 - rate))
        if below:
            return at_most_so_many(math.ceil(trials * rate + spread), trials, bound) < alpha
        return at_least_so_many(math.floor(trials * rate - spread), trials, bound) < alpha

    high = 1
    while not shown(high):
        if (high := 2 * high) > MOST_TRIALS:
            return None
    low = high // 2
    return next((trials for trials in range(low + 1, high) if shown(trials)), high)


def rate_answer(events: Floats, table: Table, scale: Scale, beyond: bool, alphas: Alphas) -> RateAnswer:
    """The statistics of 0/1 values per example (n,)."""
    means = table.template_means(events)
    some, every = (means > 0).astype(float), (means >= 1).astype(float)
    worst, best = (every, some) if scale.sign > 0 else (some, every)
    trials, families = len(means), len(table.layout.families)
    factor, icc = _worth(some, every, table) if beyond else (1.0, None)
    n, x, y = trials / factor, float(worst.sum()) / factor, float(best.sum()) / factor
    least, most = (lower, upper) if scale.sign > 0 else (_mirrored(upper), _mirrored(lower))
    tail, other = (at_least_so_many, at_most_so_many) if scale.sign > 0 else (at_most_so_many, at_least_so_many)
    rate = float(worst.mean())
    p_for = tail(x, n, scale.bound)
    return RateAnswer(
        scale=scale,
        beyond=beyond,
        n_units=families if beyond else trials,
        p_for=p_for,
        p_mean=p_for,
        p_against=other(y, n, scale.against),
        p_against_blind=other(y, n, scale.against),
        hardest="",
        value=scale.sign * rate,
        se=math.sqrt(rate * (1 - rate) / n),
        lower=least(x, n, alphas.high),
        lower_medium=least(x, n, alphas.medium),
        upper=most(y, n, alphas.refute),
        adversary="",
        adversary_value=scale.sign * float(best.mean()),
        families=families,
        count=int(worst.sum()),
        count_against=int(best.sum()),
        trials=trials,
        effective=n,
        icc=icc,
    )


def _worth(some: Floats, every: Floats, table: Table) -> tuple[float, float]:
    """The larger design effect of the two counts."""
    return max(design_effect(some, table.layout), design_effect(every, table.layout))


def _mirrored(limit: Limit) -> Limit:
    return lambda count, trials, alpha: -limit(count, trials, alpha)


class CountTable(Table):
    """A table of values that may be 0 or 1, by which examples can hardly be told apart.

    Two of them are clones where the positive control's KL, which is no such value, agrees too.
    """

    def _distinct_examples(self) -> Floats:
        marks = self._evidence.positive
        if not usable(marks):
            return super()._distinct_examples()
        cells, named = self._named_examples()
        kept = np.ones(len(named), dtype=bool)
        for alike in _alike(marks[named]):
            kept[alike] = False
            kept[alike[distinct(cells[named[alike]], LEAST_CELLS)]] = True
        return np.asarray(named[kept])


def _alike(marks: Floats) -> list[Floats]:
    """Places (in rising order) whose marks agree, of two or more each."""
    order = np.argsort(marks, kind="stable")
    gaps = np.diff(marks[order]) > SAME_PROMPT * np.abs(marks[order][1:])
    return [np.sort(part) for part in np.split(order, np.flatnonzero(gaps) + 1) if len(part) > 1]


def distinct_counts(cells: Floats) -> list[int]:
    """Indices of the replicates (replicates, cells) that are no clone of an earlier one, where values may be 0 or 1.

    Of such values only the rarer can tell a clone, and only where there are some: replicates in which an event always
    happens agree, and so do those in which it never does.
    """
    rarer = np.array(cells)
    for row in rarer:
        if np.isin(row, (-1.0, 0.0, 1.0)).all() and row.mean() > 0.5:
            row[:] = 1 - row
    return distinct(rarer, LEAST_CELLS)


def usable_counts(arm: Arm, refs: Sequence[Ref], numbers: Sequence[int]) -> list[int] | Fault:
    """The distinct draws of a control whose values may be 0 or 1, or what is wrong with them."""
    found = usable_draws(arm, refs, numbers)
    if not isinstance(found, Fault) or found.code != "cloned_draws" or arm.table.draw_marks(numbers):
        return found
    cells = np.concatenate([arm.draws(ref, numbers) for ref in refs], axis=1)
    if np.ptp(cells) > 0 and not np.ptp(cells, axis=0).any():
        return found
    kept = distinct_counts(cells)
    return [numbers[index] for index in kept] if len(kept) >= LEAST_DRAWS else found
