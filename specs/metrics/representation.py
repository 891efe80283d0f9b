"""specs: representation: what a clean pass looks like inside. It describes; it is no evidence for a cause.

Nothing is intervened on, so that no number here says what a part does. Claims of the forms threshold and top_component
on them are descriptive claims: "the norm jumps most at layer 3", "the lens has the answer from layer 4 on".
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import model_validator

from ..controls import DrawnControl
from ..interventions import Intervention
from ..kinds import kind
from ..model import Model
from ..sites import SITE_KINDS, Frame, SiteKind, SiteLabel, parse_component
from .base import NATS, PLAIN, SIGNED_NATS, Quantity, SweptMetric

FACTOR = Quantity("", "log")
"""Positive: a length, or a ratio of two."""


class About(NamedTuple):
    """Quantities that are measured together, and where."""

    name: str
    kinds: tuple[SiteKind, ...]
    """Sites that have them."""


ABOUT = {
    "lens_target_rank_one": About("lens_target", ("residual",)),
    "lens_target_logprob": About("lens_target", ("residual",)),
    "lens_kl": About("lens_kl", ("residual",)),
    "cka": About("cka", SITE_KINDS),
    "cka_tokens": About("cka_tokens", SITE_KINDS),
    "residual_norm": About("residual_norm", ("residual",)),
    "norm_jump": About("norm_jump", ("layer",)),
    "current_tap_share": About("current_tap_share", ("conv",)),
    "embedding_cosine": About("embedding_cosine", ("residual",)),
}


@kind("metric")
class RepresentationMetric(SweptMetric):
    """Lenses, similarities, norms and kernels of the clean pass: description only, never evidence for a cause."""

    QUANTITIES: ClassVar = {
        "lens_target_rank_one": PLAIN,
        "lens_target_logprob": SIGNED_NATS,
        "lens_kl": NATS,
        "cka": PLAIN,
        "cka_tokens": PLAIN,
        "residual_norm": FACTOR,
        "norm_jump": FACTOR,
        "current_tap_share": PLAIN,
        "embedding_cosine": PLAIN,
    }
    INTERVENTIONS = ("observe",)
    CONTROLS = ("shuffled_examples", "untrained_model", "random_component", "wrong_layer")

    evaluator: Literal["representation"]
    """representation"""
    quantity: Literal[
        "lens_target_rank_one",
        "lens_target_logprob",
        "lens_kl",
        "cka",
        "cka_tokens",
        "residual_norm",
        "norm_jump",
        "current_tap_share",
        "embedding_cosine",
    ]
    """The logit lens is the model's own final norm and unembedding applied to the stream entering a layer.
    lens_target_rank_one: 1 where its most likely token is the target's first. lens_target_logprob: its log-probability
    of that token, nats. lens_kl: KL(the model's own next token || the lens's), nats: how far from final the stream is.
    cka: debiased linear CKA of two sites over a family's examples, as jackknife pseudo-values: their mean is the
    estimate, their spread its standard error. cka_tokens: the same CKA over the tokens of each prompt.
    residual_norm: L2 norm of the stream entering a layer. norm_jump: that of the stream leaving a layer over it.
    current_tap_share: of the squares that the taps of a short convolution add, the share of the tap at the current
    token. embedding_cosine: cosine of the rows of target and wrong target, less the target's mean cosine with 20 random
    rows; of the embedding (at L0.residual) or the unembedding (where the stream ends)."""
    against: SiteLabel | None = None
    """For cka and cka_tokens: the site with which each of the sweep is compared."""
    donor: str | Model | None = None
    """For cka and cka_tokens: another model, whose site `against` is; it reads the same texts."""

    @model_validator(mode="after")
    def _fitting(self) -> RepresentationMetric:
        about = ABOUT[self.quantity]
        if wrong := [kind for kind in self.sites.granularities if kind not in about.kinds]:
            raise ValueError(f"{self.quantity} is of {' or '.join(about.kinds)}, not of {wrong[0]}")
        if self.sites.classes != (None,) or self.sites.together > 1:
            raise ValueError("one site is observed at a time; at which tokens, the intervention observe says")
        compares = about.name.startswith("cka")
        if compares != (self.against is not None) or (self.donor is not None and not compares):
            raise ValueError("against, and with it donor, belongs to cka and cka_tokens")
        if self.against and not _alone(self.against):
            raise ValueError(f"against is one site, not {self.against}")
        if about.name == "cka" and self.only != "all":
            raise ValueError("cka is of all examples of a family at once: it has no part over those answered correctly")
        return self

    def sweep(self, frame: Frame) -> tuple[str, ...]:
        """Every component of `sites`; of the embeddings the two ends of the stream."""
        swept = super().sweep(frame)
        return (swept[0], swept[-1]) if self.quantity == "embedding_cosine" else swept

    def settings(self) -> dict[str, Any]:
        """What the quantity is about: those about different things are measured in different ways."""
        return {**super().settings(), "about": ABOUT[self.quantity].name}


@kind("metric")
class AttentionPatternMetric(SweptMetric):
    """Where a head looks from the last token. A pattern describes; it is not what the head does (Jain & Wallace 2019).

    So the only intervention is observe, and the claim has to say that it is descriptive.
    """

    QUANTITIES: ClassVar = {"attention_to_first": PLAIN, "attention_to_subject": PLAIN}
    INTERVENTIONS = ("observe",)
    CONTROLS = ("random_positions", "untrained_model", "random_component", "wrong_layer")
    FORMS = ("threshold",)

    evaluator: Literal["attention_pattern"]
    """attention_pattern"""
    quantity: Literal["attention_to_first", "attention_to_subject"]
    """Share, 0 to 1, of the last token's attention that falls on the first token, or on those that the answer
    depends on."""
    descriptive: Literal[True]
    """true: this claim says how something looks, and nothing about what it causes."""

    @model_validator(mode="after")
    def _heads(self) -> AttentionPatternMetric:
        if (self.sites.granularities, self.sites.classes, self.sites.together) != (("head",), (None,), 1):
            raise ValueError("an attention pattern is of one head at a time: sites has granularity head, nothing else")
        return self

    def settings(self) -> dict[str, Any]:
        """Nothing: a pattern is a pattern."""
        return {name: value for name, value in super().settings().items() if name != "descriptive"}


@kind("intervention")
class Observe(Intervention):
    """Nothing is replaced: the clean pass is described."""

    intervention: Literal["observe"]
    """observe"""
    tokens: Literal["last", "every"] = "last"
    """last: at the prompt's last token. every: the mean over its tokens, of a vector before vectors are compared; of a
    ratio of norms the geometric mean."""

    @property
    def word(self) -> str:
        """`observe`, `observe(every)`."""
        return "observe" if self.tokens == "last" else f"observe({self.tokens})"


@kind("control")
class ShuffledExamples(DrawnControl):
    """What is compared is of different examples: the rows of one side are permuted, none stays in its place.

    The other side is the target of the lens, the model's own next token, the site `against`, or the wrong target; for
    cka_tokens it is the tokens of the prompt that are permuted. A norm has no other side.
    """

    TWISTED = True
    kind: Literal["shuffled_examples"]
    """shuffled_examples"""


@kind("control")
class RandomPositions(DrawnControl):
    """The attention that falls on as many other positions of the prompt, drawn at random."""

    TWISTED = True
    kind: Literal["random_positions"]
    """random_positions"""


def _alone(label: str) -> bool:
    component = parse_component(label)
    return len(component.sites) == 1 and component.positions is None
