"""tests: quantities in chunks of the vocabulary against their plain formulas."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators import quantities
from mi_atlas.evaluators.replay import log_probability, logit_difference, readout, top5_overlap
from mi_atlas.evaluators.replay.readout import Contrast, Reference
from torch import Tensor


def contrast(clean: Tensor, other: Tensor) -> Contrast:
    return Contrast(Reference(clean, torch.arange(len(clean))), other)


@pytest.fixture(params=[7, 16384], ids=["chunks of 7", "one chunk"])
def _columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readout, "COLUMNS", request.param)


@pytest.mark.usefixtures("_columns")
@pytest.mark.parametrize("size", [1e-4, 1e-2, 1.0, 30.0, 2000.0])
def test_kl_is_that_of_quantities_for_small_and_large_differences(size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    clean = 4 * torch.randn(3, 50, generator=generator)
    other = clean + size * torch.randn(6, 3, 50, generator=generator) + 7.0
    found = contrast(clean, other)
    for k in range(6):
        expected = quantities.kl_divergence(clean, other[k])
        assert torch.allclose(found.kl[k], expected, rtol=1e-7, atol=1e-14)
        normaliser = other[k].double().logsumexp(-1)
        assert torch.allclose(found.normaliser[k], normaliser, rtol=1e-12)


@pytest.mark.usefixtures("_columns")
@pytest.mark.parametrize("step", [-600.0, -40.0, 40.0, 600.0])
def test_kl_where_the_most_likely_token_alone_moves(step: float) -> None:
    clean = torch.randn(1, 50, generator=torch.Generator().manual_seed(0))
    other = clean.clone()
    other[0, clean.argmax()] += step
    expected = quantities.kl_divergence(clean, other)
    found = contrast(clean, other[None])
    assert torch.allclose(found.kl[0], expected, rtol=1e-12)
    assert torch.allclose(found.normaliser[0], other.double().logsumexp(-1), rtol=1e-12)


@pytest.mark.usefixtures("_columns")
def test_kl_of_two_tokens_by_hand() -> None:
    # p = (1/2, 1/2), q = (3/4, 1/4): KL = (ln(2/3) + ln 2) / 2 = ln(4/3) / 2.
    other = torch.tensor([[[0.75, 0.25]]]).log()
    assert float(contrast(torch.zeros(1, 2), other).kl) == pytest.approx(0.14384103622589045, abs=1e-8)


def test_equal_logits_have_no_divergence_at_all() -> None:
    clean = torch.randn(4, 30)
    assert (contrast(clean, clean[None].clone()).kl == 0).all()


def test_tokens_are_those_of_each_rows_prompt() -> None:
    other = torch.arange(12.0).reshape(1, 3, 4)
    rows = Contrast(Reference(torch.zeros(3, 4), torch.tensor([1, 0, 1])), other)
    # Prompt 0 asks for tokens 3 and 0, prompt 1 for 2 and 1.
    assert logit_difference([3, 2], [0, 1])(rows).tolist() == [[1.0, 3.0, 1.0]]
    expected = other[0, [0, 1, 2], [2, 3, 2]].double() - other[0].double().logsumexp(-1)
    assert torch.allclose(log_probability([3, 2])(rows)[0], expected)


def test_top5_overlap_counts_the_clean_five() -> None:
    clean = torch.arange(10.0).flip(0)[None]
    other = clean.clone()
    other[0, [0, 1]] = -1.0
    assert float(top5_overlap(contrast(clean, other[None]))) == pytest.approx(3 / 5)
