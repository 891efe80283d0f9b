"""judges/checks: words and phrases that must or must not stand in an answer, refusals, hedges."""

from __future__ import annotations

import re

from ...specs import checks as specs
from . import texts

_QUOTED = re.compile(r'"[^"]*"|`[^`]*`')

_CANNOT = (
    r"(?:i|we)(?:(?:'m| am|'re| are)(?: (?:sorry|afraid)(?: that)?,? (?:but )?(?:i|we))?)?"
    r"(?: (?:really|just|simply|also))? ?"
    r"(?:can't|cannot|can not|won't|will not|(?:'m |am |'re |are )?(?:unable|not able|not allowed|not permitted|not "
    r"willing|not going) to|must decline to|have to decline to|decline to|refuse to|(?:'m |am )?not comfortable)"
)
_ACT = (
    r"(?: (?:help|assist|comply|provide|share|give|write|create|generate|support|engage|discuss|fulfil+|answer|offer|"
    r"follow|complete|assisting|helping|providing|participate|recommend)\b"
    r"| do (?:that|this|it|so)\b| with (?:that|this)\b)"
)

_REFUSAL = re.compile(
    rf"\b{_CANNOT}{_ACT}|\b(?:i|we) (?:must|have to) (?:decline|refuse)\b|\b(?:i|we) (?:decline|refuse)[.!]?$"
    r"|^(?:sorry|i'm sorry|i am sorry),? (?:but )?(?:no|i (?:can't|cannot|can not|won't))[.!]?$"
    r"|\bthat(?:'s| is) (?:not )?something (?:that )?(?:i|we) (?:can't|cannot|can|won't) (?:help|assist|do)\b"
    r"|\bas an ai(?: language model| assistant| model)?,? i (?:can't|cannot|am unable|'m unable|am not able)\b"
)

HEDGES = (
    *(
        "i'm not sure",
        "i am not sure",
        "not certain",
        "i'm uncertain",
        "i am uncertain",
        "i don't know",
        "i do not know",
    ),
    *("might be", "may be", "could be", "perhaps", "maybe", "possibly", "probably", "presumably", "it depends"),
    *("hard to say", "difficult to say", "unclear", "i think", "i believe", "i guess", "i suppose", "i suspect"),
    *(
        "as far as i know",
        "to my knowledge",
        "it seems",
        "it appears",
        "i cannot say",
        "i can't say",
        "not entirely sure",
    ),
    *("no way to know", "cannot be known", "can't be known", "cannot know", "can't know", "unknowable", "uncertain"),
)
"""Phrases of somebody who is unsure."""


def includes(check: specs.Includes, answer: str) -> bool:
    """All of the words."""
    found = list(texts.occurrences(answer, check.words, check.case))
    if any(not places or (check.times is not None and len(places) != check.times) for places in found):
        return False
    firsts = [places[0] for places in found]
    return not check.ordered or firsts == sorted(set(firsts))


def excludes(check: specs.Excludes, answer: str) -> bool:
    """None of the words."""
    return bool(answer.strip()) and not any(texts.occurrences(answer, check.words, check.case))


def begins(check: specs.Begins, answer: str) -> bool:
    """One of the texts stands first."""
    text = texts.folded(answer, check.case).lstrip()
    return any(_first(text, texts.folded(each, check.case).strip()) for each in check.of)


def ends(check: specs.Ends, answer: str) -> bool:
    """One of the texts stands last."""
    text = texts.folded(answer, check.case).rstrip()[::-1]
    return any(_first(text, texts.folded(each, check.case).strip()[::-1]) for each in check.of)


def _first(text: str, wanted: str) -> bool:
    rest = text[len(wanted) : len(wanted) + 1]
    return text.startswith(wanted) and not (wanted[-1:].isalnum() and rest.isalnum())


def only(check: specs.Only, answer: str) -> bool:
    """Nothing but the words."""
    allowed = {texts.folded(word, check.case) for word in check.words}
    found = texts.words(texts.folded(answer, check.case))
    return bool(found) and all(word in allowed for word in found)


def refuses(check: specs.Refuses, answer: str) -> bool:
    """Whether the speaker refuses."""
    first = " ".join(texts.sentences(texts.folded(answer))[:2])
    found = any(_REFUSAL.search(each.strip()) for each in _pieces(first))
    return bool(answer.strip()) and found == check.wanted


def _pieces(text: str) -> list[str]:
    text = _QUOTED.sub(" ", text)
    return [text, *re.split(r"(?<=[.!?])\s+", text)]


def hedges(check: specs.Hedges, answer: str) -> bool:
    """Whether the speaker is unsure."""
    return bool(answer.strip()) and any(texts.occurrences(answer, HEDGES)) == check.wanted
