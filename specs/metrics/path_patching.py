"""specs: path patching: what one component says directly to another, from a prompt's corrupt twin."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from ..kinds import kind
from ..sites import Frame, Site, SiteKind, SiteLabel, parse_component
from .base import LOGITS, NATS, SHARE, SweptMetric

SENDERS: tuple[SiteKind, ...] = ("head", "operator", "mlp")
"""What writes to the residual stream."""

IN_MLP: tuple[SiteKind, ...] = ("mlp", "gate_proj", "up_proj", "down_proj")
"""What reads the stream behind the layer's operator; everything else reads the stream that enters the layer."""


def order(site: Site) -> tuple[int, int]:
    """Where in the forward pass a site reads the stream: its layer, and 0 entering it or 1 behind its operator.

    A sender writes behind where it reads, so that every site of a larger order reads what it wrote.
    """
    return site.layer, int(site.granularity in IN_MLP)


@kind("metric")
class PathPatchingMetric(SweptMetric):
    """What a sender's output from the aligned twin prompt does to the answer on its direct way to a receiver.

    The receivers are the components of `sites`. A receiver L<n>.residual, with n layers, is the input of the final norm
    and so of the logits; a receiver head reads by its query, key and value, a receiver q_proj by all heads' queries.
    """

    QUANTITIES: ClassVar = {"recovery": SHARE, "logit_diff_change": LOGITS, "kl": NATS}
    INTERVENTIONS = ("denoising", "noising")
    CONTROLS = ("wrong_donor", "matched_norm_patch", "random_component", "wrong_layer", "untrained_model")

    evaluator: Literal["path_patching"]
    """path_patching"""
    quantity: Literal["recovery", "logit_diff_change", "kl"]
    """As of the evaluator patching: recovery: the share of LD(clean) - LD(corrupt) that goes this way.
    logit_diff_change: the same in logits. kl: KL(unpatched || patched), nats."""
    sender: SiteLabel
    """Heads, operators or MLPs, at every token or at those of one class, such as L1.head0 or L0.mlp@subject."""

    @model_validator(mode="after")
    def _senders_write_and_receivers_read(self) -> PathPatchingMetric:
        senders = parse_component(self.sender).sites
        for site in senders:
            if site.granularity not in SENDERS:
                raise ValueError(f"sender {site.label} is no head, operator or mlp: it does not write to the stream")
        whole = {site.layer for site in senders if site.granularity == "operator"}
        if len(set(senders)) < len(senders) or any(s.granularity == "head" and s.layer in whole for s in senders):
            raise ValueError(f"sender {self.sender} names a component twice")
        if "layer" in self.sites.granularities:
            raise ValueError("a layer is no receiver: its operator and its mlp read the stream each for itself")
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every receiver of `sites` that comes behind all senders; of the streams only that into the final norm."""
        last = max(order(site) for site in parse_component(self.sender).sites)

        def receives(site: Site) -> bool:
            return order(site) > last and (site.granularity != "residual" or site.layer == frame.layers)

        return tuple(label for label in super().sweep(frame) if all(map(receives, parse_component(label).sites)))
