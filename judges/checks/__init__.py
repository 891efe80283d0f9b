"""judges/checks: what programs say of answers. They need no gate: nothing in them is guessed from a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...specs.items import Item
from . import answers, counted, loops, python, wording

VERSION = 1
"""Of what the checks say; part of the key of every judging run. Raise it when a verdict would change."""

_CHECKS: dict[str, Callable[[Any, str], bool]] = {
    "exact": answers.exact,
    "number": answers.number,
    "json": answers.as_json,
    "entries": answers.as_entries,
    "matches": answers.matches,
    "python_parses": python.parses,
    "python_output": python.output,
    "words": counted.words,
    "sentences": counted.sentences,
    "lines": counted.lines,
    "paragraphs": counted.paragraphs,
    "characters": counted.characters,
    "list": counted.list_of,
    "casing": counted.casing,
    "letters": counted.letters,
    "acrostic": counted.acrostic,
    "syllables": counted.syllable_lines,
    "script": counted.script,
    "includes": wording.includes,
    "excludes": wording.excludes,
    "begins": wording.begins,
    "ends": wording.ends,
    "only": wording.only,
    "refuses": wording.refuses,
    "hedges": wording.hedges,
    "repetition": loops.repetition,
}


@dataclass(frozen=True)
class Checked:
    """What programs say of an answer."""

    met: tuple[bool, ...]
    """One a check of the item."""
    repetition: float
    """1 + share of the 4-grams, of words and signs, that occurred before."""
    looped: bool
    """The answer was cut, and what was written until then ends in a loop."""

    @property
    def passed(self) -> bool:
        """Every check is met; an item without checks is passed by any answer."""
        return all(self.met)

    @property
    def constraints_met(self) -> float:
        """Share of the checks that are met; 1 where there are none."""
        return sum(self.met) / len(self.met) if self.met else 1.0


def check(item: Item, answer: str, cut: bool = False) -> Checked:
    """Apply an item's checks to an answer; `cut`: the limit ended it. Raises nothing, whatever the answer is."""
    met = tuple(_CHECKS[each.check](each, answer) for each in item.checks)
    return Checked(met, 1.0 + loops.repeated_share(answer), cut and loops.loops(answer))


def check_all(items: Sequence[Item], texts: Sequence[str], cut: Sequence[bool]) -> tuple[Checked, ...]:
    """Of several answers; the same answer to the same item is looked at once.

    Raises:
        ValueError: items, texts and cut differ in number.
    """
    known: dict[tuple[str, str, bool], Checked] = {}
    found = []
    for item, text, ended in zip(items, texts, cut, strict=True):
        key = item.model_dump_json(), text, ended
        if key not in known:
            known[key] = check(item, text, ended)
        found.append(known[key])
    return tuple(found)
