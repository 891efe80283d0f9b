"""evaluators/pocket: what a pocket model sees at each step, the same for the same recipe."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..tasks.training import TextExample
from .recipe import Induction, Recipe

Stream = Callable[[Sequence[str], int], Iterator[TextExample]]
"""Families and a seed -> endless training examples."""

MICRO = 4
"""Parts of a batch, sorted by length, so that little is padded."""


@dataclass(frozen=True)
class Part:
    """Rows of similar length, right-padded: causal models do not look at the padding."""

    ids: Tensor
    """[row, position]"""
    weight: Tensor
    """[row, position]: how much the prediction of the *next* token counts; 0 at the last position."""


Step = list[Part]
"""One batch: the parts whose losses are averaged before the weights move."""


def steps(recipe: Recipe, tokenizer: Tokenizer, stream: Stream) -> Iterator[Step]:
    """The warm-up, then the training stream: as many steps as the recipe has."""
    rng = random.Random(recipe.seed)
    for _ in range(recipe.induction.steps):
        yield [repeats(rng, recipe.induction, tokenizer.get_vocab_size())]
    examples = stream(recipe.families, recipe.seed)
    for _ in range(recipe.steps):
        yield _tasks(recipe, tokenizer, list(itertools.islice(examples, recipe.batch)))


def repeats(rng: random.Random, induction: Induction, vocabulary: int) -> Part:
    """Rows of a few phrases in random order, over and over; each word counts that follows from the words before it.

    In half of the rows the phrases share all but their first and last word, as in `A is cat, B is dog, A is`.
    The words are the last tokens of the vocabulary: with all of it the model stops at learning which
    tokens a row has, and never learns where they stood.
    """
    words = range(vocabulary - induction.words, vocabulary)
    ids, weight = torch.zeros(induction.batch, induction.length + 1, dtype=torch.long), torch.zeros(induction.batch, induction.length + 1)
    for row in range(induction.batch):
        phrases = _phrases(rng, words)
        tokens: list[int] = []
        known: list[float] = []
        seen = set()
        while len(tokens) <= induction.length:
            number = rng.randrange(len(phrases))
            tokens += phrases[number]
            known += [float(len(phrases) == 1 and number in seen)] + [float(number in seen)] * (len(phrases[number]) - 1)
            seen.add(number)
        ids[row] = torch.tensor(tokens[:induction.length + 1])
        weight[row, :-1] = torch.tensor(known[1:induction.length + 1])
    return Part(ids, weight)


def _phrases(rng: random.Random, words: range) -> list[list[int]]:
    count = rng.randint(1, 4)
    width = rng.randint(3, 8) if count == 1 else rng.randint(2, 4)
    shared = rng.sample(words, width - 2) if rng.random() < 0.5 else None
    ends = rng.sample(words, 2 * count)
    return [
        [ends[2 * k], *(shared if shared is not None else rng.sample(words, width - 2)), ends[2 * k + 1]]
        for k in range(count)
    ]


def _tasks(recipe: Recipe, tokenizer: Tokenizer, examples: list[TextExample]) -> Step:
    rows = [(tokenizer.encode(example.clean).ids, tokenizer.encode(example.target).ids) for example in examples]
    rows.sort(key=lambda row: len(row[0]) + len(row[1]))
    size = -(-len(rows) // MICRO)
    return [_pad(rows[start : start + size], recipe.prompt_weight) for start in range(0, len(rows), size)]


def _pad(rows: list[tuple[list[int], list[int]]], prompt_weight: float) -> Part:
    width = max(len(prompt) + len(target) for prompt, target in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    weight = torch.zeros(len(rows), width)
    for row, (prompt, target) in enumerate(rows):
        length = len(prompt) + len(target)
        ids[row, :length] = torch.tensor(prompt + target)
        weight[row, : len(prompt) - 1] = prompt_weight
        weight[row, len(prompt) - 1 : length - 1] = 1
    return Part(ids, weight)
