"""evaluators/pocket: the tokenizer of a pocket model, a byte-level BPE learnt from its own training texts.

Read it with `tokenizers`, as we do, or with `PreTrainedTokenizerFast`: for a qwen2 folder the `AutoTokenizer` of
transformers 5 puts Qwen2's way of splitting text in the place of the one in tokenizer.json.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (END_OF_TEXT, TURN_START, TURN_END)
"""Ids 0, 1, 2."""

WORDS = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s"
"""A word, one digit or one sign, each with the space before it; white space that is left, one by one."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, as Qwen2 has it."""


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn the merges of a BPE with `vocabulary` tokens, special ones and all 256 bytes included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
