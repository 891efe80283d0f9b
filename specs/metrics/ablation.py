"""specs: ablation: a site's update is replaced."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..kinds import kind
from .base import LOGITS, NATS, SIGNED_NATS, SweptMetric


@kind("metric")
class AblationMetric(SweptMetric):
    """What changes at the answer position when a site's update is replaced."""

    QUANTITIES: ClassVar = {"kl": NATS, "target_logprob_drop": SIGNED_NATS, "logit_diff_drop": LOGITS}
    INTERVENTIONS = ("zero", "mean", "resample", "noise")
    CONTROLS = ("matched_norm_noise", "untrained_model", "random_component", "wrong_layer")

    evaluator: Literal["ablation"]
    """ablation"""
    quantity: Literal["kl", "target_logprob_drop", "logit_diff_drop"]
    """kl: KL(clean || ablated) of the next token, nats. target_logprob_drop: clean minus ablated log-probability
    of the target's first token, nats. logit_diff_drop: the same for logit(target) - logit(wrong target)."""
