"""engine: judged scores corrected by the labels that people gave to some of them. Imported only when grading.

Of N answers a judge scored all, f_i, and people labelled n, Y_i, drawn at random. For any lambda

    mean(lambda f over all) + mean(Y - lambda f over the labelled)

has the mean of Y as its expectation, however wrong the judge is: it is prediction-powered inference (PPI++). Its
variance, with r = Y - lambda f,

    lambda^2 var(f) / N + var(r) / n + 2 lambda cov(f, r) / N

is least at lambda = cov(f, Y) / var(f), the slope of the labels on the scores, whatever N and n are (in the paper's
notation, where the unlabelled answers are counted apart, lambda (1 - n / N)). A judge that says nothing has lambda 0,
which leaves the mean of the labels. Lambda is estimated from the labelled answers and kept within 0 and 1.

The estimate is a plain mean of one pseudo-value an answer, so that whatever takes means of scores over templates and
families takes these. With d_i = 1 for a labelled answer, else 0, and R the mean of r over the labelled,

    psi_i = lambda f_i + R + (N / n) c d_i (r_i - R)

Their mean is the estimate above, and their variance over N the one above: without R in its place it would also hold
(1/n - 1/N) R^2, as if the number of labels were drawn, too. c is near 1: it makes up for R and lambda being estimated
from n answers, c^2 = 1 + 2 (1 - n / N) / (n - 2), and is 1 where all are labelled; psi is Y then.

Sources: Angelopoulos, Duchi & Zrnic 2311.01453 (PPI++); Cochran 1977, chapter 7 (the regression estimator).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...specs.canonical import digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .evidence import Floats

LEAST_LABELS = 100
"""Fewer labels correct nothing."""


def drawn_order(ids: Sequence[str]) -> list[int]:
    """Indices of answers in the order in which people label them: that of digests of their ids, known before labels."""
    return sorted(range(len(ids)), key=lambda index: digest("to label", ids[index]))


def to_label(ids: Sequence[str], n: int = LEAST_LABELS) -> list[int]:
    """Indices of the answers that people label: a random n of them, the same ones for the same ids.

    A larger n begins with those of a smaller one.
    """
    return drawn_order(ids)[:n]


def counted(ids: Sequence[str], labels: Floats) -> NDArray[np.bool_]:
    """Which labels (n,), NaN where there is none, count: the unbroken beginning of the order in which they were drawn.

    What stands behind an answer that nobody labelled could have been chosen.
    """
    kept = np.zeros(len(ids), dtype=bool)
    for index in drawn_order(ids):
        if math.isnan(labels[index]):
            break
        kept[index] = True
    return kept


def slope(scores: Floats, labels: Floats) -> float:
    """Lambda: the slope of labels on scores (n,), within 0 and 1; 0 where the scores are all one."""
    away = scores - scores.mean()
    spread = float((away**2).sum())
    return min(max(float((away * labels).sum()) / spread, 0.0), 1.0) if spread > 0 else 0.0


def corrected(scores: Floats, labels: Floats, labelled: NDArray[np.bool_]) -> Floats:
    """Pseudo-values of answers, of any shape: that of `scores`, of `labels` (used where `labelled`), and of `labelled`.

    Raises:
        ValueError: fewer than three are labelled.
    """
    total, count = scores.size, int(labelled.sum())
    if count < 3:
        raise ValueError(f"{count} labels correct nothing")
    weight = slope(scores[labelled], labels[labelled])
    rest = labels[labelled] - weight * scores[labelled]
    factor = math.sqrt(1 + 2 * (1 - count / total) / (count - 2))
    values = weight * scores + rest.mean()
    values[labelled] += total / count * factor * (rest - rest.mean())
    return np.asarray(values)
