"""judges: what is a complete chat completion, and what is in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..specs.errors import printable

LONGEST_SHOWN = 200
"""Characters of a server's own words that a reason repeats."""


class NotCompletion(ValueError):
    """Bytes that are no complete chat completion; the message says what they are instead."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The part of a chat completion that counts."""

    content: str
    """What the model wrote; empty where it wrote nothing."""
    refusal: str
    """Its refusal, where the server tells that apart."""
    finish: str
    """Why it ended: stop, length, content_filter; empty where the server does not say."""
    tokens_in: int | None
    """Of the prompt, as the server counts."""
    tokens_out: int | None


def completion(raw: bytes) -> Completion:
    """Read strictly: UTF-8, JSON, `choices[0].message` with text, or with none and a reason for that.

    Raises:
        NotCompletion: it is anything else.
    """
    document = _document(raw)
    if not isinstance(document, dict):
        raise NotCompletion("JSON that is no object")
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        if "error" in document:
            raise NotCompletion(f"an error in the place of a completion: {said(document) or 'without a message'}")
        raise NotCompletion("JSON without choices")
    message, finish = choices[0].get("message"), choices[0].get("finish_reason")
    if not isinstance(message, dict) or not isinstance(finish, str | None):
        raise NotCompletion("a choice without a message")
    content, refusal = message.get("content"), message.get("refusal")
    if not isinstance(content, str | None) or not isinstance(refusal, str | None):
        raise NotCompletion("a message whose content is no text")
    if content is None and not refusal and not finish:
        raise NotCompletion("a message without content")
    usage = document.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return Completion(content or "", refusal or "", finish or "", *tokens)


def said(document: Any) -> str:
    """The message in an error document of any of the usual forms, on one line; empty if there is none."""
    if isinstance(document, dict):
        for key in ("error", "message", "detail"):
            if found := said(document.get(key)):
                return found
        return ""
    if isinstance(document, list):
        return said(json.dumps(document)) if document else ""
    text = document if isinstance(document, str) else ""
    return printable(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "...")


def _document(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except RecursionError:
        raise NotCompletion("JSON nested too deep") from None
    except ValueError:
        start = raw[:64].lstrip().lower()
        if not raw:
            what = "an empty body"
        elif start.startswith(b"<"):
            what = f"a page of HTML or XML ({len(raw)} bytes)"
        else:
            what = f"no JSON, or JSON that is cut short ({len(raw)} bytes)"
        raise NotCompletion(what) from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None
