"""tests: the answers of greater_than, found by reading the numbers of the prompt and what it asks of them."""

from __future__ import annotations

import re
from collections.abc import Callable

from mi_atlas.evaluators.tasks.words import COLORS, DAYS, LETTERS, NAMES, NOUNS, PLACES

from ..test_families import WORDS, answers

over: Callable[[int, int], bool] = int.__gt__
under: Callable[[int, int], bool] = int.__lt__

# `part`: where the numbers stand that count; `bound`: the number that the answer is compared with
RULES: dict[str, Callable[..., object]] = {
    r"\. The one with more is$": max,
    r"\n\nmost points:$": max,
    r"\nmax is$": max,
    r'has the least for the key "$': min,
    r"must find the larger one\. It is$": max,
    r"^Goals of .* \w+ says that the winner is$": max,
    r"^Which is cheaper, ": min,
    r"minutes to the \w+\. Not so far is the$": min,
    r" buys what costs more /$": max,
    r"^def f\(\):\n  if (?P<part>\d > \d): return \w+\n  return \w+\nf\(\) is$": max,
    r"^Hot days: .* liked the hotter one,$": max,
    r"^Top of the list ": max,
    r"; the smallest of the three is$": min,
    r"was born in .* The older one is$": min,
    r"was made in .* came later is the$": max,
    r"\nlast entry:$": max,
    r"o'clock came .* First at the \w+ was$": min,
    r"and takes the newer \"$": max,
    r"^\[\d+ min\].* was won by$": min,
    r"^You need (?P<bound>\d+) points: .* passed\. It was$": over,
    r"has (?P<bound>\d) coins\. .* can only buy the$": under,
    r"^limit: (?P<bound>\d+)\n(?:.*\n)*over the limit:$": over,
    r"closed in (?P<bound>\d+)\. Who came too late: ": over,
    r"^Ages (?P<part>\w+ and \w+), .* No one under (?P<bound>\w+) may enter\. Not let in:$": under,
    r"^x > (?P<bound>\d)\? ": over,
    r"Who was there in (?P<bound>\d+)\? Only$": under,
    r"max\((?P<part>\d,\d)\)=$": max,
    r": out of \w+ and \w+, the larger number is$": max,
    r"The most that anyone saw:$": max,
    r"pays the lower price:\n$": min,
    r"^min of\n": min,
    r'" and then "\w+", the greater is$': max,
    r"began in year (?P<bound>\d+)\. It ended in year ": over,
    r"^\[x for x in \((?P<part>\d, \d)\) if x > (?P<bound>\d)\] ": over,
    r"say a number under (?P<bound>\w+)!": under,
    r"^Buses .* comes at (?P<bound>\w+) o'clock and takes the bus at$": over,
    r"^bound (?P<bound>\d+), .* keep what is lower ": under,
    r"^(?P<bound>\d) < x, x in ": over,
    r"wants more than (?P<bound>\w+) eggs\.": over,
    r"^Is (?P<part>\w+ more or less than \w+)\?": lambda a, b: "more" if a > b else "less",
    r"says: (?P<part>\w+ to \w+) =$": lambda a, b: "more" if a > b else "less",
}


def numbers(text: str) -> list[int]:
    """All that are written with digits, or else all that are written as words."""
    found = list(map(int, re.findall(r"\d+", text)))
    return found or [WORDS.index(word) for word in re.findall(r"\w+", text) if word in WORDS]


def test_greater_than_is_right() -> None:
    used = set()
    for prompt, given in answers("greater_than", 50):
        (rule,) = [rule for rule in RULES if re.search(rule, prompt)]
        asked, choose, answer = re.search(rule, prompt), RULES[rule], given.strip()
        parts = asked.groupdict()
        candidates = numbers(parts.get("part", prompt))
        if "bound" in parts:
            (bound,) = numbers(parts["bound"])
            candidates = [number for number in candidates if number != bound]
            assert len(candidates) == 2, prompt
            (right,) = [number for number in candidates if choose(number, bound)]
        else:
            right = choose(*candidates)
        for kind in (NAMES, NOUNS, COLORS, DAYS, PLACES, LETTERS):
            if answer in kind:
                owners = dict.fromkeys(word for word in re.findall(r"\w+", prompt) if word in kind)
                right = dict(zip(candidates, owners, strict=True))[right]
        assert answer in (right, str(right), WORDS[right] if right in range(11) else right), prompt + given
        used.add(rule)
    assert used == set(RULES)
