"""evaluators/finetuning: optimizers, all of libraries, without weight decay; and the course of the learning rate."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from ...specs.recipe import Recipe
from ..cells import NotEvaluated

LIBRARIES = {"lion": "lion_pytorch", "schedule_free": "schedulefree"}
"""Optimizer -> the module that has it, where neither torch nor transformers does."""


def make_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW of torch, Adafactor of transformers at a fixed rate, Lion of lion-pytorch, AdamW of schedulefree.

    Raises:
        NotEvaluated: `no_optimizer`, the library is not installed.
    """
    name, rate = recipe.optimizer, recipe.learning_rate
    library = LIBRARIES.get(name)
    if library and importlib.util.find_spec(library) is None:
        text = f"optimizer {name} needs {library.replace('_', '-')}: pip install 'mi-atlas[training]'"
        raise NotEvaluated("no_optimizer", text)
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0, fused=True)
    if name == "adafactor":
        from transformers.optimization import Adafactor

        fixed: dict[str, Any] = {"scale_parameter": False, "relative_step": False, "warmup_init": False}
        return Adafactor(parameters, lr=rate, **fixed)  # type: ignore[no-untyped-call]
    if name == "lion":
        from lion_pytorch import Lion  # type: ignore[import-untyped]

        lion: torch.optim.Optimizer = Lion(parameters, lr=rate)
        return lion
    from schedulefree import AdamWScheduleFree  # type: ignore[import-untyped]

    free: torch.optim.Optimizer = AdamWScheduleFree(parameters, lr=rate, foreach=True)
    return free


def set_training(optimizer: torch.optim.Optimizer, training: bool) -> None:
    """Schedule-free weights are others while they are trained than when they are used (Defazio et al. 2024)."""
    switch: Any = getattr(optimizer, "train" if training else "eval", None)
    if switch is not None:
        switch()


def pace(recipe: Recipe, step: int) -> float:
    """Learning rate of a step, from 0, as a share of the peak: up over the warm-up, then as the schedule says."""
    rising = max(1, math.ceil(recipe.warmup * recipe.steps))
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, recipe.steps - rising)
    return {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[recipe.schedule]


def state_elements(optimizer: str, shapes: Iterable[Sequence[int]]) -> int:
    """Numbers that an optimizer keeps of parameters of those shapes, step counters left out.

    AdamW: two moments. Lion: one. Schedule-free: the other sequence and the second moment. Adafactor (Shazeer and
    Stern 2018): of a matrix one number a row and one a column, of anything else one an element.
    """
    if optimizer == "adafactor":
        return sum(_factored(shape) for shape in shapes)
    return {"adamw": 2, "lion": 1, "schedule_free": 2}[optimizer] * sum(math.prod(shape) for shape in shapes)


def _factored(shape: Sequence[int]) -> int:
    if len(shape) < 2:
        return math.prod(shape)
    return math.prod(shape[:-1]) + math.prod((*shape[:-2], shape[-1]))
