"""benchmarks: the least arithmetic a workload takes, and how fast this machine does it.

An intervention's minimal work are the linear maps behind its site, on the tokens from the first it touches to the one
that is read; of the last layer's, what is no key or value only at that token. One clean pass comes on top.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mi_atlas.evaluators.anatomy import Anatomy
from mi_atlas.evaluators.replay import Intervention
from torch import nn

from .workloads import Workload


def flops(anatomy: Anatomy, workload: Workload) -> float:
    """Multiplications and additions of a workload."""
    operators = [_maps(operator) for operator in anatomy.operators]
    projections = [_maps(anatomy.projection(layer)) for layer in range(len(anatomy.layers))]
    mlps = [_maps(mlp) for mlp in anatomy.mlps]
    early = [_maps(*_read_by_later(anatomy, layer)) for layer in range(len(anatomy.layers))]
    depth, head = len(anatomy.layers), 2.0 * anatomy.vocabulary * anatomy.width

    def behind(one: Intervention | None, rows: int) -> float:
        """Of one prompt, with so many rows to compute."""
        layer, kind = (one.site.layer, one.site.granularity) if one else (0, "residual")
        first = layer if kind in ("residual", "operator", "head") else layer + 1
        work = head
        for i in range(first, depth):
            own_operator = operators[i]
            if i == layer and kind in ("operator", "head"):
                own_operator = projections[i] if kind == "head" else 0.0
            full = own_operator + mlps[i]
            if i < depth - 1:
                work += full * rows
            elif own_operator == operators[i]:
                work += early[i] * rows + (full - early[i])
            else:
                work += full
        return work

    total = sum(behind(None, len(prompt)) for prompt in workload.prompts)
    for one in workload.interventions:
        firsts = [0 if one.positions is None else one.positions[0] % len(prompt) for prompt in workload.prompts]
        total += sum(behind(one, len(p) - first) for p, first in zip(workload.prompts, firsts, strict=True))
    return total


def rate(anatomy: Anatomy, clock: Callable[[], float]) -> float:
    """The best rate of one layer's chain of linear maps over batches of rows, operations a second of the clock."""
    linear = [module for module in anatomy.mlps[0].modules() if isinstance(module, nn.Linear)]
    work = sum(2.0 * module.in_features * module.out_features for module in linear)
    best = 0.0
    for rows in (256, 512, 1024, 2048, 4096):
        given: dict[int, Any] = {}
        for module in linear:
            given.setdefault(
                module.in_features, torch.randn(rows, module.in_features, dtype=anatomy.dtype, device=anatomy.device)
            )
        for _ in range(5):
            start = clock()
            for module in linear:
                module(given[module.in_features])
            if anatomy.device.type == "cuda":
                torch.cuda.synchronize()
            best = max(best, work * rows / (clock() - start))
    return best


def _read_by_later(anatomy: Anatomy, layer: int) -> list[nn.Module]:
    """What an operator computes for tokens that come later: keys and values, or a convolution's input."""
    operator: Any = anatomy.operators[layer]
    return [operator.in_proj] if anatomy.is_convolution(layer) else [operator.k_proj, operator.v_proj]


def _maps(*modules: nn.Module) -> float:
    """Operations a row of all linear maps in some modules."""
    linear = [part for module in modules for part in module.modules() if isinstance(part, nn.Linear)]
    return sum(2.0 * part.in_features * part.out_features for part in linear)
