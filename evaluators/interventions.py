"""evaluators: edits of activations and the hooks that carry them out.

An edit acts on the *update* a site adds to the residual stream; at a head, a module or the stream itself on
the tensor that passes there. With `update` that tensor at every position, all of its semantics is one line:

    zero                 0                  (at a layer: the block becomes the identity, a skip)
    mean                 m                  (mean update over positions and prompts)
    resample             u'                 (the update of another prompt)
    noise                |update| n / |n|
    matched_norm_noise   update + |update| n / |n|
    residual_zero        -(what came in)    (named artefact: the stream itself becomes zero)

This is the literal version, one forward pass an intervention: `evaluators.replay` is checked against it, and
falls back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..specs.sites import Site
from .anatomy import Anatomy, Port
from .cells import NotEvaluated

Edit = Callable[[Tensor, Tensor], Tensor]
"""(update, residual before it) -> new update; all [batch, position, width of the site]. Only at a layer is the residual
before it another tensor than the update."""

Visit = Callable[[Tensor], Tensor | None]
"""Is shown a tensor; what it returns, unless None, takes the tensor's place."""


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


def matched_norm(direction: Tensor) -> Edit:
    """The update is a vector of its own norm along `direction` [batch, position, d_model]."""
    unit = direction / direction.norm(dim=-1, keepdim=True)
    return lambda update, before: update.norm(dim=-1, keepdim=True) * unit.to(update)


def replaced(out: Tensor, before: Tensor, edit: Edit) -> Tensor:
    """A layer's output when the update out - before is edited; where the edit keeps a number, `out` keeps its own."""
    update = out - before
    new = edit(update, before)
    return torch.where(new == update, out, before + new)


@contextmanager
def visiting(port: Port, visit: Visit) -> Iterator[None]:
    """Show what passes a port to `visit` inside the block; the hook never outlives it."""

    def shown(tensor: Tensor) -> Tensor | None:
        if port.columns is None:
            return visit(tensor)
        new = visit(tensor[..., port.columns])
        if new is None:
            return None
        tensor = tensor.clone()
        tensor[..., port.columns] = new
        return tensor

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        new = shown(output[0] if isinstance(output, tuple) else output)
        return (new, *output[1:]) if new is not None and isinstance(output, tuple) else new

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        new = shown(_residual(args, kwargs))
        if new is None:
            return None
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

    if port.side == "output":
        handle = port.module.register_forward_hook(after)
    else:
        handle = port.module.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _editing(anatomy: Anatomy, site: Site, edit: Edit) -> Iterator[None]:
    """Apply one edit at one site in every forward pass inside the block."""
    if site.granularity == "layer":
        entered: list[Tensor] = []
        port = anatomy.port(site)
        with (
            visiting(Port(port.module, "input"), entered.append),
            visiting(port, lambda out: replaced(out, entered.pop(), edit)),
        ):
            yield
    elif site.granularity == "conv":
        with _convolving(anatomy, site, edit):
            yield
    else:
        with visiting(anatomy.port(site), lambda tensor: edit(tensor, tensor)):
            yield


@contextmanager
def _convolving(anatomy: Anatomy, site: Site, edit: Edit) -> Iterator[None]:
    """Edit what a short convolution gives: no module returns it, so that it is computed again, without a cache.

    What a capture of it shows is therefore what it gives before its own edits.
    """
    operator: Any = anatomy.port(site).module
    projected: list[Tensor] = []

    def again(gated: Tensor) -> Tensor:
        gate, carrier, signal = projected.pop().chunk(3, dim=-1)
        convolved = operator.conv((gate * signal).mT)[..., : gated.shape[-2]].mT
        new = edit(convolved, convolved)
        # As the module lays it out: a product of transposed rows may differ in its last bit.
        return torch.where(new == convolved, gated, carrier * new).contiguous()

    with visiting(Port(operator.in_proj), projected.append), visiting(Port(operator.out_proj, "input"), again):
        yield


@contextmanager
def intervene(anatomy: Anatomy, edits: Mapping[Site, Edit]) -> Iterator[None]:
    """Replace what passes some sites in every forward pass inside the block; hooks never outlive it.

    Where edits meet, each sees what those before it in the forward pass left.

    Raises:
        NotEvaluated: a site is not there, or a hook did not fire exactly once in every forward pass.
    """
    fired = dict.fromkeys(edits, 0)
    passes = 0

    def count(module: Any, args: Any, output: Any) -> None:
        nonlocal passes
        passes += 1

    def counted(site: Site, edit: Edit) -> Edit:
        def apply(update: Tensor, before: Tensor) -> Tensor:
            fired[site] += 1
            return edit(update, before)

        return apply

    with ExitStack() as hooks:
        hooks.callback(anatomy.decoder.register_forward_hook(count).remove)
        for site in sorted(edits, key=_reads_earlier):
            hooks.enter_context(_editing(anatomy, site, counted(site, edits[site])))
        yield
        if wrong := {site.label: n for site, n in fired.items() if n != passes}:
            raise NotEvaluated("hook_count", f"in {passes} forward passes the hooks fired {wrong} times")


@contextmanager
def capture(anatomy: Anatomy, sites: Iterable[Site]) -> Iterator[dict[Site, Tensor]]:
    """Record what passes some sites, [batch, position, width] each, as the latest forward pass made it."""
    seen: dict[Site, Tensor] = {}

    def reading(site: Site) -> Edit:
        def keep(update: Tensor, before: Tensor) -> Tensor:
            seen[site] = update.clone()
            return update

        return keep

    with ExitStack() as hooks:
        for site in sites:
            hooks.enter_context(_editing(anatomy, site, reading(site)))
        yield seen


def _reads_earlier(site: Site) -> bool:
    """Whether a site's hooks also read a tensor that another site's edit may change: those must hook before it."""
    return site.granularity in ("layer", "conv")


def _residual(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    residual = args[0] if args else kwargs.get("hidden_states")
    if not isinstance(residual, Tensor):
        raise NotEvaluated("unsupported_architecture", "a decoder layer is called without its hidden states")
    return residual
