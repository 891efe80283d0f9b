"""tests: brackets are closed by a stack, tags by a parser of markup, and asides are read by a rule of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from re import Match
from xml.etree import ElementTree

from ..test_families import answers

OPENERS = {")": "(", "]": "[", "}": "{", ">": "<"}
CLOSERS = {left: right for right, left in OPENERS.items()}
KINDS = {")": "round", "]": "square", "}": "curly", ">": "pointed"}


def unclosed(text: str) -> list[str]:
    """The signs that close what is open, the next one last; a sign in double quotes is no bracket."""
    stack: list[str] = []
    for sign in re.sub(r'"."', "", text):
        if sign in CLOSERS:
            stack.append(CLOSERS[sign])
        elif sign in OPENERS:
            assert stack.pop() == sign, text
    return stack


def close(m: Match[str]) -> str:
    return unclosed(m.string)[-1]


def odd(m: Match[str]) -> str:
    (mark,) = (mark for mark in "\"*~`^'" if m.string.count(mark) % 2)
    return mark


class Markup(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(re.sub(r"</$", "", text))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tag(*changes: tuple[str, str]) -> Callable[[Match[str]], str]:
    """The tag that is open, once other notations are written as tags."""

    def innermost(m: Match[str]) -> str:
        text = m.string
        for old, new in changes:
            text = re.sub(old, new, text)
        return Markup(text).open[-1]

    return innermost


def between(m: Match[str]) -> str:
    """The word between the signs that the groups hold, the same sign twice where there is one."""
    left, right = m[1], m[m.re.groups]
    return re.search(rf"{re.escape(left)} ?(?!and)(\w+) ?{re.escape(right)}", m.string)[1]


def is_xml(text: str) -> str:
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return "no"
    return "yes"


def wrong_line(m: Match[str]) -> str:
    lines = re.findall(r"(\d): (\S)\w+(\S)\n", m.string)
    (number,) = (number for number, left, right in lines if CLOSERS[left] != right)
    return number


def find(pattern: str) -> Callable[[Match[str]], str]:
    """What the pattern holds, with the asked word for `@`."""
    return lambda m: re.search(pattern.replace("@", re.escape(m[1])), m.string)[1]


MAIN: dict[str, Callable[[Match[str]], str]] = {
    r"^Close: ": close,
    r"first close the inner one:\n$": close,
    r"^\S\w+\n\S\w+\n\S\n\w+\n$": close,
    r"^\w+ = \S\d, ": close,
    r"^\d \* ": close,
    r"^\w+\S\w+\S\w\S \+ \d$": close,
    r"^\S\w+\W \W\w+\W \W\w+$": close,
    r"writes \"\S\" in quotes and then": close,
    r"^(\S)\1 \w+ .*\n$": lambda m: "".join(unclosed(m.string)[-2:]),
    r"^Pairs: ": close,
    r"^\w+: \w+\S\w\S = \w+\S\d$": close,
    r"^[^\w\s]\w+ \S\w+\S \w+$": odd,
    r"forgot the end:\n$": odd,
    r"^<\w+><\w+>\w+</\w+></$": tag(),
    r"^<\w+>\n  <": tag(),
    r" id=": tag(),
    r"^<!--": tag(),
    r"\[/$": tag((r"\[/$", ""), (r"\[", "<"), (r"\]", ">")),
    r"\{\{/$": tag((r"\{\{/$", ""), (r"\{\{#?", "<"), (r"\}\}", ">")),
    r"^begin ": tag((r" end$", ""), (r"begin (\w+);", r"<\1>"), (r"end (\w+);", r"</\1>")),
    r"are open\. The first to close is$": tag(),
    r"^<\w+><\w+></.*not closed:$": tag(),
    r"^<\w+></.*not closed:$": tag(),
    r"^\w+ \{\n(?s:.*)\} # end of$": tag((r"\w+ \{[^{}]*\}", ""), (r"(\w+) \{", r"<\1>"), (r"\}.*", "")),
    r"and in (\S) \.\.\. (\S):$": between,
    r"Between (\S) and (\S) stands$": between,
    r"^Between (\S) and (\S)\n": between,
    r"In one bracket with (\w+) stands$": find(r"(?m)^\S@ (\w+)\S$"),
    r": (\w+) is in the brackets of$": find(r"(\w+)\(@\)"),
    r"in the brackets of (\w+):$": find(r"\(@ (\d)\)"),
    r"The sign (\S) ends$": lambda m: re.search(rf"{re.escape(OPENERS[m[1]])} for (\w+)", m.string)[1],
    r"between the signs (\S) stands$": between,
    r"(\S\S) is (\w+).* - the \2 word:$": lambda m: m.string.split(m[1])[2],
    r"the comma in the quotes follows$": lambda m: m.string.split('"')[1].split(",")[0],
    r"right around (\d) is$": find(r"(\w+)<@>"),
    r"in both brackets is$": lambda m: re.search(r"\([^)]*\((\w+)\)", m.string)[1],
    r"in no comment is$": lambda m: re.sub(r"/\*.*?\*/", "", m.string).split()[0],
    r"still open is the bracket that is$": lambda m: KINDS[close(m)],
    r"Open brackets:$": lambda m: str(len(unclosed(m.string))),
    r"^(\S)\w+ \w+(\S) - \w+: is it a pair\?$": lambda m: "yes" if CLOSERS[m[1]] == m[2] else "no",
    r"^(.*) is well formed:$": lambda m: is_xml(m[1]),
    r"Wrong line:$": wrong_line,
}


def first(*words: str) -> str:
    return words[0]


def other(a: str, b: str, closed: str) -> str:
    return {a: b, b: a}[closed]


def of(*words: str) -> str:
    """The partner of the last word: keys before values."""
    return dict(zip(words[:-1:2], words[1:-1:2], strict=True))[words[-1]]


def owner(*words: str) -> str:
    """The same, values before keys."""
    return of(*words[-2::-1], words[-1])


def depth(*words: str) -> str:
    return ("zero", "one", "two", "three", "four")[words.count("in") - words.count("out")]


# `_` is a word that matters
NATURAL: dict[str, Callable[..., str]] = {
    r"opened a _ bracket, at \w+ a \w+ one, and closed that at \w+\. Still open": first,
    r"bracket opens and in it, at \w+, a _ one\. First to close": first,
    r"The _ stands in _ brackets and the _ in _ brackets\. In _ brackets you read": owner,
    r"put a bracket that is _\. It needs an end": first,
    r"wrote (\w+), _ and (\w+)\. A bracket opens after \1 and closes before \3\.": lambda *words: words[1],
    r"opened a _ bracket and closed it, .* was _\. Do they match": lambda a, b: "yes" if a == b else "no",
    r"word _ is in both, \w+ only in the outer": first,
    r"box into the _ box\. Closed after the other": first,
    r"which is in the _ box\. From outside": first,
    r"opens the \w+ door, the \w+ door, the _ door\. .* first close": first,
    r"opened a _ bag, in it .*The last to be closed": first,
    r"opened the _ box and the _ box, and then closed the _ one\. Still open": other,
    r"book, closed it, and opened the _ one of": first,
    r"a _ in the _ box and a _ in the _ box\. The _ is in": of,
    r"The _ key closes the _, the _ key the _\. To close the _,": owner,
    r"the \w+ and closed it; \w+ opened the _ and went": first,
    r"The _ holds the _, and the _ holds the _\. Right around the _ is": owner,
    r"in that, a _\. \w+ takes out first, from the middle": first,
    r"^\"A \w+,\" said _ to": first,
    r"said: \"My _ is here\.\" Then, without quotes": first,
    r"_ said \"_\" and _ said \"_\"\. In the quotes of _ is": of,
    r"\" and _\. Outside the quotes": first,
    r"closes after \w+\. Then \w+ wrote _\. Not quoted": first,
    r": 'No _!'.* The inner quote is about": first,
    r"\" said _\. The outer quote belongs to": first,
    r"^The _ - .* - is old": first,
    r"^_, who .*, is tired": first,
    r" - or was it _\? - .*Between the dashes": first,
    r", as _ says, .*The part between the commas": first,
    r" - I forgot - the _: after the dashes": first,
    r"^My _, .*, was lost\. What was lost": first,
    r"The _ that _ took was \w+; the _ that _ took was \w+\. _ took": owner,
    r"^The _ that the \w+ of \w+ hit fell": first,
    r"a story about a _\. .* to its end\. Now back": first,
    r"in that story \w+ began to tell of a _\. First must end": first,
    r"began with _, so it ends with": first,
    r"^Part _ of \w+ began; in it .* began and ended\..* the next is": first,
    r"_ went in, _ went in, _ came out\. Who is still inside": other,
    r"came in, then \w+, then _\. The first to leave": first,
    r"each out closes one: _, _, _\. For": depth,
    r"went _, _, _, and _ at the doors": depth,
    r"_ began to work at the _ and _ at the _\. Only _ stopped": of,
}


def test_main_is_right() -> None:
    used = set()
    for prompt, answer in answers("delimiter_tracking", 20):
        ((rule, m),) = ((rule, m) for rule in MAIN if (m := re.search(rule, prompt)))
        assert answer.strip() == MAIN[rule](m), prompt + answer
        used.add(rule)
    assert used == set(MAIN)


def test_natural_is_right() -> None:
    rules = {re.compile(re.sub(r"\b_\b", r"(\\w+)", rule)): right for rule, right in NATURAL.items()}
    used = set()
    for prompt, answer in answers("delimiter_tracking_natural", 20):
        ((rule, m),) = ((rule, m) for rule in rules if (m := rule.search(prompt)))
        assert answer.strip() == rules[rule](*m.groups()), prompt + answer
        used.add(rule)
    assert used == set(rules)
