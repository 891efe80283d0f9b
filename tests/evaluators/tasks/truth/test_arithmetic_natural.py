"""tests: the word problems are computed anew from the numbers in them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from ..test_families import WORDS, answers


def parity(number: int) -> str:
    return ("even", "odd")[number % 2]


# `_` is a number
RULES: dict[str, Callable[..., object]] = {
    r"has _ \w+ and finds _ more .* is now": operator.add,
    r"are _ \w+ on the table and _ in the box, .* in all": operator.add,
    r"age of \w+ is _\. Since \w+ is older by _, the age": operator.add,
    r"pays _ coins and \w+ pays _, .* together": operator.add,
    r"sold _ \w+ in the morning and _ in the evening": operator.add,
    r"left at _ o'clock and took _ hours": operator.add,
    r"Take _ and add _ to it": operator.add,
    r"are _ red, _ blue and _ white \w+\. All together": lambda *all_colors: sum(all_colors),
    r"\. The sum of _ and _, says": operator.add,
    r"it is _ miles, and from there to \w+ _ more\. In all": operator.add,
    r"needs _ \w+ but has only _\. .* bring": operator.sub,
    r"Together .* own _ \w+\. As _ of these belong": operator.sub,
    r"added to _ to make _\?": lambda a, b: b - a,
    r"had _ \w+ and gave _ of them .* kept": operator.sub,
    r"Of the _ \w+ in the box \w+ lost _ at .* still in the box": operator.sub,
    r"price is _, but \w+ pays _ for .* gives back": lambda price, paid: paid - price,
    r"were _ children .* took _ home, .* stayed": operator.sub,
    r"has _ \w+; \w+ has _\. To have as many .* must buy": operator.sub,
    r"\. Take _ away from _, \w+, and you keep": lambda a, b: b - a,
    r"book of _ pages\. By \w+ _ of them are read, .* left": operator.sub,
    r"whose age is _, .* younger by _\. So the age": operator.sub,
    r"sleeps in room _ and \w+ in the room after that": lambda n: n + 1,
    r"one page more than the day before\. After a day of _": lambda n: n + 1,
    r"had _ \w+ until \w+ took one away": lambda n: n - 1,
    r"We hear _, then _, then _, and after that": lambda a, b, c: c + (c - b) if c - b == b - a else None,
    r", and after step _ to step": lambda n: n + 1,
    r"Guess the number just before _!": lambda n: n - 1,
    r"is _ o'clock, .* in one hour": lambda n: n + 1,
    r"has _ \w+ and \w+ has _\. .* who has more has": max,
    r"bought _ \w+, on \w+ _\. The smaller": min,
    r"two numbers, _ and then _\. The larger one is": lambda a, b: "first" if a > b else "second",
    r"says that _ is more than _\. Asked if this is right": lambda a, b: "yes" if a > b else "no",
    r"higher number wins\. \w+ has _, and \w+ has _\. Has \w+ won": lambda a, b: "yes" if a > b else "no",
    r"pays _ by bus and _ by train\. \w+ takes the cheaper": min,
    r"two cards, _ and _\. .* the higher one": max,
    r"thinks of _, .* even or odd": parity,
    r"what about _\?": parity,
    r"has _ of the \w+, and \w+ has twice as many": lambda n: 2 * n,
    r"share _ \w+ so that both get the same": lambda n: n / 2,
    r"counted _ \w+, but by \w+ half of them were gone": lambda n: n / 2,
    r"two boxes .* Into each box went _, into both": lambda n: 2 * n,
}
# what is said before the question
SAID: dict[str, Callable[..., object]] = {
    r"The sum of _ and _ is (\w+)\.": operator.add,
    r"Take _ away from _ and you keep (\w+)\.": lambda a, b: b - a,
    r"After step _ they come to step (\w+),": lambda n: n + 1,
    r"We know that _ is (\w+)\.": parity,
}
NUMBER = f"({'|'.join(WORDS)})"


def computed(rule: str, compute: Callable[..., object], text: str) -> tuple[object, str]:
    """What comes out, and the last word that the rule caught."""
    found = re.search(rule.replace("_", NUMBER), text)
    assert found, text
    out = compute(*(WORDS.index(word) for word in found.groups()[: rule.count("_")]))
    return (WORDS[int(out)] if isinstance(out, int | float) else out), found.groups()[-1]


def test_arithmetic_natural_is_right() -> None:
    used, said = set(), set()
    for prompt, answer in answers("arithmetic_natural", 60):
        (rule,) = (rule for rule in RULES if re.search(rule.replace("_", NUMBER), prompt))
        space = "" if prompt.endswith('"') else " "
        assert answer == f"{space}{computed(rule, RULES[rule], prompt)[0]}", prompt + answer
        used.add(rule)
        for rule in SAID:
            if re.search(rule.replace("_", NUMBER), prompt):
                right, given = computed(rule, SAID[rule], prompt)
                assert right == given, prompt
                said.add(rule)
    assert used == set(RULES)
    assert said == set(SAID)
