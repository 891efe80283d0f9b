"""evaluators/finetuning: the rows of a training in the order in which they are learnt from."""

from __future__ import annotations

import itertools
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..models.load import LoadedModel
from .chat import Chat
from .job import Job
from .losses import Learner, TokenLoss
from .rows import finite, rows

if TYPE_CHECKING:
    from .rows import Row

_rows = lru_cache(maxsize=32)(rows)
"""Trainings of one sweep learn from the same rows."""


def in_order(job: Job, model: LoadedModel, learner: Learner, count: int, workspace: Path) -> list[Row]:
    """`count` rows: shuffled or as given; or those first that the model, as it is, gets right most easily.

    Raises:
        NotEvaluated, TaskError: as `rows`.
    """
    data, order, tokenizer = job.recipe.data, job.recipe.order, model.tokenizer
    assert data is not None
    chat = Chat.of(model.located)
    if order != "easy_first":
        return list(_rows(data, tokenizer, count, job.seed, workspace, job.answers_draw, chat, order))
    size = data.examples or len(finite(data, tokenizer, workspace, chat))
    whole = _rows(data, tokenizer, size, job.seed, workspace, job.answers_draw, chat, order)
    loss = TokenLoss()
    with torch.no_grad():
        hardness = [float(loss(learner, [row])) for row in whole]
    easy = [whole[i] for i in sorted(range(len(whole)), key=hardness.__getitem__)]
    return list(itertools.islice(itertools.cycle(easy), count))
