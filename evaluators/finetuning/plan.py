"""evaluators/finetuning: a training, resolved: its modules, the trainings it starts from, and the key of it all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...specs.canonical import digest, digest_file
from ...specs.recipe import Recipe
from ..cells import NotEvaluated
from ..models.load import LoadedModel
from ..registry import Materials
from .job import TRAINER, Job
from .loop import steps_of
from .rows import data_digest
from .targets import modules_of


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    job: Job
    modules: tuple[str, ...]
    """That have an adapter, or whose weights are trained; none: every weight."""
    parents: tuple[Job, ...]
    """Trainings that this one starts from, or adds up."""
    parts: dict[str, Any]
    """Everything that determines the training, part by part."""
    key: str

    @property
    def is_base(self) -> bool:
        """Whether nothing is trained."""
        return self.job.recipe.training == "none"

    @property
    def adapts(self) -> bool:
        """Whether an adapter is trained, or the weights themselves."""
        return bool(self.modules) and self.job.recipe.training != "full"


def plan_of(job: Job, model: LoadedModel, materials: Materials) -> Plan:
    """Resolve a job.

    Raises:
        NotEvaluated: a module or map that the recipe needs is not there, or its data are not.
    """
    recipe = job.recipe
    named = [each for each in (recipe.after, *recipe.of) if each is not None]
    if loose := [each for each in named if isinstance(each, str)]:
        raise NotEvaluated("unresolved_recipe", f"recipe {loose[0]} is only named")
    earlier = [each for each in named if isinstance(each, Recipe) and each.training != "none"]
    parents = tuple(Job(each, job.seed, job.layers_draw, job.answers_draw) for each in earlier)
    plain = recipe.training in ("none", "stack")
    draw = None if plain else job.layers_draw
    modules = () if plain else modules_of(recipe, model.module, materials.maps, job.seed, draw)
    parts: dict[str, Any] = {
        "trainer": TRAINER,
        "base": dict(model.located.parts),
        "training": recipe.training,
        "parents": [plan_of(parent, model, materials).key for parent in parents],
        "weights": list(recipe.weights or ()),
        "skip": sorted(skipped(recipe)),
    }
    if not plain:
        data = recipe.data
        assert data is not None
        fields = ("optimizer", "learning_rate", "schedule", "warmup", "steps", "batch", "order", "beta")
        parts |= {name: getattr(recipe, name) for name in fields} | {
            "modules": list(modules),
            "stop": steps_of(recipe),
            "seed": job.seed,
            "answers_draw": job.answers_draw,
            "data": [data.model_dump(mode="json"), data_digest(data, materials.workspace, digest_file)],
        }
        if modules and recipe.training != "full":
            parts |= {"rank": recipe.rank, "alpha": recipe.alpha}
    return Plan(job, modules, parents, parts, digest("training", parts))


def skipped(recipe: Recipe) -> set[int]:
    """Layers that are left out by a recipe, or by one that it starts from or adds up."""
    return {layer for each in recipe.lineage() for layer in each.skip or ()}


def quantised(recipe: Recipe) -> bool:
    """Whether a recipe, or one that it starts from or adds up, trains on NF4 weights."""
    return any(each.training == "qlora" for each in recipe.lineage())
