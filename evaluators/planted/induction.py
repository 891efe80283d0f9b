"""evaluators/planted: induction: two heads that continue a repeated sequence, set by hand.

Every word has its own direction in three spaces: what it is, what came before it, what to say next. The
previous-token head attends one position back by the biases of its query and key and the rotary embedding
alone, and copies what the word there is into "what came before". The matching head, in a later layer, looks
with what the word is for an equal "what came before", in the slow rotary pairs, and copies what that word is
into "what to say next" (Elhage et al. 2021; Olsson et al. 2022). Qwen2 only: the others have no biases.
Facts: `previous` and `matching`, [layer, head]; `pair`, their operators; `accuracy`, the least share of next
words that is right in the second of two copies of a random sequence of different words, after `begin`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..tasks.dice import Dice
from .body import Body, Head, Sizes
from .model import Planted, at_least, at_most, plant, top
from .prompts import Draft, Task, words
from .proof import Measured, require, without_heads

HEAD_DIM = 32
THETA = 1e8
FAST, SLOW = 3, 4
"""Rotary pairs below FAST tell one position from the next; those from SLOW on hardly turn in a prompt."""

SHARPNESS = 30.0
"""Of attention scores, between right and wrong."""

REST = 0.2
ACCURACY = 0.95

SHAPES = Dice("induction").some(
    [(lead, period, seen) for lead in range(3) for period in range(4, 10) for seen in range(1, period)], 40
)
"""Template by template: words before the repeats, words of the repeated sequence, words of its second copy."""

_PERIOD = 12


def build(seed: int) -> Planted:
    """The heads' layers and places by seed; between and around them random weights of small gain."""
    dice = Dice("induction", seed)
    vocabulary = words("w", dice.pick(range(16, 25)))
    heads, kv_heads = dice.pick(((3, 1), (3, 3), (4, 1), (4, 2), (4, 4)))
    layers = dice.pick(range(3, 7))
    sizes = Sizes("qwen2", len(vocabulary) + 2, layers, heads * HEAD_DIM, 64, heads, kv_heads, THETA)
    body = Body(sizes, "induction", seed)
    first, second = sorted(dice.some(range(layers), 2))
    previous, matching = (first, dice.pick(range(heads))), (second, dice.pick(range(heads)))
    _set(body, len(vocabulary), previous, matching)
    pair = [f"L{first}.operator", f"L{second}.operator"]
    other = dice.pick([layer for layer in range(layers) if layer not in (first, second)])
    return plant(
        body,
        "induction",
        seed,
        ("begin", *vocabulary),
        Task("induction", _draft(vocabulary)),
        f"Head {previous[1]} of layer {first} finds the previous word, head {matching[1]} of layer {second} the word "
        "after an equal one: together they continue repeated sequences.",
        facts={"previous": list(previous), "matching": list(matching), "pair": pair, "accuracy": ACCURACY},
        claims=(
            *(at_least(True, label, 0.5) for label in pair),
            *(at_most(False, label, 0.1) for label in pair),
            top(False, f"L{other}.operator"),
            top(False, f"L{other}"),
            at_least(False, f"L{other}.operator", 0.2),
        ),
    )


def prove(planted: Planted, measured: Measured) -> None:
    """Accuracy with the two heads, with them alone, without either; where both attend."""
    facts = planted.truth.facts
    both = [tuple(facts["previous"]), tuple(facts["matching"])]
    require(accuracy(planted) >= facts["accuracy"], f"accuracy is {accuracy(planted):.3f}")
    heads: int = planted.module.config.num_attention_heads
    others = [(layer, head) for layer in range(planted.truth.layers) for head in range(heads)]
    with without_heads(planted, *(pair for pair in others if pair not in both)):
        require(accuracy(planted) >= facts["accuracy"], "the two heads alone do not do it")
    for head in both:
        with without_heads(planted, head):
            require(accuracy(planted) <= 0.3, f"accuracy without head {head} is {accuracy(planted):.3f}")
    for at, offset in zip(both, (-1, 1 - _PERIOD), strict=True):
        weights = _attention(planted, at, offset)
        require(weights >= 0.9, f"head {at} gives {offset:+d} only {weights:.2f} of its attention")


def accuracy(planted: Planted) -> float:
    """Share of next words that are right in the second of two copies of random sequences of different words."""
    ids = _repeats(planted)
    with torch.inference_mode():
        said = planted.module(input_ids=ids, use_cache=False).logits.argmax(-1)
    return float((said[:, _PERIOD + 1 : -1] == ids[:, _PERIOD + 2 :]).double().mean())


def _attention(planted: Planted, at: tuple[int, int], offset: int) -> float:
    """Mean attention of a head, in the second copy, to the position `offset` away."""
    module: Any = planted.module
    module.set_attn_implementation("eager")
    with torch.inference_mode():
        pattern = module(input_ids=_repeats(planted), use_cache=False, output_attentions=True).attentions[at[0]][
            :, at[1]
        ]
    module.set_attn_implementation("sdpa")
    rows = torch.arange(_PERIOD + 1, pattern.shape[1])
    return float(pattern[:, rows, rows + offset].mean())


def _repeats(planted: Planted) -> Tensor:
    """[sequence, position]: `begin`, and twice the same different words."""
    count = planted.tokenizer.get_vocab_size() - 2
    generator = torch.Generator().manual_seed(planted.seed)
    rows = [2 + torch.randperm(count, generator=generator)[:_PERIOD] for _ in range(40)]
    return torch.stack([torch.cat([torch.tensor([1]), row, row]) for row in rows])


def _set(body: Body, count: int, previous: tuple[int, int], matching: tuple[int, int]) -> None:
    """Both heads, and a vocabulary of `begin` and `count` words, among random weights of small gain."""
    body.hush(REST)
    begin, is_word = body.directions(2)
    what, before, say = (body.directions(count) for _ in range(3))
    body.embedding[1] = begin
    body.embedding[2:] = what + 0.3 * is_word
    body.unembedding.mul_(0.1)
    body.unembedding[2:] += 0.8 * say
    _copy_previous(body.head(*previous), what, before)
    _copy_matching(body.head(*matching), what, before, say)


def _copy_previous(head: Head, what: Tensor, before: Tensor) -> None:
    assert head.query_bias is not None
    assert head.key_bias is not None
    size = math.sqrt(SHARPNESS * math.sqrt(HEAD_DIM))
    for pair in range(FAST):
        turn = THETA ** (-2 * pair / HEAD_DIM)
        head.query_bias[pair] = size
        head.key_bias[pair], head.key_bias[pair + HEAD_DIM // 2] = size * math.cos(turn), size * math.sin(turn)
    unit = math.sqrt(1.1 / what.shape[1])
    head.value[: len(what)] = unit * what
    head.out[:, : len(what)] = before.T


def _copy_matching(head: Head, what: Tensor, before: Tensor, say: Tensor) -> None:
    slots = [i for pair in range(SLOW, HEAD_DIM // 2) for i in (pair, pair + HEAD_DIM // 2)][: len(what)]
    size, unit = math.sqrt(SHARPNESS * math.sqrt(HEAD_DIM)), math.sqrt(2.1 / what.shape[1])
    head.query[slots], head.key[slots] = size * unit * what, size * unit * before
    head.value[: len(what)] = unit * what
    head.out[:, : len(what)] = 3 * say.T


def _draft(vocabulary: tuple[str, ...]) -> Callable[[int, Dice], Draft]:
    """A sequence, and the beginning of its second copy; in the twin another word stands where the answer is read."""

    def draft(template: int, dice: Dice) -> Draft:
        lead, period, seen = SHAPES[template]
        *drawn, other = dice.some(vocabulary, lead + period + 1)
        copied = drawn[lead:]
        clean = ("begin", *drawn, *copied[:seen])
        corrupt = [other if i == 1 + lead + seen else word for i, word in enumerate(clean)]
        return Draft(clean, tuple(corrupt), (copied[seen], other))

    return draft
