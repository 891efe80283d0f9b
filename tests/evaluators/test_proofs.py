"""tests: each proof holds on real architectures and fails on a model that was broken for it."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.proofs import no_op_is_exact, past_is_untouched, prove, same_logits, updates_add_up
from torch import Tensor, nn

from .conftest import block, micro, wrap

IDS = torch.tensor([[3, 1, 4, 1, 5]])


def test_every_proof_holds(architecture: str) -> None:
    prove(wrap(micro(architecture)), block().examples)


def test_a_head_that_scales_logits_fails_same_logits() -> None:
    module = micro("qwen2")
    module.register_forward_hook(lambda m, args, out: setattr(out, "logits", out.logits * 2))
    assert not same_logits(wrap(module), dissect(module), IDS)
    with pytest.raises(NotEvaluated, match="same_logits"):
        prove(wrap(module), block().examples)


def test_a_layer_that_writes_more_than_its_parts_fails_updates_add_up() -> None:
    module = micro("llama")
    module.model.layers[1].register_forward_hook(lambda m, args, out: out * 1.5)
    assert not updates_add_up(wrap(module), dissect(module), IDS)


def test_a_large_stream_does_not_fail_updates_add_up(architecture: str) -> None:
    # One channel of 10^4 leaves an update of 1 known to 10^-3 in float32: rounding, not another writer.
    module = micro(architecture)
    module.model.embed_tokens.weight[:, 0] = 1e4
    assert updates_add_up(wrap(module), dissect(module), IDS)


def test_an_operator_that_sees_the_future_fails_past_is_untouched() -> None:
    class Mixer(nn.Module):
        def forward(self, hidden_states: Tensor, **kwargs: object) -> tuple[Tensor, None]:
            return hidden_states.mean(1, keepdim=True).expand_as(hidden_states), None

    module = micro("llama")
    module.model.layers[0].self_attn = Mixer()
    assert not past_is_untouched(wrap(module), dissect(module), IDS)


def test_a_module_with_memory_fails_no_op() -> None:
    module = micro("llama")
    calls = iter(range(100))
    module.model.layers[2].mlp.register_forward_hook(lambda m, args, out: out + next(calls))
    assert not no_op_is_exact(wrap(module), dissect(module), IDS)
