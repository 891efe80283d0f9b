"""judges/checks: answers that are Python: whether they parse, and what they do."""

from __future__ import annotations

import ast

from ...specs import checks as specs
from .answers import same
from .sandbox import LONGEST, ran
from .texts import program


def parses(check: specs.PythonParses, answer: str) -> bool:
    """Python that parses."""
    code = program(answer)
    if code is None or len(code) > LONGEST:
        return False
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in tree.body if isinstance(node, kinds)}
    return bool(tree.body) and names.issuperset(check.defines)


def output(check: specs.PythonOutput, answer: str) -> bool:
    """Python that does what it should."""
    code = program(answer)
    if code is None or not parses(specs.PythonParses(check="python_parses"), answer):
        return False
    found = ran(code, [each.call for each in check.calls])
    if found is None or (check.prints is not None and _trimmed(found.printed) != _trimmed(check.prints)):
        return False
    return all(same(value, each.gives) for value, each in zip(found.values, check.calls, strict=True))


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]
