"""specs: activation patching between a prompt and its corrupt twin."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from ..controls import DrawnControl
from ..interventions import Intervention
from ..kinds import kind
from ..sites import Frame
from .base import LOGITS, NATS, SHARE, SweptMetric


@kind("metric")
class PatchingMetric(SweptMetric):
    """What a component's activations from the aligned twin prompt do to the answer."""

    QUANTITIES: ClassVar = {"recovery": SHARE, "logit_diff_change": LOGITS, "kl": NATS}
    INTERVENTIONS = ("denoising", "noising")
    CONTROLS = ("wrong_donor", "matched_norm_patch", "random_component", "wrong_layer", "untrained_model")

    evaluator: Literal["patching"]
    """patching"""
    quantity: Literal["recovery", "logit_diff_change", "kl"]
    """With LD = logit(target) - logit(wrong target) at the answer position, recovery: the share of LD(clean) -
    LD(corrupt) that the patch brings back (denoising) or takes away (noising). logit_diff_change: the same in logits.
    kl: KL(unpatched || patched) of the run that is patched, nats."""

    @model_validator(mode="after")
    def _no_recovery_by_construction(self) -> PatchingMetric:
        if "residual" in self.sites.granularities and None in self.sites.classes:
            raise ValueError(
                "the whole residual stream taken from the twin is the twin's run: it recovers 1 by construction; "
                "name positions, such as [subject, last]"
            )
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every component of `sites`, but those that recover 1 or nothing by construction."""
        return without_given(super().sweep(frame), frame)


def without_given(labels: tuple[str, ...], frame: Frame) -> tuple[str, ...]:
    """Labels of components, without those that recover 1 or nothing by construction.

    These are the stream behind the last layer, and the embeddings of the tokens in which the twins differ.
    """
    given = f"L{frame.layers}.residual", "L0.residual@subject"
    return tuple(label for label in labels if not any(each in label for each in given))


@kind("intervention")
class Denoising(Intervention):
    """The corrupt prompt runs with the clean prompt's activations at the component: is it sufficient?"""

    intervention: Literal["denoising"]
    """denoising"""


@kind("intervention")
class Noising(Intervention):
    """The clean prompt runs with the corrupt prompt's activations at the component: is it necessary?"""

    intervention: Literal["noising"]
    """noising"""


@kind("control")
class WrongDonor(DrawnControl):
    """The activations come from another example of the family, first, last and inner tokens keeping their class."""

    TWISTED = True
    kind: Literal["wrong_donor"]
    """wrong_donor"""


@kind("control")
class MatchedNormPatch(DrawnControl):
    """The patch moves the activation as far as the twin's would, in a random direction."""

    TWISTED = True
    kind: Literal["matched_norm_patch"]
    """matched_norm_patch"""
