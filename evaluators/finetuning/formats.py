"""evaluators/finetuning: one canonical set in six formats, which differ in shape and hold the same information.

flat_instruction    one text with the labels Instruction, Input and Response; no chat template
single_turn_chat    context and question in one message, then the answer
multi_turn_concise  context; an acknowledgement; question; answer; then why, and the reason
multi_turn_verbose  the same turns in many words, repeating what was said
structured_terse    one message of `key: value` lines, answered in the same way
bad_control         deliberately bad: no chat template, question and context in random order, each under a label drawn
                    at random among wrong ones, so that nowhere is it said what is asked; the answer is the right one

The loss is on the assistant's words, in all turns, and on the mark that ends them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...specs.canonical import digest
from ..cells import NotEvaluated
from ..tasks.dice import Dice
from . import canonical as sets
from .canonical import Item, canonical
from .chat import Chat, Turn
from .rows import Row
from .shapes import Written

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VERSION = 1
"""Raised whenever a format would give other texts."""

LABELS = ("Response", "Output", "Signature", "Footer", "Translation", "Filename")
"""Of bad_control: none says what stands behind it."""


def flat_instruction(item: Item) -> Written:
    """Labelled parts in one text."""
    prompt = f"Instruction: {item.question}\nInput: {item.context}\nResponse:"
    return Written(prompt=prompt, answer=f" {_answer(item)}", closed=True)


def single_turn_chat(item: Item) -> Written:
    """A message and its answer."""
    return _talk(f"{item.context}\n{item.question}", _answer(item))


def multi_turn_concise(item: Item) -> Written:
    """Turns of few words."""
    why = ("Why?", item.reason) if item.reason else ()
    return _talk(item.context, "Noted.", item.question, item.answer, *why)


def multi_turn_verbose(item: Item) -> Written:
    """Turns of many words."""
    read = f"Thank you for telling me. You say the following: {item.context}\nWhat would you like to know about it?"
    said = (
        f"That is a good question, and I am glad to answer it. You ask: {item.question}\nThe answer is: {item.answer}"
    )
    why = (
        "Thank you. Could you please tell me why that is the answer?",
        f"Of course, I am happy to explain it. {item.reason} So the answer is, as I said before: {item.answer}",
    )
    first = f"Hello. Before I ask you something, please read this with care: {item.context}"
    asked = f"Thank you. Here is what I would like to know: {item.question}"
    return _talk(first, read, asked, said, *(why if item.reason else ()))


def structured_terse(item: Item) -> Written:
    """Keys and values."""
    reason = f"\nwhy: {item.reason}" if item.reason else ""
    return _talk(f"given: {item.context}\nask: {item.question}", f"out: {item.answer}{reason}")


def bad_control(item: Item) -> Written:
    """Wrong labels in random order."""
    dice = Dice("bad_control", item.name)
    texts, labels = dice.some([item.question, item.context], 2), dice.some(LABELS, 3)
    lines = [f"{label}: {text}" for label, text in zip(labels, texts, strict=False)]
    return Written(prompt="\n".join([*lines, f"{labels[2]}:"]), answer=f" {_answer(item)}", closed=True)


FORMATS: dict[str, Callable[[Item], Written]] = {
    each.__name__: each
    for each in (
        flat_instruction,
        single_turn_chat,
        multi_turn_concise,
        multi_turn_verbose,
        structured_terse,
        bad_control,
    )
}


def rows_of(name: str, format: str, tokenizer: Tokenizer, chat: Chat) -> list[Row]:
    """A canonical set in one format, after all six were compared under the model's tokenizer and chat template.

    Raises:
        NotEvaluated: `identical_formats`, two formats are the same tokens; `information_lost`, a chat template leaves
            something out; or there is no such set.
    """
    return [made[format] for made in _in_all_formats(name, tokenizer, chat)]


@functools.lru_cache(maxsize=4)
def _in_all_formats(name: str, tokenizer: Tokenizer, chat: Chat) -> list[dict[str, Row]]:
    """Format -> row, of each item."""
    from .written import encoded

    rows: list[dict[str, Row]] = []
    for item in canonical(name):
        written = {format: render(item) for format, render in FORMATS.items()}
        for format, each in written.items():
            _require_information(item, format, each, chat)
        rows.append({format: encoded(each, tokenizer, chat, name) for format, each in written.items()})
        for one, other in itertools.combinations(FORMATS, 2):
            if _tokens(rows[-1][one]) == _tokens(rows[-1][other]):
                text = f"{one} and {other} are the same tokens in example {item.name} of {name}"
                raise NotEvaluated("identical_formats", text)
    return rows


def _tokens(row: Row) -> tuple[int, ...]:
    return row.prompt + row.target


def content_digest(name: str) -> str:
    """What identifies a set: all its texts in all formats, before any chat template.

    Raises:
        NotEvaluated: there is no set of that name.
    """
    written = [[asdict(render(item)) for render in FORMATS.values()] for item in canonical(name)]
    return digest("canonical", [name, sets.VERSION, VERSION, written])


def text_of(written: Written, chat: Chat) -> str:
    """All that a model reads."""
    return chat.render(written.turns) if written.turns else written.prompt + written.answer


def _require_information(item: Item, format: str, written: Written, chat: Chat) -> None:
    text = text_of(written, chat)
    for part in ("context", "question", "answer", "reason"):
        if getattr(item, part) not in text:
            lost = f"the {part} of example {item.name} is not in {format} as the chat template writes it"
            raise NotEvaluated("information_lost", lost)


def _answer(item: Item) -> str:
    return f"{item.answer}\n{item.reason}" if item.reason else item.answer


def _talk(*texts: str) -> Written:
    """User and assistant, taking turns."""
    return Written(tuple(Turn(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)))
