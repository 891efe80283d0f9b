"""evaluators/tasks: the endless stream of examples that pocket models are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .buckets import TRAINING, bucket
from .dice import Dice
from .family import find_family


@dataclass(frozen=True, slots=True)
class TextExample:
    """A prompt and its right continuation; no tokenizer has seen them."""

    family: str
    template: str
    clean: str
    target: str


def training_examples(families: Sequence[str], seed: int = 0) -> Iterator[TextExample]:
    """Endlessly many training examples: a random family, a random template of either split, a prompt kept for training.

    No clean or corrupt prompt of any discovery or verification draw occurs in it. Examples repeat.
    """
    dice = Dice("training", *families, seed)
    kinds = [find_family(name) for name in families]
    while True:
        family = dice.pick(kinds)
        template = dice.pick(family.templates)
        draft = template.source.draft(dice)
        if bucket(family.name, draft.clean) == TRAINING:
            yield TextExample(family.name, template.name, draft.clean, draft.target)
