"""tests: what is steered, and steering written out in plain torch: a hook before a layer, one prompt at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mi_atlas.evaluators.cells import Cell
from mi_atlas.evaluators.directions import Directions
from mi_atlas.evaluators.models.load import LoadedModel
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.replay import Replay
from mi_atlas.evaluators.steering import Steering
from mi_atlas.evaluators.tasks import Example
from mi_atlas.specs.sites import Site
from torch import Tensor, nn

from .conftest import LAYERS, block, wrap

EVEN, ODD = [str(i) for i in range(0, 50, 2)], [str(i) for i in range(1, 50, 2)]
ANSWER: dict[str, Any] = {"contrast": "answer", "positive": EVEN, "negative": ODD}
PAIRS: dict[str, Any] = {"contrast": "clean_corrupt"}
TASK: dict[str, Any] = {"contrast": "family", "towards": "other"}
NAMES = ("made", "other", "third")
COUNT = 10
"""Examples of a block."""
LEARNT = 18
"""Of a discovery block."""


def materials(settings: dict[str, Any], about: str = "steered", donor: LoadedModel | None = None) -> Materials:
    discovery = [block(name, n=LEARNT, seed=1) for name in NAMES]
    return Materials([block(name, n=COUNT) for name in NAMES], settings | {"about": about}, discovery, donor)


def measure(
    module: nn.Module, settings: dict[str, Any], *cells: Cell, about: str = "steered", donor: LoadedModel | None = None
) -> dict[Cell, dict[str, Any]]:
    results = Steering().measure(wrap(module), materials(settings, about, donor), cells)
    return {result.cell: dict(result.values) for result in results}


def directions(settings: dict[str, Any], module: nn.Module, donor: LoadedModel | None = None) -> Directions:
    sites = [Site(layer, "residual") for layer in range(LAYERS + 1)]
    return Directions(wrap(module), Replay(module), materials(settings, donor=donor), sites)


def entries(module: Any) -> list[nn.Module]:
    """What the stream enters: every layer, then the final norm."""
    final = module.model.embedding_norm if hasattr(module.model, "embedding_norm") else module.model.norm
    return [*module.model.layers, final]


@contextmanager
def adding(module: nn.Module, at: int, vector: Tensor, last: bool) -> Iterator[None]:
    def add(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        added = vector.expand_as(args[0]).clone()
        if last:
            added[:, :-1] = 0
        return (args[0] + added, *args[1:])

    hook = entries(module)[at].register_forward_pre_hook(add)
    yield
    hook.remove()


def last_logits(module: Any, ids: tuple[int, ...]) -> Tensor:
    return module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].double()


def ends(module: Any, prompts: list[tuple[int, ...]], at: int) -> Tensor:
    """The stream at the last token of each prompt, [prompt, d_model]."""
    seen: list[Tensor] = []
    hook = entries(module)[at].register_forward_pre_hook(lambda m, args: seen.append(args[0][0, -1]))
    for ids in prompts:
        module(input_ids=torch.tensor([ids]), use_cache=False)
    hook.remove()
    return torch.stack(seen)


def sides(examples: tuple[Example, ...]) -> list[tuple[int, tuple[int, ...], tuple[int, ...], int, int]]:
    """(number, positive prompt, negative prompt, positive answer, negative answer): even answers are positive."""
    found = []
    for i, e in enumerate(examples):
        a, b = e.target_ids[0], e.wrong_target_ids[0]
        if a % 2 == 0 and b % 2 == 1:
            found.append((i, e.clean_ids, e.corrupt_ids, a, b))
        if a % 2 == 1 and b % 2 == 0:
            found.append((i, e.corrupt_ids, e.clean_ids, b, a))
    return found


def difference(module: nn.Module, name: str, at: int) -> Tensor:
    found = sides(block(name, n=LEARNT, seed=1).examples)
    positive, negative = (ends(module, [each[k] for each in found], at) for k in (1, 2))
    return positive.mean(0) - negative.mean(0)
