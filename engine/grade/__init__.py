"""engine: the grade: from the evidence of a claim to a verdict. Importing this imports no numpy.

`grade` is the rule, `forms` holds one file for each form of claim, `case` reads the evidence, `inference`,
`answer` and `specificity` hold the statistics, `degenerate` and `replicates` what makes numbers no evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .evidence import Absent, Evidence, Ref, intervention_label
from .verdict import Condition, Grade, Verdict

if TYPE_CHECKING:
    from ...specs.claim import Claim, CompositeClaim, MeasuredClaim

__all__ = [
    "GRADER_VERSION",
    "Absent",
    "Condition",
    "Evidence",
    "Grade",
    "Ref",
    "Verdict",
    "benjamini_hochberg",
    "grade",
    "grade_composite",
    "intervention_label",
    "pending",
]

GRADER_VERSION = 5
"""Raised by every change that can change a verdict."""


def grade(claim: MeasuredClaim, evidence: Evidence, calibration: bool = False) -> Verdict:
    """The verdict on a measured claim; with `calibration`, simulated evidence is graded like measured."""
    from .rule import decide

    return decide(claim, evidence, calibration)


def grade_composite(claim: CompositeClaim, children: Sequence[tuple[MeasuredClaim, Verdict]]) -> Verdict:
    """The verdict on a claim over other claims, from theirs."""
    from .forms import FormError, find_form

    try:
        verdict: Verdict = find_form(claim.expect.form).grade(claim, children)
    except FormError as error:
        return pending(claim, error.code, str(error))
    return verdict


def pending(claim: Claim, code: str, reason: str) -> Verdict:
    """Pending without any evidence, with a machine-readable code and a line for a person."""
    scope = getattr(claim.expect, "scope", None)
    return Verdict(claim.claim, "Pending", code, reason, scope=scope, explanation=(f"missing: {reason}",))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """q-values in the order of the p-values; they stand beside the grades and do not enter them.

    Source: Benjamini & Hochberg 1995.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    q, least = [1.0] * len(p_values), 1.0
    for place, index in enumerate(order):
        least = min(least, p_values[index] * len(p_values) / (len(p_values) - place))
        q[index] = least
    return q
