"""evaluators/tasks: an example (a clean prompt and its aligned corrupt twin) and a block of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ...specs.canonical import digest
from .dice import Dice

Split = Literal["discovery", "verification"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A prompt with its right continuation, before any tokenizer has seen it."""

    clean: str
    target: str
    twin: Callable[[Dice], tuple[str, str]]
    """Makes (corrupt prompt, its right continuation); it may be asked again when a tokenizer refuses one."""


@dataclass(frozen=True, slots=True)
class Example:
    """A pair under one tokenizer; the unit of measurement (the unit of replication is its template)."""

    family: str
    """`copying`."""
    template: str
    """`copying/t07`."""
    clean: str
    corrupt: str
    """As many tokens as `clean`, word for word; its own right answer is `wrong_target`."""
    target: str
    wrong_target: str
    """A continuation whose first token differs from the target's."""
    answer_position: int
    """Index into `clean_ids` (and `corrupt_ids`) of the position that predicts the answer's first token."""
    clean_ids: tuple[int, ...]
    corrupt_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    wrong_target_ids: tuple[int, ...]

    @property
    def id(self) -> str:
        """16 hex digits of the example's texts: the same example under two tokenizers has one id."""
        texts = [self.family, self.template, self.clean, self.corrupt, self.target, self.wrong_target]
        return digest("example", texts)[:16]


@dataclass(frozen=True, slots=True)
class Block:
    """The unique examples of one family in one draw: what is measured, and cached, together."""

    family: str
    split: Split
    draw: int
    examples: tuple[Example, ...]
    rejected: Mapping[str, int]
    """Reason -> number of candidates refused on the way: unaligned, target_collision, boundary, duplicate."""
    digest: str
    """Of the ids of the examples, in order."""

    @classmethod
    def of(
        cls, family: str, split: Split, draw: int, examples: Iterable[Example], rejected: Mapping[str, int]
    ) -> Block:
        """A block, with its digest."""
        examples = tuple(examples)
        content = digest("block", [example.id for example in examples])
        return cls(family, split, draw, examples, dict(sorted(rejected.items())), content)
