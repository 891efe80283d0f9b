"""engine: one claim before its evidence: every arm read, every fault noted. Imported only when grading."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...specs.interventions import label
from .answer import Alphas, Answer
from .degenerate import dead_positive_control, sign_symmetric
from .evidence import Evidence, Ref, intervention_label
from .forms import find_form
from .question import Arm, Fault
from .rates import CountTable, distinct_counts, usable_counts
from .repeated import averaged, independent
from .replicates import distinct
from .specificity import Specificity, specificity, usable_draws
from .table import MOST_TABLES, Table, table_of, usable

if TYPE_CHECKING:
    from ...specs.claim import MeasuredClaim
    from .forms import Form

LEAST_TEMPLATES, LEAST_TEMPLATES_A_FAMILY = 30, 10
LEAST_FAMILIES, LEAST_TEMPLATES_BEYOND = 12, 3
LEAST_RECORDED = 6
POST_HOC_ALPHA = 0.025


@dataclass
class Case:
    """What is known of a claim; arms that could not be read are in `faults`, by name."""

    claim: MeasuredClaim
    evidence: Evidence
    form: Form
    alphas: Alphas
    beyond: bool
    main: Arm
    answer: Answer
    robustness: dict[str, Answer] = field(default_factory=dict)
    """Label -> answer."""
    repeats: set[str] = field(default_factory=set)
    """Labels of arms that are cell by cell an earlier arm."""
    control: Specificity | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    lacking: set[str] = field(default_factory=set)
    """Arms that recorded evidence simply does not have."""


def alphas(claim: MeasuredClaim, look: int, registered: bool) -> Alphas:
    """What is spent at the k-th look: 2 alpha / (k (k + 1)), which sums to 2 alpha over all looks for ever.

    Refutation is split over the parts in the suite; beyond it the same count of families that gives High refutes.
    """
    share = 2 / (look * (look + 1))
    high = (1 - claim.threshold.high) * share
    medium = 1 - claim.threshold.medium if registered else min(1 - claim.threshold.medium, POST_HOC_ALPHA)
    parts = 2 + len(claim.robustness) if claim.expect.scope == "in_suite" else 1
    return Alphas(high=high, refute=high / parts, medium=medium * share, block=high / share / parts)


def read(claim: MeasuredClaim, evidence: Evidence) -> Case | tuple[Fault, Table | None]:
    """Everything the rule needs, or why the main arm says nothing (with the table, where there is one).

    Raises:
        FormError: the claim cannot be decided on this model.
    """
    form = find_form(claim.expect.form)
    swept, repeated = evidence.sweep, claim.metric.repeated
    own = intervention_label(claim.counterfactual)
    refs = form.effects(claim, swept)
    if fault := _unreadable(claim, evidence, refs, own):
        return fault, None
    if repeated and claim.expect.scope != "in_suite":
        return Fault("in_suite_only", f"{repeated.what} are compared over new prompts of these families only"), None
    table = table_of(CountTable if form.COUNTS else Table, evidence)
    main = Arm(claim, swept, table, own)
    beyond = claim.expect.scope == "beyond_suite"
    if fault := _too_few_recorded(table) if evidence.origin == "recorded" else too_few(table, beyond):
        return fault, table
    if repeated:
        numbers = independent(main, refs, repeated, evidence.marks, form.COUNTS)
        if isinstance(numbers, Fault):
            return numbers, table
        main = replace(main, repetitions=numbers)
    one_sided = claim.metric.quantity not in claim.metric.BOTH_SIGNS
    if fault := (one_sided and sign_symmetric(table, evidence.effects)) or _degenerate(form, main):
        return fault, table
    case = Case(
        claim,
        evidence,
        form,
        spent := alphas(claim, evidence.look, evidence.registered_before_data),
        beyond,
        main,
        form.answer(main, beyond, spent),
    )
    _read_checks(case)
    if usable(evidence.positive) and (fault := dead_positive_control(table)):
        return fault, table
    _read_robustness(case, refs)
    _read_control(case)
    return case


@lru_cache(maxsize=MOST_TABLES)
def too_few(table: Table, beyond: bool) -> Fault | None:
    """Fewer independent units than the statistics are made for."""
    sizes = dict(zip(table.layout.families, table.layout.sizes.astype(int).tolist(), strict=True))
    if beyond:
        enough = sum(size >= LEAST_TEMPLATES_BEYOND for size in sizes.values())
        if enough == len(sizes) and enough >= LEAST_FAMILIES:
            return None
        wanted = f"{LEAST_FAMILIES} families, each of {LEAST_TEMPLATES_BEYOND} distinct templates or more; has {enough}"
        return Fault("too_few_units", f"needs n = {wanted} of {len(sizes)} that are so")
    smallest = min(sizes, key=lambda family: (sizes[family], family))
    if table.n_templates < LEAST_TEMPLATES:
        return Fault("too_few_units", f"needs n = {LEAST_TEMPLATES} distinct templates; has {table.n_templates}")
    if len(sizes) > 1 and sizes[smallest] < LEAST_TEMPLATES_A_FAMILY:
        wanted = f"{LEAST_TEMPLATES_A_FAMILY} distinct templates in every family"
        return Fault("too_few_units", f"needs n = {wanted}; {smallest} has {sizes[smallest]}")
    return None


def _too_few_recorded(table: Table) -> Fault | None:
    """Of recorded means, one a family, over which a t is taken."""
    if table.n_templates >= LEAST_RECORDED:
        return None
    return Fault("too_few_units", f"needs n = {LEAST_RECORDED} recorded families or prompts; has {table.n_templates}")


def _unreadable(claim: MeasuredClaim, evidence: Evidence, refs: tuple[Ref, ...], own: str) -> Fault | None:
    """Series of an arm that are not there, or hold something else than numbers."""
    if not evidence.examples and evidence.left_out:
        gone = "; ".join(f"{count}: {why}" for why, count in evidence.left_out.items())
        return Fault("no_examples", f"no example counts ({gone})")
    repeated, share = claim.metric.repeated, claim.metric.kind.scale == "share"
    for number in range(1, repeated.times + 1) if repeated else (0,):
        for ref in refs:
            place = label(ref.intervention or own, number), ref.site
            values = evidence.effects.get(place)
            if values is None or not len(values):
                return Fault("not_measured", f"no values for {place[0]} at {ref.site}")
            if not np.isfinite(values).all():
                return Fault("not_finite", f"{place[0]} at {ref.site} holds values that are no numbers")
            if share and place not in evidence.denominators:
                return Fault("not_measured", f"nothing says what {claim.metric.quantity} is a share of")
    return None


def _degenerate(form: Form, arm: Arm) -> Fault | None:
    """What makes an arm no evidence in some repetition; that one is a single number is no fault of what is so."""
    whole, faults = arm.claim.metric.quantity in arm.claim.metric.WHOLE, filter(None, map(form.degenerate, arm.each()))
    return next((fault for fault in faults if not (whole and fault.code == "degenerate_constant")), None)


def _missing(case: Case, arm: str, there: bool) -> bool:
    """Note an arm that is not there, and whether recorded evidence may lack it."""
    if there and arm not in case.evidence.absent:
        return False
    case.faults[arm] = Fault(*case.evidence.absent.get(arm, ("not_measured", "there is no such evidence")))
    if case.evidence.origin == "recorded":
        case.lacking.add(arm)
    return True


def _read_checks(case: Case) -> None:
    for arm, values in (("clean", case.evidence.noise), ("positive_control", case.evidence.positive)):
        if not _missing(case, arm, values is not None) and not np.isfinite(values).all():  # type: ignore[arg-type]
            case.faults[arm] = Fault("not_finite", "holds values that are no numbers")


def _read_robustness(case: Case, refs: tuple[Ref, ...]) -> None:
    arms = {case.main.own: case.main}
    for value in case.claim.robustness:
        own = intervention_label(value)
        name, arm = f"robustness.{own}", replace(case.main, own=own)
        there = any(one.place(ref) in case.evidence.effects for one in arm.each() for ref in refs)
        if _missing(case, name, there):
            continue
        if fault := _unreadable(case.claim, case.evidence, refs, own) or _degenerate(case.form, arm):
            case.faults[name] = fault
            continue
        arms[own] = arm
        case.robustness[own] = case.form.answer(arm, case.beyond, case.alphas)
    cells = np.stack([np.concatenate([arm.series(ref) for ref in refs]) for arm in arms.values()])
    kept = {list(arms)[index] for index in (distinct_counts if case.form.COUNTS else distinct)(cells)}
    case.repeats = set(arms) - kept


def _read_control(case: Case) -> None:
    form, arm, control = case.form, case.main, case.evidence.control
    refs = form.controls(case.claim, arm.sweep)
    each = [{key[2] for key in control if key[:2] == place} for place in map(arm.drawn, refs)]
    numbers = sorted(set.intersection(*each))
    if _missing(case, "control", bool(numbers)):
        return
    draws: list[int] | Fault = (usable_counts if form.COUNTS else usable_draws)(arm, refs, numbers)
    result: Any = draws
    if not isinstance(draws, Fault):
        kept, ratio = draws, case.claim.control.ratio
        effect, drawn, levels = averaged(arm, lambda one: form.control(one, kept))
        scale = form.asked(arm).scale
        result = specificity(effect, drawn, scale, ratio, arm.table.layout, case.beyond, levels)
    if isinstance(result, Fault):
        case.faults["control"] = result
    else:
        case.control = result
