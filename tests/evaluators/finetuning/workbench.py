"""tests: a pocket model, short recipes for it, and a workshop in a folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from mi_atlas.evaluators.finetuning.workshop import Workshop
from mi_atlas.evaluators.models.load import LoadedModel, load
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.registry import Materials
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.recipe import Data, NamedTargets, Recipe
from torch import Tensor

IDS = torch.tensor([[5, 6, 7, 8, 9]])


@cache
def pocket(name: str = "pocket-qwen") -> LoadedModel:
    """A pocket model; whatever is trained is taken out of it again, so that all tests share it."""
    found = locate(Model(model=name, source=Source(pocket=name)), Path())
    assert isinstance(found, Located)
    return load(found)


def recipe(training: Any = "lora", **more: Any) -> Recipe:
    """A few steps on JSON, of adapters of two layers."""
    common: dict[str, Any] = {"training": training, "steps": 3, "batch": 4, "learning_rate": 1e-3}
    if training not in ("none", "stack"):
        common["data"] = Data(families=("json_schema",))
    if training in ("lora", "qlora"):
        common["targets"] = NamedTargets(layers=(1, 3))
    return Recipe(**common | more)


def workshop(folder: Path | None = None, model: LoadedModel | None = None, **more: Any) -> Workshop:
    """Trainings of a pocket model, kept in a folder."""
    return Workshop(model or pocket(), Materials([], artefacts=folder, **more))


@torch.no_grad()
def logits(model: LoadedModel) -> Tensor:
    """[position, vocabulary], of one prompt."""
    found: Tensor = model.module(input_ids=IDS, use_cache=False).logits[0]
    return found.clone()


def weights(model: LoadedModel) -> dict[str, Tensor]:
    """All parameters, copied."""
    return {name: p.detach().clone() for name, p in model.module.named_parameters()}
