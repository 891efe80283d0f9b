"""tests: what a head's slice is, by a model small enough to be computed by hand."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators.replay import Add, Constant, Intervention, Replay, Zero
from mi_atlas.specs.sites import Site
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

STREAM = Site(1, "residual")


def by_hand() -> nn.Module:
    """One layer, d_model 4, two heads of width 2 that share one key/value head, MLP silent.

    Queries are zero, so that a head averages the values of all tokens so far. A value is the first two normed
    coordinates; the output projection takes head 0 to (1, 10) and head 1 to (100, 1000) times its two numbers,
    written to all coordinates through a matrix without zeros.
    """
    sizes = {"hidden_size": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=5, intermediate_size=3, rms_norm_eps=0.0, **sizes))
    for parameter in model.parameters():
        parameter.requires_grad_(False).zero_()
    layer = model.model.layers[0]
    for norm in (layer.input_layernorm, layer.post_attention_layernorm, model.model.norm):
        norm.weight.fill_(1.0)
    model.model.embed_tokens.weight.copy_(
        torch.tensor([[1, 1, 1, 1], [1, -1, 1, 1], [-1, 1, 1, 1], [1, 1, 1, -1], [0] * 4])
    )
    layer.self_attn.v_proj.weight.copy_(torch.eye(2, 4))
    layer.self_attn.o_proj.weight.copy_(OUT)
    return model.eval()


OUT = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
"""[d_model, head * 2 + number]"""

PROMPT = [1, 2, 0]
"""Embeddings of length 2, so that norming keeps them: values (1, -1), (-1, 1), (1, 1)."""

AVERAGES = torch.tensor([[1.0, -1.0], [0.0, 0.0], [1 / 3, 1 / 3]])
"""What either head gives at each position."""


def streams(*interventions: Intervention) -> Tensor:
    """The stream behind the layer, [position, d_model]."""
    packed = Replay(model := by_hand()).captures([PROMPT], [STREAM], interventions)[STREAM]
    hooked = Replay(model, packed=False).captures([PROMPT], [STREAM], interventions)[STREAM]
    assert torch.allclose(packed, hooked, atol=1e-5)
    return packed


def embedded() -> Tensor:
    return by_hand().get_input_embeddings().weight[PROMPT]


def test_the_model_is_what_the_hand_says() -> None:
    assert torch.allclose(streams(), embedded() + torch.cat([AVERAGES, AVERAGES], 1) @ OUT.T, atol=1e-5)


@pytest.mark.parametrize("head", [0, 1])
def test_without_a_head_the_other_writes_alone(head: int) -> None:
    other = OUT[:, 2:] if head == 0 else OUT[:, :2]
    expected = embedded() + AVERAGES @ other.T
    assert torch.allclose(streams(Intervention(Site(0, "head", head), Zero())), expected, atol=1e-5)


def test_a_value_in_a_head_goes_through_its_own_columns() -> None:
    # (2, -1) in head 1 writes 2 * (3, 7, 11, 15) - (4, 8, 12, 16) = (2, 6, 10, 14).
    expected = embedded() + AVERAGES @ OUT[:, :2].T + torch.tensor([2.0, 6, 10, 14])
    given = Intervention(Site(0, "head", 1), Constant(torch.tensor([2.0, -1])))
    assert torch.allclose(streams(given), expected, atol=1e-5)


def test_positions_and_strength_by_hand() -> None:
    # Half of head 0's removal at position 2: it keeps (1/6, 1/6).
    expected = streams()
    expected[2] -= 0.5 * OUT[:, :2] @ torch.tensor([1 / 3, 1 / 3])
    given = Intervention(Site(0, "head", 0), Zero(), (2,), 0.5)
    assert torch.allclose(streams(given), expected, atol=1e-5)


def test_what_is_added_to_the_stream_is_there_behind_the_layer() -> None:
    # Added behind the only layer, a vector stays what it is.
    vector = torch.tensor([1.0, 2, 3, 4])
    expected = streams() + 3 * vector
    assert torch.allclose(streams(Intervention(STREAM, Add(vector), strength=3.0)), expected, atol=1e-4)


def test_heads_know_their_group() -> None:
    heads = Replay(by_hand()).anatomy.heads(0)
    assert (heads.count, heads.kv_count, heads.width) == (2, 1, 2)
    assert [heads.group(head) for head in range(2)] == [0, 0]
