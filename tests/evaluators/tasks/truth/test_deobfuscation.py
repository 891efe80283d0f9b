"""tests: a meaningless name means what the code says when it is run, parsed, or read pair by pair."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable

from mi_atlas.evaluators.tasks.family import find_family
from mi_atlas.evaluators.tasks.words import LETTERS, NOUNS

from ..test_families import answers

LEGENDS = {
    # the end of the prompt, with the name asked about -> how each name of the prompt comes with its meaning
    r"\n(v\d) is$": r"(?P<k>v\d): (?P<v>\w+)",
    r"var x = (\w); // x is the$": r"(?P<k>\w): (?P<v>\w+)[, ]",
    r"real name of (q\d) is$": r"(?P<v>\w+) to (?P<k>q\d)",
    r"code: (n\d)\nplain:$": r"(?P<k>n\d)<-(?P<v>\w+)",
    r"in: (v\d) = 0\nout:$": r"s/(?P<k>v\d)/(?P<v>\w+)/",
    r"\n(\w)\(\d\) =>$": r"(?P<k>\w)=(?P<v>\w+)",
    r"\n(\w)\(\) # does the$": r"def (?P<k>\w)\(\): # (?P<v>\w+)",
    r"\nf(\d) finds the$": r'def f(?P<k>\d)\(x\): "finds the (?P<v>\w+)"',
    r"\n\nv(\d) was$": r"(?P<k>\d);(?P<v>\w+)",
    r"# (\w) holds the$": r'(?P<k>\w) = input\("(?P<v>\w+): "\)',
    r"# call (v\d)$": r"(?P<k>v\d) = \w+\.(?P<v>\w+)",
    r"; show\((\w)\) # shows the$": r"(?P<k>\w) = get_(?P<v>\w+)\(",
    r"\) # so (\w) is$": r'"(?P<v>\w+) \d =", (?P<k>\w)',
    r"\) # (\w):$": r"(?P<v>\w+)=(?P<k>\w)",
    r" -- (\w) means$": r"(?P<v>\w+) AS (?P<k>\w)",
    r"(\w) is the \w+'s$": r'if not (?P<k>\w): need\("(?P<v>\w+)"\)',
    r"In (\w+)\(v\d\) the name v\d is the$": r"(?:gives|and) (?P<k>\w+) the (?P<v>\w+)",
    r"print\((\w)\)\n# prints every$": r"for (?P<k>\w) in \w+\.(?P<v>\w+):",
    r"\{ return (\w)\(\) \} // \w+ runs$": r"(?P<k>\w)\(\) \{ (?P<v>\w+)\(\) \}",
    r"\d (\d) -> \w+$": r"(?P<k>\d)=(?P<v>\w+)",
    r"secret: (\w)\. plain:$": r"[:,] (?P<k>\w) (?P<v>\w+)",
    r"reads (\w+) and thinks$": r"(?P<k>\w+) for (?P<v>\w+)",
}


def evaluated(expression: str, env: dict[str, object] | None = None) -> str:
    """The value of a Python expression."""
    env = {} if env is None else env
    exec(f"value = {expression}", env)
    return env["value"]


def program(pattern: str, question: str = "{0}(1)") -> Callable[[str], str]:
    """Runs the code before the question, with nouns as functions of their own name, and evaluates the question."""

    def answer(prompt: str) -> str:
        asked = re.search(pattern, prompt)
        env = {noun: lambda *given, noun=noun: noun for noun in NOUNS} | dict.fromkeys(LETTERS)
        exec(prompt[: asked.start()], env)
        return evaluated(question.format(*asked.groups()), env)

    return answer


def tree(pattern: str, find: Callable[[ast.AST, str], str]) -> Callable[[str], str]:
    """Parses the code before the question and looks the asked name up in it."""
    return lambda p: find(ast.parse(p[: (asked := re.search(pattern, p)).start()]), asked[1])


def parameter(code: ast.AST, name: str) -> str:
    """What the parameter is called to which the call gives this name."""
    function, call = code.body[0], code.body[1].value
    return function.args.args[[each.id for each in call.args].index(name)].arg


def imported(code: ast.AST, name: str) -> str:
    return next(each.name for each in code.body[0].names if each.asname == name)


def attribute(code: ast.AST, name: str) -> str:
    return next(
        each.targets[0].attr for each in ast.walk(code) if isinstance(each, ast.Assign) and each.value.id == name
    )


def parent(code: ast.AST, name: str) -> str:
    return next(each.bases[0].id for each in code.body if each.name == name)


def letters(pattern: str, change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    return lambda p: "".join(change(re.findall(r"\w", re.search(pattern, p)[1])))


OTHERS: dict[str, Callable[[str], str]] = {
    r'\n(x\d) = "$': lambda p: json.loads(p.split("\n")[0])[p.split("\n")[1][:2]],
    r"\n# v\d is the$": tree(r"\n# (v\d) is the$", parameter),
    r"\.run\(\d\) # runs$": tree(r"\n(\w)\.run\(\d\) # runs$", imported),
    r"self\.\w+ = \w\n# \w:$": tree(r"\n# (\w):$", attribute),
    r"v\d\(\w\) is just$": program(r"\n(v\d)\(\w\) is just$"),
    r"\n\w\(\d\) # calls$": program(r"\n(\w)\(\d\) # calls$"),
    r"; \w\(\d\) ==$": program(r"; (\w)\(\d\) ==$"),
    r"is only another$": tree(r"\n# (v\d) is only another$", parent),
    r"stands for$": program(r"\n# '(\w)' stands for$", "table['{0}']"),
    r"\nforwards: \w+ \w+ \w+$": lambda p: p.split("\n")[0].split()[::-1][3],
    r"=> \w+, \w+,$": lambda p: re.sub(r"(\d)\1 ", "", p).split()[2],
    r"is the word$": letters(r", (\w \w \w) is the word$", lambda read: read[::-1]),
    r"is one word, the$": lambda p: evaluated(p.split("#")[0]),
    r"\n# spells$": lambda p: evaluated(p.split("#")[0]),
    r"tells \w+:$": letters(r"so (\w-\w-\w) tells", lambda moved: [chr(ord(each) - 1) for each in moved]),
    r"4=a 3=e 0=o .* ->$": letters(
        r": (\w+) ->$", lambda leet: [{"4": "a", "3": "e", "0": "o"}.get(c, c) for c in leet]
    ),
    r"\n# gives$": lambda p: evaluated(p.split("#")[0]),
    r"\n# runs$": lambda p: evaluated(
        re.search(r"run\((.*), \d\)", p)[1], {"t": ast.literal_eval(p.split("\n")[0][4:])}
    ),
    r"the same as f with$": lambda p: re.findall(r'"(\w+)"', p)["!1" in p],
    r"// calls only$": lambda p: re.search(rf"case {int(p[4:7], 16)}: (\w+)", p)[1],
}


def meaning(end: str, prompt: str) -> str:
    if end in OTHERS:
        return OTHERS[end](prompt)
    asked = re.search(end, prompt)
    (found,) = (pair["v"] for pair in re.finditer(LEGENDS[end], prompt[: asked.start() + 1]) if pair["k"] == asked[1])
    return found


def test_meanings_are_right() -> None:
    used = set()
    for prompt, answer in answers("deobfuscation", 30):
        (end,) = [each for each in (*LEGENDS, *OTHERS) if re.search(each, prompt)]
        assert meaning(end, prompt) == answer.strip(), prompt + answer
        used.add(end)
    assert len(used) == len(LEGENDS) + len(OTHERS) == len(find_family("deobfuscation").templates)
