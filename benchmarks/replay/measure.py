"""benchmarks: one way through one workload: its numbers compared, its time and memory taken."""

from __future__ import annotations

import ctypes
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mi_atlas.evaluators.anatomy import dissect
from torch import Tensor, nn

from .ways import Unable, Way
from .workloads import Workload

AGREE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""Largest difference in KL between a way and plain hooks, relative to the workload's largest KL."""

CLOCKS = {"seconds": time.perf_counter, "cpu_seconds": time.process_time}
"""By which time is told. On one thread of a CPU the second counts: another's work does not slow it."""

WARM_UP = 3
"""Interventions that are run before time counts."""


def measure(
    model: nn.Module, task: Workload, way: Way, expected: Tensor | None, repeats: int
) -> tuple[dict[str, Any], Tensor | None]:
    """What a way took, the least of the repeats, and its numbers [intervention, prompt].

    Seconds by the clock and of the processor, bytes beside those in use before, and the largest difference to the
    `expected` numbers, relative to the largest of these. Where it is too large, or the way cannot do it, the reason.
    """
    some = task.interventions[:: max(1, len(task.interventions) // WARM_UP)]
    anatomy = dissect(model)
    taken = {name: float("inf") for name in CLOCKS}
    try:
        way(model, replace(task, interventions=some))
        before = _memory(anatomy.device, reset=True)
        for _ in range(repeats):
            starts = {name: clock() for name, clock in CLOCKS.items()}
            found = way(model, task)
            for name, clock in CLOCKS.items():
                taken[name] = min(taken[name], clock() - starts[name])
    except Unable as reason:
        return {"unable": str(reason)}, None
    peak = _memory(anatomy.device)
    gap = 0.0 if expected is None else float((found - expected).abs().max() / expected.max())
    if not gap <= AGREE[anatomy.dtype]:
        return {"unable": f"its numbers differ by {gap:.1e} of the largest"}, None
    memory = None if before is None or peak is None else peak - before
    return {**taken, "gap": gap, "largest": float(found.max()), "peak_bytes": memory}, found


def _memory(device: torch.device, reset: bool = False) -> int | None:
    """Bytes in use at most since the last reset: of the GPU, else of the process where Linux counts them."""
    if device.type == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    try:
        if reset:
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except (AttributeError, OSError):
        return None
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), None)
    return int(peak) * 1024 if peak else None
