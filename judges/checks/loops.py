"""judges/checks: repetition, and answers that end in a loop."""

from __future__ import annotations

import re

from ...specs import checks as specs
from .texts import folded

GRAM = 4
SHORTEST = 24
"""Characters of the shortest loop."""

ROUNDS = 3
"""How often a stretch comes, one after the other, in a loop; the last time it may be cut off."""

_UNIT = re.compile(r"[^\W_]+(?:['\-][^\W_]+)*|[^\w\s]|_")


def repeated_share(text: str) -> float:
    """Share of the 4-grams, of words and signs, that occurred before; 0 where there are none."""
    units = _UNIT.findall(folded(text))
    grams = [tuple(units[start : start + GRAM]) for start in range(len(units) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def loops(text: str) -> bool:
    """Whether a text ends in a stretch that comes three times in a row or more, 24 characters or more in all.

    Blanks count as one. The end of the text may fall inside of a round: of the third, at least half must stand there.
    """
    text = " ".join(text.split())
    return any(_run(text, period) + period >= _least(period) for period in range(1, len(text) // 2 + 1))


def _least(period: int) -> float:
    return max(SHORTEST, (ROUNDS - 0.5) * period)


def _run(text: str, period: int) -> int:
    """How many characters at the end are the same as those one period before."""
    place = len(text) - 1
    while place >= period and text[place] == text[place - period]:
        place -= 1
    return len(text) - 1 - place


def repetition(check: specs.Repetition, answer: str) -> bool:
    """At most so much repetition."""
    return bool(answer.strip()) and repeated_share(answer) <= check.at_most
