"""tests: micro models of many architectures, 3 layers, d_model 16, 4 heads, with random weights."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn

VOCABULARY = 50

SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
FULL_AND_SLIDING = ["full_attention", "sliding_attention", "full_attention"]

MORE: dict[str, dict[str, Any]] = {
    "Qwen2": {"tie_word_embeddings": True},
    "Llama": {"attention_bias": True, "mlp_bias": True},
    "Lfm2": {"layer_types": ["conv", "full_attention", "conv"], "block_auto_adjust_ff_dim": False, "conv_bias": True},
    "Qwen3": {"head_dim": 6},
    "Mistral": {"head_dim": 8, "sliding_window": 4},
    "Gemma": {"head_dim": 8},
    "Gemma2": {"head_dim": 8, "layer_types": FULL_AND_SLIDING, "sliding_window": 4, "final_logit_softcapping": 5.0},
    "Gemma3": {"head_dim": 8, "layer_types": FULL_AND_SLIDING, "sliding_window": 4},
    "Phi3": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
    "SmolLM3": {"no_rope_layers": [1, 0, 1]},
    "Olmo2": {},
    "Granite": {"residual_multiplier": 0.5},
    "Cohere": {},
    "Phi": {},
    "Mixtral": {"num_local_experts": 2},
    "FalconH1": {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_d_ssm": 32, "mamba_chunk_size": 8},
    "BitNet": {"bos_token_id": None, "eos_token_id": None},
    "Bamba": {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "attn_layer_indices": [1]},
    "Mamba": {},
    "GPTNeoX": {},
    "OPT": {"ffn_dim": 24, "word_embed_proj_dim": 16},
}
"""What each architecture has that others do not."""

PACKED = ("Qwen2", "Llama", "Lfm2", "Qwen3", "Mistral", "Gemma", "Gemma2", "Gemma3", "Phi3", "SmolLM3", "Olmo2")
"""Architectures that the packed pass reproduces."""


def micro(architecture: str, seed: int = 0, **more: Any) -> nn.Module:
    """A random-weight model; biases and norms' weights are random too."""
    torch.manual_seed(seed)
    text = "Text" if architecture == "Gemma3" else ""
    config = getattr(transformers, f"{architecture}{text}Config")(**SIZES | MORE[architecture] | more)
    model: nn.Module = getattr(transformers, f"{architecture}ForCausalLM")(config)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, mean=float(parameter.mean()), std=0.3)
    return model.eval().requires_grad_(False)
