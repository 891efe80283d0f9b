"""judges: what a check is given instead of the answers, for controls that twist only what is judged."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from ..specs.canonical import digest
from ..specs.items import Item

WORDS = ("mismatched_outputs", "reference_outputs", "shuffled_tokens")
"""The controls that are made of what was written; nothing is written anew."""


def twisted(word: str, items: Sequence[Item], answers: Sequence[str], draw: int) -> tuple[str, ...]:
    """As many texts as there are answers: the same for the same control, items and draw, wherever they are made.

    `items` are those of one category; `answers` one an item, or the same number for each, those of an item together.

    Raises:
        ValueError: no such control, answers that are not so many for each item, a category of one item, or an item
            without a reference.
    """
    if not items or len(answers) % len(items):
        raise ValueError(f"{len(answers)} answers cannot belong to {len(items)} items")
    each = len(answers) // len(items)
    rng = random.Random(int(digest("twist", [word, draw, *(item.id for item in items)]), 16))
    match word:
        case "mismatched_outputs":
            others = _derangement(len(items), rng)
            return tuple(
                answers[others[number] * each + place] for number in range(len(items)) for place in range(each)
            )
        case "reference_outputs":
            return tuple(rewritten(item, rng) for item in items for _ in range(each))
        case "shuffled_tokens":
            return tuple(_shuffled(answer, rng) for answer in answers)
    raise ValueError(f"there is no control `{word}` of what is judged; there are {', '.join(WORDS)}")


def rewritten(item: Item, rng: random.Random) -> str:
    """The item's reference with what changes nothing changed at random: blanks around it, case, order of keys.

    Raises:
        ValueError: the item has no reference.
    """
    if item.reference is None:
        raise ValueError(f"item {item.id} has no reference, a right answer that could be rewritten")
    text = item.reference
    kinds = {check.check for check in item.checks}
    if "json" in kinds:
        text = _as_json(text, rng)
    elif item.checks and all(check.folds_case for check in item.checks):
        changes: tuple[Callable[[str], str], ...] = (str, str.upper, str.lower)
        text = rng.choice(changes)(text)
    before = "" if item.plain else rng.choice(("", " ", "\n", "\n\n"))
    return before + text + rng.choice(("", " ", "\n", "\n\n"))


def _as_json(text: str, rng: random.Random) -> str:
    """The same JSON with its keys in another order and other blanks; a text that is none stays."""
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: dict(rng.sample(pairs, len(pairs))))
    except ValueError:
        return text
    indent = rng.choice((None, 1, 2, 4))
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=rng.choice(((",", ":"), (", ", ": "))))


def _derangement(count: int, rng: random.Random) -> list[int]:
    """A permutation in one cycle, by Sattolo's algorithm: no place keeps its own."""
    if count < 2:
        raise ValueError("a category of one item has no other answer to give it")
    order = list(range(count))
    for place in range(count - 1, 0, -1):
        other = int(rng.random() * place)
        order[place], order[other] = order[other], order[place]
    return order


def _shuffled(text: str, rng: random.Random) -> str:
    words = text.split()
    return " ".join(sorted(words, key=lambda _: rng.random()))
