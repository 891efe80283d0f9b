"""evaluators/finetuning: what a model is trained on, as tokens in training order. No torch: plans need only digests."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...specs.canonical import digest
from ...specs.recipe import Data
from ..cells import NotEvaluated
from ..tasks.buckets import TRAINING, bucket
from ..tasks.dice import Dice
from ..tasks.errors import TaskError
from ..tasks.family import Family, find_family
from ..tasks.training import TextExample, training_examples

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from .chat import Chat

VERSION = 1
"""Of the way from data to rows; raised whenever the same data would give other rows."""

SAMPLED, FIRST = 8, 64
"""Prompts of each template, and of the stream, by which what families give is known."""

PATIENCE = 20_000
"""Examples of a stream that are looked at for the next new one."""


@dataclass(frozen=True)
class Row:
    """A training example under one tokenizer."""

    prompt: tuple[int, ...]
    """Tokens up to the first answer; special tokens included."""
    target: tuple[int, ...]
    """The answer; of a conversation all that follows the first answer's beginning."""
    worse: tuple[int, ...] | None = None
    """A worse answer to the same prompt, where the data are preferences."""
    key: str = ""
    """The family, or the data, that it is from: answers that are dealt out anew stay within one."""
    counted: tuple[int, ...] = ()
    """Positions, in prompt and target together, of the answers of several turns; empty: all of target."""


def rows(
    data: Data,
    tokenizer: Tokenizer,
    count: int,
    seed: int,
    workspace: Path = Path(),
    answers_draw: int | None = None,
    chat: Chat | None = None,
    order: str = "shuffled",
) -> list[Row]:
    """`count` rows in training order.

    A finite set is repeated epoch by epoch, each shuffled by the seed, or, of any other order, as it stands. Families
    without `examples` are an endless stream of training prompts by the seed. No prompt of a suite's families occurs.

    `answers_draw`: answers are dealt out anew among the rows of a family, or of the data, prompts unchanged.
    `chat`: the model's chat template, which conversations are written with.

    Raises:
        NotEvaluated: an unknown family; data that are not here, or that cannot be had of this tokenizer; a file with
            bad rows: the file, the line, and what would be right; an order that needs a finite set.
    """
    if data.families is not None and data.examples is None:
        if order == "easy_first":
            raise NotEvaluated("endless_data", f"order {order} needs a finite set: say how many `examples` it has")
        found = list(itertools.islice(_stream(data, tokenizer, seed), count))
        return found if answers_draw is None else dealt(found, answers_draw)
    whole = finite(data, tokenizer, workspace, chat)
    if answers_draw is not None:
        whole = dealt(whole, answers_draw)
    return list(itertools.islice(_epochs(whole, seed if order == "shuffled" else None), count))


def finite(data: Data, tokenizer: Tokenizer, workspace: Path = Path(), chat: Chat | None = None) -> list[Row]:
    """The whole of a finite set, each row once, in its own order; the seed of no training changes it.

    Raises:
        NotEvaluated: as `rows`.
    """
    if data.families is not None:
        return _distinct(data, tokenizer)
    from . import written

    return written.rows_of(data, tokenizer, workspace, chat)


def dealt(found: Sequence[Row], draw: int) -> list[Row]:
    """The same prompts, each with an answer of some row of its key: draw number `draw`, every arrangement as likely.

    Of conversations every answer of every turn is dealt; a better and a worse answer stay together.
    """
    pieces = [_pieces(row) for row in found]
    pools: dict[str, list[tuple[tuple[int, ...], tuple[int, ...] | None]]] = {}
    for row, parts in zip(found, pieces, strict=True):
        pool = pools.setdefault(row.key, [])
        pool += [(tokens, row.worse) for tokens, answer in parts if answer]
    hands = {}
    for key, pool in pools.items():
        random.Random(digest("answers", [key, draw])).shuffle(pool)
        hands[key] = iter(pool)
    return [_with(row, parts, hands[row.key]) for row, parts in zip(found, pieces, strict=True)]


def data_digest(data: Data, workspace: Path, file_digest: Callable[[Path], str]) -> str:
    """What identifies the content: of families a sample of every template, a file, a revision, a canonical set.

    Raises:
        NotEvaluated: it is not here; the text says how to get it.
    """
    if data.families is not None:
        return digest("families", [VERSION, list(data.families), list(_sample(data))])
    from . import written

    return digest("data", [VERSION, written.content_digest(data, workspace, file_digest)])


def _sample(data: Data) -> Iterator[list[str | int]]:
    """Drafts of every template with their twins and buckets, and the stream's beginning."""
    for family in _families(data):
        for template in family.templates:
            dice = Dice("sample", template.name)
            for _ in range(SAMPLED):
                draft = template.source.draft(dice)
                yield [draft.clean, draft.target, *draft.twin(dice), bucket(family.name, draft.clean)]
    for example, worse in itertools.islice(_drafts(data, 0), FIRST):
        yield [example.template, example.clean, example.target, worse or ""]


def _stream(data: Data, tokenizer: Tokenizer, seed: int) -> Iterator[Row]:
    """Endless rows of training prompts; those that a tokenizer does not split where the answer begins are left out."""
    barren = 0
    for example, worse in _drafts(data, seed):
        barren += 1
        row = plain(tokenizer, example.clean, example.target, worse, example.family)
        if row is not None:
            barren = 0
            yield row
        elif barren > PATIENCE:
            names = ", ".join(data.families or ())
            raise NotEvaluated("boundary", f"this tokenizer joins the prompts of {names} with their answers")


def _drafts(data: Data, seed: int) -> Iterator[tuple[TextExample, str | None]]:
    """Training examples; with preferences also the answer that the prompt's twin has, which is the worse one."""
    families, kinds = list(data.families or ()), _families(data)
    if data.pairs is None:
        yield from ((example, None) for example in training_examples(families, seed))
    dice = Dice("preferences", *families, seed)
    while True:
        family = dice.pick(kinds)
        template = dice.pick(family.templates)
        draft = template.source.draft(dice)
        _, worse = draft.twin(dice)
        if worse != draft.target and bucket(family.name, draft.clean) == TRAINING:
            yield TextExample(family.name, template.name, draft.clean, draft.target), worse


def _families(data: Data) -> list[Family]:
    try:
        return [find_family(name) for name in data.families or ()]
    except TaskError as error:
        raise NotEvaluated("no_such_family", str(error)) from error


def _distinct(data: Data, tokenizer: Tokenizer) -> list[Row]:
    found: dict[tuple[int, ...], Row] = {}
    barren = 0
    for row in _stream(data, tokenizer, seed=0):
        barren = barren + 1 if row.prompt in found else 0
        found.setdefault(row.prompt, row)
        if len(found) == data.examples:
            break
        if barren > PATIENCE:
            text = f"{', '.join(data.families or ())} have only {len(found)} training prompts; data.examples asks for"
            raise NotEvaluated("too_few_examples", f"{text} {data.examples}")
    return list(found.values())


def plain(tokenizer: Tokenizer, prompt: str, answer: str, worse: str | None = None, key: str = "") -> Row | None:
    """A prompt with its answer as they are written; None where the prompt's own tokens change before an answer."""
    start = tokenizer.encode(prompt).ids
    answers = []
    for text in (answer,) if worse is None else (answer, worse):
        ids = tokenizer.encode(prompt + text).ids
        if ids[: len(start)] != start or len(ids) == len(start):
            return None
        answers.append(tuple(ids[len(start) :]))
    return Row(tuple(start), answers[0], answers[1] if worse is not None else None, key)


def _epochs(whole: Sequence[Row], seed: int | None) -> Iterator[Row]:
    for epoch in itertools.count():
        order = list(whole)
        if seed is not None:
            random.Random(digest("epoch", [seed, epoch])).shuffle(order)
        yield from order


def _pieces(row: Row) -> list[tuple[tuple[int, ...], bool]]:
    """A row's tokens in pieces, each an answer or what stands between answers."""
    text = (*row.prompt, *row.target)
    answers = set(row.counted or range(len(row.prompt), len(text)))
    runs = itertools.groupby(range(len(text)), key=answers.__contains__)
    return [(tuple(text[place] for place in places), answer) for answer, places in runs]


def _with(
    row: Row,
    parts: Sequence[tuple[tuple[int, ...], bool]],
    hand: Iterator[tuple[tuple[int, ...], tuple[int, ...] | None]],
) -> Row:
    worse: tuple[int, ...] | None = None
    text: list[int] = []
    counted: list[int] = []
    for tokens, answer in parts:
        if answer:
            tokens, worse = next(hand)
            counted += range(len(text), len(text) + len(tokens))
        text += tokens
    start = len(row.prompt)
    return replace(row, target=tuple(text[start:]), worse=worse, counted=tuple(counted) if row.counted else ())
