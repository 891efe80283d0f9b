"""evaluators/tasks: every random choice, the same on every machine and Python version."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

from ...specs.canonical import digest

T = TypeVar("T")


class Dice:
    """Choices seeded by words, made from `Random.random()` alone: the one stream that Python promises to keep."""

    def __init__(self, *seed: str | int) -> None:
        self.random = random.Random(int(digest("dice", list(seed)), 16)).random

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self.random() * len(items))]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, in random order.

        Raises:
            ValueError: where there are fewer.
        """
        if count > len(items):
            raise ValueError(f"{count} different items asked of {len(items)}")
        chosen: list[T] = []
        while len(chosen) < count:
            item = self.pick(items)
            if item not in chosen:
                chosen.append(item)
        return chosen
