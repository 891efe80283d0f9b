"""evaluators/tasks: from texts to an example under one tokenizer, or the reason why it is refused."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Literal

from .example import Example

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Reason = Literal["unaligned", "target_collision", "boundary"]

_WORD = re.compile(r"\w+")


def align(
    tokenizer: Tokenizer, family: str, template: str, clean: str, corrupt: str, target: str, wrong_target: str
) -> Example | Reason:
    """The example, its ids as the tokenizer makes them by itself (special tokens included), or why there is none.

    `unaligned`: a word of the clean prompt and its counterpart in the corrupt one differ in their number of
    tokens. `boundary`: the tokens of a prompt are no prefix of those of the prompt with its continuation.
    `target_collision`: the two continuations begin with the same token.
    """
    before, after = tokenizer.encode(clean), tokenizer.encode(corrupt)
    if _words(before, clean) != _words(after, corrupt):
        return "unaligned"
    continued = [
        _continuation(tokenizer, prompt, encoding.ids, answer)
        for prompt, encoding in ((clean, before), (corrupt, after))
        for answer in (target, wrong_target)
    ]
    target_ids, wrong_ids = continued[0], continued[1]
    if not target_ids or not wrong_ids or continued[2:] != [target_ids, wrong_ids]:
        return "boundary"
    if target_ids[0] == wrong_ids[0]:
        return "target_collision"
    return Example(
        family,
        template,
        clean,
        corrupt,
        target,
        wrong_target,
        len(before.ids) - 1,
        tuple(before.ids),
        tuple(after.ids),
        tuple(target_ids),
        tuple(wrong_ids),
    )


def _words(encoding: Encoding, text: str) -> list[int]:
    """For each token the number of words of the text begun at its end."""
    starts = [word.start() for word in _WORD.finditer(text)]
    return [bisect_left(starts, end) for _, end in encoding.offsets]


def _continuation(tokenizer: Tokenizer, prompt: str, prompt_ids: list[int], answer: str) -> list[int]:
    """Ids of the answer after the prompt; empty where the prompt's own ids change."""
    ids: list[int] = tokenizer.encode(prompt + answer).ids
    return ids[len(prompt_ids) :] if ids[: len(prompt_ids)] == prompt_ids else []
