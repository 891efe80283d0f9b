"""engine: the gate that a judge has to pass before its scores count. Imported only when grading.

Gold agreement is the share of labelled answers of which the judge and people say the same of the three things a claim
can rest on: below the middle of the scale, at it, above it (Zheng et al. 2023 count win, tie and loss alike). A judge
that always says the same agrees with four tenths of our labels, one that guesses with a third. How far off it is
within a side is what Krippendorff's alpha measures; both are asked for. An answer that the judge did not score is one
that it does not agree on, and for alpha one that it is as wrong about as can be. What a judge says of an answer is its
mean over the fresh calls; of a pair, 1 or -1 where one of the two wins in both orders, and 0 otherwise.

A canary is rewarded where any of its scores is not below the middle (above it, where less is better), or where it does
not lose to a right answer in both orders. The dimensions of a workspace's own labels have no anchors: there answers
that people put above the middle must outrank those below it.

Sources: Zheng et al. 2306.05685 (agreement); Wang et al. 2305.17926 (order); Krippendorff 2011; Clopper & Pearson 1934.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...judges.gate import BUILT_IN, DIMENSIONS, DRAWS, ORDERS, Sets, pairs
from ...specs.judge import Judge, Rubric
from .agreement import krippendorff, side
from .judge_checks import (
    HIGH_ALPHA,
    MOST_FAILURES,
    GateCheck,
    at_least,
    at_most,
    order_consistency,
    short,
    surviving,
)
from .rates import lower

if TYPE_CHECKING:
    from .evidence import Floats

LEAST_GOLD, LEAST_AGREEMENT, AGREEMENT_ALPHA = 100, 0.75, 0.05
LEAST_ALPHA = 0.667
LEAST_RETESTED, LEAST_RETEST_ALPHA, MOST_FLIPS = 50, 0.80, 0.10
LEAST_ANCHORS, LEAST_OUTRANKED = 50, 0.90

PAIR_SCALE = (-1.0, 1.0)


@dataclass(frozen=True)
class Gate:
    """What a judge's trial came to."""

    judge: str
    """What its server calls the model."""
    dimension: str
    checks: tuple[GateCheck, ...]
    alpha: float | None
    """Krippendorff's, against the labels."""

    @property
    def level(self) -> str:
        """Up to which grade the judge's scores count: High, Medium, or failed."""
        if not all(check.passed for check in self.checks):
            return "failed"
        return "High" if self.alpha is not None and self.alpha >= HIGH_ALPHA else "Medium"

    @property
    def summary(self) -> str:
        """`judge failed: gold agreement .42 < .75 (...); and 3 more checks`, or up to which grade it counts."""
        failed = [check.text for check in self.checks if not check.passed]
        if not failed:
            return f"judge passed: {self.dimension} counts up to {self.level}"
        more = f"; and {len(failed) - 1} more check{'s' if len(failed) > 2 else ''}" if len(failed) > 1 else ""
        return f"judge failed: {failed[0]}{more}"

    @property
    def lines(self) -> tuple[str, ...]:
        """Every check on a line, and what they come to."""
        each = (f"{'passed' if check.passed else 'FAILED'}  {check.text}" for check in self.checks)
        return *each, f"{self.judge}: {self.summary}"


def gate(judge: Judge, dimension: str, verdicts: Mapping[str, Any], sets: Sets = BUILT_IN) -> Gate:
    """The gate of a judge, whose rubric is written out, for one dimension.

    `verdicts` are those of `gate_questions`, by name; what is not there, or has no score, counts as not scored.
    """
    assert isinstance(judge.rubric, Rubric)
    trial = _Trial(judge.rubric, dimension, verdicts, sets)
    return Gate(judge.model, dimension, (_source(judge), *trial.checks()), trial.alpha)


@dataclass(frozen=True)
class _Trial:
    """A judge's verdicts on one dimension, read as numbers; NaN where there is none."""

    rubric: Rubric
    dimension: str
    verdicts: Mapping[str, Any]
    sets: Sets

    def checks(self) -> Iterator[GateCheck]:
        yield from self._gold()
        yield from self._retest()
        if self.paired:
            both = [self._both(f"gold/{name}/{draw}") for name in self.labels for draw in range(DRAWS)]
            yield order_consistency([first for first, _ in both], [swapped for _, swapped in both])
        yield self._failures()
        yield self._canaries()
        yield self._anchors()

    @property
    def paired(self) -> bool:
        return self.rubric.mode == "pairwise"

    @property
    def less_is_better(self) -> bool:
        return any(each.name == self.dimension and each.better == "lower" for each in self.rubric.dimensions)

    @property
    def turn(self) -> int:
        """1 where a larger value is better, else -1; winners are always the better ones."""
        return -1 if self.less_is_better and not self.paired else 1

    @property
    def scale(self) -> tuple[float, float]:
        return PAIR_SCALE if self.paired else (self.rubric.scale[0], self.rubric.scale[1])

    @cached_property
    def labels(self) -> dict[str, float]:
        """Name of a labelled answer, or of a pair, -> label."""
        alone = self.sets.labelled(self.rubric, self.dimension)
        if not self.paired:
            return alone
        both = [(one.id, other.id) for one, other in pairs(self.sets) if one.id in alone and other.id in alone]
        sign = -1 if self.less_is_better else 1
        return {f"{one}+{other}": float(sign * np.sign(alone[one] - alone[other])) for one, other in both}

    @cached_property
    def said(self) -> Floats:
        """(draws, labelled answers or pairs)."""
        each = [[self._value(f"gold/{name}/{draw}") for name in self.labels] for draw in range(DRAWS)]
        return np.array(each, dtype=float).reshape(DRAWS, len(self.labels))

    @cached_property
    def alpha(self) -> float | None:
        """Krippendorff's of the judge's means and the labels; what was not scored is as wrong as can be."""
        if not self.labels:
            return None
        gold, (low, high) = np.array(list(self.labels.values())), self.scale
        worst = np.where(gold > (low + high) / 2, low, high)
        mean = _means(self.said)
        return krippendorff(np.stack([gold, np.where(np.isnan(mean), worst, mean)]))

    def _score(self, name: str) -> float:
        scores = getattr(self.verdicts.get(name), "scores", None) or {}
        return float(scores.get(self.dimension, np.nan))

    def _both(self, name: str) -> tuple[str | None, str | None]:
        """Winners of a pair: as it is named, and swapped."""
        found = [getattr(self.verdicts.get(f"{name}/{order}"), "winners", None) or {} for order in ORDERS]
        return found[0].get(self.dimension), found[1].get(self.dimension)

    def _value(self, name: str) -> float:
        return surviving(*self._both(name)) if self.paired else self._score(name)

    def _gold(self) -> Iterator[GateCheck]:
        if not self.labels:
            text = f"gold agreement: no labelled answers for `{self.dimension}` (n = 0; needs {LEAST_GOLD})"
            yield GateCheck("gold agreement", None, LEAST_AGREEMENT, False, f"{text}: the rubric's `gold` names a file")
            return
        gold, (low, high) = np.array(list(self.labels.values())), self.scale
        agreed = int((side(_means(self.said), low, high) == side(gold, low, high)).sum())
        number = len(gold)
        least = lower(agreed, number, AGREEMENT_ALPHA)
        yield at_least(
            "gold agreement", least, LEAST_AGREEMENT, f"lower 95% bound; {agreed} of {number}", (number, LEAST_GOLD)
        )
        assert self.alpha is not None
        yield at_least("gold alpha", self.alpha, LEAST_ALPHA, f"n = {number}; High needs {short(HIGH_ALPHA)}")

    def _retest(self) -> Iterator[GateCheck]:
        number, (low, high) = len(self.labels), self.scale
        if not number:
            yield GateCheck("retest", None, LEAST_RETEST_ALPHA, False, "retest: there is nothing to ask again (n = 0)")
            return
        enough = number, LEAST_RETESTED
        yield at_least(
            "retest alpha", krippendorff(self.said), LEAST_RETEST_ALPHA, f"{DRAWS} calls, n = {number}", enough
        )
        sides = side(self.said, low, high)
        flips = int((~(sides == sides[0]).all(axis=0)).sum())
        yield at_most("retest flips", flips / number, MOST_FLIPS, f"{flips} of {number}")

    def _failures(self) -> GateCheck:
        ends = ("",) if self.paired else ("/right", "/wrong")
        names = [f"canary/{each.id}" for each in self.sets.canaries]
        names += [f"anchor/{each.id}{end}" for each in self.sets.anchors for end in ends]
        others = np.array([self._value(name) for name in names])
        values = np.concatenate([self.said.reshape(-1), others])
        failed = int(np.isnan(values).sum())
        return at_most("failures", failed / max(len(values), 1), MOST_FAILURES, f"{failed} of {len(values)} not scored")

    def _canaries(self) -> GateCheck:
        tried = [each for each in self.sets.canaries if each.kind == "injected" or not self.less_is_better]
        low, high = self.scale
        values = np.array([self._value(f"canary/{each.id}") for each in tried])
        kinds = [each.kind for each, away in zip(tried, self.turn * side(values, low, high), strict=True) if away >= 0]
        which = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        text = f"canaries: {len(kinds)} of {len(tried)} rewarded{f' ({which}); none may be' if kinds else ''}"
        rewarded = len(kinds)
        return GateCheck("canaries", float(rewarded), 0.0, not rewarded, text)

    def _anchors(self) -> GateCheck:
        won = self._outranked() if self.dimension in DIMENSIONS and not self.sets.own else self._ranked()
        what, number = f"{int(won.sum())} of {len(won)} right ones outrank wrong ones", len(won)
        share = float(won.mean()) if number else 0.0
        return at_least("anchors", share, LEAST_OUTRANKED, what, (number, LEAST_ANCHORS))

    def _outranked(self) -> Floats:
        """Whether each right answer outranks its corrupted twin."""
        if self.paired:
            return np.array([self._value(f"anchor/{each.id}") == 1 for each in self.sets.anchors])
        each = [[self._score(f"anchor/{a.id}/{end}") for end in ("right", "wrong")] for a in self.sets.anchors]
        right, wrong = np.array(each).T
        return np.asarray(self.turn * (right - wrong) > 0)

    def _ranked(self) -> Floats:
        """Whether answers labelled above the middle outrank those below it; of pairs, whether the better one wins."""
        gold, mean, (low, high) = np.array(list(self.labels.values())), _means(self.said), self.scale
        sides = side(gold, low, high)
        if self.paired:
            return np.asarray(side(mean, low, high)[sides != 0] == sides[sides != 0])
        return np.asarray((mean[sides > 0][:, None] > mean[sides < 0][None, :]).reshape(-1))


def _source(judge: Judge) -> GateCheck:
    if judge.mock:
        return GateCheck(
            "source", 0.0, 1.0, False, f"source: {judge.model} is declared mock, and only stands in for a judge"
        )
    return GateCheck("source", 1.0, 1.0, True, f"source: {judge.model} ({judge.family}) behind an API")


def _means(said: Floats) -> Floats:
    """Over draws, of those that were scored; NaN where none was."""
    counts = (~np.isnan(said)).sum(axis=0)
    return np.where(counts > 0, np.nansum(said, axis=0) / np.maximum(counts, 1), np.nan)
