"""evaluators/pocket: how well a model does the tasks it was trained on, on prompts it never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch

from ...specs.suite import Suite
from ..models.load import LoadedModel
from ..tasks.example import Example
from ..tasks.generate import generate

DRAW = 1
TEMPLATES = 30
ROWS = 64


def held_out(model: LoadedModel, families: Sequence[str], items: int) -> dict[str, dict[str, float]]:
    """Share of a family's verification prompts whose whole target is the greedy continuation, and of how many."""
    suite = Suite(families=tuple(families), templates=min(items, TEMPLATES), items=items)
    blocks = generate(suite, model.tokenizer, "verification", DRAW)
    return {
        block.family: {"exact_match": exact_match(model, block.examples), "n": len(block.examples)} for block in blocks
    }


@torch.inference_mode()
def exact_match(model: LoadedModel, examples: Sequence[Example]) -> float:
    """Share of examples whose target is the greedy continuation of the clean prompt, token by token.

    Greedy decoding gives the target exactly when each of its tokens is the most likely one after those before it,
    so one pass over prompt and target decides.
    """
    module: Any = model.module
    right = 0
    for rows in _batches(sorted(examples, key=lambda example: len(example.clean_ids))):
        width = max(len(row.clean_ids) + len(row.target_ids) for row in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long, device=model.device)
        for number, row in enumerate(rows):
            ids[number, : len(row.clean_ids) + len(row.target_ids)] = torch.tensor(row.clean_ids + row.target_ids)
        best = module(input_ids=ids, use_cache=False).logits.argmax(-1).tolist()
        for row, greedy in zip(rows, best, strict=True):
            start = len(row.clean_ids) - 1
            right += tuple(greedy[start : start + len(row.target_ids)]) == row.target_ids
    return right / len(examples)


def _batches(examples: Sequence[Example]) -> Iterator[list[Example]]:
    stream = iter(examples)
    while rows := list(islice(stream, ROWS)):
        yield rows
