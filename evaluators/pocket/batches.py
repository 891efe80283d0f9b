"""evaluators/pocket: what a pocket model sees at each step, the same for the same recipe.

In-context look-up does not arise from the tasks alone in the few steps there are: it is taught first, on
random words, and kept alive beside the tasks.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..tasks import words as shared
from ..tasks.training import TextExample
from .recipe import Recipe, Rows

Stream = Callable[[Sequence[str], int], Iterator[TextExample]]
"""Families and a seed -> endless training examples."""

PERIODS = (3, 8)
PAIRS = (2, 5)

SEEDS = 1000
"""Between the seeds of two runs' streams."""

LENGTHS = 4
"""Parts of a batch, sorted by length, so that little is padded."""


@dataclass(frozen=True)
class Part:
    """Rows of similar length, right-padded: causal models do not look at the padding."""

    ids: Tensor
    """[row, position]"""
    weight: Tensor
    """[row, position]: how much the prediction of the *next* token counts; 0 at the last position."""
    share: float = 1.0
    """How much the part's mean loss counts in its step."""


Step = list[Part]
"""What is seen before the weights move once."""


def steps(recipe: Recipe, tokenizer: Tokenizer, stream: Stream) -> Iterator[Step]:
    """Repeats; look-ups with some repeats; then the training stream with some look-ups, but for its last steps."""
    rng = random.Random(recipe.seed)
    words, warmup = shared_words(tokenizer), recipe.warmup
    vocabulary = range(1, tokenizer.get_vocab_size())
    for _ in range(warmup.repeat_steps):
        yield [repeats(rng, words, warmup.repeats)]
    for _ in range(warmup.lookup_steps):
        yield [lookups(rng, words, vocabulary, warmup.lookups), repeats(rng, words, warmup.kept_repeats)]
    examples = stream(recipe.stream, recipe.seed)
    for number in range(recipe.steps):
        step = _tasks(recipe, tokenizer, list(itertools.islice(examples, recipe.batch)))
        if number < recipe.steps - recipe.pure_steps:
            step.append(lookups(rng, words, vocabulary, warmup.kept_lookups))
        yield step


def later_steps(recipe: Recipe, number: int, tokenizer: Tokenizer, stream: Stream) -> Iterator[Step]:
    """A later run, the second being number 0: nothing but tasks, of a stream of its own."""
    run = list(recipe.later.values())[number]
    examples = stream(recipe.later_stream(run), recipe.seed + number * SEEDS)
    for _ in range(run.steps):
        yield _tasks(recipe, tokenizer, list(itertools.islice(examples, recipe.batch)))


def shared_words(tokenizer: Tokenizer) -> list[int]:
    """The words that the task families share, as far as they are one token, with and without a space before them."""
    tables = (shared.NAMES, shared.NOUNS, shared.COLORS, shared.PLACES, shared.LETTERS, shared.DIGITS)
    tokens = [tokenizer.encode(space + word).ids for table in tables for word in table for space in (" ", "")]
    return sorted({ids[0] for ids in tokens if len(ids) == 1})


def repeats(rng: random.Random, words: Sequence[int], rows: Rows) -> Part:
    """A few random words, over and over: every word after the first round counts."""
    part = _empty(rows)
    for row in range(rows.count):
        period = rng.randint(*PERIODS)
        cycle = [rng.choice(words) for _ in range(period)]
        part.ids[row] = torch.tensor([cycle[position % period] for position in range(rows.length)])
        part.weight[row, period:-1] = 1
    return part


def lookups(rng: random.Random, words: Sequence[int], vocabulary: Sequence[int], rows: Rows) -> Part:
    """Pairs of a key and a value, such as `A is cat, B is dog, A is`: a value counts once its pair has been seen.

    What stands around a pair and within it is random, but the same for all pairs of a row.
    """
    part = _empty(rows)
    for row in range(rows.count):
        ids, weight = _pairs(rng, words, vocabulary, rows.length)
        part.ids[row] = torch.tensor(ids)
        part.weight[row, :-1] = torch.tensor(weight[:-1])
    return part


def _pairs(
    rng: random.Random, words: Sequence[int], vocabulary: Sequence[int], length: int
) -> tuple[list[int], list[float]]:
    count = rng.randint(*PAIRS)
    keys, values = rng.sample(words, count), [rng.choice(words) for _ in range(count)]
    before, within, after = ([rng.choice(vocabulary) for _ in range(rng.randint(0, most))] for most in (2, 1, 2))
    first_round = rng.sample(range(count), count)
    ids: list[int] = []
    weight: list[float] = []
    for number in itertools.count():
        pair = first_round[number] if number < count else rng.randrange(count)
        question = [*before, keys[pair], *within]
        ids += [*question, values[pair], *after]
        weight += [0.0] * (len(question) - 1) + [float(number >= count)] + [0.0] * (1 + len(after))
        if len(ids) >= length:
            break
    return ids[:length], weight[:length]


def _tasks(recipe: Recipe, tokenizer: Tokenizer, examples: list[TextExample]) -> Step:
    prompts, targets = (
        [text.ids for text in tokenizer.encode_batch(texts)]
        for texts in zip(*((e.clean, e.target) for e in examples), strict=True)
    )
    rows = list(zip(prompts, targets, strict=True))
    rows.sort(key=lambda row: len(row[0]) + len(row[1]))
    size = -(-len(rows) // LENGTHS)
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [_pad(group, len(group) / len(rows)) for group in groups]


def _pad(rows: list[tuple[list[int], list[int]]], share: float) -> Part:
    width = max(len(prompt) + len(target) for prompt, target in rows)
    part = _empty(Rows(count=len(rows), length=width, share=share))
    for row, (prompt, target) in enumerate(rows):
        length = len(prompt) + len(target)
        part.ids[row, :length] = torch.tensor(prompt + target)
        part.weight[row, len(prompt) - 1 : length - 1] = 1
    return part


def _empty(rows: Rows) -> Part:
    size = (rows.count, rows.length)
    return Part(torch.zeros(size, dtype=torch.long), torch.zeros(size), rows.share)
