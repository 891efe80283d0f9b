"""specs: what is measured."""

from __future__ import annotations

from typing import Literal

from .base import Many, Spec
from .kinds import kind
from .sites import Granularity


class Sites(Spec):
    """The sites that are intervened on, one at a time."""

    granularity: Granularity | Many[Granularity]
    """layer (the whole block), operator (attention or convolution), mlp; or a list of them."""

    @property
    def granularities(self) -> tuple[Granularity, ...]:
        """The granularities, always as a tuple."""
        return self.granularity if isinstance(self.granularity, tuple) else (self.granularity,)


@kind("metric")
class AblationMetric(Spec):
    """What changes at the answer position when a site's update is replaced."""

    evaluator: Literal["ablation"]
    """ablation"""
    quantity: Literal["kl", "target_logprob_drop", "logit_diff_drop"]
    """kl: KL(clean || ablated) of the next token, nats. target_logprob_drop: clean minus ablated log-probability
    of the target's first token, nats. logit_diff_drop: the same for logit(target) - logit(wrong target)."""
    sites: Sites
    """Where."""
