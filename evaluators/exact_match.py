"""evaluators: whether a model continues a prompt with exactly its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from .models.load import LoadedModel
from .tasks.example import Example

ROWS = 64


@torch.inference_mode()
def exact_matches(model: LoadedModel, examples: Sequence[Example]) -> list[bool]:
    """For each example, whether the greedy continuation of its clean prompt is its whole target.

    Greedy decoding gives the target exactly when each of its tokens is the most likely one after those before it,
    so one pass over prompt and target decides. Rows are padded on the right, which a causal model does not see.
    """
    module: Any = model.module
    by_length = sorted(range(len(examples)), key=lambda i: len(examples[i].clean_ids))
    matches = [False] * len(examples)
    for start in range(0, len(by_length), ROWS):
        rows = by_length[start : start + ROWS]
        tokens = [examples[i].clean_ids + examples[i].target_ids for i in rows]
        width = max(len(row) for row in tokens)
        ids = torch.tensor([row + (0,) * (width - len(row)) for row in tokens], device=model.device)
        best = module(input_ids=ids, use_cache=False).logits.argmax(-1).tolist()
        for i, greedy in zip(rows, best, strict=True):
            first, target = examples[i].answer_position, examples[i].target_ids
            matches[i] = tuple(greedy[first : first + len(target)]) == target
    return matches
