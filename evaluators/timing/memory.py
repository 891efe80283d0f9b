"""evaluators/timing: how many bytes a model's weights take, and the most that generation held beside them.

Counted is what torch's allocator had handed out for tensors: on a GPU by the allocator itself. On a CPU, which keeps no
such count, its allocations are recorded during the first pass and the last one, before which all living tensors are
added up: between the two what is held only grows.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile


def weights_bytes(module: nn.Module) -> int:
    """Of weights and buffers as they are held, what belongs to quantised ones included; shared memory once."""
    held = [*module.parameters(), *module.buffers()]
    held += [each for each in module.state_dict().values() if torch.is_tensor(each)]
    return _bytes(held)


class Meter:
    """The most bytes that were held during the passes of a generation, beside what was held before it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.peak = 0
        gc.collect()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._before = self._held()

    def watch(self, some_pass: Callable[[], Sequence[Tensor]]) -> Sequence[Tensor]:
        """Do a pass that may be the one that holds the most."""
        if self._device.type == "cuda":
            given = some_pass()
            torch.cuda.synchronize(self._device)
            self.peak = torch.cuda.max_memory_allocated(self._device) - self._before
            return given
        held = self._held() - self._before
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            given = some_pass()
        self.peak = max(self.peak, held + _most(recorded))
        return given

    def _held(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.memory_allocated(self._device)
        kinds = (Tensor, nn.Parameter)
        return _bytes([each for each in gc.get_objects() if type(each) in kinds and each.device == self._device])


def _most(recorded: Any) -> int:
    """The most that was allocated at once of what was recorded, bytes."""
    events = [each for each in recorded.profiler.kineto_results.events() if each.name() == "[memory]"]
    now = most = 0
    for each in sorted(events, key=lambda each: each.start_ns()):
        now += each.nbytes()
        most = max(most, now)
    return most


def _bytes(tensors: Sequence[Tensor]) -> int:
    """Of distinct pieces of memory."""
    found: dict[int, int] = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())
