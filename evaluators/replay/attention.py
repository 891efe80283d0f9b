"""evaluators/replay: attention over packed rows, called by the model's own attention modules.

A module is run with the rows of a whole tile as one long sequence. It projects, norms and rotates them in its own
way and then calls the attention function that its configuration names: this one, which lets every segment attend to
itself and to the clean keys and values before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from .layout import Group

NAME = "mi_atlas_packed"
"""Under which transformers knows the function."""

SHORT = 128
"""Up to so many keys, writing the scores out is faster than a fused kernel on a CPU."""


@dataclass(frozen=True, eq=False)
class Packing:
    """Who attends to whom in one call: some sets of a tile, at one layer."""

    groups: tuple[Group, ...]
    sets: int
    """Only the first so many sets of the tile are under way."""
    clean: tuple[Tensor, Tensor] | None
    """Keys and values of the clean pass at this layer, [row of the prompts, key/value head, width]."""
    seen: list[Tensor]
    """Receives this call's keys and values, in that shape."""


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    packing: Packing,
    scaling: float,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention of [1, head, row, width] tensors; what the model's own attention function is given, and the packing.

    Returns:
        [1, row, head, width], and no weights.
    """
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    packing.seen.extend((k, v))
    out = q.new_empty(*q.shape[:2], v.shape[-1])
    for group in packing.groups:
        if not (count := group.counts[packing.sets]):
            continue
        rows = group.rows[:count]
        if group.real is None:
            queries, keys, values = (tensor.view(*rows.shape, *tensor.shape[1:]) for tensor in (q, k, v))
        else:
            queries, keys, values = (_picked(tensor, rows) for tensor in (q, k, v))
        if group.start:
            assert packing.clean is not None
            before = [_picked(tensor, group.prefix[:count]) for tensor in packing.clean]
            keys, values = torch.cat([before[0], keys], 1), torch.cat([before[1], values], 1)
        attended = _attend(queries, keys, values, sliding_window, scaling, softcap).flatten(0, 1)
        if group.real is None:
            return attended[None], None
        real = group.real[: group.real_counts[packing.sets]]
        out.index_copy_(0, rows.flatten()[real], attended[real])
    return out[None], None


AttentionInterface.register(NAME, packed_attention)


@contextmanager
def packed(operators: Iterable[nn.Module]) -> Iterator[None]:
    """Inside the block these attention modules call `packed_attention`."""
    configs = {id(config): config for operator in operators if (config := getattr(operator, "config", None))}
    before = [(config, config._attn_implementation) for config in configs.values()]
    try:
        for config, _ in before:
            config._attn_implementation = NAME
        yield
    finally:
        for config, name in before:
            config._attn_implementation = name


def _picked(tensor: Tensor, rows: Tensor) -> Tensor:
    """[row, head, width], [segment, position] -> [segment, position, head, width]."""
    return tensor.index_select(0, rows.flatten()).view(*rows.shape, *tensor.shape[1:])


def _attend(q: Tensor, k: Tensor, v: Tensor, window: int | None, scaling: float, softcap: float | None) -> Tensor:
    """Causal attention of the last tokens of some segments to all of theirs.

    [segment, query, head, width], [segment, key, key/value head, width] twice -> [segment, query, head, width].
    """
    segments, queries, heads, width = q.shape
    keys, groups = k.shape[1:3]
    if softcap is None and (q.device.type != "cpu" or keys > SHORT):
        q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
        allowed = _allowed(queries, keys, window, q.device)
        fused = nn.functional.scaled_dot_product_attention(q, k, v, allowed, scale=scaling, enable_gqa=True)
        return fused.transpose(1, 2)
    share = heads // groups
    folded = q.view(segments, queries, groups, share, width).permute(0, 2, 3, 1, 4)
    folded = folded.reshape(segments * groups, share * queries, width)
    k, v = (tensor.transpose(1, 2).reshape(segments * groups, keys, -1) for tensor in (k, v))
    bias = _bias(queries, keys, window, share, q.dtype, q.device)
    if softcap is None:
        scores = torch.baddbmm(bias, folded, k.mT, alpha=scaling)
    else:
        scores = (folded @ k.mT * (scaling / softcap)).tanh() * softcap + bias
    attended = scores.softmax(-1, dtype=torch.float32).to(q.dtype) @ v
    return attended.view(segments, groups, share, queries, -1).permute(0, 3, 1, 2, 4).flatten(2, 3)


def _allowed(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """Which keys the last tokens of `keys` see, [query, key]."""
    query = torch.arange(keys - queries, keys, device=device)[:, None]
    key = torch.arange(keys, device=device)[None]
    return (key <= query) & (key > query - (keys if window is None else window))


@lru_cache(maxsize=256)
def _bias(queries: int, keys: int, window: int | None, share: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """0 where a key is seen, else -inf, [head of a group * query, key]."""
    allowed = _allowed(queries, keys, window, device)
    return torch.zeros(allowed.shape, dtype=dtype, device=device).masked_fill(~allowed, -torch.inf).repeat(share, 1)
