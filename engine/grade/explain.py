"""engine: a case in words: the phrases of the one-line reason, and the ten lines of `explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .evidence import intervention_label
from .inference import missable_share
from .words import against, confidence, number, probability, quantity, several

if TYPE_CHECKING:
    from ...specs.claim import MeasuredClaim
    from .answer import Answer
    from .case import Case
    from .table import Table
    from .verdict import Condition

SCOPES = {
    "in_suite": "in_suite: over new prompts of the same families",
    "beyond_suite": "beyond_suite: in more than half of all families like these",
}


def compared(answer: Answer, alpha: float, limit: float) -> str:
    """`99.5% one-sided >= 2.7x, needs 1.05x`; a mirrored claim has <=."""
    shown, bound = against(answer.shown(limit), *_bound(answer))
    return f"{confidence(alpha)} one-sided {'>=' if answer.scale.sign > 0 else '<='} {shown}, needs {bound}"


def interval(answer: Answer, alpha: float, limit: float) -> str:
    """`99.5% one-sided >= 2.7x`."""
    return compared(answer, alpha, limit).partition(", needs")[0]


def opposed(answer: Answer, alpha: float) -> str:
    """`99.83% one-sided <= 0.6x`: what the claim cannot be above."""
    shown, _ = against(answer.shown(answer.upper), *_bound(answer))
    return f"{confidence(alpha)} one-sided {'<=' if answer.scale.sign > 0 else '>='} {shown}"


def claimed(answer: Answer) -> str:
    """`at least 2x`, `at most 0.05 nats`."""
    bound, unit = _bound(answer)
    return f"{'at least' if answer.scale.sign > 0 else 'at most'} {quantity(bound, unit, 6)}"


def share_of_families(answer: Answer) -> str:
    """`in 11 of 12 families (p = .003)`, `in 2 of 12 families, against it in 7`."""
    held = f"in {answer.families_for} of {answer.families} families"
    if answer.families_against > answer.families_for:
        return f"{held}, against it in {answer.families_against} (p {probability(answer.p_against)})"
    return f"{held} (p {probability(answer.p_for)})"


def units(case: Case) -> str:
    """`n = 120 templates`, `n = 12 families`."""
    return f"n = {case.answer.n_units} {_unit(case)}"


def control_phrase(case: Case) -> str:
    """`matched_norm_noise reaches 0.13x of it`; a signed quantity is given in its unit."""
    assert case.control is not None
    scale = case.answer.scale
    reached = quantity(case.answer.reached(case.control.reached), "x" if scale.logarithmic else scale.unit)
    return f"{case.claim.control.kind} reaches {reached}{' of it' if scale.logarithmic else ''}"


def wanted(count: int | None, case: Case, control: bool = False) -> str:
    """`about n = 240 templates would decide`."""
    return f"about n = {count} {_unit(case, control)} would decide" if count else "no practical n would decide"


def _unit(case: Case, control: bool = False) -> str:
    """Of replication: templates, families, training seeds, what the form counts; that of its control is no other."""
    if case.evidence.origin == "recorded":
        return "recorded means"
    if case.form.UNIT and not control:
        return case.form.UNIT
    if repeated := case.claim.metric.repeated:
        return str(repeated.what)
    return "families" if case.beyond else "templates"


def explanation(case: Case, missing: tuple[Condition, ...], remedy: str) -> tuple[str, ...]:
    """Ten lines: claim, scope, estimate, bound, interval, units, control, methods, look, what is missing."""
    answer, alphas = case.answer, case.alphas
    control = control_phrase(case) if case.control else f"none ({case.faults['control'].message})"
    methods = [f"{label}: {case.form.finding(case.claim, arm)}" for label, arm in case.robustness.items()]
    first = f"{missing[0].name}: {missing[0].detail}{f'; {remedy}' if remedy else ''}" if missing else "nothing"
    families = f"; {share_of_families(answer)}" if answer.votes else ""
    return (
        *_heading(case.claim, case.main.table, alphas.high),
        f"estimate: {case.form.finding(case.claim, answer)}{families}",
        f"bound: {claimed(answer)}",
        f"interval: {interval(answer, alphas.high, answer.lower)}; {opposed(answer, alphas.refute)}",
        f"{_counts(case.main.table)}{_repeated(case)}",
        f"control: {control}; margin {number(case.claim.control.ratio)}x",
        f"methods: {'; '.join([case.main.own, *methods])}",
        f"look: {case.evidence.look}, alpha {number(alphas.high)} for High, {number(alphas.refute)} to refute",
        f"missing for High: {first}",
    )


def short_explanation(claim: MeasuredClaim, table: Table | None, reason: str) -> tuple[str, ...]:
    """The lines that can be written where the main arm says nothing."""
    lines = _heading(claim, table, 1 - claim.threshold.high)
    return (*lines, *((_counts(table),) if table else ()), f"missing: {reason}")


def _heading(claim: MeasuredClaim, table: Table | None, alpha: float) -> tuple[str, str]:
    expect = claim.expect.model_dump(exclude={"form", "scope"}, exclude_none=True)
    said = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in expect.items())
    what = f"{claim.metric.quantity} under {intervention_label(claim.counterfactual)}"
    scope = (SCOPES | getattr(claim.expect, "SCOPES", {})).get(claim.expect.scope, claim.expect.scope)
    if table:
        families = table.layout.families
        scope += f" ({several(families) if len(families) <= 4 else f'{len(families)} families'})"
    if table and claim.expect.scope == "beyond_suite":
        share = missable_share(len(table.layout.families), alpha)
        scope += f"; a family type of up to {100 * share:.0f}% could be absent from this suite"
    return f"claim: {claim.expect.form}: {said}; {what}", f"scope: {scope}"


def _counts(table: Table) -> str:
    """Raw prompts, and what is left of them as independent units."""
    families = len(table.layout.families)
    units = f"{table.n_templates} templates in {families} famil{'y' if families == 1 else 'ies'}"
    gone = "".join(f", {count} left out ({why})" for why, count in table.left_out.items())
    return f"units: {table.n_raw} examples, {table.n} distinct, {units}{gone}"


def _repeated(case: Case) -> str:
    repeated = case.claim.metric.repeated
    return f", each in {len(case.main.repetitions)} of {repeated.times} {repeated.what}" if repeated else ""


def _bound(answer: Answer) -> tuple[float, str]:
    return answer.scale.shown(answer.scale.bound), answer.scale.unit


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{part:g}" if isinstance(part, float) else _plain(part) for part in value.values())
    if not isinstance(value, tuple):
        return str(value)
    return several([f"({_plain(part)})" if isinstance(part, tuple) else _plain(part) for part in value])
