"""evaluators/pocket: the tokenizer of a pocket model, a byte-level BPE learnt from its own training texts.

Its merges are learnt on single words, digits and signs; the file then splits text as Qwen2 does, since for a
qwen2 folder the `AutoTokenizer` of transformers 5 does so whatever tokenizer.json says.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (END_OF_TEXT, TURN_START, TURN_END)
"""Ids 0, 1, 2."""

WORDS = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]|\s"
"""Where merges are learnt: a word or a sign with the space before it, one digit, one white space."""

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen2 splits text. No merge learnt on `WORDS` reaches over its borders, so both give the same tokens."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, as Qwen2 has it."""


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn the merges of a BPE with `vocabulary` tokens, special ones and all 256 bytes included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _split(WORDS)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = _split(QWEN2)
    return tokenizer


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    whole = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return pre_tokenizers.Sequence([whole, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
