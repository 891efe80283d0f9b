"""tests: the key_value family: entries are read off the prompt or its code is run, and looked up once more."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable

import yaml
from mi_atlas.evaluators.tasks.dice import Dice
from mi_atlas.evaluators.tasks.family import find_family

W = r"(\w+)"


def entries(pattern: str, inverse: bool = False) -> Callable[..., str]:
    """Look up the key in the entries that the pattern finds before the question; the last one counts."""

    def look_up(text: str, *key: str) -> str:
        found = {(*m[:-1],): m[-1] for m in re.findall(pattern, text)}
        assert len(found) >= 2
        if inverse:
            ((answer,),) = (k for k, value in found.items() if (value,) == key)
            return answer
        return found[key]

    return look_up


def table(column: int) -> Callable[[str, str], str]:
    """The field of this column in the row that has the key in its first."""
    return lambda text, key: next(row[column] for row in csv.reader(text.splitlines()) if row[0] == key)


def python(text: str, expression: str) -> str:
    """The value of the expression after the statements."""
    space: dict[str, object] = {}
    exec(text, space)
    return str(eval(expression, space))  # noqa: S307


# the end of a prompt, its groups the key that is asked for; the text before it goes to the rule
RULES: dict[str, Callable[..., str]] = {
    rf"\n\n{W}:$": lambda text, key: yaml.safe_load(text)[key],
    rf"\nget {W} ->$": entries(rf"(?m)^{W} = {W}$"),
    rf"\necho \${W} prints$": entries(rf"export {W}={W}"),
    rf"\n{W} \.\.\. 5-$": entries(rf"{W} \.\.\. 5-{W}"),
    rf"\n{W} takes the line$": entries(rf"{W}, {W} line"),
    rf"\nvalue of --{W} is$": entries(rf"--{W} {W}"),
    rf"\n\w+ chose {W}\), which is$": entries(rf"{W}\) {W}"),
    rf"\nread @{W}:\n$": entries(rf"@{W} {W}"),
    rf' at "{W}" is "$': lambda text, key: json.loads(text)[key],
    rf" cookie {W}:$": entries(rf"{W}={W};"),
    rf" so {W}=$": entries(rf"[?&]{W}={W}"),
    rf", get {W}, got$": entries(rf"(?:set|put) {W} (?:to )?{W}"),
    rf" key \({W}\) value$": entries(rf"\({W} {W}\)"),
    rf" find {W}/ and read$": entries(rf"{W}/{W}"),
    rf" text of {W}:\n$": entries(rf"<{W}>{W}</"),
    rf' Its {W} is "$': entries(rf'{W}="{W}"'),
    rf"\ncolor of {W}:$": table(2),
    rf"\ncolumn {W} holds$": lambda text, key: next(csv.DictReader(text.splitlines()))[key],
    rf"\nplace of id {W} is the$": entries(rf"{W} / \w+ / {W}"),
    rf" WHERE key = {W} gives$": entries(rf"\({W}, {W}\)"),
    r"\n(d\['\w'\]) == '$": python,
    r"\nprint\((.*)\)\n$": python,
    r"\n(d\.get\('\w', '\w+'\)) == '$": python,
    rf" calls f with {W} as$": lambda text, key: eval(text.replace("f(**", "dict(**"))[key],  # noqa: S307
    rf" Under {W} \w+ finds a$": entries(rf"[Uu]nder {W} (?:there is )?a {W}"),
    rf" In room {W} sleeps$": entries(rf"oom {W} (?:is )?for {W}"),
    rf" Letters for {W} go to the$": entries(rf"{W} (?:lives )?by the {W}"),
    rf" Key {W} opens$": entries(rf"key {W} (?:opens )?the {W}"),
    r" Cell (\w)(\w):$": entries(r"(\w)(\w)=(\w+)"),
    rf"\n{W}\.{W} is$": entries(rf"{W}\.{W} = {W}"),
    rf' the {W} of {W} is "$': lambda text, what, who: entries(rf'"{W}": {{"{W}": "{W}"}}')(text, who, what),
    rf"\nat row {W}, column {W}:$": entries(rf"row {W}: column {W}: {W}"),
    rf" Who has the {W}\? It is$": entries(rf"{W}: {W}", inverse=True),
    r"\n({v: k .*) == '$": python,
    rf" For the price {W} one gets a$": entries(rf"{W} (\d)", inverse=True),
    rf"\n{W} <-$": entries(rf"{W} -> {W}", inverse=True),
    rf"; now {W} =$": entries(rf"{W} = {W}"),
    r"\n(x\['\w'\]) == '$": python,
    r" Place of \w+ now: the$": lambda text: re.findall(r"at the (\w+)", text)[-1],
    r"^({\*\*.*\]) ==\n$": python,
}


def test_look_ups_are_right() -> None:
    used = set()
    for template in find_family("key_value").templates:
        dice, rules = Dice("truth", template.name), set()
        for _ in range(60):
            draft = template.source.draft(dice)
            for prompt, answer in ((draft.clean, draft.target), draft.twin(dice)):
                ((rule, asked),) = ((rule, m) for rule in RULES if (m := re.search(rule, prompt)))
                right = RULES[rule](prompt[: asked.start()], *asked.groups())
                assert answer.strip() == str(right), prompt + answer
                rules.add(rule)
        assert len(rules) == 1, template.name
        used |= rules
    assert used == set(RULES)
