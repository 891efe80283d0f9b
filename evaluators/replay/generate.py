"""evaluators/replay: greedy generation under interventions, with the model's own cache.

Positions are absolute: a position beyond the prompt is one of a token to come, and no positions means all, those to
come included. Keys, values and convolution states are cached as the interventions leave them, so that the result is
that of recomputing every pass from the first token. Prompts of one length go together, so that nothing is padded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..anatomy import Anatomy
from ..cells import NotEvaluated
from ..interventions import intervene
from .naive import edits
from .prompts import Prompts, Rows, chosen
from .values import Donor, Intervention, MatchedNormNoise, Together


@dataclass(frozen=True, eq=False)
class Generated:
    """What every set of interventions makes of every prompt, on the CPU."""

    tokens: Tensor
    """Token ids, [set, prompt, new token]."""
    log_probability: Tensor
    """Of each of these tokens after those before it, nats, float64, [set, prompt, new token]."""


def generate(anatomy: Anatomy, prompts: Prompts, sets: Sequence[Together], count: int) -> Generated:
    """`count` greedy tokens after every prompt under every set, the empty set being the clean model.

    Raises:
        NotEvaluated: a value that tokens to come do not have, or a position that is never reached.
    """
    sets = [tuple(_reached(one, prompts, count) for one in acting) for acting in sets]
    tokens = torch.zeros(len(sets), len(prompts.lengths), count, dtype=torch.long)
    chances = torch.zeros(tokens.shape, dtype=torch.float64)
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, length in enumerate(prompts.lengths):
        by_length[length].append(i)
    for which in by_length.values():
        for k, acting in enumerate(sets):
            tokens[k, which], chances[k, which] = _greedy(anatomy, prompts.take(which), acting, count)
    return Generated(tokens, chances)


def _greedy(anatomy: Anatomy, prompts: Prompts, acting: Together, count: int) -> tuple[Tensor, Tensor]:
    """Tokens and their log-probabilities, [prompt, new token] each; the prompts are of one length."""
    ids, cache, first = prompts.ids[prompts.padded], None, 0
    tail = replace(Prompts.of([[0]] * len(prompts.lengths), ids.device), numbers=prompts.numbers)
    tokens, chances = [], []
    for end in range(prompts.lengths[0], prompts.lengths[0] + count):
        current = tail if first else prompts
        here = tuple(_between(one, first, end) for one in acting)
        with intervene(anatomy, edits(here, Rows(current, current.padded))):
            output = anatomy.decoder(input_ids=ids, past_key_values=cache, use_cache=True)
        chance, token = anatomy.unembedding(output.last_hidden_state[:, -1]).double().log_softmax(-1).max(-1)
        ids, cache, first = token[:, None], output.past_key_values, end
        tokens.append(token.cpu())
        chances.append(chance.cpu())
    return torch.stack(tokens, 1), torch.stack(chances, 1)


def _between(one: Intervention, first: int, end: int) -> Intervention:
    """An intervention for a pass over the tokens from `first` to before `end` only."""
    if one.positions is None:
        return one
    mine = tuple(
        tuple(p - first for p in chosen(one.positions, i) if first <= p < end) for i in range(len(one.positions))
    )
    return replace(one, positions=mine)


def _reached(one: Intervention, prompts: Prompts, count: int) -> Intervention:
    """The intervention with its positions as absolute ones, prompt by prompt."""
    limited = isinstance(one.value, Donor | MatchedNormNoise) or one.site.granularity == "conv"
    what = f"{type(one.value).__name__} at {one.site.label}"
    if one.positions is None:
        if limited:
            raise NotEvaluated("no_such_intervention", f"{what} has no value for tokens to come: name positions")
        return one
    positions = []
    for number, length in enumerate(prompts.lengths):
        mine = [p + length if p < 0 else p for p in chosen(one.positions, number)]
        last = length if limited else length + count - 1  # the last new token is not read any more
        if wrong := [p for p in mine if not 0 <= p < last]:
            raise NotEvaluated("no_such_position", f"{what}: prompt {number} has no position {wrong[0]} before {last}")
        positions.append(tuple(mine))
    return replace(one, positions=tuple(positions))
