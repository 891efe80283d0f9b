"""evaluators: maps from one model's activations to another's, fitted to what both make of the same texts.

With X [text, d1] and Y [text, d2], both less their means, a map M [d1, d2] makes |X M - Y| least.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .cells import NotEvaluated

RANK = 1e-6
"""Singular values below this share of the largest are rounding."""


def procrustes(x: Tensor, y: Tensor) -> Tensor:
    """The rotation times the scale that does it (Schönemann 1966), M = c U V' of X' Y = U S V', c = tr S / |X|^2.

    Where the texts say nothing of a direction, M is zero: with fewer texts than columns it is no rotation of them all.

    Raises:
        NotEvaluated: `no_map`, one side is the same for all texts.
    """
    x, y = _centred(x), _centred(y)
    u, s, v = torch.linalg.svd(x.T @ y, full_matrices=False)
    kept = s > RANK * s.max()
    found: Tensor = (u[:, kept] @ v[kept]) * (s[kept].sum() / x.square().sum())
    return found


def least_squares(x: Tensor, y: Tensor) -> Tensor:
    """The linear map that does it; of several the smallest.

    Raises:
        NotEvaluated: `too_few_texts`, no more than X has columns; `no_map`, one side is the same for all texts.
    """
    x, y = _centred(x), _centred(y)
    if len(x) <= x.shape[1] + 1:
        what = f"a linear map of {x.shape[1]} columns needs more texts than that, and has {len(x)}: take more items"
        raise NotEvaluated("too_few_texts", what)
    solution: Tensor = torch.linalg.lstsq(x, y, rcond=RANK, driver="gelsd").solution
    return solution


def rotation(rows: int, columns: int, seed: int) -> Tensor:
    """A random matrix [rows, columns] whose shorter side is orthonormal, uniform over all such, float64."""
    generator = torch.Generator().manual_seed(seed)
    tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(tall)
    drawn: Tensor = q * r.diagonal().sign()
    return drawn if rows >= columns else drawn.T


def _centred(texts: Tensor) -> Tensor:
    if len(texts) < 2:
        raise NotEvaluated("no_map", f"a map needs texts of several templates to be fitted to; there are {len(texts)}")
    centred = texts - texts.mean(0)
    if not float(centred.norm()) > RANK * float(texts.norm()):
        raise NotEvaluated("no_map", "what a map is to be fitted to is the same for all texts")
    return centred
