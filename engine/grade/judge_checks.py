"""engine: requirements of judges and of what they judged, each with its number. Imported only when grading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...specs.judge import Judge
from .words import against

HIGH_ALPHA = 0.80
LEAST_CONSISTENCY = 0.80
MOST_FAILURES, MOST_DIFFERENCE = 0.02, 0.01
LEAST_FAMILIES = 2
ROUNDING = 1e-12


@dataclass(frozen=True)
class GateCheck:
    """One requirement of a judge, or of the answers that it judged."""

    name: str
    value: float | None
    """None: there is nothing to take it from."""
    bound: float
    passed: bool
    text: str
    """`gold agreement .42 < .75 (lower 95% bound; 54 of 104)`."""


def surviving(first: str | None, swapped: str | None) -> float:
    """What is left of a pair's two verdicts: 1 (-1) where the first (second) wins in both orders, else 0.

    NaN where one of the verdicts is missing.
    """
    if first is None or swapped is None:
        return np.nan
    one, other = _order(first), -_order(swapped)
    return one if one == other else 0.0


def _order(winner: str) -> float:
    return {"first": 1.0, "second": -1.0, "tie": 0.0}[winner]


def order_consistency(first: Sequence[str | None], swapped: Sequence[str | None]) -> GateCheck:
    """Whether the same answer wins, or neither, when a pair's order is swapped; of the pairs with both verdicts."""
    both = [(_order(a), -_order(b)) for a, b in zip(first, swapped, strict=True) if a is not None and b is not None]
    kept = sum(a == b for a, b in both)
    return at_least(
        "order swap", kept / len(both) if both else 0.0, LEAST_CONSISTENCY, f"{kept} of {len(both)} pairs agree"
    )


def failures(scored: Mapping[str, Any]) -> tuple[GateCheck, GateCheck]:
    """Of each arm (its answers, bool: whether one was scored): the share that was not, and by how much arms differ."""
    shares = {arm: float(np.mean(~np.asarray(one, dtype=bool))) for arm, one in scored.items() if len(one)}
    worst = max(shares, key=lambda arm: shares[arm], default="")
    most, apart = shares.get(worst, 0.0), max(shares.values(), default=0.0) - min(shares.values(), default=0.0)
    return (
        at_most("failures", most, MOST_FAILURES, f"answers not scored{f', {worst}' if most else ''}"),
        at_most("failures apart", apart, MOST_DIFFERENCE, "between arms"),
    )


def panel(judges: Sequence[Judge], judged: Sequence[str]) -> GateCheck:
    """Whether judges are of two model families at least, and none judges its own kin.

    `judged` are names, hub ids and families of the models whose answers are judged; a judge is kin where its family is
    a word of one, or its model is one of them.
    """
    families = sorted({judge.family.casefold() for judge in judges})
    names = {name.casefold() for name in judged}
    kin = sorted({judge.model for judge in judges if any(_kin(judge, name) for name in names)})
    count, what = len(families), "family" if len(families) == 1 else "families"
    text = f"panel: {count} model {what} ({', '.join(families)}); needs {LEAST_FAMILIES}"
    if kin:
        text = f"panel: {', '.join(kin)} judges its own kin"
    return GateCheck("panel", float(count), LEAST_FAMILIES, count >= LEAST_FAMILIES and not kin, text)


def _kin(judge: Judge, name: str) -> bool:
    letters = "".join(sign if sign.isalpha() else " " for sign in name).split()
    family = "".join(sign if sign.isalpha() else " " for sign in judge.family.casefold()).split()
    return judge.model.casefold() == name or judge.family.casefold() == name or bool(set(family) & set(letters))


def at_least(name: str, value: float, bound: float, about: str, enough: tuple[int, int] | None = None) -> GateCheck:
    """A value that must reach a bound; `enough`: the n that it was taken over, and the least."""
    passed = value >= bound
    text = f"{name} {_held(value, bound, '>=' if passed else '<')} ({about})"
    if enough and enough[0] < enough[1]:
        return GateCheck(name, value, bound, False, f"{text}; needs n = {enough[1]}")
    return GateCheck(name, value, bound, passed, text)


def at_most(name: str, value: float, bound: float, about: str) -> GateCheck:
    """A value that must not exceed a bound."""
    passed = value <= bound + ROUNDING
    return GateCheck(name, value, bound, passed, f"{name} {_held(value, bound, '<=' if passed else '>')} ({about})")


def _held(value: float, bound: float, sign: str) -> str:
    near, limit = (bound, bound) if value == bound else (value, bound)
    shown = short(near) if near == limit else against(near, limit, "")[0]
    return f"{shown.replace('0.', '.', 1) if shown.startswith(('0.', '-0.')) else shown} {sign} {short(bound)}"


def short(value: float) -> str:
    """`.75`, `2`."""
    return f"{value:g}".removeprefix("0") if 0 < value < 1 else f"{value:g}"
