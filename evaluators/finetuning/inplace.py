"""evaluators/finetuning: a model's weights, replaced for a while and put back bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...specs.sites import Site
from ..anatomy import dissect
from ..cells import NotEvaluated

OUTPUTS = ("o_proj", "down_proj")
"""What a layer's operator and its MLP write with."""


@contextmanager
def replaced(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside the block parameters of these names hold other numbers, in the module's own format and place."""
    named = dict(module.named_parameters())
    kept = {name: named[name].data for name in weights}
    try:
        for name, weight in weights.items():
            named[name].data = weight.to(kept[name])
        yield
    finally:
        for name, data in kept.items():
            named[name].data = data


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Inside the block weights may be trained, in float32 whatever they are held in; afterwards they are as before.

    What they were is kept in the computer's memory, not in a GPU's.
    """
    kept = [(p, p.device, p.data.cpu()) for p in module.parameters()]
    try:
        for parameter, device, data in kept:
            if data.is_floating_point():
                parameter.data = data.to(device, torch.float32, copy=device.type == "cpu")
        yield
    finally:
        for parameter, device, data in kept:
            parameter.requires_grad_(False)
            parameter.grad = None
            parameter.data = data.to(device)


@contextmanager
def left_out(module: nn.Module, layers: Iterable[int]) -> Iterator[None]:
    """Inside the block these layers add nothing to the residual stream: what they write with is zero.

    Raises:
        NotEvaluated: the model has no such layer, or its weights are quantised.
    """
    named = {name: torch.zeros_like(p.data) for name, p in _written_with(module, layers).items()}
    with replaced(module, named):
        yield


def frozen_by(module: nn.Module, layers: Iterable[int]) -> set[str]:
    """Names of all parameters of layers that are left out: they are not trained either."""
    anatomy = dissect(module)
    inside = {id(p) for layer in layers for p in anatomy.module(Site(layer, "layer")).parameters()}
    return {name for name, p in module.named_parameters() if id(p) in inside}


def _written_with(module: nn.Module, layers: Iterable[int]) -> dict[str, nn.Parameter]:
    anatomy = dissect(module)
    inside: set[int] = set()
    for layer in layers:
        whole = anatomy.module(Site(layer, "layer"))
        for port in (anatomy.projection(layer), anatomy.port(Site(layer, "down_proj")).module):
            inside |= {id(p) for p in port.parameters()}
        if any(not p.is_floating_point() for p in whole.parameters()):
            raise NotEvaluated("quantised_weights", "layers of a quantised model cannot be left out before training")
    return {name: p for name, p in module.named_parameters() if id(p) in inside}
