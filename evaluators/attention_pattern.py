"""evaluators: attention pattern: where a head looks from the prompt's last token. It describes; it proves no cause.

Quantities per example, of a component such as `L3.head2`: `attention_to_first`, the weight on the first token;
`attention_to_subject`, the sum of the weights on the tokens that the answer depends on; each 0 to 1. The weights are
the model's own: it is run with transformers' eager attention, which returns them (sdpa silently returns none), and that
this pass gives what its usual one gives is checked. `observe|random_positions` sums the weights of as many of the other
positions, drawn at random. What a head attends to is not what it does (Jain & Wallace 2019, 1902.10186).
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import Site, parse_component
from .ablation import kinds_of
from .anatomy import Anatomy, dissect
from .cells import APPLIES, Cell, CellResult, NotEvaluated
from .models.load import LoadedModel
from .positions import Places
from .proofs import prove
from .registry import Materials
from .replay.body import TOLERANCE
from .tasks.example import Example

WEIGHTS = 2**24
"""Attention weights that a pass may return."""


class AttentionPattern:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell.

        Raises:
            NotEvaluated: `no_such_site`; `no_such_intervention`; `no_weights`, the model gives no attention weights.
        """
        prove(model, materials.blocks[0].examples[:4], kinds_of(cells))
        anatomy, places = dissect(model.module), Places(model.tokenizer)
        heads = {cell: _head(anatomy, cell) for cell in cells}
        for block in materials.blocks:
            if not (mine := [cell for cell in cells if cell.family == block.family]):
                continue
            start = time.perf_counter()
            weights = last_weights(anatomy, [example.clean_ids for example in block.examples])
            seconds = (time.perf_counter() - start) / len(mine)
            for cell in mine:
                rows = [of_layer[heads[cell].layer][heads[cell].head or 0] for of_layer in weights]
                yield CellResult(cell, _values(cell, rows, block.examples, places), seconds)


@torch.inference_mode()
def last_weights(anatomy: Anatomy, prompts: Sequence[Sequence[int]]) -> list[dict[int, Tensor]]:
    """Of each prompt, layer -> the last token's attention weights, [head, position], float64, on the CPU.

    Prompts of one length go together, so that nothing is padded or masked but the future.

    Raises:
        NotEvaluated: `no_weights`, the model returns none, or its pass with them is another than without.
    """
    layers = [layer for layer in range(len(anatomy.layers)) if not anatomy.is_convolution(layer)]
    heads = max((anatomy.heads(layer).count for layer in layers), default=1)
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, prompt in enumerate(prompts):
        by_length[len(prompt)].append(i)
    found: list[dict[int, Tensor]] = [{} for _ in prompts]
    for length, which in by_length.items():
        size = max(1, WEIGHTS // (max(1, len(layers)) * heads * length**2))
        for first in range(0, len(which), size):
            some = which[first : first + size]
            ids = torch.tensor([prompts[i] for i in some], device=anatomy.device)
            for layer, weights in zip(layers, _returned(anatomy, ids, len(layers)), strict=True):
                for i, mine in zip(some, weights[:, :, -1].double().cpu(), strict=True):
                    found[i][layer] = mine
    return found


def _returned(anatomy: Anatomy, ids: Tensor, count: int) -> Sequence[Tensor]:
    """The weights of each layer with attention, [prompt, head, query, key]."""
    usual = anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state[:, -1]
    with _eager(anatomy):
        output = anatomy.decoder(input_ids=ids, use_cache=False, output_attentions=True)
    weights = output.attentions or ()
    if len(weights) != count or any(one is None for one in weights):
        what = f"{type(anatomy.decoder).__name__} returns attention weights of {len(weights)} of {count} layers"
        raise NotEvaluated("no_weights", what)
    gap = (output.last_hidden_state[:, -1] - usual).abs().max()
    if gap > TOLERANCE.get(usual.dtype, 1e-4) * usual.abs().max():
        raise NotEvaluated(
            "no_weights", f"with eager attention the result differs by {gap:.1e}: the weights are others"
        )
    return weights


@contextmanager
def _eager(anatomy: Anatomy) -> Iterator[None]:
    """Inside the block the model's attention is the one that returns its weights."""
    modules = (anatomy.decoder, *anatomy.operators)
    configs = {id(config): config for module in modules if (config := getattr(module, "config", None)) is not None}
    before = [(config, config._attn_implementation) for config in configs.values()]
    try:
        for config, _ in before:
            config._attn_implementation = "eager"
        yield
    finally:
        for config, name in before:
            config._attn_implementation = name


def _head(anatomy: Anatomy, cell: Cell) -> Site:
    component = parse_component(cell.site)
    if len(component.sites) > 1 or component.positions or component.sites[0].granularity != "head":
        raise NotEvaluated("no_such_site", f"an attention pattern is of one head, not of {cell.site}")
    if cell.intervention not in ("observe", "observe|random_positions"):
        raise NotEvaluated("no_such_intervention", f"{cell.intervention}: a pattern is observed, at the last token")
    anatomy.port(component.sites[0])
    return component.sites[0]


def _values(cell: Cell, rows: Sequence[Tensor], examples: Sequence[Example], places: Places) -> dict[str, list[float]]:
    first: list[float] = []
    subject: list[float] = []
    there: list[float] = []
    for row, example in zip(rows, examples, strict=True):
        wanted: list[tuple[int, ...]] = [(0,), places(example, "subject")]
        there.append(float(bool(wanted[1])))
        if "|" in cell.intervention:
            wanted = [_others(cell, example, some, which) for which, some in enumerate(wanted)]
        for values, some in zip((first, subject), wanted, strict=True):
            values.append(float(row[list(some)].sum()))
    return {"attention_to_first": first, "attention_to_subject": subject, APPLIES: there}


def _others(cell: Cell, example: Example, own: tuple[int, ...], which: int) -> tuple[int, ...]:
    """As many other positions, or all of them where there are fewer."""
    others = [position for position in range(len(example.clean_ids)) if position not in own]
    seed = digest("positions", [cell.family, cell.site, cell.seed, example.id, which])
    return tuple(random.Random(seed).sample(others, min(len(own), len(others))))


EVALUATOR = AttentionPattern
