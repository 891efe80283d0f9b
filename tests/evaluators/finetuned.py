"""tests: a workshop whose trainings are random adapters, made by plain peft, and the same models with plain weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import Cell, CellResult
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.finetuning.workshop import Training, as_trained
from mi_atlas.evaluators.models.load import LoadedModel
from mi_atlas.evaluators.registry import Evaluator, Materials
from mi_atlas.evaluators.tasks import Block, Example
from mi_atlas.specs.recipe import Data, NamedTargets, Recipe
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from .conftest import LAYERS, block

RANK, ALPHA = 2, 6.0

Numbers = dict[str, list[float]]

LORA = Recipe(training="lora", data=Data(families=("copying",)), targets=NamedTargets(modules="all_linear"), rank=RANK)
UPPER = Recipe(training="lora", data=Data(families=("copying",)), targets=NamedTargets(layers=(1, 2)), rank=RANK)
NONE = Recipe(training="none")


def names_of(module: nn.Module, recipe: Recipe) -> list[str]:
    """Every linear module of the layers that a recipe trains."""
    layers = getattr(recipe.targets, "layers", "all")
    left = range(LAYERS) if layers == "all" else layers
    wanted = tuple(f"model.layers.{i}." for i in left)
    return [n for n, part in module.named_modules() if isinstance(part, nn.Linear) and n.startswith(wanted)]


def factors(module: nn.Module, job: Job) -> dict[str, tuple[Tensor, Tensor]]:
    """Module -> A, B of a job's adapter, drawn from its seed and its draws."""
    generator = torch.Generator().manual_seed(
        1000 + 17 * job.seed + 31 * (job.answers_draw or 0) + (job.layers_draw or 0)
    )
    found = {}
    for name in names_of(module, job.recipe):
        rows, columns = module.get_submodule(name).weight.shape
        pair = torch.randn(RANK, columns, generator=generator), torch.randn(rows, RANK, generator=generator)
        found[name] = (0.3 * pair[0], 0.3 * pair[1])
    return found


def by_hand(module: nn.Module, job: Job, without: Sequence[str] = ()) -> nn.Module:
    """A copy of the model with W + alpha/rank B A in the place of every W, but where a name begins so."""
    other = copy.deepcopy(module)
    for name, (a, b) in factors(module, job).items() if job.recipe.training == "lora" else ():
        if not name.startswith(tuple(without)):
            other.get_submodule(name).weight.data += ALPHA / RANK * b @ a
    return other


class Fake:
    """In the place of a workshop: nothing is trained, what is lent out is counted."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        self.model, self.lent = model, False
        entered.clear()

    def base(self) -> LoadedModel:
        assert not self.lent
        return self.model

    def make(self, job: Job) -> Training:
        if job.recipe.training == "none":
            return Training(job, None, "none", "-", (), 0.0, 0.0, 0, 0, 0)
        pairs = factors(self.model.module, job).values()
        count = sum(a.numel() + b.numel() for a, b in pairs)
        return Training(job, Path(), "adapter", repr(job), (2.0, 1.0), 1.0, 3.5, 4096, count, 4 * count)

    @contextmanager
    def trained(self, training: Training) -> Iterator[LoadedModel]:
        assert not self.lent
        entered.append(training.job)
        if training.kind == "none":
            yield as_trained(self.model, training)
            return
        given: Any = factors(self.model.module, training.job)
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(given), lora_dropout=0.0)
        live: Any = get_peft_model(self.model.module, config)
        try:
            for name, (a, b) in given.items():
                layer = live.get_base_model().get_submodule(name)
                layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data = a.clone(), b.clone()
            self.lent = True
            yield as_trained(replace(self.model, module=live.eval().requires_grad_(False)), training)
        finally:
            self.lent = False
            live.unload()


def unproven(*args: object) -> None:
    """In the place of proofs, whose own tests they have."""


def no_training(evaluator: ModuleType) -> Any:
    """A fixture: an evaluator's module trains and proves nothing."""

    @pytest.fixture(autouse=True)
    def fixture(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(evaluator, "Workshop", Fake)
        monkeypatch.setattr(evaluator, "prove", unproven)

    return fixture


entered: list[Job] = []
"""The trainings that were lent out since the last workshop was opened."""


def long_block(family: str = "made", n: int = 6) -> Block:
    """A block whose targets and wrong targets have one to three tokens."""
    made = block(family, n=n)

    def longer(i: int, example: Example) -> Example:
        target, wrong = example.target_ids + (7, 3)[: i % 3], example.wrong_target_ids + (5, 9)[: (i + 1) % 3]
        return replace(example, target_ids=target, wrong_target_ids=wrong)

    return Block.of(family, "verification", 1, [longer(i, e) for i, e in enumerate(made.examples)], {})


def answer(module: Any, prompt: tuple[int, ...], target: tuple[int, ...]) -> tuple[float, bool, Tensor]:
    """(log-probability of a target, whether greedy decoding gives it, logits after the prompt), token by token."""
    total, exact, ids, first = 0.0, True, list(prompt), None
    for token in target:
        logits = module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        first = logits if first is None else first
        total += float(logits.double().log_softmax(-1)[token])
        exact &= int(logits.argmax()) == token
        ids.append(token)
    assert first is not None
    return total, exact, first


def results(evaluator: Evaluator, model: LoadedModel, materials: Materials, *cells: Cell) -> dict[Cell, CellResult]:
    """What an evaluator gives, by cell."""
    return {result.cell: result for result in evaluator.measure(model, materials, cells)}


def numbers(evaluator: Evaluator, model: LoadedModel, materials: Materials, *cells: Cell) -> dict[Cell, Numbers]:
    """The values that an evaluator gives, by cell and quantity."""
    made = results(evaluator, model, materials, *cells)
    return {cell: {name: list(value) for name, value in each.values.items()} for cell, each in made.items()}
