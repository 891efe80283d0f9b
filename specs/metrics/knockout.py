"""specs: knock-out: a skill is taken from a model, and what else goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from ..kinds import kind
from ..recipe import NamedRecipe, Recipe
from ..references import Refers
from .adapter import TrainedMetric
from .base import NATS, PLAIN, SIGNED_NATS, Quantity, Repeated, SweptMetric

OTHERS = ("other_drop", "off_target_kl")
"""Quantities of the other families' prompts; the rest are of the skill's own."""


@kind("metric")
class KnockoutMetric(TrainedMetric, SweptMetric):
    """What a trained model loses of one skill, and of others, when that skill's direction or adapter is taken away.

    The direction of a site is the mean of what passes there on the skill's discovery prompts less that on the other
    families'. The skill is a family of the suite; the suite's other families are what should stay. The adapter of a
    stream is what the training added to all that writes to it: the layers before.
    """

    QUANTITIES: ClassVar = {
        "skill_drop": SIGNED_NATS,
        "other_drop": SIGNED_NATS,
        "skill_failed": PLAIN,
        "selectivity": Quantity("", "log"),
        "off_target_kl": NATS,
    }
    INTERVENTIONS = ("anti", "remove_adapter")
    CONTROLS = (
        *("random_direction", "shuffled_labels", "wrong_task", "matched_norm_adapter", "random_component"),
        *("shuffled_answers", "wrong_layer"),
    )
    DISCOVERY = True

    evaluator: Literal["knockout"]
    """knockout"""
    quantity: Literal["skill_drop", "other_drop", "skill_failed", "selectivity", "off_target_kl"]
    """skill_drop: log-probability of the whole target before less after, on the skill's prompts, nats; other_drop: on
    the other families'. skill_failed: 1 where the skill's prompt was answered exactly before, and is not any more.
    selectivity: the drop of each of the skill's prompts over that of another family's prompt, by turns, both not
    below `floor`: with a denominator at the floor it is at most the drop over the floor. off_target_kl: KL(before ||
    after) on the other families' prompts, nats."""
    skill: str
    """The family that is knocked out."""
    recipe: Annotated[NamedRecipe | None, Refers("recipe")] = None  # type: ignore[assignment]
    """How the model learnt the skill: a recipe's name, or the recipe. None: the model as it is."""
    floor: float = 0.01
    """Least drop, in nats, that a selectivity is taken over."""

    @property
    def repeated(self) -> Repeated | None:
        """The training seeds, where there is a training."""
        return super().repeated if self.recipe else None

    @property
    def trainings(self) -> Mapping[str, Recipe]:
        """The recipe, if there is one."""
        return super().trainings if self.recipe else {}

    def settings(self) -> dict[str, Any]:
        """The floor, and whose prompts it is about: the skill's or the others'."""
        about = "others" if self.quantity in OTHERS else "skill"
        return super().settings() | {"floor": self.floor, "about": about}
