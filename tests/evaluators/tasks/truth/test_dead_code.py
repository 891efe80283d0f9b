"""tests: dead code is what a run never reaches and what a syntax tree never reads; plans are read by rules."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from types import FunctionType
from typing import ClassVar

from mi_atlas.evaluators.tasks.family import find_family
from mi_atlas.evaluators.tasks.words import LETTERS, NAMES, NOUNS, NUMBERS

from ..test_families import answers

UNUSED = """unused:/unused argument:/unused import:/never used:/never called:/not needed:/never read: "/unused field:/
never read:/not used again:/warning: unused variable '/useless argument:/opened for nothing:/unused name:/
can be deleted:/does not change what is printed:"""
NOT_RUN = """never printed:/unreachable:/never reached:/dead call:/dead:/what is never logged:/never shown:/not shown:/
never returned:/dead branch:/left out:/f never gives/not chosen:/dead case:/value never used:/lost from d:/
unreachable branch:/never handles:"""
OTHERS = """is _ unused?/does _ run?/is the print reached?/is _ dead code?/prints only/first dead line:/
set twice, the first time in vain:/argument never read:"""
TO_PYTHON = (
    (r"int (\w+ = \d), (\w+ = \d);\nreturn (\w+);", r"\1\n\2\nprint(\3)"),
    (r"function (\w+)\(\) { return (\w+); log\((\w+)\); }", r"def \1():\n    return \2\n    print(\3)"),
    (r"\d PRINT (.*)\n\d END (\w+)\n\d PRINT (.*)", r"print(\1); exit(\2); print(\3)"),
    (r"{% if (.*?) %} (.*?) {% else %} (.*?) {% endif %}", r"if \1: \2\nelse: \3"),
)


class Someone:
    """Anyone: true, with two items, and always failing."""

    def __iter__(self) -> Iterator[str]:
        return iter("ab")

    def __call__(self) -> None:
        raise KeyError


class Thing(str):
    """A word that is seen when it is called."""

    seen: ClassVar[set[str]]

    def __call__(self, *given: object) -> None:
        self.seen.add(str(self))


def seen(code: str) -> set[str]:
    """The nouns that are called, printed, raised, returned or left in a variable when the code runs."""
    compiled, found = compile(code, "", "exec"), set[str]()

    def show(*given: object) -> None:
        found.update(re.findall(r"\w+", str(given)))

    Thing.seen = found
    for value in range(10):
        env = {**dict.fromkeys(("x", *LETTERS), value), **{name: Someone() for name in NAMES}}
        env |= {noun: Thing(noun) for noun in NOUNS} | {"print": show, "exit": sys.exit}
        before = dict(env)
        try:
            exec(compiled, env)
            for made in [env[name] for name in (*NAMES, *LETTERS, "d", "f") if env.get(name) is not before.get(name)]:
                show(made(*[value] * made.__code__.co_argcount) if isinstance(made, FunctionType) else made)
        except (SystemExit, Exception) as end:
            show(end.args)
    return found & set(NOUNS)


def stored(tree: ast.AST) -> Counter[str]:
    """How often the code gives each name a value."""
    return Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def unused(code: str) -> set[str]:
    """The nouns that the code binds (variable, argument, import, function, key) and never reads."""
    tree, bound, read = ast.parse(code), set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(name, ast.Load()) | ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(name)):
                read.add(name)
            case ast.arg(name) | ast.alias(name) | ast.FunctionDef(name):
                bound.add(name)
            case ast.Dict(keys):
                bound |= {key.value for key in keys}
    return (bound | set(stored(tree))) - read & set(NOUNS)


def right(code: str, question: str) -> set[str]:
    for shape, python in TO_PYTHON:
        code = re.sub(shape, python, code)
    nouns = set(re.findall(rf"\b(?:{'|'.join(NOUNS)})\b", code))
    asked = re.sub(rf"\b(?:{'|'.join(NOUNS)})\b", "_", question)
    if asked in UNUSED.replace("\n", "").split("/"):
        return unused(code)
    if asked in NOT_RUN.replace("\n", "").split("/"):
        return nouns - seen(code)
    return {
        "is _ unused?": lambda: {"yes" if question.split()[1] in unused(code) else "no"},
        "does _ run?": lambda: {"yes" if seen(code) else "no"},
        "is the print reached?": lambda: {"yes" if seen(code) else "no"},
        "is _ dead code?": lambda: {"no" if seen(code) else "yes"},
        "prints only": lambda: seen(code),
        "first dead line:": lambda: {str(int(re.search(r"line (\d) is: return", code)[1]) + 1)},
        "set twice, the first time in vain:": lambda: {n for n, c in stored(ast.parse(code)).items() if c == 2},
        "argument never read:": lambda: set(stored(ast.parse(code))),
    }[asked]()


def test_code_is_right() -> None:
    used = set()
    for prompt, answer in answers("dead_code", 12):
        code, question = re.fullmatch(r"(.*)(?:\n(?:# |// )?| # | // )([^\n]*)", prompt.rstrip(), re.DOTALL).groups()
        assert right(code, question) == {answer.strip()}, prompt + answer
        used.add(re.sub(rf"\b(?:{'|'.join(NOUNS)})\b", "_", question))
    assert used == set("/".join((UNUSED, NOT_RUN, OTHERS)).replace("\n", "").split("/"))
    assert len(used) == len(find_family("dead_code").templates)


# A and B, of which L is live or D dead; or A holds under P (B under Q) and K holds; N is a number, M another
DEAD = (
    "sets A to .* and B to .* prints only L. The unused variable is",
    "arguments, A and B, but looks only at L. It could do without",
    "imports A and B. The rest of the file needs nothing but L. We can delete the import of",
    "two functions, A and B. .* calls L every .* and never the other. No one would miss",
    "a P list with A and a Q list with B and reads the K list. Unused is",
    "does with D changes nothing, while L decides the result. The code can do without",
    "columns A and B. All reports show L, none the other. Drop the column",
    "prints L; then the function of .* returns; then it prints D. No one will see",
    "calls L, breaks out, and below that calls D. The call that never happens is",
    "program of .* ends. Above it stands L, below it D. It never gets to",
    "If the mode is P we run A, otherwise B. .* set it to K for good. We can cut",
    "calls A for P and B for Q. Only K ever uses it. Dead code is",
    "value D goes into the variable and L replaces it at once, .* No one ever reads",
    "sets A, sets B, gives D a new value and only now reads both. Wasted was the first value of",
    "lists a case twice, .* first with L, then with D. The first wins. Never chosen is",
    "All errors are caught by L. Behind it .* put D for missing keys. Nothing ever arrives at",
    "rides to the L and gets off there on .* The bus goes on to the D. .* never sees the",
    "Step one, take the L. Step two, stop here. Step three, take the D. So .* will not take the",
    "If the light is P, bring a A; otherwise a B. It is always K, so .* never brings a",
    "P uses the A and Q the B. On .* only K will come, so there is no use for the",
    "A is behind the P door, the B behind the Q. Only K opens. .* gets no",
    "gets a A on P days, a B on Q days, and all are K. Never given is the",
    "We stop on .* The L comes before that and the D after it.. No one will see the",
    "to buy a A and a B, but .* needs just the L. Do not buy the",
    "took a A and a B to the .* and used the L. What could have stayed at home. The",
    "We pay P with a A and Q with a B. We only meet K, so leave at home the",
    "Clean the A, clean the B, then throw the D away, says the plan. .* can skip cleaning the",
    "goes to L at the .*, then to D. But .* never passes it on. It never reaches",
    "Ask L for the .*, and D only if there is no answer. There always is one. Nobody asks",
    "A guards the P gate, B the Q one. Only the K gate still stands. Out of work is",
    "They asked A and B for .* Only what L said was used, not the answer of",
)
LIVE = (
    "the line with D into a comment and left the line with L alone. What still runs is",
    "wrote about the D, crossed it out, and wrote about the L. The reader learns only about the",
    "P note tells of the A, a Q one of the B. .* opens the K one, about the",
)
IS_DEAD = (
    "variables are set, A and B, and .* reads only L. Is A unused. The answer is",
    "A runs if the light is P, .* The light is always K. Is A dead code. Answer:",
)
IS_LIVE = ("Is A needed. .* there are A and B, and it goes to L:",)
COUNTS = {
    "returns in line N and calls .* in line M. Is the call ever reached.": lambda n, m: m < n,
    "counts up from N and prints .* while below M. Is it ever printed. I think": lambda n, m: n < m,
    "has ten lines and returns in line N. The first dead line is line": lambda n: NUMBERS[n + 1],
    "Above N we take the L. Otherwise, above M, the D. .* will never give .* the": lambda n, m: n < m and "dead",
    "list of .* has N words, and .* is called for each. Does .* ever run. We say": lambda n: n > 0,
}


def told(rule: str, prompt: str) -> dict[str, str] | None:
    """What stands for the rule's capitals in a prompt that it describes; a capital that comes twice is one word."""
    once: set[str] = set()
    shape = re.sub(
        r"\b[ABDKLMNPQ]\b",
        lambda c: f"(?P={c[0]})" if c[0] in once else once.add(c[0]) or rf"(?P<{c[0]}>\w+)",
        rule,
    )
    found = re.search(shape + "$", prompt)
    return found and found.groupdict()


def prose(rule: str, g: dict[str, str]) -> str:
    if rule in COUNTS:
        given = COUNTS[rule](*({"no": 0}.get(g[n]) if g[n] == "no" else NUMBERS.index(g[n]) for n in "NM" if n in g))
        return {True: "yes", False: "no", "dead": g.get("D")}.get(given, given)
    live = g.get("L") or (g["A"] if g.get("K") == g.get("P") else g.get("B"))
    if "K" not in g and "L" not in g:
        live = ({g["A"], g["B"]} - {g["D"]}).pop()
    dead = g.get("D") or ({g["A"], g.get("B")} - {live}).pop()
    if rule in IS_DEAD or rule in IS_LIVE:
        return "yes" if (live == g["A"]) == (rule in IS_LIVE) else "no"
    return dead if rule in DEAD else live


def test_prose_is_right() -> None:
    used = set()
    for prompt, answer in answers("dead_code_natural", 20):
        ((rule, groups),) = [(r, g) for r in (*DEAD, *LIVE, *IS_DEAD, *IS_LIVE, *COUNTS) if (g := told(r, prompt))]
        assert f" {prose(rule, groups)}" == answer, prompt + answer
        used.add(rule)
    assert len(used) == len(find_family("dead_code_natural").templates)
