"""engine: correlations over conditions, against all orders in which the conditions could stand.

If x and y have nothing to do with each other, every order of the conditions (within blocks that are given) is as likely
as the one that is seen. Up to MOST_EXACT orders are gone through, otherwise DRAWS are drawn; the one seen counts as one
of them, so that no p-value is below what so few orders can show (Phipson & Smyth 2010). The draws depend on the number
of conditions alone: a verdict is the same every time.
Imported only when grading.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri  # type: ignore[import-untyped]

from .answer import Alphas, Answer
from .inference import POWER_QUANTILE
from .question import Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .evidence import Floats

MOST_EXACT = 50_000
DRAWS = 20_000
SAME = 1e-10
"""Correlations that differ by less are equal."""

MOST_CONDITIONS = 10_000


@dataclass(frozen=True, eq=False)
class Association:
    """A correlation, and those of every order."""

    value: float
    orders: Floats
    """Rising; the one that is seen is among them."""
    conditions: int

    @property
    def above(self) -> float:
        """Share of the orders whose correlation is at least as high."""
        return float((self.orders >= self.value - SAME).mean())

    @property
    def below(self) -> float:
        """Share of the orders whose correlation is at most as high."""
        return float((self.orders <= self.value + SAME).mean())

    @property
    def least(self) -> float:
        """The least share that any order could have `above`."""
        return float((self.orders >= self.orders[-1] - SAME).mean())

    def limit(self, alpha: float, side: int) -> float:
        """Approximate one-sided limit: lower for side -1, upper for side +1.

        Fisher's z less (plus) that of the order which the alpha allows: it excludes 0 exactly where the test does.
        """
        place = math.ceil(alpha * len(self.orders) - SAME) - 1
        allowed = float(self.orders[place if side > 0 else -1 - place])
        return math.tanh(self._fisher(self.value) - self._fisher(allowed))

    def needed(self, alpha: float) -> int | None:
        """Conditions that would decide with 80 % power, by Fisher's z, if the correlation stays as it is."""
        size = self._fisher(abs(self.value))
        if size <= 0:
            return None
        wanted = math.ceil(3 + ((float(ndtri(1 - alpha)) + POWER_QUANTILE) / size) ** 2)
        return max(wanted, self.conditions + 1) if wanted <= MOST_CONDITIONS else None

    def _fisher(self, value: float) -> float:
        """Finite for +-1 too: so few conditions cannot tell 1 from a little less."""
        return math.atanh(max(-1.0, min(1.0, value)) * (1 - 1 / (2 * self.conditions**2)))


@dataclass(frozen=True)
class AssociationAnswer(Answer):
    """The answer of an arm whose units are conditions."""

    found: Association = field(kw_only=True)

    def reached(self, drawn: float) -> float:
        """A slope, which is signed as claimed."""
        return self.scale.sign * drawn

    def needed(self, alpha: float) -> int | None:
        """Conditions that would decide."""
        return self.found.needed(alpha)


def association_answer(found: Association, sign: int, families: int, alphas: Alphas) -> AssociationAnswer:
    """What an association, signed as claimed, says for and against it."""
    return AssociationAnswer(
        scale=Scale(False, "", 0.0, 0.0, sign),
        beyond=False,
        n_units=found.conditions,
        p_for=found.above,
        p_mean=found.above,
        p_against=found.below,
        p_against_blind=found.below,
        hardest="",
        value=found.value,
        se=1 / math.sqrt(found.conditions - 1),
        lower=found.limit(alphas.high, -1),
        lower_medium=found.limit(alphas.medium, -1),
        upper=found.limit(alphas.refute, +1),
        adversary="",
        adversary_value=found.value,
        families=families,
        found=found,
    )


def association(x: Floats, y: Floats, blocks: tuple[int, ...]) -> Association:
    """The correlation of x and y (conditions,), which stand block by block, within blocks of so many conditions."""
    return _association(tuple(x.tolist()), tuple(y.tolist()), blocks)


@lru_cache(maxsize=8)
def _association(ours: tuple[float, ...], theirs: tuple[float, ...], blocks: tuple[int, ...]) -> Association:
    x, y = np.array(ours), np.array(theirs)
    order = np.lexsort((y, x, np.repeat(np.arange(len(blocks)), blocks)))
    x, y = centred(x[order], blocks), centred(y[order], blocks)
    every = (y[_orders(blocks)] @ x) / math.sqrt(float(x @ x) * float(y @ y))
    return Association(float(every[0]), np.sort(every), len(x))


def centred(values: Floats, blocks: tuple[int, ...]) -> Floats:
    """Values (conditions, ...) less their block's mean."""
    parts = np.split(values, np.cumsum(blocks)[:-1])
    return np.concatenate([part - part.mean(axis=0) for part in parts])


def ranks(values: Floats) -> Floats:
    """Mean ranks (conditions,), from 0; equal values share one."""
    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    return np.asarray(below + (equal - 1) / 2, dtype=float)


@lru_cache(maxsize=8)
def _orders(blocks: tuple[int, ...]) -> NDArray[np.intp]:
    """(orders, conditions); the first leaves all where they are."""
    starts = np.cumsum((0, *blocks))[:-1]
    if math.prod(map(math.factorial, blocks)) <= MOST_EXACT:
        found = np.zeros((1, 0), dtype=np.intp)
        for start, size in zip(starts, blocks, strict=True):
            own = start + np.array(list(permutations(range(size))), dtype=np.intp)
            found = np.hstack([np.repeat(found, len(own), axis=0), np.tile(own, (len(found), 1))])
        return found
    random, rows = np.random.default_rng([DRAWS, *blocks]), np.tile(np.arange(sum(blocks)), (DRAWS + 1, 1))
    for start, size in zip(starts, blocks, strict=True):
        rows[1:, start : start + size] = random.permuted(rows[1:, start : start + size], axis=1)
    return rows
