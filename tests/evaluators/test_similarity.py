"""tests: CKA and its pseudo-values are the literal formula's, of matrices and of sites."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.representation import Representation
from mi_atlas.evaluators.similarity import cka, pseudo_values
from mi_atlas.evaluators.tasks import Block
from torch import Tensor

from .conftest import block, micro, wrap
from .represented import long_block, measure, streams


def literal_hsic(k: Tensor, l: Tensor) -> float:  # noqa: E741
    """Song et al. 2012, equation 5, sum by sum."""
    n = len(k)
    k, l = (g - torch.diag(g.diagonal()) for g in (k, l))  # noqa: E741
    one = torch.ones(n, dtype=k.dtype)
    first = torch.trace(k @ l)
    second = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ l @ one)
    return float((first + second - third) / (n * (n - 3)))


def literal_cka(x: Tensor, y: Tensor) -> float:
    k, l = x.double() @ x.double().T, y.double() @ y.double().T  # noqa: E741
    return literal_hsic(k, l) / math.sqrt(literal_hsic(k, k) * literal_hsic(l, l))


def gaussian(rows: int, width: int, seed: int) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def test_cka_is_the_literal_formula() -> None:
    x, y = gaussian(9, 5, 0), gaussian(9, 5, 0) @ gaussian(5, 7, 1) + gaussian(9, 7, 2)
    assert cka(x, y) == pytest.approx(literal_cka(x, y), abs=1e-12)


def test_cka_is_one_for_the_same_representation_rotated_scaled_and_shifted() -> None:
    x = gaussian(12, 6, 0).double()
    rotation = torch.linalg.qr(gaussian(6, 6, 1).double()).Q
    assert cka(x, x) == pytest.approx(1)
    assert cka(x, 3 * x @ rotation + 50) == pytest.approx(1)


def test_cka_of_independent_numbers_is_about_zero_where_the_biased_one_is_near_one() -> None:
    values = [cka(gaussian(20, 400, seed), gaussian(20, 400, 1000 + seed)) for seed in range(50)]
    assert abs(sum(values) / 50) < 0.02
    x, y = (gaussian(20, 400, seed) for seed in (0, 1000))
    k, l = ((side - side.mean(0)) @ (side - side.mean(0)).T for side in (x, y))  # noqa: E741
    assert (k * l).sum() / (k.norm() * l.norm()) > 0.9


def test_pseudo_values_are_of_cka_with_each_row_left_out() -> None:
    x, y = gaussian(7, 3, 0), gaussian(7, 3, 0) + gaussian(7, 3, 1)
    kept = [[j for j in range(7) if j != i] for i in range(7)]
    expected = [7 * literal_cka(x, y) - 6 * literal_cka(x[rows], y[rows]) for rows in kept]
    assert pseudo_values(x, y).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (gaussian(4, 3, 0), "5 rows or more, has 4"),
        (torch.ones(8, 3), "same in all 8 rows"),
        (torch.ones(8, 3) + 1e-7 * gaussian(8, 3, 0), "same in all 8 rows"),
        (torch.cat([torch.ones(7, 3), gaussian(1, 3, 0)]), "in all but one"),
    ],
)
def test_what_has_no_cka_is_not_evaluated(x: Tensor, says: str) -> None:
    for sides in ((x, gaussian(len(x), 3, 5)), (gaussian(len(x), 3, 5), x)):
        with pytest.raises(NotEvaluated, match=says):
            pseudo_values(*sides)


def test_cka_of_sites_is_that_of_their_streams(architecture: str) -> None:
    module = micro(architecture)
    got = measure(
        module, "cka", *(Cell("made", "L1.residual", w) for w in ("observe", "observe(every)")), against="L3.residual"
    )
    seen = [streams(module, example.clean_ids) for example in long_block().examples]
    for word, pooled in (("observe", lambda t: t[-1]), ("observe(every)", lambda t: t.mean(0))):
        x, y = (torch.stack([pooled(s[layer]) for s in seen]) for layer in (1, 3))
        kept = [[j for j in range(8) if j != i] for i in range(8)]
        expected = [8 * literal_cka(x, y) - 7 * literal_cka(x[rows], y[rows]) for rows in kept]
        assert got[Cell("made", "L1.residual", word)]["cka"] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_cka_of_a_site_with_itself_is_one_and_with_shuffled_examples_is_not() -> None:
    own, other = Cell("made", "L2.mlp", "observe"), Cell("made", "L2.mlp", "observe|shuffled_examples", 5)
    got = measure(micro("llama"), "cka", own, other, against="L2.mlp")
    assert got[own]["cka"] == pytest.approx([1] * 8, abs=1e-6)
    assert sum(got[other]["cka"]) / 8 < 0.5


def test_cka_of_tokens_counts_prompts_with_enough_of_them(architecture: str) -> None:
    module, cell = micro(architecture), Cell("made", "L1.residual", "observe")
    got = measure(module, "cka_tokens", cell, against="L2.residual")[cell]
    examples = long_block().examples
    assert got["applies"] == [float(len(example.clean_ids) >= 8) for example in examples]
    for example, value in zip(examples, got["cka_tokens"], strict=True):
        seen = streams(module, example.clean_ids)
        expected = literal_cka(seen[1], seen[2]) if len(example.clean_ids) >= 8 else 0.0
        assert value == pytest.approx(expected, abs=1e-4)


def test_another_model_reads_the_same_texts() -> None:
    module, other = micro("qwen2"), micro("lfm2", seed=1)
    cells = [Cell("made", "L1.residual", word) for word in ("observe", "observe|shuffled_examples")]
    got = measure(module, "cka", *cells, against="L3.residual", donor=wrap(other))
    ids = [example.clean_ids for example in long_block().examples]
    x = torch.stack([streams(module, prompt)[1][-1] for prompt in ids])
    y = torch.stack([streams(other, prompt)[3][-1] for prompt in ids])
    assert got[cells[0]]["cka"] == pytest.approx(pseudo_values(x, y).tolist(), rel=1e-3, abs=1e-3)
    itself = measure(module, "cka", cells[0], against="L1.residual", donor=wrap(module))
    assert itself[cells[0]]["cka"] == pytest.approx([1] * 8, abs=1e-6)


def test_a_cell_without_a_value_comes_last() -> None:
    """All prompts end with one token: before the first layer the last token's stream is a constant."""
    some = [replace(example, clean_ids=(*example.clean_ids[:-1], 7)) for example in block(n=8).examples]
    materials = Materials([Block.of("made", "verification", 1, some, {})], {"about": "cka", "against": "L2.residual"})
    cells = [Cell("made", f"L{i}.residual", "observe") for i in range(3)]
    results = Representation().measure(wrap(micro("llama")), materials, cells)
    assert [next(results).cell.site for _ in range(2)] == ["L1.residual", "L2.residual"]
    with pytest.raises(NotEvaluated, match="same in all 8 rows") as error:
        next(results)
    assert error.value.code == "constant_representation"
