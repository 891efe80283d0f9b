"""evaluators: the registry of evaluators, ours and other packages'. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

from .cells import Cell, CellResult, NotEvaluated

if TYPE_CHECKING:
    from .models.load import LoadedModel
    from .tasks.example import Block

ENTRY_POINTS = "mi_atlas.evaluators"
"""Group of entry points whose modules register evaluators."""


class Evaluator(Protocol):
    """Measures cells of one model over the blocks of one draw of a suite."""

    def measure(self, model: LoadedModel, blocks: Sequence[Block], cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, in any order.

        Raises:
            NotEvaluated: before the first result, where the model is not one this evaluator knows.
        """
        ...


_evaluators: dict[str, tuple[int, Callable[[], type[Evaluator]]]] = {}


def evaluator(name: str, version: int) -> Callable[[Callable[[], type[Evaluator]]], Callable[[], type[Evaluator]]]:
    """Decorator: register a function that imports and returns an evaluator's class; it is called to measure only.

    Raise `version` whenever the numbers the evaluator gives would change: it is part of every key.
    """

    def register(load: Callable[[], type[Evaluator]]) -> Callable[[], type[Evaluator]]:
        _evaluators[name] = version, load
        return load

    return register


@evaluator("ablation", version=2)
def _ablation() -> type[Evaluator]:
    from .ablation import Ablation

    return Ablation


def find_version(name: str) -> int:
    """The version of the evaluator of that name, our own or another package's; nothing heavy is imported.

    Raises:
        NotEvaluated: no package offers it.
    """
    if name not in _evaluators:
        for point in entry_points(group=ENTRY_POINTS):
            point.load()
    if name not in _evaluators:
        raise NotEvaluated(
            "evaluator_not_built", f"no evaluator `{name}` is installed; there are {sorted(_evaluators)}"
        )
    return _evaluators[name][0]


def find_evaluator(name: str) -> Evaluator:
    """The evaluator of that name, ready to measure.

    Raises:
        NotEvaluated: no package offers it.
    """
    find_version(name)
    return _evaluators[name][1]()()
