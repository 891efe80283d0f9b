"""evaluators/finetuning: what a written training example looks like, recognised by its columns. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...specs.errors import listed, nearest
from .chat import Turn, turns_of


@dataclass(frozen=True)
class Written:
    """An example before any tokenizer has seen it: a conversation, or texts that are taken as they stand."""

    turns: tuple[Turn, ...] = ()
    """A conversation, for the model's chat template; its last turn is an answer."""
    prompt: str = ""
    answer: str = ""
    """Without turns: a prompt, and what is learnt behind it."""
    worse: str | None = None
    """A worse last answer."""
    closed: bool = False
    """Without turns: whether the model's end-of-text token follows the answer."""


Fields = Mapping[str, Any]


def _as_written(row: Fields) -> Written:
    return Written(prompt=_text(row, "prompt"), answer=_text(row, "answer"))


def _plain_text(row: Fields) -> Written:
    return Written(answer=_text(row, "text"))


def _messages(column: str) -> Callable[[Fields], Written]:
    def read(row: Fields) -> Written:
        if not isinstance(row[column], list):
            raise ValueError(f"{column} is a list of messages")
        return Written(tuple(turns_of(row[column])))

    return read


def _asked(question: str, more: str | None, answer: str) -> Callable[[Fields], Written]:
    """Columns of a question, of what it is about (which may be empty), and of its answer."""

    def read(row: Fields) -> Written:
        about = (row.get(more) if more else None) or ""
        asked = f"{_text(row, question)}\n\n{about}" if about else _text(row, question)
        return Written((Turn("user", asked), Turn("assistant", _text(row, answer))))

    return read


def _pair(row: Fields) -> Written:
    better, worse = row["chosen"], row["rejected"]
    if isinstance(better, str) and isinstance(worse, str):
        turns = [Turn("user", _text(row, "prompt")), Turn("assistant", _text(row, "chosen"))]
        other = [*turns[:-1], Turn("assistant", _text(row, "rejected"))]
    elif isinstance(better, list) and isinstance(worse, list):
        turns, other = turns_of(better), turns_of(worse)
    else:
        raise ValueError("chosen and rejected are two texts, or two lists of messages")
    if turns[:-1] != other[:-1]:
        raise ValueError("chosen and rejected answer different prompts")
    if turns[-1] == other[-1]:
        raise ValueError("chosen and rejected are the same answer")
    return Written(tuple(turns), worse=other[-1].content)


PAIR = ("chosen", "rejected")

SHAPES: dict[tuple[str, ...], Callable[[Fields], Written]] = {
    ("messages",): _messages("messages"),
    ("conversations",): _messages("conversations"),
    ("instruction", "output"): _asked("instruction", "input", "output"),
    ("instruction", "response"): _asked("instruction", "context", "response"),
    ("question", "answer"): _asked("question", None, "answer"),
    ("prompt", "answer"): _as_written,
    ("text",): _plain_text,
}
"""Columns that an example has -> how it is read; the first that are all there. Other columns are left alone.

Conversations as in smoltalk and UltraChat (`messages`) or SlimOrca (`conversations`); Alpaca; Dolly; GSM8K; `prompt`
and `answer` are taken as they stand, without a chat template; `text` is all there is, for pretraining.
"""


def read(row: Any, pairs: bool) -> Written:
    """One example.

    Raises:
        ValueError: it is of no known shape, or a field of it is not as it should be; the text says what would be right.
    """
    if not isinstance(row, Mapping):
        raise ValueError("is no mapping of columns to values")
    if pairs:
        _present(row, PAIR)
        return _pair(row)
    for columns, reader in SHAPES.items():
        if all(name in row for name in columns):
            return reader(row)
    if all(name in row for name in PAIR):
        raise ValueError("has a better and a worse answer: say `pairs: preference` in the recipe's data")
    known = " or ".join(listed(columns) for columns in SHAPES)
    names = {name for columns in SHAPES for name in columns}
    guesses = {name: nearest(name, names) for name in row if name not in names}
    hint = next((f"; did you mean `{near}` by `{name}`?" for name, near in guesses.items() if near), "")
    raise ValueError(f"has the columns {listed(row)}; an example has {known}{hint}")


def _present(row: Fields, columns: tuple[str, ...]) -> None:
    if missing := [name for name in columns if name not in row]:
        raise ValueError(f"has no `{missing[0]}`: preferences have {listed(PAIR)}, with `prompt` where they are texts")


def _text(row: Fields, column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{column} is no text, or an empty one")
    return value
