"""benchmarks: models of real shapes with random weights."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn

SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2.5-0.5b": (
        "Qwen2",
        {
            "vocab_size": 151936,
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
    ),
    "smollm2-135m": (
        "Llama",
        {
            "vocab_size": 49152,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "tie_word_embeddings": True,
        },
    ),
    "lfm2.5-350m": (
        "Lfm2",
        {
            "vocab_size": 65536,
            "hidden_size": 1024,
            "intermediate_size": 6656,
            "num_hidden_layers": 16,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "layer_types": [("full_attention" if i in (2, 5, 8, 10, 12, 14) else "conv") for i in range(16)],
        },
    ),
    "tiny": (
        "Qwen2",
        {
            "vocab_size": 512,
            "hidden_size": 64,
            "intermediate_size": 192,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
    ),
    "tiny-lfm2": (
        "Lfm2",
        {
            "vocab_size": 512,
            "hidden_size": 64,
            "intermediate_size": 192,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "layer_types": ["conv", "full_attention", "conv", "full_attention"],
        },
    ),
}
"""Name -> architecture and configuration."""


def depth(shape: str) -> int:
    """How many layers a shape has."""
    return int(SHAPES[shape][1]["num_hidden_layers"])


def build(shape: str, layers: int | None, dtype: torch.dtype, device: str) -> nn.Module:
    """A model of a shape, or with fewer layers; the same weights every time."""
    architecture, sizes = SHAPES[shape]
    sizes = dict(sizes)
    if layers is not None:
        sizes["num_hidden_layers"] = layers
        if "layer_types" in sizes:
            sizes["layer_types"] = sizes["layer_types"][:layers]
    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(**sizes)
    model: nn.Module = getattr(transformers, f"{architecture}ForCausalLM")(config)
    return model.eval().requires_grad_(False).to(device=device, dtype=dtype)
