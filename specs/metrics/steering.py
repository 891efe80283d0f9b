"""specs: steering: a direction that discovery examples show is added to what passes a site."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ..base import Many
from ..canonical import canonical
from ..controls import DrawnControl, Draws
from ..interventions import Intervention
from ..kinds import kind
from ..model import Model
from ..sites import SiteLabel
from .base import LOGITS, NATS, PLAIN, Sites, SweptMetric

ABOUT = {
    "logit_diff_change": "steered",
    "flipped": "steered",
    "kl": "steered",
    "slope": "slope",
    "anti_steerable": "slope",
    "off_target_kl": "off_target",
}
"""Quantity -> what is measured together."""

Words = Annotated[Many[str], Field(min_length=1)]
Unit = Literal["vector", "residual"]
Strength = Annotated[float, Field(allow_inf_nan=False)]


@kind("metric")
class SteeringMetric(SweptMetric):
    """What changes at the answer when a direction is added at a site.

    The direction of a site is the mean of what passes there at the last token of positive discovery prompts, less that
    of negative ones (difference of means: Rimsky et al. 2312.06681; Tan et al. 2407.12404). It is measured on other
    examples, of other templates: on negative prompts, which a positive strength pushes to the positive side, and for a
    negative strength on positive ones, which it pushes to the negative side.
    """

    QUANTITIES: ClassVar = {
        "logit_diff_change": LOGITS,
        "flipped": PLAIN,
        "kl": NATS,
        "slope": LOGITS,
        "anti_steerable": PLAIN,
        "off_target_kl": NATS,
    }
    INTERVENTIONS = ("steer", "anti")
    CONTROLS = (
        *("random_direction", "shuffled_labels", "shuffled_labels_own_norm", "wrong_task"),
        *("random_map", "shuffled_pairs", "untrained_model", "random_component", "wrong_layer"),
    )
    BOTH_SIGNS = ("slope", "anti_steerable")
    DISCOVERY = True

    evaluator: Literal["steering"]
    """steering"""
    quantity: Literal["logit_diff_change", "flipped", "kl", "slope", "anti_steerable", "off_target_kl"]
    """With D = logit(the answer that is pushed to) - logit(the prompt's own right answer), first tokens of both.
    logit_diff_change: D steered less D clean, logits. D is below zero where the model is right, and whatever disturbs
    it brings D nearer, a random direction too; the slope leaves out what both signs do alike. flipped: 1 where D is
    above zero when steered and was not before. kl: KL(clean || steered) of the next token on the same prompts, nats.
    slope: of the logit difference positive minus negative over the strengths -s, -s/2, 0, s/2 and s on one prompt,
    least squares, logits per unit of strength. anti_steerable: 1 where that slope is negative; the mean is the share
    of such prompts. off_target_kl: KL(clean || steered) of a family's own prompts under the directions of other
    families, their mean, nats."""
    sites: Sites = Sites(granularity="residual")
    """Where it is added; the residual streams if left out. Several together have a direction each. At the stream's end
    a direction works by construction: it is the answers' own logits that differ there."""
    contrast: Literal["answer", "family", "clean_corrupt"]
    """answer: of an example's two prompts the positive one is that whose right answer is among `positive`, the
    negative one that whose is among `negative`; other examples do not count. family: a task vector, prompts of the
    family `towards` against those of the suite's others; it is added to prompts of the others, and the answer that is
    pushed to is any that `towards` has in discovery. clean_corrupt: the clean prompt is positive, the corrupt negative;
    meant for suites whose clean prompts are of one kind: in the generated families, which of two answers is the clean
    one is left to chance, and there is nothing to learn. But for `family` every family has a direction of its own."""
    positive: Words | None = None
    """For contrast answer: whole answers, without blanks around them."""
    negative: Words | None = None
    """For contrast answer: the answers of the other side."""
    families: Words | None = None
    """For answer and clean_corrupt: the families that have directions and are steered; the suite's others are off
    target. Every family if left out."""
    towards: str | None = None
    """For contrast family: whose task vector."""
    donor: str | Model | None = None
    """Another model, in which the directions are learnt, on the same texts."""
    donor_site: SiteLabel | None = None
    """At which site of the donor; at that of the same name if left out."""
    map: Literal["identity", "procrustes", "least_squares"] | None = None
    """How a donor's direction becomes one of this model: as it is, where widths agree; by the rotation and scale, or
    the linear map, that brings the donor's activations nearest to this model's. A map is fitted at the last tokens of
    all families' discovery prompts of every other template, and the direction is learnt on the templates between."""

    @model_validator(mode="after")
    def _one_contrast(self) -> SteeringMetric:
        belongs = {
            "answer": ("positive", "negative", "families"),
            "family": ("towards",),
            "clean_corrupt": ("families",),
        }[self.contrast]
        for name in ("positive", "negative", "families", "towards"):
            given = getattr(self, name) is not None
            if given and name not in belongs:
                raise ValueError(f"{name} does not belong to contrast {self.contrast}")
            if not given and name in belongs and name != "families":
                raise ValueError(f"contrast {self.contrast} needs {name}")
        if both := sorted({*(self.positive or ())} & {*(self.negative or ())}):
            raise ValueError(f"`{both[0]}` cannot be both positive and negative")
        if self.contrast == "family" and ABOUT[self.quantity] == "off_target":
            raise ValueError("a task vector is meant for the other families' prompts: none is off target")
        return self

    @model_validator(mode="after")
    def _one_donor(self) -> SteeringMetric:
        if (self.donor is None) != (self.map is None):
            raise ValueError("donor and map go together: a direction of another model needs a map, if only identity")
        if self.donor_site and self.donor is None:
            raise ValueError("donor_site is a site of the donor, and there is none")
        if self.donor_site and {*"+@"} & {*self.donor_site}:
            raise ValueError(f"donor_site is one site, without positions: not {self.donor_site}")
        return self

    def settings(self) -> dict[str, Any]:
        """What the directions are learnt from, and what is measured with them; the donor is told beside it."""
        return {**super().settings(), "about": ABOUT[self.quantity]}


@kind("intervention")
class Steer(Intervention):
    """The direction is added, strength times, at the component's positions: at every token unless it names others."""

    intervention: Literal["steer"]
    """steer"""
    strength: Strength
    """How much of it; a negative strength pushes to the negative side, and is measured on positive prompts."""
    unit: Unit = "vector"
    """vector: strength 1 adds the difference of means as it is. residual: strength 1 adds the unit direction times the
    mean L2 norm of the stream entering that layer, at the last tokens of the direction's own discovery prompts."""

    @model_validator(mode="after")
    def _some(self) -> Steer:
        if self.strength == 0:
            raise ValueError("strength 0 adds nothing")
        return self

    @property
    def word(self) -> str:
        """`steer(4)`, `steer(-0.5,residual)`."""
        return f"steer({_inside(self.strength, self.unit)})"


@kind("intervention")
class Anti(Intervention):
    """The direction is taken away, strength times, from positive prompts: the same as steer with -strength."""

    intervention: Literal["anti"]
    """anti"""
    strength: Annotated[Strength, Field(gt=0)]
    """How much of it."""
    unit: Unit = "vector"
    """As for steer."""

    @property
    def word(self) -> str:
        """`anti(4)`, `anti(0.5,residual)`."""
        return f"anti({_inside(self.strength, self.unit)})"


@kind("control")
class RandomDirection(DrawnControl):
    """A Gaussian direction of the learnt one's norm, for every family and site another."""

    TWISTED = True
    kind: Literal["random_direction"]
    """random_direction"""


@kind("control")
class ShuffledLabels(DrawnControl):
    """The direction is learnt again on the same prompts, positive and negative dealt out anew, and given its norm.

    As many prompts are positive as before: in every family, for a task vector over all families. No draw deals as
    another, or as it was.
    """

    TWISTED = True
    kind: Literal["shuffled_labels"]
    """shuffled_labels"""
    draws: Draws = 20
    """Distinct dealings, of which there must be so many: 3 examples have 19, 4 have 69."""


@kind("control")
class ShuffledLabelsOwnNorm(DrawnControl):
    """As shuffled_labels, but what is learnt keeps the norm that comes out: a permutation test of all that is done.

    Where prompts differ most along the direction itself, chance labels show it too, shorter and with a chance sign;
    shuffled_labels makes it as long as the true one, which is a harder control. In unit residual the two are the same.
    """

    TWISTED = True
    kind: Literal["shuffled_labels_own_norm"]
    """shuffled_labels_own_norm"""
    draws: Draws = 20
    """Distinct dealings, as for shuffled_labels."""


@kind("control")
class WrongTask(DrawnControl):
    """The direction of another family, learnt on half of its examples, is given the norm of the right one.

    The suite's other families take turns, in its order; every turn draws other halves.
    """

    TWISTED = True
    kind: Literal["wrong_task"]
    """wrong_task"""


@kind("control")
class RandomMap(DrawnControl):
    """The donor's direction comes through a random rotation, and is given the norm of the mapped one."""

    TWISTED = True
    kind: Literal["random_map"]
    """random_map"""


@kind("control")
class ShuffledPairs(DrawnControl):
    """The map is fitted to wrong pairs: each text of the donor with another of its family; the norm is kept."""

    TWISTED = True
    kind: Literal["shuffled_pairs"]
    """shuffled_pairs"""
    draws: Draws = 20
    """Independent permutations; an identity has none."""


def _inside(strength: float, unit: Unit) -> str:
    return canonical(strength) + ("" if unit == "vector" else f",{unit}")
