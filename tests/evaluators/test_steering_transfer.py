"""tests: directions of another model, and the maps through which they come."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.maps import least_squares, procrustes, rotation
from mi_atlas.specs.sites import Site
from transformers import LlamaConfig, LlamaForCausalLM

from .conftest import SIZES, block, micro, wrap
from .steered import (
    ANSWER,
    LEARNT,
    NAMES,
    PAIRS,
    directions,
    ends,
    measure,
)


def test_the_same_model_as_donor_changes_nothing(architecture: str) -> None:
    module = micro(architecture)
    cells = [Cell(name, "L2.residual", word) for name in NAMES for word in ("steer(2)", "anti(0.5,residual)")]
    alone = measure(module, ANSWER, *cells)
    donor = measure(module, ANSWER | {"map": "identity"}, *cells, donor=wrap(micro(architecture)))
    assert alone == donor
    there = ANSWER | {"map": "identity", "donor_site": "L2.residual"}
    assert alone == measure(module, there, *cells, donor=wrap(micro(architecture)))
    other = ANSWER | {"map": "identity", "donor_site": "L1.residual"}
    assert alone != measure(module, other, *cells, donor=wrap(micro(architecture)))


def test_a_map_finds_the_rotation_and_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 6, generator=generator, dtype=torch.float64)
    turn = rotation(6, 8, 1)
    assert torch.allclose(turn @ turn.T, torch.eye(6, dtype=torch.float64))
    assert torch.allclose(procrustes(x + 3, 2.5 * x @ turn - 1), 2.5 * turn)
    assert torch.allclose(least_squares(x + 3, 2.5 * x @ turn - 1), 2.5 * turn)
    skewed = torch.randn(6, 8, generator=generator, dtype=torch.float64)
    assert torch.allclose(least_squares(x, x @ skewed), skewed)
    assert not torch.allclose(procrustes(x, x @ skewed), skewed)
    few = procrustes(x[:4], x[:4] @ turn)
    assert torch.linalg.matrix_rank(few) == 3
    with pytest.raises(NotEvaluated, match="more texts"):
        least_squares(x[:7], x[:7])
    with pytest.raises(NotEvaluated, match="the same for all"):
        procrustes(x, torch.ones_like(x))


@pytest.mark.parametrize("way", ["procrustes", "least_squares"])
def test_a_map_is_fitted_to_other_templates_than_the_direction_is_learnt_from(way: str) -> None:
    module, donor = micro("llama"), micro("qwen2", seed=3)
    learnt = directions(PAIRS | {"map": way}, module, wrap(donor))
    x, y, kept = [], [], []
    for name in NAMES:
        examples = block(name, n=LEARNT, seed=1).examples
        fitting = [e for e in examples if e.template.endswith("t1")]
        kept.append([e for e in examples if not e.template.endswith("t1")])
        prompts = [*(e.clean_ids for e in fitting), *(e.corrupt_ids for e in fitting)]
        x.append(ends(donor, prompts, 1).double())
        y.append(ends(module, prompts, 1).double())
    fit = {"procrustes": procrustes, "least_squares": least_squares}[way](torch.cat(x), torch.cat(y))
    made = ends(donor, [e.clean_ids for e in kept[0]], 1).mean(0) - ends(
        donor, [e.corrupt_ids for e in kept[0]], 1
    ).mean(0)
    assert len(kept[0]) == LEARNT * 2 // 3
    assert torch.allclose(learnt.vector("made", Site(1, "residual")), made.double() @ fit, atol=1e-3)


@pytest.mark.parametrize("twist", ["random_map", "shuffled_pairs", "random_direction", "shuffled_labels", "wrong_task"])
def test_controls_of_a_mapped_direction_differ_and_keep_its_norm(twist: str) -> None:
    learnt, site = directions(PAIRS | {"map": "procrustes"}, micro("llama"), wrap(micro("qwen2"))), Site(2, "residual")
    own = learnt.vector("made", site)
    draws = [learnt.vector("made", site, twist, nth) for nth in range(12)]
    for i, draw in enumerate(draws):
        assert float(draw.norm()) == pytest.approx(float(own.norm()))
        assert all(float((draw - other).norm()) > 1e-3 for other in [own, *draws[:i]])


def test_widths_that_differ_have_no_identity() -> None:
    torch.manual_seed(0)
    wide = LlamaForCausalLM(LlamaConfig(**SIZES | {"hidden_size": 24, "head_dim": 6})).eval().requires_grad_(False)
    cell = Cell("made", "L1.residual", "steer(1)")
    with pytest.raises(NotEvaluated, match="24 there and 16"):
        measure(micro("llama"), ANSWER | {"map": "identity"}, cell, donor=wrap(wide))
    assert any(measure(micro("llama"), ANSWER | {"map": "procrustes"}, cell, donor=wrap(wide))[cell]["kl"])
