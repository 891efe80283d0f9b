"""benchmarks: `python -m benchmarks.replay`: the replay engine beside plain hooks, other libraries and the arithmetic.

Writes docs/performance.md, and what it is made of as JSON. Every way's numbers are compared with those of plain hooks
before its time counts. Each takes its turn in this one process: a few interventions to warm up, then everything
`--repeats` times. Take it on an otherwise idle machine. The other libraries, each as released, in an environment of
their own:

    python -m venv bench
    bench/bin/pip install -c constraints.txt -e . -r benchmarks/replay/libraries.txt
    bench/bin/python -m benchmarks.replay

A short run: `--layers 4 --prompts 2 --workloads w1 last --sweeps layers --points 2`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from mi_atlas.engine.machine import processor
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.replay import Replay
from torch import nn

from .limit import flops, rate
from .measure import CLOCKS, measure
from .report import OURS, PLAIN, page
from .shapes import SHAPES, build, depth
from .sweeps import SWEEPS, fixed, points
from .ways import LIBRARIES, Way, installed, last_logits, plain_hooks, replay
from .workloads import WORKLOADS, Workload, workload

PLACES = ("page", "data")
"""Options that say where a result goes, and nothing about it."""


class Benchmark:
    """One run of everything that was asked for; what is done so far is on disk."""

    def __init__(self, words: argparse.Namespace, command: str) -> None:
        self.words, self.dtype = words, getattr(torch, words.dtype)
        self.clock = "cpu_seconds" if words.threads == 1 and words.device == "cpu" else "seconds"
        self.report: dict[str, Any] = {
            "command": command,
            "date": time.strftime("%Y-%m-%d"),
            "shape": words.shape,
            "layers": words.layers or depth(words.shape),
            "dtype": words.dtype,
            "device": torch.cuda.get_device_name() if words.device == "cuda" else processor(),
            "threads": words.threads,
            "repeats": words.repeats,
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__} | installed(),
            "missing": [name for name in LIBRARIES if name not in installed()] if words.libraries else [],
            "clock": self.clock,
            "flops_per_second": 0.0,
            "workloads": {},
            "sweeps": {},
        }

    def build(self, layers: int | None) -> nn.Module:
        """The shape with so many layers."""
        return build(self.words.shape, layers, self.dtype, self.words.device)

    def run(self) -> None:
        """Workloads, then sweeps; the machine's best rate is looked for before and after."""
        model = self.build(self.words.layers)
        self._rate(model)
        ways: dict[str, Way] = {PLAIN: plain_hooks, "plain hooks, last logits": last_logits, OURS: replay}
        if self.words.libraries:
            ways |= {f"{name} {version}": LIBRARIES[name] for name, version in installed().items()}
        engine = Replay(model)
        for name in self.words.workloads:
            task = workload(name, engine, self.words.prompts)
            entry = {"what": task.what, "flops": flops(engine.anatomy, task), "ways": {}}
            self.report["workloads"][name] = entry
            self._measure(model, task, ways, entry["ways"], name)
        for name in self.words.sweeps:
            self._sweep(name)
        self._rate(model)
        self.save()

    def _sweep(self, name: str) -> None:
        layers = self.report["layers"]
        sweep: dict[str, Any] = {"fixed": fixed(name, layers), "points": []}
        self.report["sweeps"][name] = sweep
        for value, model, task in points(name, SWEEPS[name][: self.words.points], self.build, layers):
            size = len(task.interventions)
            entry = {"value": value, "interventions": size, "flops": flops(dissect(model), task), "ways": {}}
            sweep["points"].append(entry)
            self._measure(model, task, {PLAIN: plain_hooks, OURS: replay}, entry["ways"], f"{name} {value}")

    def _measure(self, model: nn.Module, task: Workload, ways: dict[str, Way], into: dict[str, Any], name: str) -> None:
        expected = None
        for label, way in ways.items():
            with torch.no_grad():
                into[label], found = measure(model, task, way, expected, self.words.repeats)
            expected = found if label == PLAIN else expected
            print(name, label, into[label], flush=True)
            self.save()

    def _rate(self, model: nn.Module) -> None:
        with torch.no_grad():
            self.report["flops_per_second"] = max(
                self.report["flops_per_second"], rate(dissect(model), CLOCKS[self.clock])
            )

    def save(self) -> None:
        """Write the page and the data."""
        for path, text in (
            (self.words.data, json.dumps(self.report, indent=1) + "\n"),
            (self.words.page, page(self.report)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = _parser()
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    Benchmark(words, _command(parser, words)).run()
    print(words.page.read_text(encoding="utf-8"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has")
    parser.add_argument("--prompts", type=int, default=12, help="of every workload, where it has several")
    parser.add_argument("--workloads", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--sweeps", nargs="*", choices=SWEEPS, default=list(SWEEPS))
    parser.add_argument("--points", type=int, help="how many values of each sweep, from the least")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--libraries", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--page", type=Path, default=Path("docs/performance.md"))
    parser.add_argument("--data", type=Path, default=Path("build/performance.json"))
    return parser


def _command(parser: argparse.ArgumentParser, words: argparse.Namespace) -> str:
    """The command that gives the same page."""
    said = [parser.prog]
    for name, value in vars(words).items():
        if name not in PLACES and value != parser.get_default(name):
            values = value if isinstance(value, list) else [value]
            said += ["--no-libraries"] if value is False else [f"--{name}", *map(str, values)]
    return " ".join(said)


if __name__ == "__main__":
    main()
