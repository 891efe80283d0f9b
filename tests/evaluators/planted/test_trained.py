"""tests: a training that is aimed by a map finds the layer where a skill is planted, and learns more there.

The skill is a table in one MLP; what is learnt is the same keys with other values. Layers above the planted one can
write over what it says, so that some of them learn it as well as the planted one does: it is compared with the typical
other layer, and with those before it, whose words the old table speaks over.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mi_atlas.evaluators.ablation import Bench
from mi_atlas.evaluators.cells import Cell
from mi_atlas.evaluators.finetuning.job import Job, atlas_name
from mi_atlas.evaluators.finetuning.scores import score
from mi_atlas.evaluators.finetuning.targets import modules_of
from mi_atlas.evaluators.finetuning.workshop import Workshop
from mi_atlas.evaluators.models.load import LoadedModel, load
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.planted.folder import save
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.planted.model import Planted
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks.example import Example
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.recipe import AtlasTargets, Data, RandomTargets, Recipe
from scipy.stats import binom

AIM = AtlasTargets(strategy="atlas", suite="planted", granularity="mlp", top=1)
RECIPE = Recipe(
    training="lora",
    data=Data(jsonl="new.jsonl"),
    targets=AIM,
    rank=4,
    alpha=8.0,
    steps=40,
    batch=16,
    learning_rate=0.003,
)
SEEDS = (0, 5)


def saved(seed: int, folder: Path) -> tuple[Planted, LoadedModel]:
    """A model with a planted table, loaded from its files."""
    planted = build("lookup", seed)
    save(planted, folder / "model", items=30)
    located = locate(Model(source=Source(path="model")), folder)
    assert isinstance(located, Located)
    return planted, load(located)


def measured_map(planted: Planted, model: LoadedModel) -> dict[str, float]:
    """MLP -> typical KL of zeroing it on discovery prompts, nats."""
    block = planted.examples(60, split="discovery")
    cells = [Cell(block.family, f"L{layer}.mlp", "zero") for layer in range(planted.truth.layers)]
    found = Bench(model, [block]).ablated_values(block.family, cells)
    logs = [torch.tensor(each["kl"]).clamp_min(1e-4).log().mean() for each in found]
    return {cell.site: float(log.exp()) for cell, log in zip(cells, logs, strict=True)}


def layer_of(modules: tuple[str, ...]) -> int:
    """The one layer that all of them are in."""
    (layer,) = {int(name.split(".")[2]) for name in modules}
    return layer


def relearnt(planted: Planted, examples: tuple[Example, ...]) -> list[Example]:
    """The same prompts, each key with the value of the seventh after it."""
    table = planted.truth.facts["table"]
    keys = list(table)
    other = {key: table[keys[(place + 7) % len(keys)]] for place, key in enumerate(keys)}
    words = [other[example.clean.split()[-1]] for example in examples]
    return [
        replace(example, target=f" {word}", target_ids=(planted.token(word),))
        for example, word in zip(examples, words, strict=True)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_aimed_training_is_of_the_planted_layer_and_learns_more_than_elsewhere(seed: int, tmp_path: Path) -> None:
    planted, model = saved(seed, tmp_path)
    home, layers = int(planted.truth.facts["site"][1:].partition(".")[0]), planted.truth.layers
    lines = [{"prompt": e.clean, "answer": e.target} for e in relearnt(planted, planted.examples(240, draw=3).examples)]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    maps = {atlas_name(AIM): measured_map(planted, model)}
    shop = Workshop(model, Materials([], maps=maps, workspace=tmp_path))
    held = relearnt(planted, planted.examples(60).examples)

    def loss(draw: int | None) -> tuple[int, float]:
        """The layer that is trained, and nats a held-out answer afterwards."""
        layer = layer_of(modules_of(RECIPE, model.module, maps, 1, draw))
        with shop.trained(shop.make(Job(RECIPE, 1, draw))) as trained:
            return layer, float(score(trained, held).loss.mean())

    before, (aimed, learnt) = float(score(model, held).loss.mean()), loss(None)
    elsewhere = dict(loss(draw) for draw in range(layers - 1))
    assert aimed == home
    assert sorted(elsewhere) == [layer for layer in range(layers) if layer != home]
    assert learnt < before - 1
    assert learnt < sum(elsewhere.values()) / len(elsewhere) - 0.2
    assert all(learnt < other for layer, other in elsewhere.items() if layer < home)


def test_a_random_choice_finds_the_planted_layer_as_often_as_chance(tmp_path: Path) -> None:
    """Once in as many times as there are layers; of 200 choices the number is within the middle 99.9% of a binomial."""
    planted, model = saved(2, tmp_path)
    home, layers, tries = int(planted.truth.facts["site"][1:].partition(".")[0]), planted.truth.layers, 200
    recipe = RECIPE.model_copy(update={"targets": RandomTargets(strategy="random_matched", granularity="mlp", count=1)})
    hits = sum(layer_of(modules_of(recipe, model.module, {}, seed)) == home for seed in range(tries))
    low, high = binom.interval(0.999, tries, 1 / layers)
    assert low <= hits <= high
