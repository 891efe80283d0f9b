"""benchmarks: `python -m benchmarks.replay`: the replay engine beside plain hooks, other libraries and the arithmetic.

Every way's numbers are compared with those of plain hooks before its time counts. Each takes its turn in this one
process, once to warm up on a part of the workload and then `--repeats` times; the least time counts. Writes
`replay.json` and `replay.md` into `--out`. Take it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.replay import Replay
from torch import nn

from .limit import flops, rate
from .report import table
from .shapes import SHAPES, build
from .ways import Unable, Way, libraries, plain_hooks, replay
from .workloads import WORKLOADS, Workload, workload

AGREE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""Largest difference in KL between a way and plain hooks, relative to 1 nat or the KL."""


CLOCKS = {"seconds": time.perf_counter, "cpu_seconds": time.process_time}
"""By which time is told. On one thread of a CPU the second counts: another's work does not slow it."""


def main() -> None:
    """Measure, print, write."""
    words = _arguments()
    torch.set_num_threads(words.threads)
    dtype = getattr(torch, words.dtype)
    model = build(words.shape, words.layers, dtype, words.device)
    anatomy = dissect(model)
    clock = "cpu_seconds" if words.threads == 1 and words.device == "cpu" else "seconds"
    ways: dict[str, Way] = {"plain hooks": plain_hooks, "replay": replay}
    if words.libraries:
        ways |= libraries()
    report: dict[str, Any] = {
        "shape": words.shape,
        "layers": len(anatomy.layers),
        "dtype": words.dtype,
        "device": torch.cuda.get_device_name() if words.device == "cuda" else platform.processor() or "cpu",
        "threads": words.threads,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "clock": clock,
        "flops_per_second": rate(anatomy, CLOCKS[clock]),
        "workloads": {},
    }
    engine = Replay(model)
    with torch.no_grad():
        for name in words.workloads:
            task = workload(name, engine)
            least = flops(anatomy, task)
            entry = {"what": task.what, "flops": least, "ways": {}}
            report["workloads"][name] = entry
            for label, way in ways.items():
                entry["ways"][label] = _measure(model, task, way, words.repeats)
                print(name, label, entry["ways"][label], flush=True)
    words.out.mkdir(parents=True, exist_ok=True)
    (words.out / "replay.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (words.out / "replay.md").write_text(table(report), encoding="utf-8")
    print(table(report))


def _measure(model: nn.Module, task: Workload, way: Way, repeats: int) -> dict[str, Any]:
    """Seconds by the clock and of the processor, the difference to plain hooks, bytes beside those in use before."""
    part = replace(task, interventions=task.interventions[:: max(1, len(task.interventions) // 3)])
    expected, before = plain_hooks(model, part), _memory(reset=True)
    try:
        found = way(model, part)
    except Unable as reason:
        return {"unable": str(reason)}
    gap = float(((found - expected).abs() / (1 + expected)).max())
    if gap > AGREE[dissect(model).dtype]:
        return {"unable": f"its numbers differ by {gap:.1e}"}
    taken: dict[str, list[float]] = {name: [] for name in CLOCKS}
    for _ in range(repeats):
        starts = {name: clock() for name, clock in CLOCKS.items()}
        way(model, task)
        for name, clock in CLOCKS.items():
            taken[name].append(clock() - starts[name])
    return {name: min(times) for name, times in taken.items()} | {"gap": gap, "peak_bytes": _memory() - before}


def _memory(reset: bool = False) -> int:
    """Bytes in use at most since the last reset: of the GPU, else of the process, as Linux counts them."""
    if torch.cuda.is_available():
        if reset:
            torch.cuda.reset_peak_memory_stats()
        return torch.cuda.max_memory_allocated()
    if reset:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), None)
    return int(peak or 0) * 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--libraries", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
