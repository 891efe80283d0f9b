"""evaluators/timing: a session seen from inside: the program of a fresh process, `python -m` this module.

It reads a job, imports and loads what that needs, writes a line, and waits for one. Then it runs every work once to
warm up, in which memory is counted, and then several times by the clock; in every round all works take their turn, in
an order drawn by the session. It writes the medians and ends.
"""

from __future__ import annotations

import gc
import importlib.util
import itertools
import json
import logging
import os
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, TextIO

import torch
import transformers
from torch import Tensor, nn

from ...specs.metrics.throughput import Timed
from ..cells import NotEvaluated
from ..models.load import LoadedModel, load
from ..models.locate import Located
from ..writing.decoding import passes
from .layers import shortened
from .memory import Meter, weights_bytes
from .session import read

REPETITIONS = 3
"""Runs of each work by the clock."""

SMALL = 200_000_000
"""Bytes of weights that several processes may hold at once."""


@dataclass(frozen=True)
class Work:
    """What is run as one: a condition, once or in two copies side by side."""

    timed: Timed
    model: int
    copies: int

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Work:
        """From JSON."""
        return cls(Timed.model_validate(found["timed"]), found["model"], found["copies"])


@dataclass(frozen=True)
class Job:
    """A session."""

    works: tuple[Work, ...]
    models: tuple[Located, ...]
    texts: tuple[str, ...]
    """Of which prompts are made, one behind the other, as often as needed."""
    device: str
    threads: int
    order: str
    """What the order of turns depends on."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Job:
        """From JSON."""
        works, models = map(Work.of, found["works"]), map(read, found["models"])
        return cls(
            tuple(works), tuple(models), tuple(found["texts"]), found["device"], found["threads"], found["order"]
        )


class Bench:
    """The works of a session."""

    def __init__(self, job: Job) -> None:
        self.job, self.device = job, torch.device(job.device)
        self._loaded: dict[tuple[int, int], LoadedModel] = {}
        self._numbers: dict[int, dict[str, float]] = {}
        self._failed: dict[int, NotEvaluated] = {}

    def load(self) -> None:
        """Load all models; why one cannot be is said by `measure`."""
        for work in self.job.works:
            with suppress(NotEvaluated):
                for copy in range(work.copies):
                    self._model(work.model, copy)

    def measure(self) -> list[dict[str, Any]]:
        """Of each work its numbers, or why there are none."""
        dice = random.Random(self.job.order)
        times: dict[int, list[tuple[float, float]]] = {number: [] for number in range(len(self.job.works))}
        for turn in range(1 + REPETITIONS):
            for number in dice.sample(sorted(times), len(times)):
                try:
                    found = self._run(self.job.works[number], warm=turn > 0)
                except NotEvaluated as error:
                    self._failed[number] = error
                    del times[number]
                    continue
                if isinstance(found, dict):
                    self._numbers[number] = found
                else:
                    times[number].append(found)
        for number, each in times.items():
            self._numbers[number] |= _medians(self.job.works[number].timed, each)
        return [self._told(number) for number in range(len(self.job.works))]

    def _told(self, number: int) -> dict[str, Any]:
        error = self._failed.get(number)
        return {"code": error.code, "text": str(error)} if error else self._numbers[number]

    def _run(self, work: Work, warm: bool) -> tuple[float, float] | dict[str, float]:
        """Once: the times of a warm run, what is held in the first one."""
        models = [self._model(work.model, copy) for copy in range(work.copies)]
        rows = self._rows(models[0], work.timed)
        modules = [model.module for model in models]
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(shortened(module, work.timed.skip or ()))
            gc.collect()
            if warm:
                return timed(modules, rows, work.timed.new_tokens, self.device)
            return held(modules, rows, work.timed.new_tokens, self.device)

    def _model(self, which: int, copy: int) -> LoadedModel:
        if (which, copy) not in self._loaded:
            try:
                self._loaded[which, copy] = load(self.job.models[which], self.device)
            except torch.OutOfMemoryError as error:
                raise NotEvaluated("out_of_memory", f"out of memory: {error}") from error
        return self._loaded[which, copy]

    def _rows(self, model: LoadedModel, asked: Timed) -> list[list[int]]:
        tokens = [token for text in self.job.texts for token in model.tokenizer.encode(text).ids]
        if not tokens:
            raise NotEvaluated("no_tokens", "the suite's prompts have no tokens")
        endless = itertools.cycle(tokens)
        return [list(itertools.islice(endless, asked.prompt_tokens)) for _ in range(asked.batch)]


@torch.inference_mode()
def timed(
    modules: Sequence[nn.Module], rows: Sequence[Sequence[int]], new: int, device: torch.device
) -> tuple[float, float]:
    """Seconds to the first token and to the last, greedy, whatever the tokens are; several models step by step."""
    start = _now(device)
    streams = [passes(module, rows, device) for module in modules]
    tokens = [next(stream).argmax(-1) for stream in streams]
    first = _now(device)
    for _ in range(new - 1):
        tokens = [stream.send(token).argmax(-1) for stream, token in zip(streams, tokens, strict=True)]
    return first - start, _now(device) - start


@torch.inference_mode()
def held(
    modules: Sequence[nn.Module], rows: Sequence[Sequence[int]], new: int, device: torch.device
) -> dict[str, float]:
    """The same without a clock: bytes of the weights, and the most bytes that were held, weights included."""
    weights = sum(weights_bytes(module) for module in modules)
    meter = Meter(device)
    streams = [passes(module, rows, device) for module in modules]
    tokens: Sequence[Tensor] = meter.watch(lambda: [next(stream).argmax(-1) for stream in streams])
    for number in range(1, new):
        last, given = number == new - 1, tokens

        def step(given: Sequence[Tensor] = given) -> list[Tensor]:
            return [stream.send(token).argmax(-1) for stream, token in zip(streams, given, strict=True)]

        tokens = meter.watch(step) if last else step()
    return {"bytes": float(weights), "peak_memory": float(weights + meter.peak)}


def _medians(asked: Timed, times: Sequence[tuple[float, float]]) -> dict[str, float]:
    first, whole = (statistics.median(each) for each in zip(*times, strict=True))
    found = {"prefill_rate": asked.batch * asked.prompt_tokens / first, "latency": 1000 * whole}
    if asked.new_tokens > 1:
        decoding = statistics.median(last - first for first, last in times)
        found["decode_rate"] = asked.batch * (asked.new_tokens - 1) / decoding
    return found


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _prepared(job: Job) -> Bench:
    """What can be done while other processes prepare themselves: imports, and loading small models."""
    torch.set_num_threads(job.threads)
    for located in job.models:
        getattr(transformers, located.architecture, None)
        if located.spec.quantization and importlib.util.find_spec("bitsandbytes"):
            import bitsandbytes  # noqa: F401
    bench = Bench(job)
    if job.device == "cpu" and sum(job.models[work.model].bytes * work.copies for work in job.works) < SMALL:
        bench.load()
    gc.collect()
    gc.freeze()
    return bench


def main(asked: TextIO, told: TextIO) -> None:
    """Measure the session that is asked for."""
    logging.disable(logging.WARNING)
    job = Job.of(json.loads(asked.readline()))
    bench = _prepared(job)
    print(json.dumps({"pid": os.getpid()}), file=told, flush=True)
    if asked.readline():
        print(json.dumps({"pid": os.getpid(), "works": bench.measure()}), file=told, flush=True)


if __name__ == "__main__":
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    main(sys.stdin, channel)
