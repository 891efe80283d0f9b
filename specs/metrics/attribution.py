"""specs: attribution patching: how well gradients foretell what patching does. A screen, no evidence for a cause."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ..controls import DrawnControl
from ..kinds import kind
from ..sites import Component, Frame, parse_component
from .base import LOGITS, PLAIN, SHARE, Metric, Sites
from .patching import without_given

SCREENS = ("rank_agreement", "missed")
"""Quantities of a whole sweep at once; the others are of one component."""


@kind("metric")
class AttributionMetric(Metric):
    """How far a screen by gradients can be trusted: attributed effects beside exact ones.

    The attributed effect of a component is gradient x (twin's activation - own), its exact effect that of `patching`.
    No quantity is an attributed effect alone: attribution patching ranks, and what it ranks is patched. No claim on
    these numbers says what a component causes.
    """

    QUANTITIES: ClassVar = {"attribution_error": LOGITS, "rank_agreement": PLAIN, "missed": SHARE}
    INTERVENTIONS = ("denoising", "noising")
    CONTROLS = ("shuffled_attribution", "wrong_donor", "untrained_model")
    FORMS = ("threshold",)
    DISCOVERY = True

    evaluator: Literal["attribution"]
    """attribution"""
    quantity: Literal["attribution_error", "rank_agreement", "missed"]
    """attribution_error: of one component, |attributed - exact| effect on the logit difference, logits. The others are
    of all components of `sites` at once, whose label joins theirs: L0.mlp+L1.mlp+L2.mlp. On discovery examples those
    `top` are found that are attributed the largest mean effects, to either side, and `outside` others are drawn at
    random. rank_agreement: Spearman's correlation, in each example, of attributed and exact effects over these two
    sets. missed: the largest exact effect outside as a share of the least one among the top; which these are is found
    on discovery examples. Over 1 the screen missed something."""
    sites: Sites
    """What is screened; of screens at one class of positions or at every token."""
    top: Annotated[int, Field(ge=1)] | None = None
    """rank_agreement, missed: how many components the screen picks."""
    outside: Annotated[int, Field(ge=2)] = 20
    """rank_agreement, missed: how many others are patched too; all, where there are fewer."""

    @model_validator(mode="after")
    def _fitting(self) -> AttributionMetric:
        screens = self.quantity in SCREENS
        if screens != (self.top is not None):
            raise ValueError(f"top belongs to {' and '.join(SCREENS)}, which need it")
        if not screens and self.outside != 20:
            raise ValueError(f"outside belongs to {' and '.join(SCREENS)}")
        if self.sites.together > 1 or (screens and len(self.sites.classes) > 1):
            raise ValueError("components are attributed one at a time, and screened at one class of positions")
        if "conv" in self.sites.granularities:
            raise ValueError("no gradient is taken at conv, which no module returns; out_proj is what it comes to")
        if "residual" in self.sites.granularities and None in self.sites.classes:
            raise ValueError("the whole stream taken from the twin recovers 1 by construction; name positions")
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every component of `sites`, or all of them as one; without those that recover 1 by construction."""
        labels = without_given(self.sites.components(frame), frame)
        if self.quantity not in SCREENS or not labels:
            return labels
        members = tuple(site for label in labels for site in parse_component(label).sites)
        return (Component(members, self.sites.classes[0]).label,)


@kind("control")
class ShuffledAttribution(DrawnControl):
    """The screen's attributed effects are dealt out anew to its components; no two draws pick the same top."""

    TWISTED = True
    kind: Literal["shuffled_attribution"]
    """shuffled_attribution"""
