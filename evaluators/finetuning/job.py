"""evaluators/finetuning: what one training is, as data. No torch: the engine names trainings before it runs any."""

from __future__ import annotations

from dataclasses import dataclass

from ...specs.canonical import digest
from ...specs.metrics.base import turn
from ...specs.metrics.training import SEEDS
from ...specs.recipe import AtlasTargets, Recipe
from ..cells import Cell

TRAINER = 1
"""Version of the trainer, raised whenever the same recipe would give other weights: part of every key."""

NOISE = "matched_norm_noise"
"""The one control whose draws are interventions of their own."""

RANDOM_LAYERS, SHUFFLED = "random_matched_layers", "shuffled_answers"


@dataclass(frozen=True)
class Job:
    """One training: a recipe, a seed, and what a control draws anew in it."""

    recipe: Recipe
    """Written out in full: nothing in it is only named, and it has no sweep."""
    seed: int
    layers_draw: int | None = None
    """Other layers than the recipe's, drawn at random: as many modules of each kind."""
    answers_draw: int | None = None
    """The answers of the training data, dealt out anew among its prompts."""

    @property
    def drawn(self) -> tuple[int, int, int]:
        """Seed, and the draws of layers and answers (-1: none): what tells it from others by its recipe."""
        layers, answers = (-1 if draw is None else draw for draw in (self.layers_draw, self.answers_draw))
        return self.seed, layers, answers


def job_of(recipe: Recipe, cell: Cell) -> Job:
    """The training that a cell is measured on.

    Behind the `|` of its intervention stands a control, or the intervention is one, and `cell.seed` is then the number
    of its draw: draws take turns with the seeds that every graded claim has.
    """
    control = cell.intervention.partition("|")[2]
    if not control and cell.intervention != NOISE:
        return Job(recipe, cell.seed)
    seed, draw = turn(cell.seed, SEEDS), cell.seed
    return Job(recipe, seed, draw if control == RANDOM_LAYERS else None, draw if control == SHUFFLED else None)


def atlas_name(targets: AtlasTargets) -> str:
    """Name of the map that aims a training: whoever measures the same components in the same way shares one."""
    kinds = (targets.granularity,) if isinstance(targets.granularity, str) else targets.granularity
    return digest("atlas", {"suite": targets.suite, "granularity": kinds, "intervention": targets.intervention})
