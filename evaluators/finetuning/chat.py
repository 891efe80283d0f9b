"""evaluators/finetuning: conversations as the tokens that a model's chat template makes of them. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..cells import NotEvaluated
from .rows import Row

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ..models.locate import Located

ROLES = ("system", "user", "assistant")

TRANSCRIPT = (
    "{% for message in messages %}{{ message['role'].capitalize() }}: {{ message['content'] }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""How a conversation is written for a model without a chat template."""

TODAY = datetime(2025, 1, 1)
"""What a template is told that asks for the date: the same rows on every day."""


@dataclass(frozen=True)
class Turn:
    """What one side says."""

    role: str
    """system, user or assistant."""
    content: str


@dataclass(frozen=True)
class Chat:
    """A model's chat template, run in a sandbox, and the special tokens that it may name."""

    template: str = TRANSCRIPT
    bos: str = ""
    eos: str = ""

    @classmethod
    def of(cls, located: Located) -> Chat:
        """The template of a model's folder, else a plain transcript of `Role: text` lines."""
        settings_file, file = located.folder / "tokenizer_config.json", located.folder / "chat_template.jinja"
        settings = json.loads(settings_file.read_text(encoding="utf-8")) if settings_file.is_file() else {}
        template = file.read_text(encoding="utf-8") if file.is_file() else settings.get("chat_template")
        if isinstance(template, list):
            template = next((each["template"] for each in template if each["name"] == "default"), None)
        return cls(template or TRANSCRIPT, _token(settings.get("bos_token")), _token(settings.get("eos_token")))

    def render(self, turns: Sequence[Turn], answer_next: bool = False) -> str:
        """The conversation as text; with `answer_next` up to where the assistant's answer begins.

        Raises:
            NotEvaluated: the template refuses the conversation.
        """
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            return self._compiled.render(
                messages=messages, add_generation_prompt=answer_next, bos_token=self.bos, eos_token=self.eos
            )
        except TemplateError as error:
            raise NotEvaluated("chat_template", f"the chat template refuses a conversation: {error}") from error

    @cached_property
    def _compiled(self) -> Template:
        world = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        world.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
        world.globals |= {"raise_exception": _refuse, "strftime_now": TODAY.strftime}
        try:
            return world.from_string(self.template)
        except TemplateError as error:
            raise NotEvaluated("chat_template", f"the chat template cannot be read: {error}") from error

    def answers(self, turns: Sequence[Turn]) -> tuple[str, list[tuple[int, int]]]:
        """The conversation as text, and where in it (first character, one after the last) each answer stands.

        An answer is what the template adds for an assistant's turn: its content and the mark that ends it, without
        white space behind it.

        Raises:
            NotEvaluated: the template writes an answer otherwise once more follows it, so that what the model is
                asked for is not what it would be trained on.
        """
        whole, spans = self.render(turns), []
        for number, turn in enumerate(turns):
            if turn.role != "assistant":
                continue
            before, after = self.render(turns[:number], answer_next=True), self.render(turns[: number + 1])
            if not (after.startswith(before) and whole.startswith(after.rstrip())):
                text = f"of {len(turns)} turns the chat template does not write turn {number + 1} as it would be asked"
                raise NotEvaluated("chat_template", text)
            spans.append((len(before), len(after.rstrip())))
        return whole, spans


def conversation(
    tokenizer: Tokenizer, chat: Chat, turns: Sequence[Turn], worse: str | None = None, key: str = ""
) -> Row:
    """A conversation as a row: the loss is on all answers, or, where there is a worse last answer, on the last.

    Raises:
        NotEvaluated: as `Chat.answers`, or an answer of which no token is its own.
    """
    whole, spans = chat.answers(turns)
    encoded = tokenizer.encode(whole, add_special_tokens=False)
    if worse is not None:
        spans = spans[-1:]
    counted = [
        place
        for place, (start, end) in enumerate(encoded.offsets)
        if start < end and any(first < end <= last for first, last in spans)
    ]
    if not counted:
        raise NotEvaluated("chat_template", "an answer has no token of its own")
    first, last = counted[0], counted[-1]
    ids = encoded.ids[: last + 1]
    other = None
    if worse is not None:
        bad = conversation(tokenizer, chat, [*turns[:-1], Turn("assistant", worse)], None)
        other = (*bad.prompt, *bad.target)[first:]
        if (*bad.prompt, *bad.target)[:first] != tuple(ids[:first]):
            raise NotEvaluated("boundary", "this tokenizer joins a prompt with its worse answer")
    whole_run = len(counted) == last + 1 - first
    return Row(tuple(ids[:first]), tuple(ids[first:]), other, key, () if whole_run else tuple(counted))


def turns_of(messages: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Turns from messages with `role` and `content`, or `from` and `value`.

    Raises:
        ValueError: an unknown role, an empty message, or two turns of one side in a row; or the last is no answer.
    """
    words = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}
    turns: list[Turn] = []
    for number, message in enumerate(messages, 1):
        given = message if isinstance(message, Mapping) else {}
        role, content = given.get("role", given.get("from")), given.get("content", given.get("value"))
        role = words.get(str(role), role)
        if role not in ROLES or (role == "system" and number > 1):
            raise ValueError(f"message {number} needs a role: system (first), user or assistant")
        if not isinstance(content, str) or not content.strip():
            raise ValueError(f"message {number} needs a text in `content`")
        if turns and turns[-1].role == role:
            raise ValueError(f"messages {number - 1} and {number} are both of the {role}: they take turns")
        turns.append(Turn(str(role), content))
    if len(turns) < 2 or turns[-1].role != "assistant":
        raise ValueError("a conversation ends with the assistant's answer to somebody")
    return turns


def _token(value: Any) -> str:
    """A special token as tokenizer_config.json has it: a text, or a mapping with one."""
    return str(value["content"]) if isinstance(value, dict) else str(value or "")


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
