"""tests: byte-level BPEs of two kinds, learnt here, so that no suite depends on one tokenizer."""

from __future__ import annotations

from itertools import islice

import pytest
from mi_atlas.evaluators.tasks import training_examples
from mi_atlas.evaluators.tasks.family import family_names
from mi_atlas.specs.suite import Suite
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

FAMILIES = ("copying", "factual_recall", "json_schema", "arithmetic")
LEARNT_FROM = tuple(name for name in family_names() if not name.endswith("_long"))
KINDS = {
    "signs-and-digits-split": (1536, r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]|\s"),
    "as-qwen2": (
        2000,
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
}
"""Vocabulary, and how text is cut before the merges; the second is the pattern of Qwen2."""


def core(**changes: object) -> Suite:
    """Four families with the default sizes, or a suite that differs from it."""
    return Suite.model_validate({"suite": "four", "families": FAMILIES, **changes})


def byte_level(pattern: str) -> pre_tokenizers.PreTokenizer:
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def learn(size: int, pattern: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = byte_level(pattern)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    texts = (each.clean + each.target for each in islice(training_examples(LEARNT_FROM), 12_000))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def tokenizers() -> dict[str, Tokenizer]:
    return {kind: learn(*recipe) for kind, recipe in KINDS.items()}


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest, tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    """Each kind in turn."""
    return tokenizers[request.param]


@pytest.fixture
def small(tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    """The tokenizer of 1536 tokens."""
    return tokenizers["signs-and-digits-split"]
