"""engine: what the grade asks of judged scores beyond other numbers. Imported only when grading.

A judge whose gate failed says nothing: Pending. An answer that was not scored is never dropped: the claim is graded at
every worst case of such answers, and is Pending where grades differ. With enough labels of people, scores become the
pseudo-values of `correction`; without, Medium is the most. Recorded scores, whose gate nobody recorded, are graded as
they are, Medium at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from .correction import LEAST_LABELS, corrected, counted
from .judge_checks import HIGH_ALPHA, short
from .question import Fault
from .verdict import Condition, Verdict
from .words import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...specs.claim import MeasuredClaim
    from .evidence import Evidence, Floats
    from .gate import Gate
    from .judge_checks import GateCheck

Place = tuple[str, str]
"""Intervention label and site."""

SCORED = ("score", "won")
"""Quantities that judges say; the others of their metric are measured."""

EXACT_FORMS = ("null", "proportion", "rank_stability")
"""Forms that count or rank values one by one, which pseudo-values do not stand for."""

ALL_CORNERS = 4
"""Up to so many arms with answers that were not scored, every combination is graded."""


@dataclass(frozen=True, eq=False)
class Judging:
    """Who judged a claim's evidence, and what speaks for them."""

    gates: tuple[Gate, ...]
    """One a judge."""
    checks: tuple[GateCheck, ...]
    """Of the claim's own answers: `panel`, `failures`, `order_consistency`."""
    scale: tuple[float, float]
    """The least and the most that the claim's quantity can be."""
    labels: Mapping[Place, Floats] = field(default_factory=dict)
    """What people say of the answers behind an effect (n_raw), in its unit; NaN where nobody said."""
    corrected: bool = False
    """Whether the effects are pseudo-values already."""


def is_judged(claim: MeasuredClaim) -> bool:
    """Whether the claim's numbers are what judges say."""
    return bool(claim.metric.panel) and claim.metric.quantity in SCORED


def judge_fault(claim: MeasuredClaim, evidence: Evidence) -> Fault | None:
    """What keeps scores that were measured here from counting at all."""
    if not is_judged(claim) or evidence.origin == "recorded":
        return None
    judging = evidence.judging
    if judging is None or not judging.gates:
        return Fault("judge_failed", "judge failed: it was put to no gate")
    failed = [f"{check.text} [{gate.judge}]" for gate in judging.gates for check in gate.checks if not check.passed]
    failed += [check.text for check in judging.checks if not check.passed]
    if not failed:
        return None
    more = f"; and {len(failed) - 1} more" if len(failed) > 1 else ""
    return Fault("judge_failed", f"judge failed: {failed[0]}{more}")


def prepared(claim: MeasuredClaim, evidence: Evidence) -> list[Evidence]:
    """The evidence as it is graded: of judged scores every worst case, corrected where there are labels enough."""
    if not is_judged(claim) or evidence.judging is None:
        return [evidence]
    return [_corrected(claim, each) for each in worst_cases(evidence, evidence.judging.scale)]


def settled(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on all worst cases: the least sure of them, or Pending where their grades differ."""
    first, *others = verdicts
    grades = list(dict.fromkeys(verdict.grade for verdict in verdicts))
    if len(grades) > 1:
        reason = f"judge failed: answers that were not scored decide between {' and '.join(grades)}"
        return replace(first, grade="Pending", code="judge_failures_decide", reason=reason)
    name = "p_refute" if first.grade == "Refuted" else "p_value"
    return max(verdicts, key=lambda verdict: getattr(verdict, name) or 0.0) if others else first


def worst_cases(evidence: Evidence, scale: tuple[float, float]) -> Iterator[Evidence]:
    """The evidence with answers that were not scored (NaN) at the least and the most, arm by arm.

    An arm is a site, or all the control's draws. Of more than ALL_CORNERS such arms each is set against all others.
    """
    arms: dict[str, bool] = defaultdict(bool)
    for (_, site), values in evidence.effects.items():
        arms[site] |= bool(np.isnan(values).any())
    arms[""] = any(bool(np.isnan(values).any()) for values in evidence.control.values())
    open_arms = [arm for arm, missing in arms.items() if missing]
    if not open_arms:
        yield evidence
        return
    if len(open_arms) <= ALL_CORNERS:
        corners = [dict(zip(open_arms, ends, strict=True)) for ends in product(scale, repeat=len(open_arms))]
    else:
        least, most = scale
        corners = [dict.fromkeys(open_arms, end) for end in scale]
        corners += [dict.fromkeys(open_arms, b) | {arm: a} for arm in open_arms for a, b in (scale, (most, least))]
    for corner in corners:
        effects = {place: _filled(values, corner.get(place[1])) for place, values in evidence.effects.items()}
        control = {draw: _filled(values, corner.get("")) for draw, values in evidence.control.items()}
        yield replace(evidence, effects=effects, control=control)


def _filled(values: Floats, end: float | None) -> Floats:
    return values if end is None else np.where(np.isnan(values), end, values)


def label_ids(evidence: Evidence, intervention: str) -> list[str]:
    """Ids of the answers behind an effect, by which it is drawn which of them people label; the same at every site."""
    return [f"{intervention}/{example}" for example in evidence.examples]


def _groups(places: Iterator[Place]) -> Mapping[Place, list[Place]]:
    """Places of one site and intervention, of which only the repetition differs."""
    groups: dict[Place, list[Place]] = defaultdict(list)
    for label, site in places:
        groups[label.rpartition("[")[0] if label.endswith("]") else label, site].append((label, site))
    return groups


def _labels(evidence: Evidence, places: Sequence[Place]) -> Floats:
    """What people say at these places, (places, n_raw)."""
    assert evidence.judging is not None
    nothing = np.full(len(evidence.examples), np.nan)
    return np.stack([evidence.judging.labels.get(place, nothing) for place in places])


def _labelled(evidence: Evidence, places: Sequence[Place]) -> NDArray[np.bool_]:
    """Which labels of these places count, (places, n_raw)."""
    labels = _labels(evidence, places).reshape(-1)
    ids = [each for label, _ in places for each in label_ids(evidence, label)]
    return counted(ids, labels).reshape(len(places), -1)


def _fewest_labels(evidence: Evidence) -> int:
    """Labels that count, of the site that has fewest."""
    groups = _groups(iter(evidence.effects)).values()
    return min((int(_labelled(evidence, places).sum()) for places in groups), default=0)


def _corrected(claim: MeasuredClaim, evidence: Evidence) -> Evidence:
    judging = evidence.judging
    assert judging is not None
    if claim.expect.form in EXACT_FORMS or _fewest_labels(evidence) < LEAST_LABELS:
        return evidence
    effects: dict[Place, Floats] = {}
    for places in _groups(iter(evidence.effects)).values():
        scores, labelled = np.stack([evidence.effects[place] for place in places]), _labelled(evidence, places)
        effects.update(zip(places, corrected(scores, _labels(evidence, places), labelled), strict=True))
    return replace(evidence, effects=effects, judging=replace(judging, corrected=True))


def judged_conditions(claim: MeasuredClaim, evidence: Evidence) -> Iterator[Condition]:
    """The conditions of High that only judged scores have."""
    if not is_judged(claim):
        return
    judging = evidence.judging
    if judging is None:
        yield Condition("judge gate", False, "the record has no gate of its judges: nobody knows how reliable they are")
        yield Condition("gold labels", False, "the scores are not corrected against labels of people: there are none")
        return
    for gate in judging.gates:
        found = "no labels" if gate.alpha is None else f"gold alpha {number(gate.alpha)}"
        high = gate.level == "High"
        detail = f"{gate.judge}: {found}{'' if high else f', below {short(HIGH_ALPHA)}'}"
        yield Condition("judge gate", high, detail)
    yield _gold_labels(claim, evidence, judging)


def _gold_labels(claim: MeasuredClaim, evidence: Evidence, judging: Judging) -> Condition:
    count = _fewest_labels(evidence)
    if judging.corrected:
        return Condition("gold labels", True, f"corrected against the labels of {count} answers (PPI++)")
    if claim.expect.form in EXACT_FORMS:
        what = f"form {claim.expect.form} takes the scores as they are: a mean (form threshold) can be corrected"
        return Condition("gold labels", False, what)
    what = f"the scores are not corrected against labels of people (n = {count}; needs {LEAST_LABELS} a condition)"
    return Condition("gold labels", False, what)
