"""engine: form `stability`: one and the same claim holds in at least so large a share of independently trained models.

Estimand: the share of models, of all that are trained like these and differ in their seed only, in which the children's
claim is true, such as "L3 is the top component". Unit: the training seed; prompts only decide each child. Minimum: 24
seeds for a share of .8 at .995, if all agree (.8^24 = .0047).
High: Clopper-Pearson lower limit of the share, where only children that are High count as seeds that agree. A child is
High though its claim is false with probability alpha at most, so the test is of pi + (1 - pi) alpha. Medium: the same
at the alpha of Medium, where children that are Medium count too. Refuted: the share of children that are Refuted,
likewise. A child that is Pending speaks neither way: it is a trial that failed, for High and for Refuted alike.
Degenerate: children that are not one claim on different models; two children with the very same numbers, which are one
training run under two names.
Source: Clopper & Pearson 1934; design rule of the project.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ....specs.forms import Stability
from ..question import Fault
from ..verdict import Condition, Grade, Verdict
from ..words import against, confidence, number
from . import find_form, form

if TYPE_CHECKING:
    from ....specs.claim import CompositeClaim, MeasuredClaim

    Children = Sequence[tuple[MeasuredClaim, Verdict]]

SAME = ("suite", "metric", "counterfactual", "robustness", "control", "expect", "threshold")
MOST_SEEDS = 300


@form("stability")
class StabilityForm:
    """The share of training seeds in which a claim holds."""

    def grade(self, claim: CompositeClaim, children: Children) -> Verdict:
        """Clopper-Pearson over the children's grades."""
        if fault := _comparable(children) or _cloned(children):
            return Verdict(claim.claim, "Pending", fault.code, fault.message, explanation=_lines(claim, children))
        share, seeds, (high, medium) = _share(claim), len(children), _alphas(children)
        grades = Counter(verdict.grade for _, verdict in children)
        agree, nearly, disagree = grades["High"], grades["High"] + grades["Medium"], grades["Refuted"]
        p_high, p_medium = _tail(agree, seeds, _raised(share, high)), _tail(nearly, seeds, _raised(share, medium))
        p_refute = _tail(disagree, seeds, _raised(1 - share, high))
        found = f"{agree} of {seeds} seeds agree, {disagree} do not, {seeds - agree - disagree} are undecided"
        lower = _lower(agree, seeds, high)
        grade, code = _decide(p_high < high, p_medium < medium, p_refute < high)
        more = "" if grade in ("High", "Refuted") else _wanted(share, agree, disagree, seeds, high)
        shown, _ = against(lower, share, "")
        limit = f"{confidence(high)} one-sided >= {shown}, needs {number(share)}"
        return Verdict(
            claim.claim,
            grade,
            code,
            f"{found} ({limit}){more}",
            estimate=agree / seeds,
            lower=lower,
            upper=1 - _lower(disagree, seeds, high),
            bound=share,
            n_raw=sum(verdict.n_raw for _, verdict in children),
            n_units=seeds,
            look=max(verdict.look for _, verdict in children),
            alpha=high,
            p_value=p_high,
            p_refute=p_refute,
            qualifiers=tuple(dict.fromkeys(word for _, verdict in children for word in verdict.qualifiers)),
            conditions=(Condition("seeds", p_high < high, f"{found} ({limit})"),),
            explanation=(*_lines(claim, children), f"seeds: {found} ({limit}){more}"),
        )


def _share(claim: CompositeClaim) -> float:
    assert isinstance(claim.expect, Stability)
    return claim.expect.at_least


def _alphas(children: Children) -> tuple[float, float]:
    """The alphas of the child that spends least, which was looked at most often."""
    high = min(verdict.alpha for _, verdict in children if verdict.alpha) if _any_alpha(children) else 0.005
    looks = max(verdict.look for _, verdict in children)
    medium = min(1 - child.threshold.medium for child, _ in children) * 2 / (looks * (looks + 1))
    return high, medium


def _any_alpha(children: Children) -> bool:
    return any(verdict.alpha for _, verdict in children)


def _raised(share: float, alpha: float) -> float:
    """A share of true children, as a share of those that are graded so: some are by mistake."""
    return share + (1 - share) * alpha


def _tail(count: int, trials: int, rate: float) -> float:
    """P(X >= count), X binomial; the rate is neither 0 nor 1."""
    if count <= 0:
        return 1.0
    chances, odds = [math.comb(trials, count) * rate**count * (1 - rate) ** (trials - count)], rate / (1 - rate)
    for k in range(count, trials):
        chances.append(chances[-1] * odds * (trials - k) / (k + 1))
    return min(math.fsum(chances), 1.0)


def _lower(count: int, trials: int, alpha: float) -> float:
    """The share at which so many are seen with probability alpha, by bisection; children may err at alpha."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(count, trials, _raised(middle, alpha)) < alpha else (low, middle)
    return low


def _decide(high: bool, medium: bool, refuted: bool) -> tuple[Grade, str]:
    if refuted:
        return "Refuted", "refuted"
    if high:
        return "High", "holds"
    return ("Medium", "inconclusive_at_high") if medium else ("Pending", "inconclusive")


def _wanted(share: float, agree: int, disagree: int, seeds: int, alpha: float) -> str:
    """`; about n = 24 seeds would decide`."""
    count, bound = (disagree, 1 - share) if disagree / seeds > 1 - share else (agree, share)
    for more in range(seeds + 1, MOST_SEEDS + 1):
        if _tail(math.floor(count / seeds * more), more, _raised(bound, alpha)) < alpha:
            return f"; about n = {more} seeds would decide"
    return "; no practical n would decide"


def _comparable(children: Children) -> Fault | None:
    """Children must make one claim about different models."""
    first = children[0][0]
    for name in SAME:
        if any(getattr(child, name) != getattr(first, name) for child, _ in children):
            return Fault("children_not_comparable", f"the claims differ in {name}, not only in their model")
    models = [child.model if isinstance(child.model, str) else child.model.model_dump_json() for child, _ in children]
    if len(set(models)) < len(models):
        return Fault("children_not_comparable", "two of the claims are about the same model")
    return None


def _cloned(children: Children) -> Fault | None:
    """Seeds that change nothing; counts of events may well agree."""
    seen: dict[tuple[float, ...], str] = {}
    for child, verdict in children:
        numbers = (verdict.estimate, verdict.lower, verdict.upper, verdict.p_value)
        if find_form(child.expect.form).COUNTS or any(each is None for each in numbers):
            continue
        if numbers in seen:
            what = f"{seen[numbers]} and {child.claim} have the very same numbers"  # type: ignore[index]
            return Fault("cloned_seeds", f"{what}: one training run under two names")
        seen[numbers] = child.claim  # type: ignore[index]
    return None


def _lines(claim: CompositeClaim, children: Children) -> tuple[str, ...]:
    head = f"claim: the same holds in at least {number(_share(claim))} of models trained like these {len(children)}"
    return (head, *(f"{verdict.grade}: {child.claim}: {verdict.reason}" for child, verdict in children))
