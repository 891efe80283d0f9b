"""tests: what forms and records in prose ask for, read from their sentences alone."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable

from ..test_families import answers

# `_` is a word; a prompt with its answer reads like exactly one of these
READINGS = r"""
The form asks for _, then _, then _. _ has written the \1 and the \2. Next is the \3
Here the _ comes before the _. _ and _ have written the \1 and go on with the \2
The _ line holds the _ and the _ line the _. In the (?:\1 line _ writes the \2|\3 line _ writes the \4)
The old record had first the _ and then the _. That of _ begins the same way, with the \1
My record has a _, then the _, then the _. That of _ is like it: a \1, then the \2
The part for the _ is inside the part for the _. To get to the \1, _ must first open the \2
Every record needs _, _ and _. _ gave only the \1 and the \3. Missing is the \2
The form that _ fills in must have the _ and must never have the _. So it has the \2
Leave out the _, _, if you like, but never leave out the _, says _. Required is the \3
For _ the _ is _, the _ _ and the _ _. The one that is (?:\3 is the \2|\5 is the \4|\7 is the \6)
_ takes the _ out of the record of _, which had only the \2 and the _. Left is the \4
We know the _ of _, which is _, but not the _. The field that is still empty is the \4
The record had only the _ and the _. Then _ added the _. The newest field is the \4
The field _ is now called _. The _ that _ once put under \1 is therefore found under \2
The _ goes into box _, the _ into box _. To give the (?:\1, _ writes in box \2|\3, _ writes in box \4)
Box _ is for the _, box _ for the _, box _ for the _. In (?:\1 is the \2|\3 is the \4|\5 is the \6)
If empty, the _ counts as _, the _ as _. _ left the (?:\1 empty, so it is \2|\3 empty, so it is \4)
The color must be _, _ or _. _ cannot use \1 or \3, so the color is \2
In our club the _ is always _ and the _ always _. So _, too, enters as the (?:\1 \2|\3 \4)
For the _ one can choose only between _ and _. Because \2 is taken, _ has to choose \3
_ has a _ _. On the card for this \3, in the field for the color, we write \2
My _ is "_" and my _ is "_", said _. In the field for the (?:\1 we enter "\2|\3 we enter "\4)
A form asks for the giver and for the owner. _ gave a _ to _. As the owner we write down \3
The form names _ as the _ and _ as the _ of a _. In the field for the (?:\2 is \1|\4 is \3)
_ wrote down two numbers for a _: as _ _ and as _ _. So its (?:\3 is \4|\5 is \6)
The record of _ gives _ as the _, that of _ gives _. For (?:\1 it is \2|\4 it is \5)
Take the _ from the record of _! In it the (?:\1 is _ and the _ is _. You take \3|_ is _ and the \1 is _. You take \8)
Two records became one, with _ as the _ from _ and _ as the _. Its (?:\2 is \1|\5 is \4)
_ copied the card of _ but changed the _ from _ to _. On the new card the \3 is \5
The _ was _ and the _ _. Then _ changed the \1 to _. The \3 is still \4
By our rules the _ is a _ and the _ a _. Asked for the (?:\1, _ must give a \2|\3, _ must give a \4)
For a missing _ we write _; for a missing _, _. _ forgot a (?:\1, so write \2|\3, so write \4)
A field for a _ is called _, one for a _ _. _ has a (?:\1 and fills in the \2|\3 and fills in the \4)
"""
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
COLORS = ["black", "blue", "brown", "green", "pink", "red", "white"]


def kind(entry: str) -> str:
    """What sort of entry a word is; what is nothing else is a place."""
    sorts = {"number": NUMBERS, "color": COLORS, "day": list(calendar.day_name)}
    return next((sort for sort, words in sorts.items() if entry in words), "place")


def yes(right: bool) -> str:
    return "yes" if right else "no"


COMPUTED: dict[str, Callable[..., str]] = {
    r"form is good only with the _, says .* gave just the _\. Is that good": lambda a, b: yes(a == b),
    r"Nobody may give the _ of .* gave the _\. Was that right": lambda a, b: yes(a != b),
    r"all numbers from _ to _ are allowed\. The smallest .* is$": lambda a, b: min(a, b, key=NUMBERS.index),
    r"Nothing under _ and nothing over _ .* The largest .* is$": lambda a, b: max(a, b, key=NUMBERS.index),
    r"entered _ as .* No number over _ is": lambda a, b: yes(NUMBERS.index(a) <= NUMBERS.index(b)),
    r"stands _\. When .* what kind of entry this is, .* it is a$": kind,
    r"put _ into the field .* takes only a _\. Is this right": lambda a, b: yes(kind(a) == b),
    r'Only a _ is good here, and "_" is what': lambda a, b: yes(a == kind(b)),
    r"entered _, and .* the right kind\. So the form wants as the \w+ a$": kind,
}


def rules_met(prompt: str, answer: str) -> set[str]:
    """The rules by which this is the right answer."""
    lines = READINGS.strip().splitlines()
    found = {line for line in lines if re.fullmatch(line.replace("_", r"(\w+)"), prompt + answer)}
    for rule, compute in COMPUTED.items():
        asked = re.search(rule.replace("_", r"(\w+)"), prompt)
        if asked and answer == f" {compute(*asked.groups())}":
            found.add(rule)
    return found


def test_json_schema_natural_is_right() -> None:
    used, pairs = set(), answers("json_schema_natural", 60)
    for (clean, target), (corrupt, wrong_target) in zip(pairs, pairs, strict=True):
        met = rules_met(clean, target)
        assert len(met) == 1, clean + target
        assert rules_met(corrupt, wrong_target) == met, corrupt + wrong_target
        assert target == wrong_target or not rules_met(clean, wrong_target), clean + wrong_target
        used |= met
    assert used == {*READINGS.strip().splitlines(), *COMPUTED}
