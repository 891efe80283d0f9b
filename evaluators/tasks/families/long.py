"""evaluators/tasks/families: each main family once more, its prompts after notes that decide nothing.

The number of notes varies, so that prompt length is a factor of its own. Notes share no noun, name or
number with the families: they distract by their length, not by a second answer.
"""

from importlib import import_module
from pkgutil import iter_modules

from ..buckets import AFTER_NOTES, LONG
from ..dice import Dice
from ..example import Draft
from ..family import Family, Source, find_registered, register
from ..words import words
from . import main

NOTES = (2, 8)
"""Fewest and most notes before a prompt."""

WHEN = words("Today Yesterday Then Later Soon Once")
WHO = ("the rain", "the wind", "the river", "the road", "the music", "the crowd", "the garden", "the old clock")
DID = words("stopped began slowed returned changed ended waited moved")
HOW = (
    "again",
    "at last",
    "for a while",
    "as before",
    "without a sound",
    "in the night",
    "all at once",
    "little by little",
)


class AfterNotes:
    """A source whose prompts come after notes; what is asked, and its twin, stay as they were."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def draft(self, dice: Dice) -> Draft:
        """A prompt of the source, after 2 to 8 notes; the corrupt prompt has the same notes."""
        draft = self.source.draft(dice)
        notes = "\n".join(_note(dice) for _ in range(dice.pick(range(NOTES[0], NOTES[1] + 1))))

        def twin(dice: Dice) -> tuple[str, str]:
            corrupt, wrong_target = draft.twin(dice)
            return notes + AFTER_NOTES + corrupt, wrong_target

        return Draft(notes + AFTER_NOTES + draft.clean, draft.target, twin)


def _note(dice: Dice) -> str:
    return f"{dice.pick(WHEN)} {dice.pick(WHO)} {dice.pick(DID)} {dice.pick(HOW)}."


for _module in iter_modules(main.__path__):
    import_module(f"{main.__name__}.{_module.name}")
    _base = find_registered(_module.name)
    register(Family.of(_base.name + LONG, (AfterNotes(template.source) for template in _base.templates)))
