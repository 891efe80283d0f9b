"""tests: the answers of docstring, found from the arguments in the order in which the prompt first names them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from mi_atlas.evaluators.tasks.family import find_family
from mi_atlas.evaluators.tasks.words import NOUNS

from ..test_families import answers, drafts


def arguments(prompt: str) -> list[str]:
    """Those of the first line, where Python can read it, else all nouns in the order of their first places."""
    found = list(dict.fromkeys(word for word in re.findall(r"[a-z]+", prompt) if word in NOUNS))
    if line := re.match(r"(def \w+\(.*?\)):", prompt):
        args = ast.parse(line[1] + ": pass").body[0].args
        signature = [arg.arg for arg in (*args.args, *args.kwonlyargs) if arg.arg != "self"]
        assert found[: len(signature)] == signature, prompt
    return found


def following(prompt: str) -> str:
    """The argument after the one that was named last."""
    found = arguments(prompt)
    last = max(found, key=lambda noun: max(m.end() for m in re.finditer(rf"\b{noun}\b", prompt)))
    return found[found.index(last) + 1]


def annotation(prompt: str, word: str) -> str:
    """What the prompt's first line says of the word: `word: type`, `type word`, `word=default`."""
    pairs = [set(re.findall(r"\w+", part)) for part in re.split(r"[,(){};]|\n", prompt)]
    (other,) = next(pair - {word} for pair in pairs if word in pair and len(pair) == 2)
    return other


def by_position(prompt: str, word: str) -> str:
    signature, call = (re.findall(r"\w+", part) for part in re.findall(r"\((.*?)\)", prompt)[:2])
    return (dict(zip(signature, call, strict=True)) | dict(zip(call, signature, strict=True)))[word]


def neighbour(step: int) -> Callable[[str, str], str]:
    def find(prompt: str, word: str) -> str:
        (signature,) = re.findall(r"\((.*?)\)", prompt)
        found = signature.split(", ")
        return found[found.index(word) + step]

    return find


RULES: dict[str, Callable[..., str]] = {
    r"What comes after (\w+), \w+\? It is$": neighbour(1),
    r"^What comes before (\w+) in .* Before it comes$": neighbour(-1),
    r'""":type (\w+):$': annotation,
    r"so (\w+) must be of type$": annotation,
    r'"""Default of (\w+):\n$': annotation,
    r"bad value of --(\w+), give it a$": annotation,
    r', "(\w+)" takes$': annotation,
    r"# (\w+) is\n$": by_position,
    r"\nHere (\w+) goes to$": by_position,
    r"unknown name:$": lambda prompt: (
        set(re.findall(r"(\w+)=", prompt)) - set(re.findall(r"\w+", prompt.split(":")[0]))
    ).pop(),
    r"# TODO .* docs of \w+\((.*)\) tell of (\w+) and (\w+), but not of$": lambda _, all_, a, b: (
        set(all_.split(", ")) - {a, b}
    ).pop(),
    r"\nhelp\((\w)\): one argument,$": lambda prompt, f: re.search(rf"def {f}\((\w+)\)", prompt)[1],
    r" (\w) has (\w+),$": lambda prompt, f, a: re.search(rf"\b{f}\({a}, (\w+)\)", prompt)[1],
}
"""What is not just the next argument."""

NEXT = 28
"""Templates that ask for the next argument."""


def test_docstring_is_right() -> None:
    used = set()
    for prompt, given in answers("docstring", 50):
        rule = next((rule for rule in RULES if re.search(rule, prompt)), "")
        right = RULES[rule](prompt, *re.search(rule, prompt).groups()) if rule else following(prompt)
        assert given.strip() == right, prompt + given
        used.add(rule)
    assert used == {"", *RULES}


def test_all_other_templates_ask_for_the_next_argument() -> None:
    others = {name for name, draft in drafts("docstring", 5) if not any(re.search(rule, draft.clean) for rule in RULES)}
    assert len(others) == NEXT == len(find_family("docstring").templates) - len(RULES)
