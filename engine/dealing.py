"""engine: which piece of work a worker of a cluster is given next, so that models are loaded seldom."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .plan import GroupStep

if TYPE_CHECKING:
    from .needs import Group

Model = tuple[object, ...]


@dataclass(frozen=True)
class Piece:
    """Some runs of a step, and how often in a row their worker died before any of them was finished."""

    number: int
    """Of the step."""
    step: GroupStep
    deaths: int = 0
    model: Model = field(default=(), compare=False)
    passes: int = 0

    @classmethod
    def of(cls, number: int, step: GroupStep) -> Piece:
        """A piece that nobody has tried yet."""
        return cls(number, step, 0, model_of(step.group), step.passes)

    def rest(self, missing: set[str], deaths: int) -> Piece:
        """What is left of it when its worker has died."""
        runs = tuple(run for run in self.step.runs if run.key in missing)
        return replace(self, step=replace(self.step, runs=runs), deaths=deaths)


def model_of(group: Group) -> Model:
    """What a worker holds in memory for a group: pieces of which this is equal load nothing anew."""
    models = (group.located, *(located for _, located in sorted(group.others.items())))
    return tuple((each.untrained, *sorted(each.parts.items())) for each in models)


class Deck:
    """Pieces by model, the largest first. Falsy when all are dealt."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._piles: dict[Model, deque[Piece]] = {}
        self._left: Counter[Model] = Counter()
        self._holders: Counter[Model] = Counter()
        self._loaded: dict[Hashable, Model] = {}
        self._size = 0
        for piece in pieces:
            self._put(piece)

    def __len__(self) -> int:
        return self._size

    def deal(self, worker: Hashable) -> Piece:
        """One of the model that the worker has; else of that with the most passes left for each who has it."""
        model = self._loaded.get(worker)
        if model not in self._piles:
            self.forget(worker)
            model = max(self._piles, key=lambda each: self._left[each] / (1 + self._holders[each]))
            self._loaded[worker] = model
            self._holders[model] += 1
        piece = self._piles[model].popleft()
        self._left[model] -= piece.passes
        self._size -= 1
        if not self._piles[model]:
            del self._piles[model], self._left[model]
        return piece

    def put_back(self, piece: Piece) -> None:
        """A piece that was dealt and not measured is dealt again, before others of its model."""
        self._put(piece, first=True)

    def forget(self, worker: Hashable) -> None:
        """A worker is gone, and the model that it had."""
        if (model := self._loaded.pop(worker, None)) is not None:
            self._holders[model] -= 1

    def clear(self) -> None:
        """Deal nothing more."""
        self._piles.clear()
        self._left.clear()
        self._size = 0

    def _put(self, piece: Piece, first: bool = False) -> None:
        pile = self._piles.setdefault(piece.model, deque())
        pile.appendleft(piece) if first else pile.append(piece)
        self._left[piece.model] += piece.passes
        self._size += 1
