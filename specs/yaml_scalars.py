"""specs: what an unquoted YAML scalar means: the core schema of YAML 1.2.

`no`, `off`, `1_000`, `12:30:00` and `2024-01-01` are text, `1e-3` is a number, `012` is 12 and `0o14` is 12.
"""

from __future__ import annotations

import math
import re

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_START = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_INTEGER = 40

Scalar = str | int | float | bool | None


def meaning(text: str) -> Scalar:
    """The value of a plain (unquoted) scalar.

    Raises:
        ValueError: a number that is not finite, or an integer that does not fit in 64 bits.
    """
    if text in _NULL:
        return None
    if text[0] in _NUMBER_START:
        return _number(text)
    return _BOOLEANS.get(text, text)


def _number(text: str) -> Scalar:
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError("is a number too large to hold")
        return value
    if _OTHER_BASE.fullmatch(text):
        return _integer(text, 0)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("is not a finite number")
    return text


def _integer(text: str, base: int) -> int:
    value = int(text, base) if len(text) <= _LONGEST_INTEGER else 2**63
    if not -(2**63) <= value < 2**63:
        raise ValueError("is a whole number too large to hold")
    return value
