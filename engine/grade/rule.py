"""engine: the rule: from evidence to a grade. Imported only when something is graded.

What cannot be read is Pending. Otherwise, in this order:

    Refuted   the main arm's bound excludes the claim, at alpha / parts
    Pending   an arm is missing or degenerate, the form vetoes, or the control explains the effect
    High      every condition is met
    Medium    the main arm clears the bound at the alpha of Medium
    Pending   inconclusive
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .case import Case, read
from .conditions import code, conditions
from .explain import (
    claimed,
    compared,
    control_phrase,
    explanation,
    interval,
    opposed,
    share_of_families,
    short_explanation,
    units,
    wanted,
)
from .forms import FormError
from .judged import judge_fault, prepared, settled
from .length import length_fault
from .question import Fault
from .verdict import Grade, Verdict

if TYPE_CHECKING:
    from ...specs.claim import MeasuredClaim
    from .evidence import Evidence
    from .table import Table
    from .verdict import Condition

ARMS = ("clean", "positive_control", "control")


def decide(claim: MeasuredClaim, evidence: Evidence, calibration: bool) -> Verdict:
    """The verdict on one claim."""
    if evidence.origin in ("mock", "simulated") and not calibration:
        fault = Fault(f"{evidence.origin}_evidence", f"{evidence.origin} evidence is never graded")
        return _unfit(claim, evidence, fault, None)
    if "main" in evidence.absent:
        return _unfit(claim, evidence, Fault(*evidence.absent["main"]), None)
    if failed := judge_fault(claim, evidence):
        return _unfit(claim, evidence, failed, None)
    return settled([_decided(claim, each) for each in prepared(claim, evidence)])


def _decided(claim: MeasuredClaim, evidence: Evidence) -> Verdict:
    try:
        case = read(claim, evidence)
        return _graded(case) if isinstance(case, Case) else _unfit(claim, evidence, *case)
    except FormError as error:
        return _unfit(claim, evidence, Fault(error.code, str(error)), None)


def _graded(case: Case) -> Verdict:
    answer, alphas = case.answer, case.alphas
    checks = conditions(case)
    if fault := length_fault(case):
        return _verdict(case, "Pending", fault.code, fault.message, checks)
    if counted := case.form.counted_out(case.main):
        return _verdict(case, "Refuted", "refuted_by_count", counted, checks)
    if answer.p_against < alphas.refute:
        return _verdict(case, "Refuted", "refuted", _refuted(case), checks)
    if fault := _missing_arm(case) or case.form.veto(case.main, answer, alphas) or _explained(case):
        return _verdict(case, "Pending", fault.code, fault.message, checks)
    if all(check.met for check in checks):
        return _verdict(case, "High", "holds", _holds(case, high=True), checks)
    if answer.p_mean < alphas.medium or answer.p_for < alphas.high:
        first = next(check for check in checks if not check.met)
        reason = f"{_holds(case, high=False)}; not High: {_unmet(case, first)}"
        return _verdict(case, "Medium", code(first), reason, checks)
    return _verdict(case, "Pending", "inconclusive", _inconclusive(case), checks)


def _missing_arm(case: Case) -> Fault | None:
    """The first arm that could not be had, unless recorded evidence merely lacks it."""
    for arm in sorted(case.faults, key=lambda arm: (ARMS.index(arm) if arm in ARMS else len(ARMS), arm)):
        if arm not in case.lacking:
            code, message = case.faults[arm]
            return Fault(code, f"{arm.replace('_', ' ').replace('.', ' ')}: {message}")
    return None


def _explained(case: Case) -> Fault | None:
    if case.control is None or case.control.p_against >= case.alphas.block:
        return None
    sign = case.form.asked(case.main).scale.sign
    first, second = ("the effect", "the control") if sign > 0 else ("the control", "the effect")
    return Fault(
        "not_specific",
        f"not specific: {control_phrase(case)}; {first} does not exceed {second} {case.claim.control.ratio:g}-fold "
        f"({case.control.draws} draws, {units(case)}); {case.form.finding(case.claim, case.answer)}",
    )


def _holds(case: Case, high: bool) -> str:
    answer, alphas = case.answer, case.alphas
    alpha, limit = (alphas.high, answer.lower) if high else (alphas.medium, answer.lower_medium)
    families = f", {share_of_families(answer)}" if answer.votes else ""
    control = f"; {control_phrase(case)}" if case.control else ""
    finding = case.form.finding(case.claim, answer)
    return f"{finding} ({interval(answer, alpha, limit)}), {units(case)}{families}{control}"


def _refuted(case: Case) -> str:
    answer = case.answer
    against = f", {share_of_families(answer)}" if answer.votes else ""
    said = f", claimed {claimed(answer)}" if answer.scale.against == answer.scale.bound else ""
    finding = case.form.opposite(case.claim, answer)
    return f"{finding} ({opposed(answer, case.alphas.refute)}){said}, {units(case)}{against}"


def _inconclusive(case: Case) -> str:
    answer, alphas = case.answer, case.alphas
    speaks_for = answer.scale.sign * answer.scale.bound < answer.value
    count = answer.needed(alphas.high if speaks_for else alphas.refute)
    families = f", {share_of_families(answer)}" if answer.votes else ""
    finding = f"{case.form.finding(case.claim, answer)} ({compared(answer, alphas.medium, answer.lower_medium)})"
    return f"inconclusive: {finding}, {units(case)}{families}; {wanted(count, case)}"


def _unmet(case: Case, condition: Condition) -> str:
    remedy = _remedy(case, condition)
    return f"{condition.detail}{f'; {remedy}' if remedy else ''}"


def _remedy(case: Case, condition: Condition) -> str:
    """The n that would meet a condition, where it is a matter of n."""
    alpha, label = case.alphas.high, condition.name.removeprefix("robustness ")
    if condition.name == "effect":
        return wanted(case.answer.needed(alpha), case)
    if condition.name == "control" and case.control:
        return wanted(case.control.needed(alpha), case, control=True) + ", with draws in proportion"
    if label in case.robustness and label not in case.repeats:
        return wanted(case.robustness[label].needed(alpha), case)
    return ""


def _verdict(case: Case, grade: Grade, code: str, reason: str, checks: tuple[Condition, ...]) -> Verdict:
    answer = case.answer
    unmet = tuple(check for check in checks if not check.met)
    limits = (answer.shown(answer.lower), answer.shown(answer.upper))
    lower, upper = limits if answer.scale.sign > 0 else limits[::-1]
    return Verdict(
        claim=case.claim.claim,
        grade=grade,
        code=code,
        reason=reason,
        scope=case.claim.expect.scope,
        estimate=answer.shown(answer.value),
        lower=lower,
        upper=upper,
        bound=answer.scale.shown(answer.scale.bound),
        unit=answer.scale.unit,
        n_raw=case.main.table.n_raw,
        n_units=answer.n_units,
        look=case.evidence.look,
        alpha=case.alphas.high,
        p_value=answer.p_for,
        p_refute=answer.p_against,
        qualifiers=_qualifiers(case),
        conditions=checks,
        explanation=explanation(case, unmet, _remedy(case, unmet[0]) if unmet else ""),
    )


def _qualifiers(case: Case) -> tuple[str, ...]:
    said = {
        "negative result": case.form.negative(case.claim),
        "post hoc": not case.evidence.registered_before_data,
        "as recorded": case.evidence.origin == "recorded",
    }
    return tuple(words for words, true in said.items() if true)


def _unfit(claim: MeasuredClaim, evidence: Evidence, fault: Fault, table: Table | None) -> Verdict:
    return Verdict(
        claim=claim.claim,
        grade="Pending",
        code=fault.code,
        reason=fault.message,
        scope=claim.expect.scope,
        n_raw=len(evidence.examples),
        n_units=0 if table is None else table.n_templates,
        look=evidence.look,
        qualifiers=("as recorded",) if evidence.origin == "recorded" else (),
        explanation=short_explanation(claim, table, fault.message),
    )
