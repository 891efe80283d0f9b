"""evaluators: how alike two representations of the same things are: debiased linear CKA, and its jackknife.

With K = X X', L = Y Y' of the rows' inner products and zeros on their diagonals (K~, L~), the unbiased estimate of
their Hilbert-Schmidt independence criterion over n rows is (Song et al. 2012; Nguyen et al. 2010.15327)

    HSIC(K, L) = [ tr(K~ L~) + (1' K~ 1)(1' L~ 1) / ((n - 1)(n - 2)) - 2 / (n - 2) 1' K~ L~ 1 ] / (n (n - 3))
    CKA(X, Y)  = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))

1 for representations equal up to rotation, scale and shift; about 0 for independent ones whatever their width, where
the biased estimate nears 1 once there are more columns than rows (Murphy et al. 2405.01012). It may be negative.
"""

from __future__ import annotations

from torch import Tensor

from .cells import NotEvaluated

LEAST_ROWS = 4
"""Of which the unbiased estimate is defined; leaving one out needs one more."""

CONSTANT = 1e-5
"""Rows that differ by less than this share of their largest number are one and the same, but for rounding."""


def cka(x: Tensor, y: Tensor) -> float:
    """Debiased linear CKA of [row, width] and [row, other width].

    Raises:
        NotEvaluated: `too_few_rows`; `constant_representation`, a side is the same in every row.
    """
    one, other = _grams(x, y, LEAST_ROWS)
    return float(_ratio(_hsic(one, other), _hsic(one, one), _hsic(other, other)))


def pseudo_values(x: Tensor, y: Tensor) -> Tensor:
    """n CKA - (n - 1) CKA without row i, for each of n rows, [row], float64.

    Their mean is the jackknife estimate of CKA, their standard deviation over sqrt(n) its standard error.

    Raises:
        NotEvaluated: as `cka`; also where a side is the same in all rows but one.
    """
    one, other = _grams(x, y, LEAST_ROWS + 1)
    pairs, n = ((one, other), (one, one), (other, other)), len(one)
    return n * _ratio(*(_hsic(*pair) for pair in pairs)) - (n - 1) * _ratio(*(_without(*pair) for pair in pairs))


def _grams(x: Tensor, y: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Inner products without the diagonal; columns are centred before, which changes nothing but rounding."""
    if len(x) < least:
        raise NotEvaluated("too_few_rows", f"CKA needs {least} rows or more, has {len(x)}")
    grams = []
    for side in (x.double(), y.double()):
        centred = side - side.mean(0)
        if centred.abs().max() <= CONSTANT * side.abs().max():
            raise NotEvaluated("constant_representation", f"one side is the same in all {len(x)} rows: it has no CKA")
        grams.append((centred @ centred.T).fill_diagonal_(0))
    return grams[0], grams[1]


def _hsic(one: Tensor, other: Tensor) -> Tensor:
    """Of all rows, []."""
    sums, others = one.sum(0), other.sum(0)
    return _unbiased(len(one), (one * other).sum(), sums.sum() * others.sum(), sums @ others)


def _without(one: Tensor, other: Tensor) -> Tensor:
    """Of all rows but the i-th, [i], from the sums over all."""
    sums, others, both = one.sum(0), other.sum(0), (one * other).sum(0)
    totals = (sums.sum() - 2 * sums) * (others.sum() - 2 * others)
    crossed = sums @ others - sums * others - one @ others - other @ sums + both
    return _unbiased(len(one) - 1, both.sum() - 2 * both, totals, crossed)


def _unbiased(n: int, trace: Tensor, totals: Tensor, crossed: Tensor) -> Tensor:
    return (trace + totals / ((n - 1) * (n - 2)) - 2 / (n - 2) * crossed) / (n * (n - 3))


def _ratio(cross: Tensor, one: Tensor, other: Tensor) -> Tensor:
    for side in (one, other):
        if side.min() <= CONSTANT**2 * side.max():
            raise NotEvaluated("constant_representation", "one side is the same in all rows, or in all but one")
    return cross / (one * other).sqrt()
