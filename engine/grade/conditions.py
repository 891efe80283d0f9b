"""engine: the conditions of High, in the order in which a reader is told of the first that is not met."""

from __future__ import annotations

from collections.abc import Iterator

from .case import Case
from .evidence import intervention_label
from .explain import compared, control_phrase, share_of_families
from .judged import judged_conditions
from .length import length_conditions
from .verdict import Condition
from .words import confidence, number, several

FLOORED = 0.10
"""Share of a half-precision claim's own values under the log floor beyond which they only screen."""

CODES = {
    "steps": "too_few_steps",
    "number of conditions": "too_few_conditions",
    "scope": "beyond_suite",
    "effect": "inconclusive_at_high",
    "control": "control_inconclusive",
    "intervention values": "one_intervention_value",
    "precision": "screening_only",
    "judge gate": "judge_not_high",
    "gold labels": "uncorrected",
    "length": "length_undecided",
    "registered before data": "post_hoc",
}


def code(condition: Condition) -> str:
    """The verdict's code where this condition is the first that is not met."""
    if condition.name.startswith("robustness"):
        return "robustness_inconclusive"
    return CODES.get(condition.name, f"{condition.name.replace(' ', '_')}_missing")


def conditions(case: Case) -> tuple[Condition, ...]:
    """Every condition of High, met or not."""
    return tuple(_each(case))


def _each(case: Case) -> Iterator[Condition]:
    main, alpha = case.answer, case.alphas.high
    yield from case.form.conditions(case.main, case.alphas)
    detail = share_of_families(main) if main.votes else compared(main, alpha, main.lower)
    yield Condition("effect", main.p_for < alpha, detail)
    for arm in ("clean", "positive_control"):
        if arm in case.lacking:
            yield Condition(arm.replace("_", " "), False, f"the record has no {arm.replace('_', ' ')}")
    yield _control(case)
    for value in case.claim.robustness:
        yield _robustness(case, intervention_label(value))
    yield _values(case)
    yield _precision(case)
    yield from judged_conditions(case.claim, case.evidence)
    yield from length_conditions(case)
    registered = case.evidence.registered_before_data
    yield Condition(
        "registered before data",
        registered,
        "registered before its data" if registered else "post hoc: registered after its data were measured",
    )


def _control(case: Case) -> Condition:
    control, kind = case.control, case.claim.control.kind
    if control is None:
        return Condition("control", False, f"there is no control ({case.faults['control'].message})")
    margin = number(case.claim.control.ratio)
    detail = f"{control_phrase(case)} ({control.draws} draws; margin {margin}x at {confidence(case.alphas.high)})"
    if not control.beaten:
        detail = f"some draw of {kind} does as much; {detail}"
    return Condition("control", control.p_for < case.alphas.high, detail)


def _robustness(case: Case, label: str) -> Condition:
    name = f"robustness {label}"
    if label in case.repeats:
        return Condition(name, False, f"{label} repeats another value cell by cell: no second method")
    arm = case.robustness.get(label)
    if arm is None:
        return Condition(name, False, f"{label}: {case.faults[f'robustness.{label}'].message}")
    finding = case.form.finding(case.claim, arm)
    detail = share_of_families(arm) if arm.votes else compared(arm, case.alphas.high, arm.lower)
    return Condition(name, arm.p_for < case.alphas.high, f"with {label}, {finding} ({detail})")


def _values(case: Case) -> Condition:
    """Two different kinds of value; the same kind with another seed is no second one."""
    read = [value for value in case.claim.robustness if intervention_label(value) in case.robustness]
    own = [case.claim.counterfactual, *(value for value in read if intervention_label(value) not in case.repeats)]
    names = list(dict.fromkeys(str(value.intervention) for value in own))
    if repeated := case.claim.metric.repeated:
        return Condition("intervention values", True, f"{len(case.main.repetitions)} {repeated.what} are compared")
    if len(names) > 1:
        return Condition("intervention values", True, f"{several(names)} are read")
    if case.claim.metric.judging is not None:
        return Condition("intervention values", True, "answers are judged as they were written")
    return Condition("intervention values", False, f"only one intervention value ({names[0]}); High needs two")


def _precision(case: Case) -> Condition:
    table, dtype = case.main.table, case.evidence.dtype
    if table.full_precision:
        return Condition("precision", True, dtype)
    ref, *_ = case.form.controls(case.claim, case.main.sweep)
    under = float((abs(case.main.series(ref)) <= table.log_floor).mean())
    detail = f"{dtype}: {100 * under:.0f}% of the values lie under the floor {table.log_floor:.2g}"
    return Condition("precision", under <= FLOORED, f"{detail}{'' if under <= FLOORED else ': screening only'}")
