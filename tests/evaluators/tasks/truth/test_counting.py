"""tests: the counting family, counted by Python."""

from __future__ import annotations

import re
from collections.abc import Callable

from mi_atlas.evaluators.tasks.dice import Dice
from mi_atlas.evaluators.tasks.family import find_family

WORDS = ["zero", "one", "two", "three", "four", "five"]
COLORS = {"red", "blue", "green", "pink", "black", "white", "brown"}


def run(prompt: str) -> int:
    """The value of the last expression, run as Python."""
    code = re.sub(r" ?(==)?\n?$", "", prompt).splitlines()[-1].split(" #")[0]
    return int(eval(code, {}))  # noqa: S307


def equal(listed: str, asked: str) -> int:
    return re.findall(r"\w+", listed).count(asked)


def kind(members: set[str]) -> Callable[[str], int]:
    return lambda listed: sum(word in members for word in re.findall(r"\w+", listed))


def people(listed: str) -> int:
    return sum(word.istitle() for word in re.findall(r"\w+", listed))


RULES: dict[str, Callable[..., int]] = {
    r"^(\w+ \w+ \w+ \w+): the number of (\w+) is$": equal,
    r"^How many times does (\w+) stand in this list: (.*)\? Answer:$": lambda asked, listed: equal(listed, asked),
    r"^(\w+) says: (.*) How often did \1 say (\w+)\? The answer is$": lambda _, listed, asked: equal(listed, asked),
    r"\n\[(.*)\] (\w+)=$": equal,
    r"^count (\w+)\n(- .*)\ntotal:$": lambda asked, listed: equal(listed, asked),
    r"^In the boxes of \w+ are (.*)\. Boxes with a (\w+):$": equal,
    r"^(.* / .*)\nsearch: (\w+)\nfound:$": equal,
    r'^{"list":\[(.*)\],"find":"(\w+)","count":$': equal,
    r"^Find every (\w+) on page \d: (.*)\. Found in all:$": lambda asked, listed: equal(listed, asked),
    r"^\w+ draws (a .*)\. Pictures of a (\w+):$": equal,
    r"^On \w+ \w+ sold: (.*)\. Number of (\w+) sold:$": equal,
    r"^Votes: (.*)\. Votes for (\w+):$": equal,
    r"^(\w+ won on .*)\. The number of days that (\w+) won is$": equal,
    r"^(From: .*)\nLetters from (\w+) at the \w+:$": equal,
    r"balls in a bag \((.*)\), and the number of (\w+) ones is$": equal,
    r"^Cars at the \w+: (.*)\. Cars that are (\w+):$": equal,
    r"^\w+ typed (\S+) with so many of the letter (\w):$": equal,
    r"^\w+ throws (\S+)\. How many times a (\d)\? The answer is$": equal,
    r"^Digits: \((\S+)\)\. The digit (\d) comes up this often:$": equal,
    r"^Colors in the list (.*):$": kind(COLORS),
    r"^\w+ reads: (.*)\. How many of these words are colors\? It is$": kind(COLORS),
    r"^(.*) -> colors ->$": kind(COLORS),
    r"^(.*), of which the number of people is$": people,
    r"^who=(.*)\npeople\(who\) ==\n$": people,
    r"^Things, not colors, among (.*)\? That many:$": lambda listed: 3 - kind(COLORS)(listed),
    r"^(<li>.*</li>) and the people of these are$": people,
    r"^\w+ against \w+: (.*)\. The points \(each x is one\) are$": lambda marks: marks.count("x"),
    r"^Tally of .*:\n(.*) =\n$": lambda marks: marks.count("/"),
    r" said (.*)\. How many said yes\? It was$": lambda said: equal(said, "yes"),
    r"^Cards that .*: \( (.*) \)\. Suns among them:$": lambda cards: equal(cards, "sun"),
    r"^\w+ has four boxes: (.*)\. Boxes without a cat:$": lambda boxes: 4 - equal(boxes, "cat"),
    r"how many letters has the word (\w+)\? Answer:$": len,
    r", (\w+) has$": len,
    r", (\w+) \($": len,
    r"^Letters that \w+ writes on card \d, (\w+):$": len,
    r"\n(\w+) is a word of$": len,
    # Python
    r"^(\['.*'\]\.count\('\w+'\))\n$": run,
    r"^(sum\(word == .*\)) ==\n$": run,
    r"^('.*'\.count\('\w'\))\n$": run,
    r"^(sum\(\[.*\]\)) # .*\n$": run,
    r"^(len\(\[w for .*\]\))\n$": run,
    r"\n(len\('\w+'\)) ==\n$": run,
}
"""What each template counts, read from the prompt alone."""


def test_counting_is_right() -> None:
    used = set()
    for template in find_family("counting").templates:
        dice, rules, counts = Dice("truth", template.name), set(), set()
        for _ in range(60):
            draft = template.source.draft(dice)
            for prompt, answer in ((draft.clean, draft.target), draft.twin(dice)):
                ((rule, asked),) = ((rule, m) for rule in RULES if (m := re.search(rule, prompt, re.DOTALL)))
                right = RULES[rule](*asked.groups())
                assert answer in (str(right), f" {WORDS[right]}"), prompt + answer
                rules.add(rule)
                counts.add(right)
        assert len(rules) == 1, template.name
        assert len(counts) >= 3, template.name
        used |= rules
    assert used == set(RULES)


def test_examples_in_a_prompt_are_right() -> None:
    for template in find_family("counting").templates:
        dice = Dice("shown", template.name)
        for _ in range(60):
            prompt = template.source.draft(dice).clean
            for listed, asked, given in re.findall(r"\[([a-z ]+)\] (\w+)=(\d)", prompt):
                assert equal(listed, asked) == int(given), prompt
            for word, given in re.findall(r"(\w+)(?:'\) == | \()(\d)", prompt):
                assert len(word) == int(given), prompt
            for word, given in re.findall(r"(\w+) has (\w+) letters", prompt):
                assert WORDS[len(word)] == given, prompt
            for given, word in re.findall(r"A word of (\w+) letters: (\w+)", prompt):
                assert WORDS[len(word)] == given, prompt
