"""evaluators: the registry of evaluators, ours and other packages'. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .cells import Cell, CellResult, NotEvaluated

if TYPE_CHECKING:
    from ..specs.recipe import Recipe
    from .models.load import LoadedModel
    from .tasks.example import Block
    from .tasks.items import ItemBlock

ENTRY_POINTS = "mi_atlas.evaluators"
"""Group of entry points whose modules register evaluators."""


@dataclass(frozen=True)
class Materials:
    """What a group of cells is measured with, beside the model."""

    blocks: Sequence[Block]
    """The examples of one draw of a suite, one block a family."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the claim's metric says beside components, interventions and quantity."""
    discovery: Sequence[Block] = ()
    """The suite's discovery examples, for evaluators that learn something first; no template is in both."""
    donor: LoadedModel | None = None
    """Another model, where the metric names one."""
    variants: Mapping[str, LoadedModel] = field(default_factory=dict)
    """Condition -> another model than the one that is measured."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Condition -> how the model is trained first, written out in full."""
    maps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Name of a map that recipes are aimed by (`finetuning.job.atlas_name`) -> component -> typical KL, nats."""
    artefacts: Path | None = None
    """Folder in which trainings are kept; None: they are not."""
    workspace: Path = Path()
    """Relative paths in recipes start here."""
    items: Sequence[ItemBlock] = ()
    """The questions of a behaviour set, one block a category, for evaluators that let models write."""


class Evaluator(Protocol):
    """Measures cells of one model over the blocks of one draw of a suite."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, in any order.

        Raises:
            NotEvaluated: before the first result, where the model is not one this evaluator knows.
        """
        ...


OURS = {
    "ablation": 2,
    "skipping": 1,
    "representation": 1,
    "attention_pattern": 1,
    "patching": 2,
    "path_patching": 1,
    "attribution": 1,
    "circuit": 1,
    "steering": 1,
    "training": 1,
    "adapter": 1,
    "trained_ablation": 1,
    "variants": 1,
    "cross_model": 1,
    "knockout": 1,
    "generation": 1,
    "throughput": 1,
    "simulated": 1,
}
"""Our own evaluators and their versions: file `NAME.py` here, with a class `EVALUATOR`.

A version is raised whenever the numbers would change: it is part of every key.
"""

_evaluators: dict[str, tuple[int, Callable[[], type[Evaluator]]]] = {}


def evaluator(name: str, version: int) -> Callable[[Callable[[], type[Evaluator]]], Callable[[], type[Evaluator]]]:
    """Decorator: register a function that imports and returns an evaluator's class; it is called to measure only.

    Raise `version` whenever the numbers the evaluator gives would change: it is part of every key.
    """

    def register(load: Callable[[], type[Evaluator]]) -> Callable[[], type[Evaluator]]:
        _evaluators[name] = version, load
        return load

    return register


def _our(name: str) -> Callable[[], type[Evaluator]]:
    def load() -> type[Evaluator]:
        found: type[Evaluator] = import_module(f".{name}", __package__).EVALUATOR
        return found

    return load


_evaluators.update({name: (version, _our(name)) for name, version in OURS.items()})


def find_version(name: str) -> int:
    """The version of the evaluator of that name, our own or another package's; nothing heavy is imported.

    Raises:
        NotEvaluated: no package offers it.
    """
    if name not in _evaluators:
        for point in entry_points(group=ENTRY_POINTS):
            point.load()
    if name not in _evaluators:
        raise NotEvaluated("evaluator_not_built", f"evaluator `{name}` has a spec, but nothing here measures it yet")
    return _evaluators[name][0]


def is_built(name: str) -> bool:
    """Whether an evaluator of that name can measure here."""
    try:
        return find_version(name) > 0
    except NotEvaluated:
        return False


def find_evaluator(name: str) -> Evaluator:
    """The evaluator of that name, ready to measure.

    Raises:
        NotEvaluated: no package offers it.
    """
    find_version(name)
    return _evaluators[name][1]()()
