"""tests: a tiny random model in a folder, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from mi_atlas.specs.model import Model
from tokenizers import Tokenizer, models, pre_tokenizers

VOCABULARY = 257


def spec(**fields: object) -> Model:
    """A model spec as a file would give it."""
    return Model.model_validate({"model": "tiny", **fields})


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 of two layers, d = 16, as `save_pretrained` leaves it, and a byte tokenizer."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("made")
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.2,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    alphabet = ["<|end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def tiny(made: Path, tmp_path: Path) -> Path:
    """The workspace `tmp_path`, with a fresh copy of the tiny model in `tiny/`."""
    shutil.copytree(made, tmp_path / "tiny")
    return tmp_path / "tiny"
