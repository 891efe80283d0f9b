"""engine: the statistics of one arm, in the suite or beyond it. Imported only when grading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .inference import FAMILY_ALPHA, Layout, Mean, Sample, more_than_half, needed, sample_of
from .question import Question, Scale

if TYPE_CHECKING:
    from .evidence import Floats

MOST_FAMILIES = 200


@dataclass(frozen=True)
class Alphas:
    """One-sided alphas at one look."""

    high: float
    refute: float
    """In the suite divided by the number of parts."""
    medium: float
    block: float
    """At which a control explains the effect; not spent over looks, since it only ever lowers a grade."""


@dataclass(frozen=True)
class Answer:
    """One arm's answer. Values are oriented: larger speaks for the claim; `shown` turns them back."""

    scale: Scale
    beyond: bool
    n_units: int
    p_for: float
    """Against "not beyond the bound"; with several contrasts the largest (intersection-union), or k times the k-th."""
    p_mean: float
    """The same from means alone; equal to `p_for` in the suite, a t over families beyond it."""
    p_against: float
    """Against "not refuted"; over several contrasts Bonferroni-corrected."""
    p_against_blind: float
    """The same, if every contrast were allowed to refute."""
    hardest: str
    """Name of the contrast that comes nearest to failing."""
    value: float
    """Its estimate."""
    se: float
    lower: float
    """The least lower limit at the alpha of High."""
    lower_medium: float
    upper: float
    """The upper limit, at the alpha of refutation, of the contrast that speaks most against the claim."""
    adversary: str
    adversary_value: float
    families: int
    families_for: int = 0
    families_against: int = 0

    @property
    def votes(self) -> bool:
        """Whether families are counted: `p_for` is then that of the count."""
        return self.beyond

    def shown(self, oriented: float) -> float:
        """An oriented value as a person reads it."""
        return self.scale.shown(self.scale.sign * oriented)

    def reached(self, drawn: float) -> float:
        """What a typical control draw does, as a person reads it."""
        return drawn / self.scale.per

    def needed(self, alpha: float) -> int | None:
        """Units that would decide with 80 % power at an alpha, if things stay as they look."""
        distance = self.value - self.scale.sign * self.scale.bound
        if distance <= 0:
            distance = self.scale.sign * self.scale.against - self.adversary_value
        if not self.beyond:
            return needed(self.n_units, distance, self.se, alpha)
        count = max(self.families_for, self.families_against)
        share = count / self.families
        for families in range(self.families + 1, MOST_FAMILIES + 1):
            if more_than_half(int(share * families), families) < alpha:
                return families
        return None


def answer(question: Question, layout: Layout, beyond: bool, alphas: Alphas) -> Answer:
    """The statistics of one arm's question.

    Where k - 1 of m contrasts may fail, the claim holds if m - k + 1 do: its p-value is k times the k-th largest of
    theirs, and it is refuted by m - k + 1 times the k-th smallest of the p-values against, under any dependence; for
    k = 1 these are intersection-union and Bonferroni. Source: Benjamini & Heller 2008 (partial conjunction).
    """
    scale, k, must = question.scale, 1 + question.spare, len(question.names) - question.spare
    sample = sample_of(scale.sign * question.units, layout)
    mean, n_units = (sample.between if beyond else sample.guarded), len(sample.units)
    if question.levels is not None:
        mean, n_units = mean.widened(scale.sign * question.levels), len(question.levels)
    bound, against = scale.sign * scale.bound, scale.sign * scale.against
    p_mean = min(k * _least(mean.below(bound), len(question.names) - k), 1.0)
    counts = _families(sample, question, bound, against) if beyond else (0, 0)
    p_each = np.minimum(mean.above(against) * must, 1.0)
    p_blind = _least(p_each, k - 1)
    p_allowed = _allowed(p_each, question, 0)
    families = len(layout.families)
    hardest, worst = int(np.argsort(mean.value, kind="stable")[k - 1]), _most_against(p_allowed, mean, k)
    return Answer(
        scale=scale,
        beyond=beyond,
        n_units=families if beyond else n_units,
        p_for=more_than_half(counts[0], families) if beyond else p_mean,
        p_mean=p_mean,
        p_against=more_than_half(counts[1], families) if beyond else _least(p_allowed, k - 1),
        p_against_blind=p_blind,
        hardest=question.names[hardest],
        value=float(mean.value[hardest]),
        se=float(mean.se[hardest]),
        lower=_least(mean.limit(alphas.high / k, -1), k - 1),
        lower_medium=_least(mean.limit(alphas.medium / k, -1), k - 1),
        upper=float(mean.limit(alphas.refute / must, +1)[worst]),
        adversary=question.names[worst],
        adversary_value=float(mean.value[worst]),
        families=families,
        families_for=counts[0],
        families_against=counts[1],
    )


def _least(values: Floats, spare: int) -> float:
    """The smallest of the contrasts' values when so many smaller ones are spared."""
    return float(values[0] if len(values) == 1 else np.sort(values)[spare])


def _families(sample: Sample, question: Question, bound: float, against: float) -> tuple[int, int]:
    """Families decided for the claim (against every rival, or all but the spare ones), and against it."""
    each, k, must = sample.each_family, 1 + question.spare, len(question.names) - question.spare
    p_for = k * np.sort(each.below(bound), axis=1)[:, -k]
    p_against = _allowed(each.above(against) * must, question, slice(1, None))
    return int((p_for < FAMILY_ALPHA).sum()), int((np.sort(p_against, axis=1)[:, k - 1] < FAMILY_ALPHA).sum())


def _allowed(p_values: Floats, question: Question, rows: int | slice) -> Floats:
    """p-values against, of the contrasts that may refute; 1 of the others."""
    return p_values if question.may_refute is None else np.where(question.may_refute[rows], p_values, 1.0)


def _most_against(p_values: Floats, mean: Mean, k: int) -> int:
    return int(np.lexsort((mean.value, p_values))[k - 1])
