"""evaluators/writing: how a model is asked, in its own tokens, and which of them end its answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..cells import NotEvaluated
from ..finetuning.chat import Chat, Turn
from ..finetuning.rows import plain
from ..models.load import LoadedModel

if TYPE_CHECKING:
    from ...specs.items import Item

SAID = "Yes."
"""An answer that every template takes."""


@dataclass(frozen=True)
class Speaker:
    """A model that is asked for answers.

    Items are rendered by its chat template, or, where it has none, as a transcript (`Chat`); `plain` ones are text that
    it continues, as it was trained to.
    """

    model: LoadedModel
    chat: Chat
    ends: frozenset[int]
    """Tokens that end an answer: those of its configuration that end a text, and the one that ends a turn."""
    context: int | None
    """Most tokens of a prompt and its answer; None: the configuration does not say."""

    @classmethod
    def of(cls, model: LoadedModel) -> Speaker:
        """A model as its own folder says."""
        chat, module = Chat.of(model.located), model.module
        config: Any = module.config
        context = getattr(config.get_text_config(), "max_position_embeddings", None)
        return cls(model, chat, _ends(model, chat), context)

    def prompt(self, item: Item, said: Sequence[str]) -> tuple[int, ...]:
        """The tokens up to the answer that comes next, of `said` answers so far.

        Raises:
            NotEvaluated: `chat_template`, which refuses the conversation.
        """
        tokenizer = self.model.tokenizer
        if item.plain:
            return tuple(tokenizer.encode(_text(item, said)).ids)
        turns = _turns(item, said)
        return tuple(tokenizer.encode(self.chat.render(turns, answer_next=True), add_special_tokens=False).ids)

    def reference(self, item: Item, said: Sequence[str]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Tokens of the last prompt, and of the item's reference with what ends its turn; None: they run together."""
        tokenizer, right = self.model.tokenizer, item.reference or ""
        if item.plain:
            row = plain(tokenizer, _text(item, said), right)
            return (row.prompt, row.target) if row else None
        turns = [*_turns(item, said), Turn("assistant", right)]
        try:
            whole, spans = self.chat.answers(turns)
        except NotEvaluated:
            return None
        encoded, (first, last) = tokenizer.encode(whole, add_special_tokens=False), spans[-1]
        own = [i for i, (start, end) in enumerate(encoded.offsets) if start < end and first < end <= last]
        return (tuple(encoded.ids[: own[0]]), tuple(encoded.ids[own[0] : own[-1] + 1])) if own and own[0] else None

    def text(self, ids: Sequence[int]) -> str:
        """An answer as people read it."""
        return str(self.model.tokenizer.decode(list(ids), skip_special_tokens=True))

    def room(self, ids: Sequence[int], tokens: int) -> int:
        """How many of so many tokens an answer may have before the context is full.

        Raises:
            NotEvaluated: `too_long`, none.
        """
        left = tokens if self.context is None else min(tokens, self.context - len(ids))
        if left < 1:
            raise NotEvaluated("too_long", f"a prompt has {len(ids)} tokens; the model reads {self.context}")
        return left


def _text(item: Item, said: Sequence[str]) -> str:
    pieces = [item.system or ""]
    for number, asked in enumerate(item.turns[: len(said) + 1]):
        pieces += [asked, *said[number : number + 1]]
    return "".join(pieces)


def _turns(item: Item, said: Sequence[str]) -> list[Turn]:
    turns = [Turn("system", item.system)] if item.system else []
    for number, asked in enumerate(item.turns[: len(said) + 1]):
        turns += [Turn("user", asked), *(Turn("assistant", text) for text in said[number : number + 1])]
    return turns


def _ends(model: LoadedModel, chat: Chat) -> frozenset[int]:
    tokenizer, located = model.tokenizer, model.located
    file = located.folder / "generation_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    found: list[Any] = [_end_of_turn(chat, model), tokenizer.token_to_id(chat.eos) if chat.eos else None]
    for each in (located.config.get("eos_token_id"), settings.get("eos_token_id")):
        found += each if isinstance(each, list) else [each]
    return frozenset(int(token) for token in found if token is not None)


def _end_of_turn(chat: Chat, model: LoadedModel) -> int | None:
    """The token that the template writes behind an answer, where it is one."""
    try:
        text, ((first, last),) = chat.answers([Turn("user", SAID), Turn("assistant", SAID)])
    except NotEvaluated:
        return None
    mark = text[first:last].partition(SAID)[2].strip()
    found: int | None = model.tokenizer.token_to_id(mark) if mark else None
    return found
