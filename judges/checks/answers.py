"""judges/checks: answers that are compared whole: texts, numbers, JSON, lists of entries, patterns."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NoReturn

from jsonschema import Draft202012Validator

from ...specs import checks as specs
from .texts import bare, entries, folded, only_fence

_NUMBER = re.compile(r"([-+−]?)(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?(?:e([-+]?\d{1,3}))?", re.IGNORECASE)
_BEFORE = re.compile(r"^[A-Za-z]\w*\s*=\s*|^=\s*")
_DEEPEST = 100


def exact(check: specs.Exact, answer: str) -> bool:
    """The whole answer is one of the texts."""
    return _stripped(answer, check.case) in {_stripped(text, check.case) for text in check.of}


def _stripped(text: str, case: bool) -> str:
    text = folded(text, case)
    return bare(text) or text.strip()


def number(check: specs.Number, answer: str) -> bool:
    """The whole answer is the number."""
    text = _BEFORE.sub("", bare(folded(answer)))
    for unit in sorted(check.units, key=len, reverse=True):
        unit = folded(unit)
        if text.endswith(unit) or text.startswith(unit):
            text = text.removesuffix(unit) if text.endswith(unit) else text.removeprefix(unit)
            break
    value = parsed(text.strip())
    return value is not None and abs(value - Fraction(str(check.value))) <= Fraction(str(check.within))


def parsed(text: str) -> Fraction | None:
    """The number that a text is, exactly; a fraction, too."""
    above, bar, below = text.partition("/")
    if bar:
        parts = [_decimal(above.strip()), _decimal(below.strip())]
        return parts[0] / parts[1] if parts[0] is not None and parts[1] else None
    return _decimal(text)


def _decimal(text: str) -> Fraction | None:
    found = _NUMBER.fullmatch(text)
    if found is None or not (found.group(2) or found.group(3)):
        return None
    sign, whole, rest, power = found.groups()
    value = Fraction((whole or "0").replace(",", "") + (rest or "")) * Fraction(10) ** int(power or 0)
    return -value if sign in ("-", "−") else value


def as_json(check: specs.Json, answer: str) -> bool:
    """The whole answer is the JSON that is asked for."""
    inside = only_fence(answer) if check.fenced else None
    try:
        value = json.loads(
            answer if inside is None else inside, object_pairs_hook=_once, parse_constant=_refuse, parse_int=_integer
        )
    except (ValueError, RecursionError):
        return False
    if _depth(value) > _DEEPEST:
        return False
    if check.schema_ is not None and not Draft202012Validator(check.schema_).is_valid(value):
        return False
    return check.equals is None or same(value, check.equals)


def same(found: Any, wanted: Any) -> bool:
    """Two JSON values are one: numbers as numbers, keys in any order; true is not 1."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return found == wanted or math.isclose(found, wanted, rel_tol=1e-9, abs_tol=0.0)
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[key], wanted[key]) for key in wanted)
    if isinstance(found, list) and isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(same(*pair) for pair in zip(found, wanted, strict=True))
    return type(found) is type(wanted) and bool(found == wanted)


def as_entries(check: specs.Entries, answer: str) -> bool:
    """The answer lists the entries and nothing else."""
    found = [bare(folded(entry, check.case)) for entry in entries(answer)]
    wanted = [bare(folded(entry, check.case)) for entry in check.of]
    return found == wanted if check.ordered else Counter(found) == Counter(wanted)


def matches(check: specs.Matches, answer: str) -> bool:
    """The whole answer matches."""
    return re.fullmatch(check.pattern, answer.strip(), 0 if check.case else re.IGNORECASE) is not None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _integer(digits: str) -> int:
    if len(digits) > 400:
        raise ValueError("a number of more than 400 digits")
    return int(digits)


def _depth(value: Any) -> int:
    deepest, left = 0, [(value, 1)]
    while left:
        each, depth = left.pop()
        deepest = max(deepest, depth)
        inside = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        left += [(child, depth + 1) for child in inside]
    return deepest
