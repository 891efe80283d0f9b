"""tests: what training compiles computes what it did before."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators.pocket.batches import Part
from mi_atlas.evaluators.pocket.compiled import EAGER, compiled, compiler, shifted_convolutions
from mi_atlas.evaluators.pocket.recipe import find_recipe
from mi_atlas.evaluators.pocket.train import LONG, answer_loss, initial, made_by
from torch import Tensor, nn

from .test_build import small


def learnt(module: nn.Module, length: int) -> list[Tensor]:
    """Loss and gradients of two random prompts."""
    ids = torch.randint(0, 50, (2, length), generator=torch.Generator().manual_seed(0))
    weight = torch.ones(2, length)
    weight[:, -1] = 0
    module.zero_grad()
    loss = answer_loss(module, Part(ids, weight))
    loss.backward()
    return [loss.detach(), *(parameter.grad.clone() for parameter in module.parameters())]


@pytest.mark.parametrize("name", ["pocket-qwen", "pocket-lfm2"])
@pytest.mark.skipif(compiler() == EAGER, reason="no C++ compiler is installed")
def test_compiled_layers_have_the_same_loss_and_gradients_at_any_length(name: str) -> None:
    recipe = find_recipe(name)
    kinds = {"layer_types": ["conv", "full_attention"]} if "layer_types" in recipe.config else {}
    layers = {"num_hidden_layers": len(kinds.get("layer_types", "1"))} | kinds
    module = initial(small(config=recipe.config | layers, architecture=recipe.architecture), 50)
    eager = [learnt(module, length) for length in (7, 12)]
    with compiled(module):
        fast = [learnt(module, length) for length in (7, 12)]
    for one, other in zip([*eager[0], *eager[1]], [*fast[0], *fast[1]], strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)
    again = learnt(module, 7)
    assert all(torch.equal(one, other) for one, other in zip(again, eager[0], strict=True))


def test_the_convolution_as_shifted_sums_is_the_library_s() -> None:
    """And the library's own is back afterwards."""
    from transformers.models.lfm2 import modeling_lfm2 as library

    own = library.causal_conv1d_fn
    generator = torch.Generator().manual_seed(0)
    signal, weight, bias = (torch.randn(*size, generator=generator) for size in ((2, 5, 9), (5, 3), (5,)))
    for given in (bias, None):
        with shifted_convolutions():
            shifted = library.causal_conv1d_fn(signal, weight, given)
        assert torch.allclose(shifted, own(signal, weight, given), atol=1e-6)
    assert library.causal_conv1d_fn is own


def test_only_long_trainings_are_compiled() -> None:
    assert made_by(small()) == EAGER
    assert find_recipe("pocket-qwen").all_steps >= LONG
    assert made_by(find_recipe("pocket-qwen")) == compiler()


def test_without_a_compiler_training_is_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert made_by(find_recipe("pocket-qwen")) == EAGER
