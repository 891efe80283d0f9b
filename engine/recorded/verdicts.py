"""engine: the verdict on a claim as recorded: the rule that grades measured evidence, then the limits of a record.

Refuted   a count, or a case that contradicts a universal wording; else only where means may refute
Pending   what the rule finds degenerate, and whatever a limit forbids
Medium    at most: the record's means clear the bound by a t over families, post hoc
"""

from __future__ import annotations

from dataclasses import replace

from ...specs.claim import MeasuredClaim
from ..grade import Verdict, intervention_label, pending
from ..grade.forms import FormError
from ..grade.rule import decide
from ..grade.words import several
from .evidence import Recorded
from .limits import LIMITS, added, other_bound
from .means import as_means
from .worded import Cases, cases, summary

AS = ("post hoc", "as recorded")
"""Beside every grade from recorded evidence."""

LACKS = "lacks for High: "
"""How the explanation's last line begins."""


def verdict(claim: MeasuredClaim, found: Recorded) -> Verdict:
    """The grade of a claim on what one table records."""
    said = _by_rule(claim, found)
    so = cases(claim, found) if found.units and not other_bound(claim, found) else None
    for limit in LIMITS:
        said = limit(said, claim, found, so)
    return _told(said, claim, found, so)


def _by_rule(claim: MeasuredClaim, found: Recorded) -> Verdict:
    if found.quantity != claim.metric.quantity:
        return pending(claim, "other_quantity", f"recorded is {found.quantity}, not {claim.metric.quantity}")
    if claim.metric.only != "all":
        return pending(claim, "other_examples", "recorded are all prompts, not those that the clean model answers")
    if found.absent:
        gone = f"{several(found.absent[:4])}{' ...' * (len(found.absent) > 4)}"
        return pending(claim, "partly_recorded", f"the record lacks {gone}, which the claim compares")
    if not found.units:
        return pending(claim, "not_recorded", "what the claim compares is recorded in no family together")
    try:
        said = decide(as_means(claim), found.evidence, False)
    except FormError as error:
        said = pending(claim, error.code, str(error))
    return replace(said, reason=said.reason.partition("; not High: ")[0])


def _told(said: Verdict, claim: MeasuredClaim, found: Recorded, so: Cases | None) -> Verdict:
    """The reason with what was recorded, and what the record lacks for High."""
    missing, worded = several(lacks(claim, found)), said.code == "refuted_as_worded"
    held = f"as recorded {so}" if so is not None and len(so.units) > 1 and not worded else ""
    said = added(said, held, summary(claim, found) if found.units else "", _copies(found))
    medium = said.grade in ("High", "Medium")
    if medium:
        said = added(said, f"not High: the record lacks {missing}")
    explanation = tuple(line for line in said.explanation if not line.startswith(("units:", "missing")))
    return replace(
        said,
        claim=claim.claim,
        grade="Medium" if medium else said.grade,
        code="as_recorded" if medium else said.code,
        scope=claim.expect.scope,
        n_raw=sum(found.prompts.values()),
        n_units=len(found.units),
        qualifiers=(*(each for each in said.qualifiers if each not in AS), *(("as worded",) if worded else ()), *AS),
        explanation=(*explanation, *_provenance(found), f"{LACKS}{missing}"),
    )


def _copies(found: Recorded) -> str:
    every = len({(row.file, row.seed) for row in found.rows})
    return f"{found.copies} of {every} replicates are copies and do not count" if found.copies else ""


def _provenance(found: Recorded) -> tuple[str, ...]:
    one, more = ("family", "families") if found.by_family else ("prompt", "prompts")
    fewest, most = min(found.prompts.values(), default=0), max(found.prompts.values(), default=0)
    each = f"{fewest} to {most}" if fewest < most else str(most)
    units = f"{len(found.units)} {one if len(found.units) == 1 else more}, {each} prompt{'s' * (most != 1)} each"
    lines = [f"units: {units}; a t over {more}", f"recorded: {', '.join(found.files)} ({found.source})"]
    lines += [f"defect: {defect.says}" for defect in found.defects]
    if found.others:
        lines.append(f"also recorded, and not put together with it: {', '.join(found.others)}")
    return tuple(lines)


def lacks(claim: MeasuredClaim, found: Recorded) -> list[str]:
    """What recorded evidence does not have of what High asks for."""
    own, repeated = intervention_label(claim.counterfactual), claim.metric.repeated
    draws = len({draw for name, _, draw in found.evidence.control if name == own})
    recorded = {name for name, _ in found.means}
    values = [intervention_label(value) for value in claim.robustness]
    gone = [value for value in values if value not in recorded]
    missing = []
    if draws < claim.control.draws:
        missing.append(f"a control ({claim.control.kind}, {draws} of {claim.control.draws} draws)")
    missing.append("a positive control")
    if gone or not (values or repeated):
        missing.append(f"a second intervention value ({', '.join(gone) or 'none is asked for'})")
    if repeated and found.repetitions < repeated.times:
        missing.append(f"{repeated.what} ({found.repetitions} of {repeated.times})")
    if found.by_family:
        missing.append("values of each prompt")
    if all(row.spread is None for row in found.rows):
        missing.append("intervals")
    return [*missing, "a registration before its data"]
