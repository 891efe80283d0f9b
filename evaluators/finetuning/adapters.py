"""evaluators/finetuning: a live adapter by component: its size, without it, with a random one beside it, merged.

A LoRA module adds s B A x to what its weight gives, with A [rank, in], B [out, rank] and scale s (Hu et al. 2021). Its
size is ||s B A|| in Frobenius' norm, of which the square is the sum of (s B)'(s B) * A A' over their entries: two
[rank, rank] matrices, so that B A is never formed. A component's is the root of the sum of its modules' squares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from ...specs.canonical import digest
from ...specs.sites import Site, parse_component
from ..anatomy import Anatomy, dissect
from ..cells import Cell, NotEvaluated
from .job import SHUFFLED
from .lora import NEW, layers
from .lowrank import fast

REMOVE, MATCHED = "remove_adapter", "matched_norm_adapter"

Adapted = Mapping[str, LoraLayer]
"""The modules of a component that have an adapter, by their names in the base model."""


def adapted(module: nn.Module, component: str) -> Adapted:
    """The modules of a component that have an adapter; none where the training left the component alone.

    Raises:
        NotEvaluated: `no_such_site`, the component is not made of whole modules, or the model does not have it.
    """
    at = parse_component(component)
    if at.positions:
        raise NotEvaluated("no_such_site", f"an adapter acts at every token: {component} is no part of one")
    anatomy = dissect(module)
    inside = {id(part) for site in at.sites for part in _whole(anatomy, site).modules()}
    return {name: layer for name, layer in _live(module).items() if id(layer) in inside}


def norm(parts: Adapted) -> float:
    """Frobenius norm of what an adapter adds to the weights of some modules together."""
    return math.sqrt(sum(_norm(layer) ** 2 for layer in parts.values()))


def size(parts: Adapted) -> int:
    """Numbers that were trained in some modules."""
    pairs = (pair for layer in parts.values() for pair in _pairs(layer))
    return sum(part.weight.numel() for pair in pairs for part in pair[1:])


def quick(module: nn.Module) -> AbstractContextManager[None]:
    """Inside the block the adapter that is live, if one is, takes fewer kernels; it must not be merged there."""
    return fast(layers(module).values(), NEW) if isinstance(module, PeftModel) else nullcontext()


def changed(cell: Cell, parts: Adapted) -> AbstractContextManager[None]:
    """Inside the block the modules of a cell's component have no adapter, or one of its control's draws beside it.

    Raises:
        NotEvaluated: `no_such_intervention`.
    """
    what, _, control = cell.intervention.partition("|")
    if what == REMOVE and control in ("", SHUFFLED):
        return removed(parts)
    if what == REMOVE and control == MATCHED:
        return joined(parts, cell.seed)
    raise NotEvaluated("no_such_intervention", f"{cell.intervention} of {cell.site} is not defined")


@contextmanager
def removed(parts: Adapted) -> Iterator[None]:
    """Inside the block these modules give what the base model's weights give."""
    kept = [(layer, dict(layer.scaling)) for layer in parts.values()]
    try:
        for layer, scaling in kept:
            layer.scaling = dict.fromkeys(scaling, 0.0)
        yield
    finally:
        for layer, scaling in kept:
            layer.scaling = scaling


@contextmanager
def joined(parts: Adapted, draw: int) -> Iterator[None]:
    """Inside the block each module's adapter has a random one beside it, of its rank and of its norm."""
    with ExitStack() as stack:
        for name, layer in parts.items():
            if pairs := _pairs(layer):
                stack.enter_context(_beside(layer, pairs, name, draw))
        yield


@contextmanager
def merged(module: nn.Module) -> Iterator[None]:
    """Inside the block the adapter is added into the weights, which are put back bit for bit afterwards."""
    kept = []
    try:
        for layer in _live(module).values():
            weight: Any = layer.get_base_layer().weight
            kept.append((layer, weight, weight.data))
            weight.data = weight.data.clone()
            layer.merge()
        yield
    finally:
        for layer, weight, data in kept:
            weight.data = data
            layer.get_base_layer().weight = weight
            layer.merged_adapters.clear()


def _live(module: nn.Module) -> Adapted:
    assert isinstance(module, PeftModel)
    return layers(module)


def _whole(anatomy: Anatomy, site: Site) -> nn.Module:
    """The module that a site is."""
    if site.granularity in ("layer", "operator", "mlp"):
        return anatomy.module(site)
    port = anatomy.port(site)
    if port.columns is not None or port.side == "input" or site.granularity == "conv":
        raise NotEvaluated("no_such_site", f"{site.label} is no module of its own, and has no adapter of its own")
    return port.module


def _pairs(layer: LoraLayer) -> list[tuple[float, Any, Any]]:
    """(s, A, B) of each adapter that is live."""
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    return [(layer.scaling[name], layer.lora_A[name], layer.lora_B[name]) for name in names]


def _norm(layer: LoraLayer) -> float:
    pairs = _pairs(layer)
    if not pairs:
        return 0.0
    down = torch.cat([a.weight.double() for _, a, _ in pairs])
    up = torch.cat([scale * b.weight.double() for scale, _, b in pairs], 1)
    return _frobenius(up, down)


def _frobenius(up: Tensor, down: Tensor) -> float:
    """||up down||, of [out, rank] and [rank, in]."""
    return float(((up.T @ up) * (down @ down.T)).sum().clamp_min(0).sqrt())


@contextmanager
def _beside(layer: LoraLayer, pairs: list[tuple[float, Any, Any]], name: str, draw: int) -> Iterator[None]:
    own, rank = _norm(layer), sum(len(a.weight) for _, a, _ in pairs)
    scale, a, b = next((pair for pair in pairs if pair[0]), pairs[0])
    if not own:
        yield
        return
    generator = torch.Generator().manual_seed(int(digest("random-adapter", [name, draw])[:12], 16))
    down = torch.randn(rank, a.weight.shape[1], generator=generator)
    up = torch.randn(b.weight.shape[0], rank, generator=generator)
    up *= own / _frobenius(up.double(), down.double()) / scale
    kept = a.weight.data, b.weight.data
    try:
        a.weight.data = torch.cat([kept[0], down.to(kept[0])])
        b.weight.data = torch.cat([kept[1], up.to(kept[1])], 1)
        yield
    finally:
        a.weight.data, b.weight.data = kept
