"""evaluators/finetuning: canonical sets, on which formats are compared: small, made by rule, never copied.

canonical-pocket: 25 training prompts of each of the twelve main families, cut in two where a sentence or line ends.
canonical-300: 30 examples of each of ten kinds of everyday tasks, in English, each with the reason for its answer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ..cells import NotEvaluated
from ..tasks.buckets import TRAINING, bucket
from ..tasks.dice import Dice
from ..tasks.family import find_family
from ..tasks.words import COLORS, DAYS, NAMES, NOUNS, PLACES

VERSION = 1
"""Raised whenever a set's content changes."""

POCKET = (
    *("copying", "factual_recall", "json_schema", "arithmetic", "delimiter_tracking", "code_syntax"),
    *("code_semantics", "variable_renaming", "dead_code", "refusal_style", "verbosity", "uncertainty"),
)
EACH_FAMILY, EACH_KIND = 25, 30

_TRIES = 5_000
_CUT = re.compile(r"(?s)(.*(?:\n|[.;?!] ))(\S.*)")
"""What comes before the last sentence or line of a prompt, and that."""


@dataclass(frozen=True)
class Item:
    """One example, in no format yet: each format holds all of these texts."""

    name: str
    """`arithmetic-03`."""
    context: str
    question: str
    answer: str
    reason: str = ""
    """Why that is the answer; empty: nothing is said of it."""


@functools.cache
def canonical(name: str) -> tuple[Item, ...]:
    """The items of a canonical set, the same everywhere.

    Raises:
        NotEvaluated: there is no set of that name.
    """
    if name not in SETS:
        raise NotEvaluated("no_such_canonical_set", f"there is no canonical set {name}; there are {', '.join(SETS)}")
    return tuple(SETS[name]())


def _pocket() -> list[Item]:
    return [item for name in POCKET for item in _distinct(name, EACH_FAMILY, functools.partial(_prompt, name))]


def _natural() -> list[Item]:
    return [item for name in KINDS for item in _distinct(name, EACH_KIND, functools.partial(_task, name))]


def _distinct(name: str, count: int, make: Callable[[Dice], Item | None]) -> list[Item]:
    dice, found = Dice("canonical", name), dict[tuple[str, str], Item]()
    for _ in range(_TRIES):
        item = make(dice)
        if item is not None and (item.context, item.question) not in found:
            named = Item(f"{name}-{len(found):02d}", item.context, item.question, item.answer, item.reason)
            found[item.context, item.question] = named
            if len(found) == count:
                return list(found.values())
    raise NotEvaluated("too_few_examples", f"{name} has only {len(found)} examples for a canonical set of {count}")


def _prompt(name: str, dice: Dice) -> Item | None:
    """A training prompt of a family that has a sentence or line before its last."""
    family = find_family(name)
    draft = dice.pick(family.templates).source.draft(dice)
    cut = _CUT.fullmatch(draft.clean.rstrip())
    if cut is None or bucket(name, draft.clean) != TRAINING:
        return None
    return Item("", cut[1].strip(), cut[2], draft.target.strip())


def _task(name: str, dice: Dice) -> Item:
    return Item("", *KINDS[name](dice))


def _number(dice: Dice, low: int, high: int) -> int:
    return dice.pick(range(low, high + 1))


Told = tuple[str, str, str, str]
"""Context, question, answer, reason."""


def _change(dice: Dice) -> Told:
    name, thing, count, price = dice.pick(NAMES), dice.pick(NOUNS), _number(dice, 2, 9), _number(dice, 2, 12)
    paid = count * price + _number(dice, 1, 30)
    things = {"box": "boxes", "fish": "fish"}.get(thing, f"{thing}s")
    told = f"{name} buys {count} {things} at {price} coins each and pays with {paid} coins."
    why = f"{count} times {price} is {count * price}, and {paid} minus {count * price} is {paid - count * price}."
    return told, f"How many coins does {name} get back?", f"{paid - count * price} coins", why


def _ride(dice: Dice) -> Told:
    hour, minute, length = _number(dice, 6, 18), 5 * _number(dice, 0, 11), 5 * _number(dice, 3, 40)
    there, late = divmod(60 * hour + minute + length, 60)
    told = f"The bus to the {dice.pick(PLACES)} leaves at {hour}:{minute:02d} and arrives at {there}:{late:02d}."
    hours, rest = divmod(length, 60)
    return told, "How many minutes is the ride?", f"{length} minutes", f"It takes {hours} hours and {rest} minutes."


def _first_word(dice: Dice) -> Told:
    words = dice.some(NOUNS, 4)
    first = min(words)
    told = f"Four words are on the board: {', '.join(words)}."
    return told, "Which of them comes first in the alphabet?", first, f"In order they are {', '.join(sorted(words))}."


def _order(dice: Dice) -> Told:
    name, color, thing, place = dice.pick(NAMES), dice.pick(COLORS), dice.pick(NOUNS), dice.pick(PLACES)
    told = f"Order {_number(dice, 100, 999)}: {name} wants a {color} {thing} and has it sent to the {place}."
    answer = f'{{"name": "{name}", "item": "{thing}", "color": "{color}", "place": "{place}"}}'
    why = f"The order names {name}, a {thing} that is {color}, and the {place}."
    return told, "Write the name, item, color and place of the order as JSON.", answer, why


def _day(dice: Dice) -> Told:
    today, ahead = _number(dice, 0, 6), _number(dice, 2, 20)
    weeks, days = divmod(ahead, 7)
    why = f"Weeks change nothing: of {ahead} days, {7 * weeks} are whole weeks, and {days} more count."
    return f"Today is {DAYS[today]}.", f"Which day will it be in {ahead} days?", DAYS[(today + ahead) % 7], why


def _youngest(dice: Dice) -> Told:
    names = dice.some(NAMES, 3)
    facts = dice.some([f"{a} is older than {b}." for a, b in pairwise(names)], 2)
    why = f"From the oldest to the youngest they are {', '.join(names)}."
    return " ".join(facts), "Who is the youngest of the three?", names[-1], why


def _returns(dice: Dice) -> Told:
    name, times, plus, value = dice.pick("fghk"), _number(dice, 2, 9), _number(dice, 1, 9), _number(dice, 2, 9)
    told = f"def {name}(x):\n    return x * {times} + {plus}"
    why = f"{value} times {times} is {value * times}, and {plus} more is {value * times + plus}."
    return told, f"What does {name}({value}) return?", str(value * times + plus), why


def _review(dice: Dice) -> Told:
    good = dice.pick((True, False))
    subject = dice.pick(("The soup", "The room", "The film", "The new phone", "The train ride"))
    words = ("great", "a pleasure", "worth every coin", "lovely") if good else ("awful", "broken", "a waste", "dull")
    verdict, name = dice.pick(words), dice.pick(NAMES)
    told = f"{name} writes: {subject} was {verdict}, and I will {'' if good else 'not '}come back to it."
    why = f"Whoever calls something {verdict} {'likes' if good else 'does not like'} it."
    return told, "Is this review positive or negative?", "positive" if good else "negative", why


def _capitals(dice: Dice) -> Told:
    text = f"the {dice.pick(COLORS)} {dice.pick(NOUNS)} of {dice.pick(NAMES)} is at the {dice.pick(PLACES)}"
    return f'A sentence: "{text}".', "Write it in capital letters.", text.upper(), "Each letter has become a capital."


def _units(dice: Dice) -> Told:
    thing, unit, small, each = dice.pick(
        (("garden", "metre", "centimetres", 100), ("journey", "hour", "minutes", 60), ("holiday", "week", "days", 7))
    )
    count = _number(dice, 2, 30)
    told = f"The {thing} of {dice.pick(NAMES)} is {count} {unit}s long."
    why = f"There are {each} {small} to a {unit}, and {count} times {each} is {count * each}."
    return told, f"How many {small} is that?", f"{count * each} {small}", why


KINDS: dict[str, Callable[[Dice], Told]] = {
    "change": _change,
    "ride": _ride,
    "first-word": _first_word,
    "order": _order,
    "day": _day,
    "youngest": _youngest,
    "returns": _returns,
    "review": _review,
    "capitals": _capitals,
    "units": _units,
}

SETS: dict[str, Callable[[], list[Item]]] = {"canonical-pocket": _pocket, "canonical-300": _natural}
