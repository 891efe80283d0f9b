"""evaluators/writing: the tokens that a model writes after prompts, several at a time, with its own cache.

At temperature 0 each is the likeliest one. At temperature T it is drawn from softmax(logits / T), in float64: the first
token up to which the probabilities add up to more than u, a number in [0, 1) that depends on nothing but the prompt's
own dice and on how many tokens stand before it. So neither the other prompts of a batch nor their number change it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...specs.canonical import digest
from ..cells import NotEvaluated
from ..models.load import LoadedModel

Way = Literal["padded", "level", "alone"]
"""Which prompts go together. padded: of similar lengths, the shorter ones behind padding. level: of one length. alone:
each by itself. What goes together is decided by the prompts, never by the memory that happens to be free."""

ROWS = 32
"""Prompts at once."""

BYTES = 2 * 2**30
"""Of caches, activations and logits of a batch, about."""


@dataclass(frozen=True)
class Prompt:
    """What an answer is written to."""

    ids: tuple[int, ...]
    limit: int
    """Most tokens of the answer."""
    dice: str = ""
    """What its draws depend on, where it is drawn."""


@dataclass(frozen=True)
class Answer:
    """What was written."""

    ids: tuple[int, ...]
    """Without the token that ends it."""
    cut: bool
    """Whether the limit ended it."""


@torch.inference_mode()
def write(
    model: LoadedModel, prompts: Sequence[Prompt], ends: Collection[int], temperature: float, way: Way
) -> list[Answer]:
    """An answer to each prompt, up to one of the tokens that end it, or to its limit.

    Raises:
        NotEvaluated: `not_finite`, the model gives no numbers for a next token.
    """
    answers: dict[int, Answer] = {}
    for some in batches(model, prompts, way):
        answers |= zip(some, _batch(model, [prompts[i] for i in some], ends, temperature), strict=True)
    return [answers[i] for i in range(len(prompts))]


def passes(module: nn.Module, rows: Sequence[Sequence[int]], device: torch.device) -> Generator[Tensor, Tensor, None]:
    """Logits of the token after each row, [row, vocabulary]; after tokens [row] are sent, of those after them.

    Rows of different lengths stand behind padding, which is masked, and whose positions are not counted.
    """
    called: Any = module
    lengths, longest = [len(row) for row in rows], max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - n) + [1] * n for n in lengths], device=device)
    position = (mask.cumsum(1) - 1).clamp_min(0)
    cache, padded = None, min(lengths) < longest
    while True:
        where = {"attention_mask": mask, "position_ids": position} if padded else {}
        output = called(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1, **where)
        tokens = yield output.logits[:, -1]
        ids, cache = tokens[:, None], getattr(output, "past_key_values", None)
        if padded:
            mask, position = torch.cat([mask, mask.new_ones(len(rows), 1)], 1), position[:, -1:] + 1


def batches(model: LoadedModel, prompts: Sequence[Prompt], way: Way) -> Iterator[list[int]]:
    """Which prompts go together, by number: of similar length, in an order that nothing but they decide."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))
    per_token, per_row = _sizes(model)
    for _, level in groupby(order, key=lambda i: {"padded": 0, "level": len(prompts[i].ids), "alone": i}[way]):
        batch: list[int] = []
        for i in level:
            longest = max(len(prompts[k].ids) + prompts[k].limit for k in (*batch, i))
            full = (len(batch) + 1) * (longest * per_token + per_row) > BYTES
            if batch and (full or len(batch) == ROWS):
                yield batch
                batch = []
            batch.append(i)
        yield batch


def _batch(
    model: LoadedModel, prompts: Sequence[Prompt], ends: Collection[int], temperature: float
) -> Iterator[Answer]:
    written: list[list[int]] = [[] for _ in prompts]
    going, cut = set(range(len(prompts))), set[int]()
    chances = [_uniform(prompt) for prompt in prompts]
    with closing(passes(model.module, [prompt.ids for prompt in prompts], model.device)) as stream:
        logits = next(stream)
        while True:
            tokens = _next(logits, temperature, [next(chance) for chance in chances])
            for row, token in enumerate(tokens.tolist()):
                if row not in going:
                    continue
                if token in ends:
                    going.remove(row)
                    continue
                written[row].append(token)
                if len(written[row]) == prompts[row].limit:
                    going.remove(row)
                    cut.add(row)
            if not going:
                break
            logits = stream.send(tokens)
    for row, ids in enumerate(written):
        yield Answer(tuple(ids), row in cut)


def _next(logits: Tensor, temperature: float, chances: Sequence[float]) -> Tensor:
    """A token for each row, [row]."""
    if logits.isnan().any():
        raise NotEvaluated("not_finite", "the model's logits are no numbers: its number format is too narrow for it")
    if not temperature:
        return logits.argmax(-1)
    summed = (logits.double().cpu() / temperature).softmax(-1).cumsum(-1)
    u = torch.tensor(chances, dtype=torch.float64)[:, None] * summed[:, -1:]
    return torch.searchsorted(summed, u, right=True)[:, 0].clamp_max(summed.shape[1] - 1).to(logits.device)


def _uniform(prompt: Prompt) -> Iterator[float]:
    dice = random.Random(digest("writing", prompt.dice))
    while True:
        yield dice.random()


def _sizes(model: LoadedModel) -> tuple[int, int]:
    """Bytes of a token in a batch, and of a row, about."""
    module: Any = model.module
    config = module.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    wide = 4 * max(config.hidden_size, getattr(config, "intermediate_size", None) or 4 * config.hidden_size)
    held = 2 * config.num_hidden_layers * heads * width
    return (held + wide) * model.dtype.itemsize, 4 * 8 * int(config.vocab_size)
