"""tests of engine/grade: a metric of shares and signed numbers, made for these tests alone."""

from __future__ import annotations

from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.metrics.ablation import AblationMetric
from mi_atlas.specs.metrics.base import SHARE

from .worlds import claim


class ShareMetric(AblationMetric):
    """Ablation whose logit difference is a share."""

    QUANTITIES = AblationMetric.QUANTITIES | {"logit_diff_drop": SHARE}


def share(bound: float, kind: str = "at_least", **changed: object) -> MeasuredClaim:
    """A claim that a share is at least, or at most, so much."""
    document = claim({"form": "threshold", "component": "L0", kind: bound}, quantity="logit_diff_drop", **changed)
    return document.model_copy(update={"metric": ShareMetric.model_validate(document.metric.model_dump())})
