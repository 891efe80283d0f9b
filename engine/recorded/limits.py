"""engine: what recorded numbers cannot bear, one limit after another; a later one has the last word.

means_do_not_refute  a mean KL refutes nothing, unless of 30 prompts a family and beyond a third (three times) of
                     the bound; no mean of families refutes anything beyond the suite
other_unit           a bound in one unit says nothing of numbers in another
partial_sweep        the largest of what was swept is not the largest of all there is
exact_tie            several components have exactly the largest effect: none is on top
no_ratio             a ratio over next to nothing is no ratio
too_few_repetitions  trainings and sessions are the unit; sizes are counted all the same, and may refute
incomplete           more than one in twenty of the numbers that there should be are missing
within_noise         a difference no larger than that of things known to be the same
defective_record     something that is known to be wrong, and makes the numbers no evidence
refuted_as_worded    a universal wording, and a recorded case that contradicts it
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ...specs.claim import MeasuredClaim
from ...specs.forms import Efficiency, Equality, Monotone, NonInferiority, Rank, Threshold, TopComponent
from ..grade import Verdict, intervention_label
from ..grade.forms import find_form
from ..grade.forms.efficiency import Sizes, counted
from ..grade.words import quantity, several
from .evidence import Recorded
from .worded import Cases, lead_of, leaders

LEAST_PROMPTS = 30
"""A family, with fewer of which a mean KL refutes nothing."""

FAR = 3.0
"""So many times beyond its bound must a mean KL be to refute."""

MOST_COUNTED = 4

MOST_MISSING = 0.05
"""The share of numbers that may be missing: those that failed are not missing at random."""

OF_COUNTS = ("refuted_as_worded", "refuted_by_count")
"""Reasons that are about what was recorded itself, whatever is wrong with it."""

OF_SIZE = ("inconclusive", "too_few_units", "too_few_events", "means_do_not_refute", "incomplete", "within_noise")
"""Reasons that more numbers would mend, were they sound."""

Limit = Callable[[Verdict, MeasuredClaim, Recorded, Cases | None], Verdict]


def added(said: Verdict, *parts: str) -> Verdict:
    """The verdict with more to its reason."""
    return replace(said, reason="; ".join(filter(None, (said.reason, *parts))))


def other_bound(claim: MeasuredClaim, found: Recorded) -> bool:
    """Whether the claim's bound is of another quantity or in another unit than the record; an order has none."""
    same = found.quantity == claim.metric.quantity and found.unit == claim.metric.kind.unit
    return not same and not isinstance(claim.expect, TopComponent | Rank | Monotone)


def _undecided(said: Verdict, code: str, why: str) -> Verdict:
    """Pending, with what the numbers would have said."""
    reason = why if said.grade == "Pending" else f"{why}; else: {said.reason}"
    return replace(said, grade="Pending", code=code, reason=reason)


def _refutation(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    if said.code != "refuted":
        return said
    if claim.expect.scope != "in_suite":
        return _undecided(said, "means_do_not_refute", "a mean of families refutes nothing beyond the suite")
    if claim.metric.kind.scale != "log" or _far_beyond(said, claim, found):
        return said
    fewest = min(found.prompts.values())
    why = f"means of {fewest} prompt{'s' * (fewest != 1)} a family do not refute a claim on typical KL"
    return _undecided(said, "means_do_not_refute", why)


def _far_beyond(said: Verdict, claim: MeasuredClaim, found: Recorded) -> bool:
    expect = claim.expect
    if not isinstance(expect, Threshold) or min(found.prompts.values()) < LEAST_PROMPTS:
        return False
    if expect.at_least is not None:
        return said.upper is not None and said.upper < expect.at_least / FAR
    return said.lower is not None and said.lower > FAR * (expect.at_most or 0.0)


def _unit(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    if found.quantity != claim.metric.quantity or found.unit == claim.metric.kind.unit or said.code in OF_COUNTS:
        return said
    theirs, ours = found.unit or "plain numbers", claim.metric.kind.unit or "plain numbers"
    units = f"the record is in {theirs}, the claim in {ours}"
    if other_bound(claim, found):
        return replace(said, grade="Pending", code="other_unit", reason=units)
    return _undecided(said, "other_unit", units) if said.grade == "Refuted" else added(said, units)


def _sweep(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    if said.grade not in ("High", "Medium") or not isinstance(claim.expect, TopComponent | Rank):
        return said
    swept, conditions = found.evidence.sweep, getattr(claim.metric, "conditions", None)
    layers = {site.partition(".")[0].partition("@")[0] for site in swept}
    if conditions and not {*conditions} <= {*swept}:
        return _undecided(said, "partial_sweep", f"only {len(swept)} of {len(conditions)} conditions are recorded")
    if found.layers > len(layers):
        return _undecided(said, "partial_sweep", f"only {len(layers)} of {found.layers} layers were swept")
    return said


def _tie(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    if not isinstance(claim.expect, TopComponent) or said.code in OF_COUNTS or not found.units:
        return said
    tied = leaders(claim, found)
    if len(tied) < 2 or claim.expect.component not in tied:
        return said
    of = len(found.evidence.sweep)
    why = f"{len(tied)} of {of} components tie exactly for the largest effect, in every unit: none is on top"
    kept = said.reason if said.code == "other_quantity" else ""
    return replace(said, grade="Pending", code="exact_tie", reason="; ".join(filter(None, (why, kept))))


def _ratio(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    if found.units or not found.void:
        return said
    return replace(said, grade="Pending", code="no_ratio", reason=f"what is recorded is no ratio: {found.void}")


def _repetitions(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    repeated = claim.metric.repeated
    if repeated is None or said.code == "no_ratio":
        return said
    sizes = _sizes(claim, found)
    if sizes and sizes.share > claim.expect.at_most:
        return replace(said, grade="Refuted", code="refuted_by_count", reason=counted(claim, sizes))
    if found.repetitions < repeated.times:
        items = sum(found.prompts.values())
        has = f"the record has {found.repetitions}, of {items} item{'s' * (items != 1)}"
        why = f"needs n = {repeated.times} {repeated.what}; {has}"
        known = said.code in ("other_quantity", "other_unit", "partly_recorded")
        said = added(said, why) if known else replace(said, grade="Pending", code="too_few_repetitions", reason=why)
    return added(said, counted(claim, sizes) if sizes else "", _counted(claim, found))


def _sizes(claim: MeasuredClaim, found: Recorded) -> Sizes | None:
    """Of an efficiency, where both are recorded."""
    if not isinstance(claim.expect, Efficiency):
        return None
    test, reference = (found.exact.get(side.component) for side in (claim.expect.test, claim.expect.reference))
    return Sizes(test, reference) if test and reference else None


def _counted(claim: MeasuredClaim, found: Recorded) -> str:
    """Events of single items, with what so few of them show: `atlas_guided 2 of 2 (95% from 34% to 100%)`."""
    own = intervention_label(claim.counterfactual)
    said = []
    for component in found.evidence.sweep:
        rows = [row for row in found.rows if (row.intervention, row.component) == (own, component) and not row.void]
        if rows and all(row.value in (0, 1) and row.n == 1 for row in rows):
            events = int(sum(row.value for row in rows))
            low, high = wilson(events, len(rows))
            said.append(f"{component} {events} of {len(rows)} (95% from {100 * low:.0f}% to {100 * high:.0f}%)")
    return f"{found.quantity}: {', '.join(said[:MOST_COUNTED])}" if said else ""


def wilson(events: int, trials: int) -> tuple[float, float]:
    """95 % limits of a rate. Source: Wilson 1927."""
    z, rate = 1.96, events / trials
    middle, width = rate + z**2 / (2 * trials), z * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    return max((middle - width) / scale, 0.0), min((middle + width) / scale, 1.0)


def _incomplete(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    compared = {ref.site for ref in find_form(claim.expect.form).effects(claim, found.evidence.sweep)}
    gone = {component: count for component, count in found.missing.items() if component in compared}
    if not gone or said.code in OF_COUNTS:
        return said
    expected = found.table.expected or 1
    named = [f"{count} of {expected} at {component}" for component, count in gone.items()]
    why = f"missing are {several(named[:MOST_COUNTED])}{' ...' * (len(named) > MOST_COUNTED)}"
    if said.grade == "Pending" or max(gone.values()) <= MOST_MISSING * expected:
        return added(said, why)
    return _undecided(said, "incomplete", why)


def _noise(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    floor, names = noise_floor(claim, found)
    if not floor or said.code in OF_COUNTS:
        return said
    same = f"{several(names)} are the same and differ by {quantity(floor, found.unit)}"
    compares = isinstance(claim.expect, TopComponent | Rank | Monotone | Equality | NonInferiority)
    lead = lead_of(claim, found) if isinstance(claim.expect, TopComponent) else said.estimate if compares else None
    if lead is None or abs(lead) > floor:
        return added(said, same)
    why = f"a difference of {quantity(lead, found.unit)} is noise: {same}"
    return added(said, why) if said.grade == "Pending" else _undecided(said, "within_noise", why)


def noise_floor(claim: MeasuredClaim, found: Recorded) -> tuple[float, tuple[str, ...]]:
    """The largest difference between means of components that are one and the same thing, and which."""
    own = intervention_label(claim.counterfactual)
    largest: tuple[float, tuple[str, ...]] = (0.0, ())
    for group in found.table.same:
        means = [float(found.means[own, name].mean()) for name in group if (own, name) in found.means]
        if len(means) > 1:
            largest = max(largest, (max(means) - min(means), tuple(group)))
    return largest


def _defects(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    blocking = [defect.says for defect in found.defects if defect.blocks]
    if not blocking or said.code in OF_COUNTS:
        return said
    why = f"no evidence: {'; '.join(blocking)}"
    if said.grade == "Pending" and said.code not in OF_SIZE:
        return added(said, why)
    return replace(said, grade="Pending", code="defective_record", reason=f"{why}; else: {said.reason}")


def _wording(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    every = claim.published.every if claim.published else None
    if every is None or so is None or found.quantity != claim.metric.quantity:
        return said
    if not so.against or (every == "family") != so.family:
        return said
    reason = f"as worded it is of every {every}, and {so}"
    return replace(said, grade="Refuted", code="refuted_as_worded", reason=reason)


LIMITS: tuple[Limit, ...] = (
    *(_refutation, _unit, _sweep, _tie, _ratio),
    *(_repetitions, _incomplete, _noise, _defects, _wording),
)
