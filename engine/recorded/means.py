"""engine: a claim as it is asked of recorded means: nothing is taken the log of, and the families are the units.

The log of an average is no typical log (false High in 8 to 46 % of cases), so that a positive quantity is compared as
it is: differences of means in its unit, and for a ratio a - k b.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...specs.claim import MeasuredClaim
from ...specs.forms import RankStability, Ratio
from ...specs.metrics.base import Metric, Quantity
from ..grade.forms import FormError


def as_means(claim: MeasuredClaim) -> MeasuredClaim:
    """The claim over plain means, in the suite.

    Raises:
        FormError: it is one of factors, of which means say nothing.
    """
    expect = claim.expect
    changes: dict[str, Any] = {"scope": "in_suite"}
    if claim.metric.kind.scale == "log":
        if isinstance(expect, Ratio):
            changes["form"] = "ratio_of_means"
        elif getattr(expect, "factor", None) is not None or expect.form in ("interaction", "spread_ratio", "speed"):
            raise FormError("means_only", f"form {expect.form} compares logs here, and the record has means only")
        elif not isinstance(expect, RankStability):
            changes["form"] = expect.form
    own: type[Metric] = type(claim.metric)
    metric = _linear(own, claim.metric.quantity).model_construct(claim.metric.model_fields_set, **dict(claim.metric))
    return claim.model_copy(update={"metric": metric, "expect": expect.model_copy(update=changes)})


@lru_cache(maxsize=256)
def _linear(metric: type[Metric], quantity: str) -> type[Metric]:
    """The same metric, whose quantity is compared as it is."""
    kind = metric.QUANTITIES[quantity]
    if kind.scale != "log":
        return metric
    return type(
        metric.__name__, (metric,), {"QUANTITIES": {**metric.QUANTITIES, quantity: Quantity(kind.unit, "linear")}}
    )
