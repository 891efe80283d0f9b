"""evaluators/finetuning: one adapted module, forwards and backwards, in as few kernels as there can be.

PEFT's own forward pass gives the same numbers (to rounding) with three times as many kernels; for small models these
are what a step costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def fast(layers: Iterable[Any], name: str) -> Iterator[None]:
    """Inside the block modules with plain float32 weights and no other adapter than this are computed by `LowRank`."""
    able = [layer for layer in layers if _able(layer, name)]
    try:
        for layer in able:
            layer.forward = partial(_forward, layer, name)
        yield
    finally:
        for layer in able:
            del layer.forward


class LowRank(torch.autograd.Function):
    """y = x W' + b + s (x A') B', with x [token, in], W [out, in], A [rank, in], B [out, rank]; W and b are frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low = x @ a.T
        y = x @ weight.T if bias is None else torch.addmm(bias, x, weight.T)
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return y.addmm_(low, b.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None, None, Tensor, Tensor, None]:
        x, weight, a, b, low = ctx.saved_tensors
        dlow = (dy @ b).mul_(ctx.scale)
        da, db = dlow.T @ x, (dy.T @ low).mul_(ctx.scale)
        dx = (dy @ weight).addmm_(dlow, a) if ctx.needs_input_grad[0] else None
        return dx, None, None, da, db, None


def _forward(layer: Any, name: str, x: Tensor) -> Tensor:
    base = layer.base_layer
    a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
    flat: Tensor = LowRank.apply(  # type: ignore[no-untyped-call]
        x.reshape(-1, x.shape[-1]), base.weight, base.bias, a, b, layer.scaling[name]
    )
    return flat.view(*x.shape[:-1], -1)


def _able(layer: Any, name: str) -> bool:
    base = layer.base_layer
    plain = type(base) is nn.Linear and base.weight.dtype == torch.float32
    return plain and list(layer.lora_A) == [name] and layer.lora_A[name].weight.dtype == torch.float32
