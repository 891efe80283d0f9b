"""evaluators/finetuning: how many bytes a training takes: measured on a GPU, counted on a CPU, or from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .optimizers import state_elements

FLOAT = 4
"""Bytes of a number that is trained: weights are trained in float32, whatever they are held in."""


class Meter:
    """The most bytes that a training held at once.

    On a GPU what torch's allocator had handed out. On a CPU the sum of weights, gradients, optimizer states and what
    the largest step's backward pass needs of its forward pass, each piece of memory once; not the copy of the weights
    that is kept to be put back.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.device = device
        self._module = module
        self._saved = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Around the forward pass of a step that may be the largest."""
        if self.device.type == "cuda":
            yield
            return
        known = {_place(tensor) for tensor in _weights(self._module)}
        saved: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            if _place(tensor) not in known:
                saved[_place(tensor)] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            yield
        self._saved = max(self._saved, sum(saved.values()))

    def peak(self, optimizer: torch.optim.Optimizer) -> int:
        """Bytes, once a step was made."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        states = [each for state in optimizer.state.values() for each in state.values() if torch.is_tensor(each)]
        gradients = [p for p in self._module.parameters() if p.requires_grad]
        return _bytes([*_weights(self._module), *states]) + _bytes(gradients) + self._saved


def full_bytes(module: nn.Module, optimizer: str, trained: Collection[str] | None = None) -> int:
    """Weights, gradients and optimizer states of training weights, all or those of some names, in bytes.

    What any implementation needs; activations come on top. The module may be on the device `meta`: a configuration is
    enough.
    """
    named = dict(module.named_parameters())
    shapes = [p.shape for name, p in named.items() if trained is None or name in trained]
    return FLOAT * (sum(p.numel() for p in named.values()) + _trained_elements(shapes, optimizer))


def adapter_bytes(module: nn.Module, shapes: Iterable[Sequence[int]], optimizer: str) -> int:
    """The same of training tensors of those shapes beside the weights, which stay as they are held."""
    held = {id(p): p.numel() * p.element_size() for p in module.parameters()}
    shapes = list(shapes)
    return sum(held.values()) + FLOAT * (sum(map(math.prod, shapes)) + _trained_elements(shapes, optimizer))


def _trained_elements(shapes: Sequence[Sequence[int]], optimizer: str) -> int:
    """Of gradients and optimizer states."""
    return sum(map(math.prod, shapes)) + state_elements(optimizer, shapes)


def available_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device; None where nothing tells."""
    if device.type == "cuda":
        free: int = torch.cuda.mem_get_info(device)[0]
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min((free for free in (_machine(), _container()) if free is not None), default=None)


def _machine() -> int | None:
    """What Linux says is available without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def _container() -> int | None:
    """What a control group leaves, files that it keeps in memory not counted."""
    folder = Path("/sys/fs/cgroup")
    try:
        most, used = ((folder / name).read_text(encoding="ascii") for name in ("memory.max", "memory.current"))
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
        files = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        return int(most) - int(used) + files
    except (OSError, ValueError, StopIteration):
        return None


def _weights(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _place(tensor: Any) -> int:
    place: int = tensor.untyped_storage().data_ptr()
    return place


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Of distinct pieces of memory."""
    found: dict[int, int] = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())
