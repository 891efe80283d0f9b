"""tests: the packed passes in bfloat16, under adapters and with quantised weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mi_atlas.evaluators.replay import Intervention, Readout, Replay, Zero, kl, logits
from mi_atlas.specs.sites import SITE_KINDS, Site
from torch import nn

from .conftest import tokens
from .models import micro

PROMPTS = tokens((5, 9, 3))


def zeros(replay: Replay) -> list[Intervention]:
    """Removals at every kind of site."""
    sites = replay.anatomy.sites(SITE_KINDS)
    return [Intervention(site, Zero()) for site in sites if site.granularity != "residual"]


def gaps(model: nn.Module) -> torch.Tensor:
    """|packed - hooked| KL, as a share of 1 nat or of the KL, [intervention, prompt]."""
    ours, theirs = Replay(model), Replay(model, packed=False)
    assert ours.fallback is None
    one, other = (replay.run(PROMPTS, zeros(ours)).values["kl"] for replay in (ours, theirs))
    assert other.max() > 0.1
    return (one - other).abs() / (1 + other)


@pytest.mark.parametrize("architecture", ["Qwen2", "Lfm2", "Gemma2"])
def test_bfloat16_is_as_with_hooks_within_its_rounding(architecture: str) -> None:
    assert gaps(micro(architecture).bfloat16()).max() < 0.1


@pytest.mark.parametrize("architecture", ["Qwen2", "Lfm2", "Phi3"])
def test_an_adapter_is_as_with_hooks(architecture: str) -> None:
    from peft import LoraConfig, get_peft_model

    model: Any = micro(architecture)
    bare = Replay(model).run(PROMPTS, [], Readout({"logits": logits})).clean["logits"]
    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)).eval()
    assert gaps(model).max() < 1e-5
    adapted = Replay(model).run(PROMPTS, [], Readout({"logits": logits})).clean["logits"]
    assert (adapted - bare).abs().max() > 0.1
    with model.disable_adapter():
        again = Replay(model).run(PROMPTS, [], Readout({"logits": logits})).clean["logits"]
    assert torch.equal(again, bare)


@pytest.mark.parametrize(("bits", "tolerance"), [("load_in_4bit", 1e-5), ("load_in_8bit", 0.1)])
def test_quantised_weights_are_as_with_hooks(bits: str, tolerance: float, tmp_path: Any) -> None:
    # Eight-bit products round activations too, so that another batch shape is another rounding.
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig, LlamaForCausalLM

    micro("Llama", hidden_size=64, intermediate_size=64).save_pretrained(tmp_path)
    config = BitsAndBytesConfig(**{bits: True})
    model = LlamaForCausalLM.from_pretrained(tmp_path, quantization_config=config, dtype=torch.float32).eval()
    assert "bitsandbytes" in type(model.model.layers[0].mlp.up_proj).__module__
    assert gaps(model).max() < tolerance


def test_a_readout_in_bfloat16_is_in_float32_and_float64() -> None:
    replay = Replay(micro("Qwen2").bfloat16())
    measured = replay.run(PROMPTS, [Intervention(Site(1, "mlp"), Zero())], Readout({"kl": kl, "logits": logits}))
    assert measured.values["kl"].dtype == torch.float64
    assert measured.values["logits"].dtype == torch.float32
