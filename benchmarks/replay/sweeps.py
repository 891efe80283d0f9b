"""benchmarks: how cost grows with the layers of a model, the heads, the prompts and their length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mi_atlas.evaluators.replay import Replay
from torch import nn

from .workloads import LENGTH, Workload, components, equal, heads, made

LAYERS, PROMPTS = 8, 4
"""What stays as it is while something else grows; a model of fewer layers has them all."""

SWEEPS = {
    "layers": (2, 4, 8, 16),
    "heads": (2, 4, 8, 14),
    "prompts": (1, 2, 4, 8, 16),
    "length": (8, 24, 72, 216),
}
"""What grows -> its values. Every layer, operator and MLP is removed; for heads, the first so many of each layer."""


class Point(NamedTuple):
    """One value of what grows."""

    value: int
    model: nn.Module
    task: Workload


def points(what: str, values: tuple[int, ...], build: Callable[[int], nn.Module], depth: int) -> Iterator[Point]:
    """A model and a workload for each value that exists; `build` makes a model of so many of its `depth` layers."""
    model = build(min(LAYERS, depth))
    for value in values:
        if what == "layers":
            if value > depth:
                continue
            model = build(value)
        replay = Replay(model)
        lengths = {"prompts": equal(value), "length": [value] * PROMPTS}.get(what, equal(PROMPTS))
        if what == "heads":
            every = heads(replay)
            if value > max((one.site.head or 0) + 1 for one in every):
                continue
            yield Point(value, model, made("heads removed", replay, lengths, heads(replay, first=value)))
        else:
            yield Point(value, model, made("all removed", replay, lengths, components(replay)))


def fixed(what: str, depth: int) -> str:
    """What stays as it is while something grows."""
    removed = "heads removed" if what == "heads" else "every layer, operator and MLP removed"
    held = {"layers": f"{min(LAYERS, depth)} layers", "prompts": f"{PROMPTS} prompts", "length": f"{LENGTH} tokens"}
    return f"{removed}; {', '.join(text for name, text in held.items() if name != what)}"
