"""tests: the names of the variable_renaming family, by renaming in the syntax tree of the code; prose by its pairs."""

from __future__ import annotations

import ast
import re

from ..test_families import answers

CODE = {
    r"rename (?P<a>.) to (?P<b>\w+):\n(?P<old>.*\n.*)\n->\n(?P<new>.*\n.*)": "",
    r"rename (?P<a>.) to (?P<b>\w+): (?P<old>(?:print|for).*) -> (?P<new>.*)": "",
    r"s/(?P<a>.)/(?P<b>\w+)/g\n(?P<old>.*)\n(?P<new>.*)": "",
    r"\w+: call it (?P<b>\w+), not (?P<a>.)\.\n(?P<old>.*)\n(?P<new>.*)": "",
    r'"(?P<old>if.*)"\.replace\("(?P<a>.)", "(?P<b>\w+)"\) == "(?P<new>.*)': "",
    r"- (?P<old>def .*)\n\+ (?P<new>.*)": "as before",
    r"(?P<old>def .*\n.*)\n\n(?P<new>def .*\n.*)": "as before",
    r"(?P<old>\[.*)\n(?P<new>\[.*)": "comprehension",
    r"let (?P<old>(?P<a>.)[^/]*)\n// now\nlet (?P<new>(?P<b>\w+) .*\n.*)": "",
    r"(?P<old>lambda (?P<a>.), (?P<c>.):.*)\n(?P<new>lambda (?P<b>\w+), (?P<d>\w+):)": "",
    r"(?P<old>with .*)\n(?P<new>.*)": "as before",
    r"(?P<old>except .*\n.*)\n=>\n(?P<new>.*\n.*)": "as before",
    r"- (?P<a>.), (?P<c>.) = .*\n\+ (?P<b>\w+), (?P<d>\w+) = .*\n- (?P<old>.*)\n\+ (?P<new>.*)": "",
    r"def f\((?P<a>.)=., (?P<c>.)=.\)\ndef f\((?P<b>\w+)=., (?P<d>\w+)=.\)\n(?P<old>.*)\n(?P<new>.*)": "",
    r"def f\((?P<a>.), (?P<c>.)\) -> def f\((?P<b>\w+), (?P<d>\w+)\)\n@param (?P<old>.)\n@param(?P<new>)": "",
    r"rename (?P<a>.) to (?P<b>\w+) and (?P<c>.) to (?P<d>\w+): (?P<old>.*) -> (?P<new>.*)": "",
    r'names = \{"(?P<a>.)": "(?P<b>\w+)", "(?P<c>.)": "(?P<d>\w+)"\}\nold: (?P<old>.*)\nnew: (?P<new>.*)': "",
    r"(?P<a>.) -> (?P<b>\w+)\n(?P<c>.) -> (?P<d>\w+)\n(?P<e>.) -> (?P<f>\w+)\n(?P<old>.*) -> (?P<new>.*)": "",
    r"old: (?P<a>.), (?P<c>.), (?P<e>.)\nnew: (?P<b>\w+), (?P<d>\w+), (?P<f>\w+)\n\n(?P<old>.*)\n(?P<new>.*)": "",
    r"# (?P<a>.) is now (?P<b>\w+), (?P<c>.) is now (?P<d>\w+)\n- (?P<old>.*)\n\+ (?P<new>.*)": "",
    r"rename (?P<a>.) to (?P<b>\w+), (?P<c>.) to (?P<d>\w+): (?P<old>.*) -> (?P<new>.*)": "",
    r"\w+: (?P<a>.)=(?P<b>\w+); (?P<c>.)=(?P<d>\w+)\.\n(?P<old>.*) => (?P<new>.*)": "",
    r"new names in order: (?P<b>\w+), (?P<d>\w+)\.\n(?P<old>return (?P<a>.) - (?P<c>.))\n(?P<new>.*)": "",
    r"swap the names (?P<a>\w+) and (?P<b>\w+):\n(?P<old>.*)\n(?P<new>.*)": "",
    r"rename (?P<a>.) to (?P<x>\w+), then (?P=x) to (?P<b>\w+): (?P<old>.*) -> (?P<new>.*)": "",
    r"undo the renaming of (?P<b>.) to (?P<a>\w+): (?P<old>.*) -> (?P<new>.*)": "",
    r"(?P<a>\w+) was (?P<b>.); (?P<c>\w+) was (?P<d>.)\.\nold code of (?P<old>.*): (?P<new>.*)": "",
    r"import (?P<b>\w+) as (?P<a>.), (?P<d>\w+) as (?P<c>.)\n# without as: (?P<old>.*) -> (?P<new>.*)": "",
    r"rename (?P<a>\w\w+) to (?P<b>\w+): (?P<old>\w+, .*) -> (?P<new>.*)": "",
    r"rename only (?P<a>\w+) to (?P<b>\w+):\n(?P<old>.*)\n->\n(?P<new>.*)": "",
    r"- (?P<a>\w+) = .*\n\+ (?P<b>\w+) = .*\n- (?P<old>.*)\n\+ (?P<new>.*)": "",
    r"rename (?P<a>.) to (?P<b>\w+), keep \w+: (?P<old>.*) -> (?P<new>.*)": "",
    r"rename (?P<a>\w+) to (?P<b>\w+): (?P<old>[A-Z]\w+\(.*) -> (?P<new>.*)": "",
    r"no change in quotes, rename (?P<a>\w+) to (?P<b>\w+):\n(?P<old>.*)\n(?P<new>.*)": "",
    r"rename (?P<a>\w+) to (?P<b>\w+) in (?P<only>\w+) only:\n(?P<old>.*\n.*)\n->\n(?P<new>.*\n.*)": "scope",
    r"rename the function (?P<a>.) to (?P<b>\w+): (?P<old>.*) -> (?P<new>.*)": "",
    r"rename the argument (?P<a>.) to (?P<b>\w+): (?P<old>.*) -> (?P<new>.*)": "",
    r"rename the attribute (?P<a>\w+) to (?P<b>\w+): (?P<old>.*) -> (?P<new>.*)": "attribute",
    r'the attribute (?P<a>.) is now (?P<b>\w+): (?P<old>.*) -> (?P<new>.*"\w*)': "string",
    r"the class (?P<a>\w+) is now (?P<b>\w+): (?P<old>.*) -> (?P<new>.*)": "",
    r"names in capitals: (?P<old>return (?P<a>.) \* . \+ (?P<c>.)) -> (?P<new>.*)": "capitals",
}
"""Where a prompt has the old code, the new code and the pairs of names (a becomes b, c becomes d, e becomes f)."""


class Renamer(ast.NodeTransformer):
    """Renames in a tree as a kind of rule says; `only` is the function that it says."""

    def __init__(self, names: dict[str, str], kind: str, only: str | None) -> None:
        self.names, self.kind, self.only = names, kind, only

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if self.kind == "scope" and isinstance(node, ast.FunctionDef) and node.name != self.only:
            return node
        fields = {"Attribute": ["attr"]} if self.kind == "attribute" else {"Name": ["id"], "arg": ["arg"]}
        fields |= {} if self.kind == "attribute" else {"keyword": ["arg"], "ExceptHandler": ["name"]}
        fields |= {"Constant": ["value"]} if self.kind == "string" else {}
        for field in fields.get(type(node).__name__, []):
            setattr(node, field, self.names.get(getattr(node, field), getattr(node, field)))
        return super().generic_visit(node)


def parsed(code: str) -> ast.Module:
    """The tree of code, of a statement without its body, or of a handler without its `try`."""
    code = f"try: pass\n{code}" if code.startswith("except") else code
    for whole in (code, f"{code} pass", f"{code}: pass"):
        try:
            return ast.parse(whole)
        except SyntaxError:
            continue
    raise AssertionError(code)


def test_code_has_the_right_names() -> None:
    used = set()
    for prompt, answer in answers("variable_renaming", 40):
        ((rule, found),) = ((rule, f) for rule in CODE if (f := re.fullmatch(rule, prompt)))
        said, kind = found.groupdict(), CODE[rule]
        names = {said[a]: said.get(b) or said[a].upper() for a, b in ("ab", "cd", "ef") if said.get(a)}
        before, after = (re.findall(r"\w+", said[code]) for code in ("old", "new"))
        if kind == "comprehension":
            names = {before[1]: after[1]}
        elif kind == "as before":
            names = {a: b for a, b in zip(before, after, strict=False) if a != b}
        assert names, prompt
        renamed = ast.unparse(Renamer(names, kind, said.get("only")).visit(parsed(said["old"])))
        right = re.findall(r"\w+", renamed.removeprefix("try:\n    pass\n"))
        assert right[: len(after) + 1] == [*after, answer.strip()], prompt + answer
        used.add(rule)
    assert used == set(CODE)


PROSE = (
    r"renamed the variable (?P<a>.) to (?P<b>\w+)\. So where the code printed (?P<q>.), it now prints",
    r"loop variable (?P<a>.) is called (?P<b>\w+) from .* \w+ printed (?P<q>.); now in each round \w+ prints",
    r"variable (?P<b>\w+) took the place of (?P<a>.)\. You will not find (?P<q>.) in .*, so look for",
    r"keeps a number in (?P<q>.)\. After each (?P<a>.) is changed to (?P<b>\w+), it keeps the number in",
    r"wrote that (?P<q>(?P<a>.)) is at most (?P<n>\w+)\. .* likes the name (?P<b>\w+) .* at most (?P=n) is",
    r'each (?P<a>\w+) must be turned into (?P<b>\w+)\. The line "print the (?P<q>\w+)" becomes "print the',
    r'From "let (?P<a>.) be (?P<n>\w+)" \w+ made "let (?P<b>\w+) be (?P=n)"\. Likewise "show (?P<q>.)" becomes "show',
    r"says (?P<b>\w+) where it said (?P<a>.)\. It added (?P<n>\w+) to (?P<q>.), and now adds (?P=n) to",
    r"were (?P<a>.) and (?P<c>.)\. They are now called (?P<b>\w+) and (?P<d>\w+)\. .* returned (?P<q>.) now returns",
    r"that (?P<a>.) become (?P<b>\w+) and (?P<c>.) become (?P<d>\w+)\. .* added \w+ to (?P<q>.)\. Now we add \w+ to",
    r"variables (?P<a>.), (?P<c>.) and (?P<e>.) .* names (?P<b>\w+), (?P<d>\w+) and (?P<f>\w+)\. So (?P<q>.) becomes",
    r"For (?P<a>.) we now say (?P<b>\w+); for (?P<c>.) we say (?P<d>\w+)\. .* value of (?P<q>.), that is, of",
    r"Read (?P<b>\w+) where (?P<a>.) stands and (?P<d>\w+) where (?P<c>.) stands\. .* at (?P<q>.), .* stops at",
    r"adds (?P<a>.) to (?P<c>.), and the new .* adds (?P<b>\w+) to (?P<d>\w+)\. What was (?P<q>.) is therefore",
    r"Since (?P<a>.) .* is (?P<b>\w+) now, and (?P<c>.), as bad, is (?P<d>\w+)\. To print the old (?P<q>.), print",
    r"If (?P<a>.) is renamed to (?P<b>\w+) and (?P<c>.) to (?P<d>\w+), the sum of (?P=a) and (?P<q>.) is .* (?P=b) and",
    r"Say (?P<b>\w+), not (?P<a>.)\. Say (?P<d>\w+), not (?P<c>.)\. What should \w+ say for (?P<q>.)\? It is",
    r'"Return (?P<a>.) or (?P<c>.)" was .* "return (?P<b>\w+) or (?P<d>\w+)" by .* new name of (?P<q>.) is',
    r"new: (?P<b>\w+), once (?P<a>.), and (?P<d>\w+), once (?P<c>.)\. The test that asked for (?P<q>.) asks for",
    r"So (?P<a>.) became (?P<b>\w+), while (?P<c>.) became (?P<d>\w+), and lines about (?P<q>.) are now about",
    r"one file calls (?P<a>.), the other calls (?P<b>\w+), and (?P<c>.) is (?P<d>\w+) there\. .* change (?P<q>.) to",
    r"argument, (?P<a>.), shall be (?P<b>\w+); the second, (?P<c>.), shall be (?P<d>\w+)\. .* changes (?P<q>.) to",
    r"Do not write (?P<a>.) or (?P<c>.) .* is (?P<b>\w+) for the first and (?P<d>\w+) for .* of (?P<q>.), write",
    r"(?P<b>\w+) under the short name (?P<a>.), and (?P<d>\w+) under .* name (?P<c>.)\. .* uses (?P<q>.), it .* uses",
    r"The name (?P<a>\w+) was (?P<b>.) before\. \w+ wants the old name back, and so (?P<q>\w+) is again",
    r"names (?P<a>\w+) and (?P<b>\w+) trade places in the program\. What was (?P<q>\w+) for \w+ is now",
    r"First (?P<a>.) was renamed to (?P<b>\w+), and later (?P<c>\w+) .* to (?P<d>\w+)\. .* the old (?P<q>.) of \w+ is",
    r"changed (?P<q>(?P<a>.)) to (?P<b>\w+)\. .* did not like (?P<c>\w+) and chose (?P<d>\w+)\. .* it is called",
    r"names are (?P<a>\w+) and (?P<c>\w+); last year they were (?P<b>.) and (?P<d>.)\. Last year (?P<q>\w+) was",
    r"plan to rename (?P<q>\w+) to \w+ was dropped, says \w+\. So the variable is still called",
    r"Call (?P<a>\w+) by the new name (?P<b>\w+)! .* that (?P=a) is more than (?P<q>\w+); .* (?P=b) is more than",
    r"but (?P<a>\w+) was renamed\. Its new name is (?P<b>\w+)\. \w+ looks for (?P<q>\w+) and finds it, .* under",
    r"Only inside the function of \w+ is (?P<q>\w+) renamed to \w+\. In that of \w+ it is still",
    r'renames (?P<a>\w+) to \w+, but what is in quotes stays\. So the text "(?P<q>(?P=a))" is still "',
    r"variable (?P<a>\w+) had the value (?P<q>\w+)\. .* new name (?P<b>\w+), nothing else\. The value of (?P=b) is",
    r"both called (?P<b>\w+)\. The one of (?P<a>\w+) keeps .* of (?P<c>\w+) is now (?P<d>\w+)\. .* of (?P<q>\w+) is",
    r"function (?P<a>\w+) is now the function (?P<b>\w+)\. Where the program called (?P<q>\w+) with \w+, it now calls",
    r"argument (?P<q>(?P<a>.))\. The argument is now (?P<b>\w+), so who calls it gives \w+ as",
    r"class (?P<a>\w+) has become the class (?P<b>\w+)\. So \w+ no longer makes a (?P<q>\w+), but a",
    r"key (?P<q>(?P<a>\w+)) is now the key (?P<b>\w+), with .* (?P<x>\w+) as before\. To get (?P=x), \w+ asks for",
    r"says (?P<a>\w+) for what .* of (?P<x>\w+) calls (?P<b>\w+)\. .* about (?P<q>\w+), .* (?P=x), must be about",
)
"""A description: what it asks about (q) and the pairs of names, one after the other."""


def test_described_names_are_right() -> None:
    used = set()
    for prompt, answer in answers("variable_renaming_natural", 40):
        ((rule, found),) = ((rule, f) for rule in PROSE if (f := re.search(rule + "$", prompt)))
        said = found.groupdict()
        right = said["q"]
        for old, new in ("ab", "cd", "ef"):
            right = said[new] if new in said and said.get(old) == right else right
        assert answer.strip() == right, prompt
        used.add(rule)
    assert used == set(PROSE)
