"""specs: skipping: whole layers are left out, some at once, or all from one on."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from ..base import Many
from ..controls import DrawnControl, Draws
from ..interventions import Intervention
from ..kinds import kind
from ..sites import Frame, SiteLabel, parse_component
from .base import NATS, PLAIN, SIGNED_NATS, Metric, Sites


@kind("metric")
class SkippingMetric(Metric):
    """What changes at the answer when a set of layers, such as `L2+L3`, is skipped at every token.

    A skipped layer is the identity: it adds nothing, and the stream passes. How much faster the model gets is another
    evaluator's question. Nothing is learned from discovery examples: a set that single skips suggest, such as the k
    layers of smallest mean KL, is found on discovery examples by whoever writes the claim, which then names it.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["sites"]}, {"required": ["sets"]}]})

    QUANTITIES: ClassVar = {
        "kl": NATS,
        "target_logprob_drop": SIGNED_NATS,
        "top5_loss": PLAIN,
        "top1_change": PLAIN,
        "exact_match_drop": PLAIN,
        "exact_match": PLAIN,
    }
    INTERVENTIONS = ("skip", "early_exit", "mean")
    CONTROLS = ("random_layers", "matched_norm_noise", "untrained_model", "random_component", "wrong_layer")

    evaluator: Literal["skipping"]
    """skipping"""
    quantity: Literal["kl", "target_logprob_drop", "top5_loss", "top1_change", "exact_match_drop", "exact_match"]
    """kl: KL(clean || skipped) of the next token, nats. target_logprob_drop: clean minus skipped log-probability of the
    target's first token, nats. top5_loss: share of the clean five most likely tokens that are no longer among them.
    top1_change: 1 where the most likely token is another. exact_match: 1 where greedy decoding still gives the whole
    target: the one quantity of which a larger effect leaves less. exact_match_drop: clean minus skipped exact match."""
    sites: Sites | None = None
    """Granularity layer, and how many are skipped together: the sweep is over all such sets."""
    sets: Annotated[Many[SiteLabel], Field(min_length=1)] | None = None
    """Instead of sites: the sets that are compared, of any sizes, such as [L2, L2+L3+L4+L5]."""

    @model_validator(mode="after")
    def _layers_at_every_token(self) -> SkippingMetric:
        if (self.sites is None) == (self.sets is None):
            raise ValueError("skipping names exactly one of sites and sets")
        if self.sites and (self.sites.granularities, self.sites.classes) != (("layer",), (None,)):
            raise ValueError("what is skipped is a layer at every token: sites has granularity layer and no positions")
        for label in self.sets or ():
            parts = parse_component(label)
            layers = [site.layer for site in parts.sites if site.granularity == "layer"]
            if parts.positions or len(layers) < len(parts.sites) or layers != sorted(set(layers)):
                raise ValueError(f"sets names `{label}`: a set is layers in rising order at every token, such as L2+L3")
        if self.sets and len(set(self.sets)) < len(self.sets):
            raise ValueError("sets names a set twice")
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every set."""
        return self.sites.components(frame) if self.sites else self.sets or ()

    def settings(self) -> dict[str, Any]:
        """Nothing: the sets are the components."""
        return {name: value for name, value in super().settings().items() if name != "sets"}


@kind("intervention")
class Skip(Intervention):
    """The layers are the identity, at every token, those to come included."""

    intervention: Literal["skip"]
    """skip"""


@kind("intervention")
class EarlyExit(Intervention):
    """The stream entering the component, one layer, goes through the model's own final norm and unembedding.

    This is the skip of that layer and all after it. The same set under `mean` is named in full: L3+L4+L5.
    """

    intervention: Literal["early_exit"]
    """early_exit"""


@kind("control")
class RandomLayers(DrawnControl):
    """As many layers, drawn at random: no draw is the claim's own set, and no two are the same."""

    kind: Literal["random_layers"]
    """random_layers"""
    draws: Draws = 20
    """Distinct sets, of which the model must have so many; an early exit at L3 of 10 layers draws sets of 7."""
