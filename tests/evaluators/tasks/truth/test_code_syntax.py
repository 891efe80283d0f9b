"""tests: the code in the prompts is really parsed, compiled or run, and what prose says is turned into code or read."""

from __future__ import annotations

import ast
import io
import keyword
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from re import Match
from types import CodeType

from ..test_families import answers
from .test_delimiter_tracking import first, of, owner


def compiled(code: str) -> CodeType:
    return compile(code, "", "exec", dont_inherit=True)


def compiles(code: str) -> bool:
    try:
        compiled(code)
    except SyntaxError:
        return False
    return True


def missing(code: str) -> str:
    """The one keyword that makes code of it."""
    body = ": pass" if code.startswith("for ") else ""
    (word,) = (word for word in keyword.kwlist if compiles(code.replace("?", word) + body))
    return word


def names(code: str) -> list[str]:
    return sorted(set(re.findall(r"[A-Za-z]+", code)) - set(keyword.kwlist))


def running(code: str, end: str = "", **known: object) -> str:
    """The one name of the code with which, at the place `?`, it runs."""
    found = []
    for name in names(code):
        try:
            run(f"{code} {name}{end}", **known)
        except (NameError, TypeError):
            continue
        found.append(name)
    (name,) = found
    return name


def run(code: str, **known: object) -> dict[str, object]:
    space = dict(known)
    exec(compiled(code), space)
    space.pop("__builtins__")
    return space


def printed(code: str) -> str:
    with redirect_stdout(io.StringIO()) as out:
        run(code)
    return out.getvalue().strip()


def error(code: str) -> str:
    """The name in the message of the error that the code raises."""
    try:
        run(code)
    except (SyntaxError, NameError, TypeError) as raised:
        return re.search(r"'(\w+)'", str(raised))[1]
    raise AssertionError(code)


def called(code: str, **known: object) -> str:
    """Which function is called, and alone."""
    calls: list[str] = []
    run(code, **{name: lambda name=name: calls.append(name) for name in names(code)} | known)
    (name,) = calls
    return name


def wrong_line(code: str) -> str:
    (number,) = (line[0] for line in code.splitlines() if line[1] == " " and not compiles(line[2:]))
    return number


def received(code: str) -> dict[str, object]:
    """What the arguments are in the call on the second line."""
    function, call = code.split("\n")[:2]
    return run(function.replace("pass", "return locals()") + f"\nresult = {call}")["result"]


def counted_down(code: str) -> str:
    (name,) = (name for name, value in run(code).items() if value == 0)
    return name


def changed(code: str, function: str) -> str:
    space = run(code)
    before = dict(space)
    space[function]()
    (name,) = (name for name in before if space[name] != before[name])
    return name


def decorated(code: str) -> dict[str, str]:
    log: dict[str, str] = {}
    run(code, **{name: lambda f, name=name: log.update({name: f.__name__}) for name in names(code)})
    return log


def pairs(code: str) -> Iterator[tuple[str, str]]:
    """Name and what it belongs to: alias and module, name and module, context, error, base, method and class."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=[*imported]):
                yield from ((alias.asname, alias.name) for alias in imported)
            case ast.ImportFrom(module=module, names=[*imported]):
                yield from ((alias.name, module) for alias in imported)
                yield from (("", alias.asname) for alias in imported if alias.asname)
            case ast.withitem(context_expr=ast.Call(func=ast.Name(id=key)), optional_vars=ast.Name(id=value)):
                yield key, value
            case ast.ExceptHandler(type=ast.Name(id=key), name=str(value)):
                yield key, value
            case ast.ClassDef(name=name, bases=[ast.Name(id=base)]):
                yield name, base
            case ast.ClassDef(name=name, body=[ast.FunctionDef(name=method)]):
                yield method, name


def partner(end: str = "") -> Callable[[Match[str]], str]:
    return lambda m: dict(pairs(m.string + end))[m[1]]


def text(work: Callable[[str], str]) -> Callable[[Match[str]], str]:
    return lambda m: work(m.string)


MAIN: dict[str, Callable[[Match[str]], str]] = {
    r"^Line \d: (.*)\n# \? is$": lambda m: missing(m[1]),
    r"^(.*)\n# the missing word:$": lambda m: missing(m[1]),
    r"^(.*)\.\.\.\)  # still needs$": lambda m: missing(m[1] + "? x)"),
    r"^(.*)  # \w+ puts for \? the word$": lambda m: missing(m[1]),
    r"^(.*)  # put in$": lambda m: missing(m[1]),
    r"^(.*\n.*)\n# for \? write$": lambda m: missing(m[1]),
    r"wrote: (\w+ \w+) to (\w+)\. Python wants": lambda m: missing(f"{m[1]} ? {m[2]}"),
    r"\n3 (\w+ \w+)$": lambda m: missing(f"{m[1]} ? x"),
    r"\nError in line:$": text(wrong_line),
    r"\nbad name in line:$": text(wrong_line),
    r": (\w+), (\w+), (\w+)\. A keyword": lambda m: " ".join(filter(keyword.iskeyword, m.groups())),
    r"named twice:$": text(error),
    r"# not defined:$": text(error),
    r"^for \w+ in (\w+):\n    \w = \d \+$": lambda m: running(m.string, **{m[1]: [1]}),
    r"^\w = \[\w+ \+ \d for$": lambda m: running(m.string, " in [1]]"),
    r"for \w+ in (\w+):\n +for \w+ in (\w+):\n +# (\w+) is an item of$": lambda m: run(
        m.string + "\n        pass", **{m[1]: [m[1]], m[2]: [m[2]]}
    )[m[3]],
    r"# the loop changes$": text(counted_down),
    r"^def (\w)\(\w+\): return \d \+$": lambda m: running(m.string, f"\n{m[1]}(1)"),
    r"^(\w) = lambda \w+: \d \*$": lambda m: running(m.string, f"\n{m[1]}(1)"),
    r"  # (\w+) =\n$": lambda m: str(received(m.string)[m[1]]),
    r"# missing argument:$": text(error),
    r"# unknown argument:$": text(error),
    r"\nprint\(\w+\(\)\)  # prints\n$": text(printed),
    r"^((?s:.*)) ->$": lambda m: printed(m[1]),
    r"  # (\w+) goes to$": lambda m: next(
        k for k, v in received(m.string).items() if isinstance(v, dict) and m[1] in v
    ),
    r"^def (\w)(?s:.*)# (\w+) is of type$": lambda m: run(m.string)[m[1]].__annotations__[m[2]].__name__,
    r"# (\w+) is put on$": lambda m: decorated(m.string)[m[1]],
    r"# (\w) stands for$": partner(),
    r"# (\w+) is from$": partner(),
    r"# the new name is()$": partner(),
    r"# (\w+)\(\) is named$": partner("\n    pass"),
    r"# (\w+) is caught as$": partner(),
    r"# the base of (\w+) is$": partner(),
    r"# (\w+) is in$": partner(),
    r"# (\w)\(\) changes the outer$": lambda m: changed(m.string, m[1]),
    r"# left:$": lambda m: " ".join(run(m.string)),
    r"^\w+, \w+ = .*\n# (\w+) is$": lambda m: run(m.string)[m[1]],
    r"\nprint\(\"\w+\"\)  # prints$": text(printed),
    r"\nprint\(\w+\)  # prints$": text(printed),
    r"# without (\w) runs only$": lambda m: called(m.string, **{m[1]: False}),
    r"# (\w) = (\d) calls$": lambda m: called(m.string, **{m[1]: int(m[2])}),
    r"^(\w+) = .*\n# \w+ asks for its type:$": lambda m: type(run(m.string)[m[1]]).__name__,
}


def put(code: str) -> Callable[..., str]:
    """The keyword missing from the code with the words in it."""
    return lambda *words: missing(code.format(*words))


# `_` is a word that matters
NATURAL: dict[str, Callable[..., str]] = {
    r"begins with _ and then has _\. Before _ must": put("{} {} ? {}"),
    r"wrote \"_ _ to _\", but instead": put("{} {} ? {}"),
    r"lets Python read _ and the name _: to go on to _,": put("{} {} ? {}"),
    r"Between _ and _ stands _, and after it": lambda a, b, op: missing(f"{a} {op} ? {b}"),
    r"\"If _ _,\" begins the line, and it ends: \"_\.\"": put("if {} {} ? {}: pass"),
    r"In square brackets \w+ wrote _, the keyword _, and _\. Before _": put("[{} {} {} ? {}]"),
    r"The value of \w+ is _ _ _, and then": put("x = ({} {} {} ? y)"),
    r"The call of \w+ gets _ _ _, but that": put("f({} {} {} ? y)"),
    r"wrote the function \w+ in the function _; ": first,
    r"names _, _ and _\. Python takes two": lambda *words: " ".join(filter(keyword.iskeyword, words)),
    r"Of _, _ and _, .* only one is a keyword": lambda *words: " ".join(filter(keyword.iskeyword, words)),
    r"ends with a colon, that of _ does not": first,
    r"wrote the argument _, then _, then _ again\.": lambda *words: error("def f({}, {}, {}): pass".format(*words)),
    r"set _ and _, and then printed _, _ and _\.": lambda *words: error("{} = {} = 0; {}, {}, {}".format(*words)),
    r"a loop over \w+ and calls each item _\.": first,
    r"over _ and calls its items _; one over _ has _\. An item of _ is": of,
    r"For _ in \w+, says the loop": first,
    r" loops: for _ in \w+, the sum": first,
    r"While _ is over zero, take one from": first,
    r"takes one argument, _, and gives it back": first,
    r"takes _, then _\. \w+ calls it with _, then _\. So _ is": lambda a, b, c, d, key: {a: c, b: d}[key],
    r"needs _, _ and _\. \w+ gives _ and _\.": lambda *words: error(
        "def f({}, {}, {}): pass\nf({}=1, {}=2)".format(*words)
    ),
    r"knows _ and _ only\. \w+ gives it _ and _\.": lambda *words: error(
        "def f({}, {}): pass\nf({}=1, {}=2)".format(*words)
    ),
    r"nothing is given, _ is _ and _ is _\. .* So _ is": of,
    r"The function _ returns _, and the function _ returns _\. A call of _ gives": of,
    r"One star .* and two before _\.": first,
    r"The argument _ is marked as _, _ as _\. For _": of,
    r"Above the function _ stands an at sign and _, above _ it is _\. So _ changes": owner,
    r"imports the module \w+ under the name _\.": first,
    r"imports _ as _ and _ as _\. When the code says _,": owner,
    r"The module _ has _, and the module _ has _\. To import _,": owner,
    r"With the file \w+ as _,": first,
    r"An error _ is caught as _, an error _ as _; so when _ comes": of,
    r"The class _ is built on _ and the class _ on _\. In brackets after _ comes": of,
    r"The method _ is in the class _, the method _ in the class _\. Who has _\?": of,
    r"says \"global _\"": first,
    r"made _, _ and _; then \w+ deleted _, and _\.": lambda *words: (set(words[:3]) - set(words[3:])).pop(),
    r"The variable _ .* prints \w+ in quotes": first,
    r"holds the text _\. .* without quotes": first,
    r"Under the if .* Below, not moved in, is _\. If the test fails": first,
    r"is _, call _; or else, if it is _, call _\. It is _,": of,
    r"has _ under the key _ and _ under _\. Asked for _,": owner,
}


def check(family: str, rules: Iterable[re.Pattern[str]], right: Callable[[re.Pattern[str], Match[str]], str]) -> None:
    """Every prompt falls under one rule, which gives its answer, and no rule is left over."""
    rules, used = list(rules), set()
    for prompt, answer in answers(family, 20):
        ((rule, m),) = ((rule, m) for rule in rules if (m := rule.search(prompt)))
        assert answer.strip() == right(rule, m), prompt + answer
        used.add(rule)
    assert used == set(rules)


def test_main_is_right() -> None:
    rules = {re.compile(rule): right for rule, right in MAIN.items()}
    check("code_syntax", rules, lambda rule, m: rules[rule](m))


def test_natural_is_right() -> None:
    rules = {re.compile(re.sub(r"\b_\b", r"(\\w+)", rule)): right for rule, right in NATURAL.items()}
    check("code_syntax_natural", rules, lambda rule, m: rules[rule](*m.groups()))
