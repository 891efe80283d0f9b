"""evaluators/finetuning: the one training loop, whatever is trained and whichever loss is minimised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...specs.recipe import Recipe
from ..cells import NotEvaluated
from .losses import Learner, Loss
from .memory import Meter
from .optimizers import make_optimizer, pace, set_training

if TYPE_CHECKING:
    from .rows import Row

LAST = 0.1
"""Share of the steps, the last ones, over which the reported training loss is a mean."""


@dataclass(frozen=True)
class Fit:
    """What came of a training beside its weights."""

    losses: tuple[float, ...]
    """Of each step, before its update."""
    peak_memory: int
    """Bytes."""


def steps_of(recipe: Recipe) -> int:
    """How many steps are made: up to the checkpoint that is measured."""
    return recipe.steps if recipe.checkpoint is None else recipe.checkpoint


def fit(recipe: Recipe, learner: Learner, loss: Loss, rows: Sequence[Row], seed: int) -> Fit:
    """Train what requires a gradient, step by step; torch's global random state is as it was before.

    Raises:
        NotEvaluated: `training_diverged`, a loss is no number any more; `no_optimizer`.
    """
    trained = [p for p in learner.module.parameters() if p.requires_grad]
    optimizer = make_optimizer(recipe, trained)
    meter = Meter(learner.module, learner.device)
    steps = [rows[i * recipe.batch : (i + 1) * recipe.batch] for i in range(steps_of(recipe))]
    largest = max(range(len(steps)), key=lambda i: _size(steps[i]), default=0)
    losses: list[Tensor] = []
    with torch.random.fork_rng(devices=[learner.device] if learner.device.type == "cuda" else []):
        torch.manual_seed(seed)
        loss.begin(learner, rows)
        set_training(optimizer, True)
        for number, step in enumerate(steps):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * pace(recipe, number)
            losses.append(_learn(learner, loss, step, meter if number == largest else None))
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        set_training(optimizer, False)
    values = tuple(torch.stack(losses).tolist()) if losses else ()
    if (bad := next((i for i, value in enumerate(values) if not math.isfinite(value)), None)) is not None:
        raise NotEvaluated("training_diverged", f"the loss of step {bad + 1} is {values[bad]}: lower the learning rate")
    return Fit(values, meter.peak(optimizer))


def training_loss(losses: Sequence[float]) -> float:
    """Mean over the last tenth of the steps, nats; 0 of no steps."""
    last = losses[-max(1, math.ceil(LAST * len(losses))) :]
    return sum(last) / len(last) if last else 0.0


def _learn(learner: Learner, loss: Loss, step: Sequence[Row], meter: Meter | None) -> Tensor:
    whole = sum(map(loss.weight, step)) or 1.0
    total = torch.zeros((), device=learner.device)
    for part in loss.parts(step):
        share = sum(map(loss.weight, part)) / whole
        if meter:
            with meter.forward():
                value = loss(learner, part)
        else:
            value = loss(learner, part)
        value = value * share
        value.backward()  # type: ignore[no-untyped-call]
        total += value.detach()
    return total


def _size(step: Sequence[Row]) -> int:
    """Tokens of a step's longest row: activations grow with it."""
    return max((len(row.prompt) + len(row.target) for row in step), default=0)
