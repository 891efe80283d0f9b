"""tests: micro models of real architectures with random weights, and hand-made examples for them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.models.load import LoadedModel
from mi_atlas.evaluators.models.locate import Located
from mi_atlas.evaluators.tasks import Block, Example
from mi_atlas.specs.model import Model, Source
from tokenizers import Tokenizer
from tokenizers.models import BPE
from torch import nn
from transformers import Lfm2Config, Lfm2ForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

VOCABULARY = 50
LAYERS = 3
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}


def micro(architecture: str, seed: int = 0) -> nn.Module:
    """A random-weight model of an architecture: 3 layers, d_model 16."""
    torch.manual_seed(seed)
    if architecture == "lfm2":
        types = ["conv", "full_attention", "conv"]
        model: nn.Module = Lfm2ForCausalLM(Lfm2Config(**SIZES, layer_types=types, block_auto_adjust_ff_dim=False))
    elif architecture == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SIZES))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=True))
        for layer in model.model.layers:
            for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
                nn.init.normal_(projection.bias)
    return model.eval().requires_grad_(False)


def wrap(module: nn.Module) -> LoadedModel:
    """What evaluators are given, around a module that was made in the test."""
    spec = Model(model="micro", source=Source(path="micro"))
    located = Located(spec, Path(), {}, LAYERS, type(module).__name__, Path(), {}, 0)
    return LoadedModel(module, Tokenizer(BPE()), located, torch.device("cpu"), torch.float32)


def block(family: str = "made", n: int = 6, seed: int = 0) -> Block:
    """Random token ids of different lengths, as a block."""
    rng = random.Random(f"{family}{seed}")
    examples = []
    for i in range(n):
        clean = tuple(rng.randrange(VOCABULARY) for _ in range(4 + i % 4))
        target, wrong = rng.sample(range(VOCABULARY), 2)
        examples.append(_example(family, i, clean, target, wrong))
    return Block.of(family, "verification", 1, examples, {})


def _example(family: str, i: int, clean: tuple[int, ...], target: int, wrong: int) -> Example:
    fields: dict[str, Any] = {
        "family": family,
        "template": f"{family}/t{i % 3}",
        "clean": " ".join(map(str, clean)),
        "corrupt": " ".join(map(str, clean[::-1])),
        "target": str(target),
        "wrong_target": str(wrong),
        "answer_position": len(clean) - 1,
        "clean_ids": clean,
        "corrupt_ids": clean[::-1],
        "target_ids": (target,),
        "wrong_target_ids": (wrong,),
    }
    return Example(**fields)


@pytest.fixture(params=["qwen2", "llama", "lfm2"])
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture in turn."""
    return str(request.param)
