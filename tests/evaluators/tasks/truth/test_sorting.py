"""tests: the sorting family, sorted once more."""

from __future__ import annotations

import re
from collections.abc import Callable

from mi_atlas.evaluators.tasks.dice import Dice
from mi_atlas.evaluators.tasks.family import find_family

WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
RANKS = {"first": 0, "smallest": 0, "middle": 1, "last": -1, "largest": -1}


def rank(item: str) -> int | str:
    """The place of a day, a number or a word in its order."""
    for order in (WEEK, WORDS):
        if item in order:
            return order.index(item)
    return int(item) if item.isdigit() else item


def at(place: int) -> Callable[..., str]:
    def look(*items: str) -> str:
        return sorted(items, key=rank)[place]

    return look


def step(by: int, *letters: str) -> str:
    return chr(ord(letters[-1]) + by)


L, D = "([A-Z])", r"(\d)"
RULES: dict[str, Callable[..., str]] = {
    rf"sorts {L} {L} {L}:$": at(0),
    rf"^sorted\(\[{D},{D},{D}\]\) # \w+\n\[$": at(0),
    rf"sorted\(\[{D},{D}\]\) == \[$": at(0),
    rf'\["{L}","{L}","{L}"\],"sorted":\["$': at(0),
    rf"put the letters {L} and {L} in order:$": at(0),
    rf"^sorted\(\[{D},{D},{D}\], reverse=True\) # \w+\n\[$": at(-1),
    rf"; swap, {D},{D} ->\n$": at(0),
    rf"^{D},{D},{D} by \w+: \[\d,$": at(1),
    rf"^{L}, {L}, {L} in alphabetical order, by \w+: \w, \w,$": at(2),
    rf"\nin: {L} {L} {L}\nout: \w$": at(1),
    rf"^list={D},{D},{D} user=\w+ sorted=\d,\d,$": at(2),
    rf"from Z to A: {L}, {L} and {L} become \w, \w and$": at(0),
    rf"^\w+: {D} {D} {D}\n\d>\d>$": at(0),
    rf"^<list> {L} {L} {L} </list> <sorted by \w+> \w \w$": at(2),
    rf"lines up the boxes {L}, {L} and {L} by letter: first box \w, then box$": at(1),
    rf"^files of \w+: {L} {L} {L}\nls\n\w\n\w\n$": at(2),
    rf" min\({D},{D},{D}\)=$": at(0),
    rf"^max\({D},{D},{D}\) # \w+\n$": at(2),
    r"^Of the numbers (\w+), (\w+) and (\w+), .* the largest is$": at(2),
    rf"the cards {D}, {D}, {D}\. Lowest card:$": at(0),
    rf"first in the alphabet, {L}, {L} or {L}\? \w+ says$": at(0),
    rf"\n{L} and {L} ->$": at(0),
    r"ran for (\w+) minutes, \w+ for (\w+)\. The best time is the smallest:$": at(0),
    rf"^rows: {L}, {L}, {L}; .* MAX\(letter\) gives$": at(2),
    rf"Among the letters {L}, {L}, {L} of \w+ the one nearest to Z is$": at(2),
    rf"wants the (\w+) of {L}, {L}, {L} in the alphabet:$": lambda which, *items: at(RANKS[which])(*items),
    rf"^{L}-{L}-{L}, (\w+) in order for": lambda *items: at(RANKS[items[3]])(*items[:3]),
    rf"^(\w+)\({D},{D}\) for \w+ and \w+ =\n$": lambda which, *items: at(RANKS[which])(*items),
    rf"^The middle one of {D}, {D}, {D} for": at(1),
    r"^In week .* meets (\w+) before or after (\w+)\. First of the two is$": at(0),
    r"works on (\w+) and (\w+), .* Later day:$": at(-1),
    r"\nMonday first: (\w+)/(\w+):$": at(0),
    r"comes on (\w+) and \w+ one day later, so on$": lambda day: WEEK[(WEEK.index(day) + 1) % 7],
    rf"^Alphabet, .*: {L}, {L}, {L},$": lambda a, b, c: step(ord(b) - ord(a), c),
    rf"sits in row {L}\. \w+ sits in the next row, row$": lambda a: step(1, a),
    rf"fill in: {L} {L} \? {L}\n\? =$": lambda a, b, d: step(ord(b) - ord(a), b),
    rf"are {L} and {L} in alphabetical order\?$": lambda a, b: "yes" if a < b else "no",
    rf"\n\[{D},{D}\] == sorted\(\[\d,\d\]\) #$": lambda a, b: str([a, b] == sorted([a, b])),
    r"names from A to Z\. Of (\w+) and (\w+) the first is$": at(0),
    r"; (\w+), (\w+) => \w+,$": at(1),
    r", (\w+) and (\w+) stand in a line by name .* At the end:$": at(1),
}
"""What each template asks, read from the prompt alone."""

EXAMPLES = [
    r"sorts (. . .): (. . .)\.",
    r"sorted\(\[(.,.)\]\) == \[(.,.)\]",
    r"swap, (.,.) -> (.,.);",
    r"in: (. . .)\nout: (. . .)\n",
    r"min\((.,.,.)\)=(.),",
    r"(. and .) -> (.)\n",
    r"(\w+day/\w+day): (\w+)\n",
    r"(\w+, \w+) => (\w+, \w+);",
]
"""Items and what comes of them, in the examples of a prompt."""


def test_sorting_is_right() -> None:
    used, shown = set(), set()
    for template in find_family("sorting").templates:
        dice, rules = Dice("truth", template.name), set()
        for _ in range(60):
            draft = template.source.draft(dice)
            for prompt, answer in ((draft.clean, draft.target), draft.twin(dice)):
                ((rule, asked),) = ((rule, m) for rule in RULES if (m := re.search(rule, prompt)))
                assert answer.strip() == RULES[rule](*asked.groups()), prompt + answer
                items = sorted(asked.groups(), key=rank) if RULES[rule].__name__ == "look" else []
                if all(len(item) == 1 for item in items):
                    begun = [*re.findall(r"\b[A-K1-9]\b", prompt[asked.end(len(items)) :]), answer.strip()]
                    assert len(begun) == 1 or begun in (items[: len(begun)], items[::-1][: len(begun)]), prompt
                for example in EXAMPLES:
                    for texts in re.findall(example, prompt):
                        listed, given = (re.findall(r"\w+", text) for text in texts)
                        assert sorted(listed, key=rank)[: len(given)] == given, prompt
                        shown.add(example)
                for one, two, verdict in re.findall(r"== sorted\(\[(\d),(\d)\]\) # (\w+)", prompt):
                    assert (one < two) == (verdict == "True"), prompt
                rules.add(rule)
        assert len(rules) == 1, template.name
        used |= rules
    assert used == set(RULES)
    assert shown == set(EXAMPLES)
