"""evaluators/planted: the task of models with random weights: continue some words; the answer is the model's own."""

from __future__ import annotations

from collections.abc import Sequence

from ..tasks.dice import Dice
from .prompts import Draft, Task, fill, frame


def plain_task(family: str, vocabulary: Sequence[str], seed: int) -> Task:
    """A template is a length, and words of which two and the last are free; the twin ends with another word."""

    def draft(template: int, dice: Dice) -> Draft:
        before = fill(frame(vocabulary, template, family, seed), vocabulary, dice)
        last, other = dice.some(vocabulary, 2)
        return Draft((*before, last), (*before, other))

    return Task(family, draft)
