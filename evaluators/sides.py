"""evaluators: the two sides of a direction: which discovery prompts are positive, which negative, and how else."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import comb
from typing import Any

from ..specs.canonical import digest
from .cells import NotEvaluated
from .tasks.example import Block, Example

Row = tuple[str, int]
"""A discovery prompt: its family and number; the family's clean prompts come first, then the corrupt ones."""


@dataclass(frozen=True)
class Sides:
    """The positive and the negative prompts of a direction."""

    positive: tuple[Row, ...]
    negative: tuple[Row, ...]
    paired: bool
    """Whether the i-th of both are one example's."""

    def dealt_anew(self, nth: int, *seed: str) -> Sides:
        """The same prompts, as many positive: the nth of distinct random dealings, none of which is this one.

        Raises:
            NotEvaluated: `too_few_draws`.
        """
        rows, count = [*self.positive, *self.negative], len(self.positive)
        own = tuple(range(count))
        chosen = _distinct(len(rows), count, nth, {own}, "labels", *seed)
        others = [row for i, row in enumerate(rows) if i not in chosen]
        return Sides(tuple(rows[i] for i in chosen), tuple(others), False)

    @property
    def halves(self) -> int:
        """How many distinct halves there are."""
        count = len(self.positive)
        return comb(count, (count + 1) // 2)

    def half(self, nth: int, *seed: str) -> Sides:
        """Half of the examples (of a task vector, of its family's): the nth of distinct random halves.

        Raises:
            NotEvaluated: `too_few_draws`.
        """
        count = len(self.positive)
        chosen = _distinct(count, (count + 1) // 2, nth, set(), "half", *seed)
        kept = tuple(self.negative[i] for i in chosen) if self.paired else self.negative
        return Sides(tuple(self.positive[i] for i in chosen), kept, self.paired)


def positive_first(example: Example, settings: Mapping[str, Any]) -> Example | None:
    """The example with the positive prompt as its clean one; None where it has no positive and negative one."""
    if settings["contrast"] != "answer":
        return example
    answers = example.target.strip(), example.wrong_target.strip()
    for way, other in ((example, answers), (turned(example), answers[::-1])):
        if other[0] in settings["positive"] and other[1] in settings["negative"]:
            return way
    return None


def turned(example: Example) -> Example:
    """The same example with its corrupt prompt, and that one's right answer, as the clean ones."""
    return replace(
        example,
        clean=example.corrupt,
        corrupt=example.clean,
        target=example.wrong_target,
        wrong_target=example.target,
        clean_ids=example.corrupt_ids,
        corrupt_ids=example.clean_ids,
        target_ids=example.wrong_target_ids,
        wrong_target_ids=example.target_ids,
    )


def find_sides(
    settings: Mapping[str, Any], blocks: Mapping[str, Block], kept: Mapping[str, Sequence[int]]
) -> dict[str, Sides]:
    """The sides of every family that has both, from some examples of each block.

    Raises:
        NotEvaluated: `no_such_family`, one that the metric names; `one_family`, a task vector needs others.
    """
    named = [settings["towards"]] if settings["contrast"] == "family" else settings.get("families", ())
    for name in named:
        if name not in blocks:
            raise NotEvaluated("no_such_family", f"the suite has no family {name}: it has {', '.join(blocks)}")
    if settings["contrast"] == "family":
        if len(blocks) < 2:
            raise NotEvaluated("one_family", "a task vector sets a family against the suite's others; there is one")
        rows = {family: [(family, i) for i in numbers] for family, numbers in kept.items()}
        return {
            family: Sides(tuple(mine), tuple(chain(*(rows[other] for other in rows if other != family))), False)
            for family, mine in rows.items()
        }
    found = {family: _pairs(settings, block, kept[family]) for family, block in blocks.items()}
    return {family: sides for family, sides in found.items() if sides.positive}


def _pairs(settings: Mapping[str, Any], block: Block, kept: Sequence[int]) -> Sides:
    positive, negative, count = [], [], len(block.examples)
    for i in kept:
        example = block.examples[i]
        if (way := positive_first(example, settings)) is not None:
            rows = [(block.family, i), (block.family, count + i)]
            first, second = rows if way is example else rows[::-1]
            positive.append(first)
            negative.append(second)
    return Sides(tuple(positive), tuple(negative), True)


def learnt_from(block: Block, every: bool) -> list[int]:
    """Examples from which directions are learnt: all, or those of every other template, the rest being for a map."""
    templates = sorted({example.template for example in block.examples})
    return [i for i, e in enumerate(block.examples) if every or templates.index(e.template) % 2 == 0]


def _distinct(of: int, count: int, nth: int, known: set[tuple[int, ...]], *seed: str) -> tuple[int, ...]:
    """The nth of distinct random choices of `count` of so many things, none of which is known."""
    if nth >= (possible := comb(of, count) - len(known)):
        raise NotEvaluated("too_few_draws", f"draw {nth} of {seed[0]} of {seed[-1]}: {of} prompts have {possible}")
    choice, seen = random.Random(digest("distinct", list(seed))), set(known)
    drawn: tuple[int, ...] = ()
    for _ in range(nth + 1):
        while (drawn := tuple(sorted(choice.sample(range(of), count)))) in seen:
            pass
        seen.add(drawn)
    return drawn
