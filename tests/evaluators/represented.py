"""tests: what is looked at, and the stream by transformers' own account of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from mi_atlas.evaluators.cells import Cell
from mi_atlas.evaluators.models.load import LoadedModel
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.representation import Representation
from mi_atlas.evaluators.tasks import Block
from torch import Tensor, nn

from .conftest import block, wrap

Numbers = dict[Cell, dict[str, list[float]]]


def long_block(n: int = 8, seed: int = 0) -> Block:
    """Prompts of 4 to 11 tokens."""
    some = block("made", n, seed)
    longer = [
        replace(example, clean_ids=(example.clean_ids * 3)[: 4 + i % 8], answer_position=3 + i % 8)
        for i, example in enumerate(some.examples)
    ]
    return Block.of("made", "verification", 1, longer, {})


def measure(
    module: nn.Module, about: str, *cells: Cell, against: str | None = None, donor: LoadedModel | None = None
) -> Numbers:
    settings = {"about": about} | ({"against": against} if against else {})
    materials = Materials([long_block(), block("other", n=6)], settings, donor=donor)
    return {r.cell: dict(r.values) for r in Representation().measure(wrap(module), materials, cells)}


def streams(module: Any, ids: tuple[int, ...]) -> list[Tensor]:
    """The stream entering each layer and the final norm, [token, d_model], by transformers' own account of it."""
    entering: list[Tensor] = []
    final = module.model.embedding_norm if hasattr(module.model, "embedding_norm") else module.model.norm
    modules = [*module.model.layers, final]
    hooks = [one.register_forward_pre_hook(lambda m, args: entering.append(args[0][0])) for one in modules]
    module(input_ids=torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return entering


def head_of(module: Any, stream: Tensor) -> Tensor:
    norm = module.model.embedding_norm if hasattr(module.model, "embedding_norm") else module.model.norm
    return module.lm_head(norm(stream))
