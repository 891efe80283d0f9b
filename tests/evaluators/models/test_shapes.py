"""tests: the shapes of real models have the parameters of the real models."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.models.shapes import count_parameters, find_shape, shape_names


@pytest.mark.parametrize("name", shape_names())
def test_a_shape_has_the_parameters_of_its_model(name: str) -> None:
    shape = find_shape(name)
    module = shape.build(device="meta")
    assert count_parameters(module) == shape.parameters
    assert len(dissect(module).layers) == shape.config["num_hidden_layers"]


def test_parameters_of_qwen_by_hand() -> None:
    """0.5B: a tied embedding; q and o of 896 x 896, k and v of 896 x 128, biases of q, k, v; a gated MLP; two norms."""
    layer = 2 * 896 * 896 + 2 * 896 * 128 + 896 + 2 * 128 + 3 * 896 * 4864 + 2 * 896
    assert find_shape("qwen2.5-0.5b").parameters == 151_936 * 896 + 24 * layer + 896


def test_a_smaller_one_runs_and_follows_its_seed() -> None:
    shape = find_shape("smollm2-135m")
    state = torch.random.get_rng_state()
    one, same, other = (shape.build(seed, num_hidden_layers=2, vocab_size=64) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    ids = torch.arange(8)[None]
    assert torch.equal(one(input_ids=ids).logits, same(input_ids=ids).logits)
    assert not torch.equal(one(input_ids=ids).logits, other(input_ids=ids).logits)
    assert shape.build(dtype=torch.bfloat16, num_hidden_layers=1, vocab_size=64)(input_ids=ids).logits.isfinite().all()


def test_an_unknown_shape_is_named() -> None:
    with pytest.raises(LookupError, match=r"`gpt-5`; there are .*qwen2\.5-0\.5b"):
        find_shape("gpt-5")
