"""tests: the sites of architectures, also under adapters and quantisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.interventions import capture
from mi_atlas.specs.sites import SITE_KINDS, Site, parse_site
from torch import nn

from .replay.models import MORE, PACKED, micro

COMMON = ("layer", "operator", "mlp", "gate_proj", "up_proj", "down_proj")
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
CONVOLUTION = ("conv_gate", "conv_carrier", "conv_signal", "conv", "out_proj")


@pytest.mark.parametrize("architecture", PACKED)
def test_every_architecture_has_the_common_sites(architecture: str) -> None:
    anatomy = dissect(micro(architecture))
    for kind in COMMON:
        assert anatomy.sites((kind,)) == tuple(Site(layer, kind) for layer in range(3))
    assert [site.label for site in anatomy.sites(("residual",))] == [f"L{layer}.residual" for layer in range(4)]
    attending = [layer for layer in range(3) if not anatomy.is_convolution(layer)]
    assert attending == ([1] if architecture == "Lfm2" else [0, 1, 2])
    assert anatomy.sites(ATTENTION) == tuple(Site(layer, kind) for kind in ATTENTION for layer in attending)
    assert anatomy.sites(("head",)) == tuple(Site(layer, "head", head) for layer in attending for head in range(4))
    convolving = [layer for layer in range(3) if layer not in attending]
    assert anatomy.sites(CONVOLUTION) == tuple(Site(layer, kind) for kind in CONVOLUTION for layer in convolving)
    assert [anatomy.heads(attending[0]).group(head) for head in range(4)] == [0, 0, 1, 1]
    assert (anatomy.width, anatomy.hidden, anatomy.vocabulary) == (16, 24, 50)


@pytest.mark.parametrize(
    ("architecture", "label", "says"),
    [
        ("Qwen2", "L3", "layers L0 to L2"),
        ("Qwen2", "L4.residual", "layers L0 to L2"),
        ("Qwen2", "L0.head4", "heads 0 to 3"),
        ("Qwen2", "L0.conv_gate", "Qwen2Attention has no conv_gate"),
        ("Lfm2", "L0.head1", "Lfm2ShortConv has no head"),
        ("Lfm2", "L1.out_proj", "Lfm2Attention has no out_proj"),
        ("Phi", "L1.gate_proj", "PhiMLP has no gate_proj"),
        ("Mixtral", "L2.up_proj", "MixtralSparseMoeBlock has no up_proj"),
        ("FalconH1", "L1.conv", "FalconH1Attention has no conv"),
    ],
)
def test_what_a_model_lacks_is_named(architecture: str, label: str, says: str) -> None:
    with pytest.raises(NotEvaluated, match=says) as error:
        dissect(micro(architecture)).port(parse_site(label))
    assert error.value.code == "no_such_site"


def test_an_mlp_without_a_gate_and_an_attention_that_writes_by_another_name() -> None:
    anatomy = dissect(micro("Phi"))
    kinds = ("layer", "operator", "mlp", "up_proj", "down_proj", *ATTENTION)
    assert {site.granularity for site in anatomy.sites(SITE_KINDS)} == {*kinds, "head", "residual"}
    assert anatomy.sites(kinds) == tuple(Site(layer, kind) for kind in kinds for layer in range(3))
    assert len(anatomy.sites(("head",))) == 3 * 4
    layer = anatomy.layers[1]
    assert anatomy.port(Site(1, "o_proj")).module is layer.self_attn.dense
    assert [anatomy.port(Site(1, kind)).module for kind in ("up_proj", "down_proj")] == [layer.mlp.fc1, layer.mlp.fc2]
    assert anatomy.hidden == 24


@pytest.mark.parametrize("architecture", [*PACKED, "Phi"])
@pytest.mark.parametrize(("shared", "groups"), [(1, [0, 0, 0, 0]), (4, [0, 1, 2, 3])])
def test_heads_know_which_keys_and_values_they_share(architecture: str, shared: int, groups: list[int]) -> None:
    anatomy = dissect(micro(architecture, num_key_value_heads=shared))
    layer = next(layer for layer in range(3) if not anatomy.is_convolution(layer))
    heads, width = anatomy.heads(layer), MORE[architecture].get("head_dim", 4)
    assert (heads.count, heads.kv_count, heads.width) == (4, shared, width)
    assert [heads.group(head) for head in range(4)] == groups
    ports = [anatomy.port(Site(layer, "head", head)) for head in range(4)]
    assert [port.columns for port in ports] == [slice(head * width, (head + 1) * width) for head in range(4)]
    assert {(port.module, port.side) for port in ports} == {(anatomy.projection(layer), "input")}
    with capture(anatomy, [Site(layer, kind) for kind in ("q_proj", "k_proj", "v_proj")]) as seen:
        anatomy.decoder(input_ids=torch.tensor([[1, 2, 3]]), use_cache=False)
    assert [tensor.shape[-1] for tensor in seen.values()] == [4 * width, shared * width, shared * width]


@pytest.mark.parametrize(
    ("architecture", "says"),
    [
        ("GPTNeoX", "GPTNeoXForCausalLM has no `model.layers`"),
        ("Mamba", "MambaForCausalLM has no `model.layers`"),
        ("OPT", "OPTForCausalLM has no `model.layers`"),
        ("Bamba", r"layer 0 \(BambaDecoderLayer\) has 0 of self_attn, conv; exactly one is needed"),
    ],
)
def test_a_model_of_other_parts_is_not_evaluated_and_the_part_is_named(architecture: str, says: str) -> None:
    with pytest.raises(NotEvaluated, match=says) as error:
        dissect(micro(architecture))
    assert error.value.code == "unsupported_architecture"


def test_a_layer_of_two_operators_and_a_model_without_head_are_named() -> None:
    model: Any = micro("Llama")
    model.model.layers[2].conv = nn.Identity()
    with pytest.raises(NotEvaluated, match=r"layer 2 \(LlamaDecoderLayer\) has 2 of self_attn, conv"):
        dissect(model)
    model = micro("Llama")
    model.set_output_embeddings(None)
    with pytest.raises(NotEvaluated, match="LlamaForCausalLM has no output embedding"):
        dissect(model)


def test_thirds_of_a_convolution_are_gate_carrier_and_signal() -> None:
    # y = out_proj(C * conv(B * x)) with B, C, x the thirds of in_proj, in this order.
    anatomy = dissect(micro("Lfm2"))
    ports = [anatomy.port(Site(0, kind)) for kind in ("conv_gate", "conv_carrier", "conv_signal")]
    assert [port.columns for port in ports] == [slice(0, 16), slice(16, 32), slice(32, 48)]
    assert {id(port.module) for port in ports} == {id(anatomy.operators[0].in_proj)}


def test_fused_projections_are_told_apart() -> None:
    anatomy = dissect(micro("Phi3"))
    kinds = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
    columns = [anatomy.port(Site(0, kind)).columns for kind in kinds]
    assert columns == [slice(0, 16), slice(16, 24), slice(24, 32), slice(0, 24), slice(24, 48)]


def test_an_update_is_what_is_added_behind_the_norm() -> None:
    anatomy = dissect(micro("Gemma2"))
    layer = anatomy.layers[1]
    assert anatomy.port(Site(1, "operator")).module is layer.post_attention_layernorm
    assert anatomy.port(Site(1, "mlp")).module is layer.post_feedforward_layernorm
    assert dissect(micro("Llama")).port(Site(1, "mlp")).module is not layer.mlp


@pytest.mark.parametrize("architecture", [*PACKED, "Phi"])
def test_an_adapter_has_the_same_sites(architecture: str) -> None:
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer

    model: Any = micro(architecture)
    bare = dissect(model)
    anatomy = dissect(get_peft_model(model, LoraConfig(r=2, target_modules="all-linear")))
    assert anatomy.sites(SITE_KINDS) == bare.sites(SITE_KINDS)
    modules = {anatomy.port(site).module for site in anatomy.sites(("o_proj", "out_proj", "down_proj", "head"))}
    assert all(isinstance(module, LoraLayer) for module in modules)
    assert [anatomy.heads(site.layer) for site in anatomy.sites(("o_proj",))] == [
        bare.heads(site.layer) for site in bare.sites(("o_proj",))
    ]


@pytest.mark.parametrize("bits", ["load_in_4bit", "load_in_8bit"])
@pytest.mark.parametrize("architecture", ["Qwen3", "Mistral", "Gemma", "Phi3", "SmolLM3", "Lfm2"])
def test_a_quantised_model_has_the_same_sites_also_under_an_adapter(
    architecture: str, bits: str, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    from peft import LoraConfig, get_peft_model
    from transformers import BitsAndBytesConfig

    model: Any = micro(architecture, hidden_size=64, intermediate_size=64)
    bare = dissect(model)
    model.save_pretrained(tmp_path)
    quantised = type(model).from_pretrained(
        tmp_path, quantization_config=BitsAndBytesConfig(**{bits: True}), dtype=torch.float32
    )
    anatomy = dissect(quantised)
    assert "bitsandbytes" in type(anatomy.port(Site(1, "o_proj")).module).__module__
    adapted = dissect(get_peft_model(quantised, LoraConfig(r=2, target_modules="all-linear")))
    for other in (anatomy, adapted):
        assert other.sites(SITE_KINDS) == bare.sites(SITE_KINDS)
        assert other.heads(1) == bare.heads(1)
        assert other.port(Site(1, "v_proj")).columns == bare.port(Site(1, "v_proj")).columns


def test_virtual_tokens_are_not_evaluated() -> None:
    from peft import PromptTuningConfig, get_peft_model

    adapted = get_peft_model(micro("Qwen2"), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    with pytest.raises(NotEvaluated, match="virtual tokens"):
        dissect(adapted)


def test_an_unknown_norm_is_no_family() -> None:
    model = micro("Llama")
    model.model.layers[1].extra_norm = nn.Identity()
    norms = dissect(model).norms
    assert norms[0] is not None
    assert norms[1] is None


def test_the_softcap_of_logits_is_part_of_the_unembedding() -> None:
    model = micro("Gemma2")
    ids, anatomy = torch.tensor([[1, 2, 3]]), dissect(model)
    assert torch.equal(anatomy.unembedding(anatomy.decoder(input_ids=ids).last_hidden_state), model(ids).logits)
