"""engine: what rules say that are common and wrong, of the very evidence that a verdict rests on.

- `point estimate`: true where the estimate lies on the claimed side of the bound. That ten re-runs with other "seeds"
  agree bit by bit (std = 0) makes it no surer, and says the same.
- `ten equal seeds`: the ten re-runs of each template count as ten; Student's t at .005.
- `clones`: every prompt counts, those of one template too; Student's t at .005.
- `one control draw`: the point estimate, and an effect above the control's margin over a single draw of it.

Of a claim over claims: that the rule says so of all of them; of a stability, of the share that it asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..grade.evidence import Evidence, intervention_label
from ..grade.forms import Form, FormError, find_form

if TYPE_CHECKING:
    from ...specs.claim import CompositeClaim, MeasuredClaim
    from ..grade.evidence import Floats
    from ..grade.question import Arm, Question

RULES = ("point estimate", "ten equal seeds", "clones", "one control draw")

SEEDS = 10
ALPHA = 0.005
LEAST_SD = 1e-12


def judge(claim: MeasuredClaim, evidence: Evidence) -> dict[str, bool]:
    """Rule -> whether it calls the claim true; it calls none true whose numbers cannot be read."""
    form = find_form(claim.expect.form)
    try:
        return _judge(form, claim, evidence)
    except (FormError, KeyError, ValueError, FloatingPointError):
        return dict.fromkeys(RULES, False)


def judge_all(claim: CompositeClaim, parts: Sequence[Mapping[str, bool]]) -> dict[str, bool]:
    """The same of a claim over others."""
    share = getattr(claim.expect, "at_least", 1.0)
    return {rule: sum(part[rule] for part in parts) >= share * len(parts) for rule in RULES}


def _judge(form: Form, claim: MeasuredClaim, evidence: Evidence) -> dict[str, bool]:
    arm = _arm(form, claim, evidence)
    question = form.asked(arm)
    prompts = _arm(form, claim, replace(evidence, templates=evidence.examples))
    seen = _estimated(question, arm)
    return {
        "point estimate": seen,
        "ten equal seeds": _significant(question, SEEDS),
        "clones": _significant(form.asked(prompts), 1),
        "one control draw": seen and _above_one_draw(form, arm, question, min(key[2] for key in evidence.control)),
    }


def _arm(form: Form, claim: MeasuredClaim, evidence: Evidence) -> Arm:
    from ..grade.question import Arm
    from ..grade.rates import CountTable
    from ..grade.table import Table

    table, repeated = (CountTable if form.COUNTS else Table)(evidence), claim.metric.repeated
    every = tuple(range(1, repeated.times + 1)) if repeated else ()
    return Arm(claim, evidence.sweep, table, intervention_label(claim.counterfactual), every)


def _estimated(question: Question, arm: Arm) -> bool:
    sign = question.scale.sign
    means = sign * arm.table.layout.means(question.units).mean(axis=0)
    return int((means > sign * question.scale.bound).sum()) >= len(means) - question.spare


def _significant(question: Question, copies: int) -> bool:
    """Student's t of all units together, each so often."""
    import numpy as np
    from scipy.special import stdtr  # type: ignore[import-untyped]

    units = question.scale.sign * question.units
    count = copies * len(units)
    error = np.maximum(units.std(axis=0), LEAST_SD) / math.sqrt(count - 1)
    p_values = stdtr(count - 1, -(units.mean(axis=0) - question.scale.sign * question.scale.bound) / error)
    return int((p_values < ALPHA).sum()) >= len(p_values) - question.spare


def _above_one_draw(form: Form, arm: Arm, question: Question, draw: int) -> bool:
    effect, drawn = (_level(values, arm) for values in form.control(next(arm.each()), [draw]))
    ratio, sign = float(arm.claim.control.ratio), question.scale.sign
    if question.scale.logarithmic:
        return sign * (effect - drawn) > math.log(ratio)
    return effect > ratio * drawn if sign > 0 else drawn > ratio * effect


def _level(values: Floats, arm: Arm) -> float:
    return float(arm.table.layout.means(values.reshape(-1, values.shape[-1]).T).mean())
