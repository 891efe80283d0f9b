"""tests: quantities against high-precision arithmetic (mpmath, 50 digits)."""

from __future__ import annotations

import mpmath
import pytest
import torch
from mi_atlas.evaluators.quantities import kl_divergence, log_probability, logit_difference


def exact_kl(clean: list[float], other: list[float]) -> float:
    with mpmath.workdps(50):
        p = [mpmath.exp(mpmath.mpf(x)) for x in clean]
        q = [mpmath.exp(mpmath.mpf(x)) for x in other]
        total_p, total_q = mpmath.fsum(p), mpmath.fsum(q)
        return float(
            mpmath.fsum(a / total_p * mpmath.log((a / total_p) / (b / total_q)) for a, b in zip(p, q, strict=True))
        )


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.3, 5.0, 60.0])
def test_kl_is_exact_from_the_smallest_to_the_largest_effects(scale: float) -> None:
    generator = torch.Generator().manual_seed(1)
    clean = torch.randn(4, 40, generator=generator) * 4
    other = clean + torch.randn(4, 40, generator=generator) * scale
    expected = [exact_kl(a, b) for a, b in zip(clean.tolist(), other.tolist(), strict=True)]
    assert kl_divergence(clean, other).tolist() == pytest.approx(expected, rel=1e-6)


def test_kl_of_two_coins_by_hand() -> None:
    # p = (1/2, 1/2), q = (1/4, 3/4): KL = .5 ln 2 + .5 ln(2/3) = .5 ln(4/3)
    clean, other = torch.log(torch.tensor([[0.5, 0.5]])), torch.log(torch.tensor([[0.25, 0.75]]))
    assert kl_divergence(clean, other).item() == pytest.approx(0.14384103622589042, rel=1e-6)


def test_kl_ignores_a_shift_of_all_logits_and_is_zero_for_equal_ones() -> None:
    logits = torch.randn(2, 9, dtype=torch.float64)
    assert kl_divergence(logits, logits + 7).abs().max() < 1e-12
    assert kl_divergence(logits, logits.clone()).tolist() == [0.0, 0.0]


def test_log_probability_and_logit_difference_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.8], [0.5, 0.5]]))
    first, second = torch.tensor([0, 0]), torch.tensor([1, 1])
    assert log_probability(logits, first).exp().tolist() == pytest.approx([0.2, 0.5])
    # ln .2 - ln .8 = -ln 4; ln .5 - ln .5 = 0
    assert logit_difference(logits, first, second).tolist() == pytest.approx([-1.3862944, 0.0], abs=1e-6)
