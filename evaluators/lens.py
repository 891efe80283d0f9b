"""evaluators: the logit lens: what the model would say if a residual stream were the last.

The stream goes through the model's own final norm and unembedding (nostalgebraist 2020), so that at the end of the
stream the lens is the model itself. There is no tuned lens here: an affine map for each layer would have to be trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .quantities import kl_divergence, log_probability
from .replay import Replay

NUMBERS = 2**24
"""Logits held at a time."""


def lens_target(replay: Replay, stream: Tensor, targets: Sequence[int]) -> dict[str, list[float]]:
    """Whether the lens puts a token first, 0 or 1, and its log-probability in nats, for each row of [row, d_model]."""
    first: list[Tensor] = []
    chance: list[Tensor] = []
    for rows in _chunks(replay, len(stream)):
        logits, token = replay.unembed(stream[rows]), torch.tensor(targets[rows], device=stream.device)
        first.append(logits.argmax(-1) == token)
        chance.append(log_probability(logits, token))
    return {
        "lens_target_rank_one": torch.cat(first).double().tolist(),
        "lens_target_logprob": torch.cat(chance).tolist(),
    }


def lens_kl(replay: Replay, final: Tensor, stream: Tensor) -> Tensor:
    """KL(final || lens) in nats, float64, [row], of a final stream and another one, both [row, d_model]."""
    return torch.cat(
        [
            kl_divergence(replay.unembed(final[rows]), replay.unembed(stream[rows]))
            for rows in _chunks(replay, len(final))
        ]
    )


def _chunks(replay: Replay, rows: int) -> list[slice]:
    size = max(1, NUMBERS // replay.anatomy.vocabulary)
    return [slice(first, first + size) for first in range(0, rows, size)]
