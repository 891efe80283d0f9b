"""evaluators: interventions as data and the hooks that carry them out.

An intervention acts on the *update* a site adds to the residual stream. With `update` the site's own
contribution at every position, all of its semantics is one line:

    zero                 0                  (at a layer: the block becomes the identity, a skip)
    mean                 m                  (mean update over positions and prompts)
    resample             u'                 (the update of another prompt)
    matched_norm_noise   update + |update| n / |n|
    residual_zero        -(what came in)    (named artefact: the stream itself becomes zero)

This is the literal version, one forward pass an intervention: faster ways are checked against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..specs.sites import Site
from .anatomy import Anatomy
from .cells import NotEvaluated

Edit = Callable[[Tensor, Tensor], Tensor]
"""(update, residual before it) -> new update; both [batch, position, d_model]."""


def zero(update: Tensor, before: Tensor) -> Tensor:
    """Nothing is added."""
    return torch.zeros_like(update)


def residual_zero(update: Tensor, before: Tensor) -> Tensor:
    """The artefact: the update cancels the residual stream, so that the layer's output is zero."""
    return -before


def constant(value: Tensor) -> Edit:
    """The update is `value`, broadcastable to [batch, position, d_model]."""
    return lambda update, before: value.to(update).expand_as(update)


def add_matched_norm(direction: Tensor) -> Edit:
    """The update is kept and a vector of its own norm is added along `direction` [batch, position, d_model]."""
    unit = direction / direction.norm(dim=-1, keepdim=True)
    return lambda update, before: update + update.norm(dim=-1, keepdim=True) * unit.to(update)


@contextmanager
def intervene(anatomy: Anatomy, edits: Mapping[Site, Edit]) -> Iterator[None]:
    """Replace the updates of some sites in every forward pass inside the block; hooks never outlive it.

    Raises:
        NotEvaluated: a hook did not fire exactly once in every forward pass.
    """
    fired = dict.fromkeys(edits, 0)
    passes = 0

    def count(module: Any, args: Any, output: Any) -> None:
        nonlocal passes
        passes += 1

    def hook(site: Site, edit: Edit) -> Any:
        def replace(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            fired[site] += 1
            tensor = output[0] if isinstance(output, tuple) else output
            if site.granularity == "layer":
                before = _residual(args, kwargs)
                new = before + edit(tensor - before, before)
            else:
                new = edit(tensor, tensor)
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return replace

    handles = [anatomy.decoder.register_forward_hook(count)]
    try:
        for site, edit in edits.items():
            handles.append(anatomy.module(site).register_forward_hook(hook(site, edit), with_kwargs=True))
        yield
        if wrong := {site.label: n for site, n in fired.items() if n != passes}:
            raise NotEvaluated("hook_count", f"in {passes} forward passes the hooks fired {wrong} times")
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def capture(anatomy: Anatomy, sites: Iterable[Site]) -> Iterator[dict[Site, Tensor]]:
    """Record the updates of some sites, [batch, position, d_model] each, as the latest forward pass made them."""
    seen: dict[Site, Tensor] = {}

    def hook(site: Site) -> Any:
        def read(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            seen[site] = tensor - _residual(args, kwargs) if site.granularity == "layer" else tensor

        return read

    handles = [anatomy.module(site).register_forward_hook(hook(site), with_kwargs=True) for site in sites]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _residual(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    residual = args[0] if args else kwargs.get("hidden_states")
    if not isinstance(residual, Tensor):
        raise NotEvaluated("unsupported_architecture", "a decoder layer is called without its hidden states")
    return residual
