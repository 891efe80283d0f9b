"""judges: what a judge is asked before its scores count, and the answers that it is tried on.

Gold: labelled answers, each asked three times, which shows agreement with people and with itself. Canaries: injected,
constant and empty outputs. Anchors: a right answer and a corrupted one. A pairwise rubric is asked about pairs of
them, always in both orders. How the replies are read as a gate stands in `engine.grade.gate`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from ...specs.judge import Judge, Rubric
from .sets import BUILT_IN, DIMENSIONS, Anchor, Canary, Gold, SetError, Sets, sets_of

if TYPE_CHECKING:
    from ..prompts import Question

__all__ = [
    "BUILT_IN",
    "DIGEST",
    "DIMENSIONS",
    "DRAWS",
    "ORDERS",
    "VERSION",
    "Anchor",
    "Canary",
    "Gold",
    "SetError",
    "Sets",
    "gate_questions",
    "pairs",
    "sets_of",
]

VERSION = 1
"""Raised when other questions are asked; part of the gate run's key."""

DIGEST = BUILT_IN.digest
"""Of the sets that come with the package."""

DRAWS = 3
"""Fresh calls for each labelled answer."""

ORDERS = ("ab", "ba")
"""Of a pair: as it is named, and swapped."""

PAIRED = 3
"""Answers to a prompt that are compared with one another."""


def gate_questions(judge: Judge, sets: Sets = BUILT_IN) -> dict[str, Question]:
    """Name -> call, of a judge whose rubric is written out.

    Names are `gold/ID/DRAW`, `canary/ID`, `anchor/ID/right` and `anchor/ID/wrong`; of a pairwise rubric
    `gold/ID+ID/DRAW/ab`, `canary/ID/ab` (the canary is the first of the pair), `anchor/ID/ab` (the right answer is),
    and the same with `ba`, where the pair is swapped.
    """
    assert isinstance(judge.rubric, Rubric)
    return dict((_compared if judge.rubric.mode == "pairwise" else _scored)(judge, sets))


def _scored(judge: Judge, sets: Sets) -> Iterator[tuple[str, Question]]:
    from ..prompts import pointwise

    for one in sets.gold:
        for draw in range(DRAWS):
            yield f"gold/{one.id}/{draw}", pointwise(judge, one.prompt, one.answer, one.reference, draw)
    for canary in sets.canaries:
        yield f"canary/{canary.id}", pointwise(judge, canary.prompt, canary.answer, canary.reference)
    for anchor in sets.anchors:
        for name, answer in (("right", anchor.right), ("wrong", anchor.wrong)):
            yield f"anchor/{anchor.id}/{name}", pointwise(judge, anchor.prompt, answer, anchor.right)


def _compared(judge: Judge, sets: Sets) -> Iterator[tuple[str, Question]]:
    from ..prompts import pairwise

    def both(name: str, prompt: str, one: str, other: str, draw: int) -> Iterator[tuple[str, Question]]:
        yield f"{name}/{ORDERS[0]}", pairwise(judge, prompt, one, other, draw)
        yield f"{name}/{ORDERS[1]}", pairwise(judge, prompt, other, one, draw)

    for one, other in pairs(sets):
        for draw in range(DRAWS):
            yield from both(f"gold/{one.id}+{other.id}/{draw}", one.prompt, one.answer, other.answer, draw)
    for canary in sets.canaries:
        yield from both(f"canary/{canary.id}", canary.prompt, canary.answer, canary.reference, 0)
    for anchor in sets.anchors:
        yield from both(f"anchor/{anchor.id}", anchor.prompt, anchor.right, anchor.wrong, 0)


def pairs(sets: Sets) -> list[tuple[Gold, Gold]]:
    """Labelled answers to one prompt, two by two; of the first three to each."""
    answers = defaultdict(list)
    for one in sets.gold:
        answers[one.prompt].append(one)
    return [pair for some in answers.values() for pair in combinations(some[:PAIRED], 2)]
