"""evaluators/timing: a model without some of its layers: they are taken out, so that nothing of them is computed."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from ..anatomy import dissect
from ..cells import NotEvaluated


@contextmanager
def shortened(module: nn.Module, skipped: Collection[int]) -> Iterator[None]:
    """Inside the block the model has only its other layers, numbered anew, for caches count by number.

    Raises:
        NotEvaluated: `no_such_layer`; `no_attention`, no layer that counts positions would be left; the model is no
            decoder whose parts are known.
    """
    if not skipped:
        yield
        return
    decoder: Any = dissect(module).decoder
    whole, config = decoder.layers, decoder.config
    if absent := sorted(set(skipped) - set(range(len(whole)))):
        raise NotEvaluated("no_such_layer", f"layer {absent[0]} cannot be left out of {len(whole)} layers")
    kept = [i for i in range(len(whole)) if i not in skipped]
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * len(whole)
    if not any("attention" in kinds[i] and kinds[i] != "linear_attention" for i in kept):
        raise NotEvaluated("no_attention", "without a layer of attention transformers counts no positions")
    numbered = [(part, part.layer_idx) for layer in whole for part in layer.modules() if hasattr(part, "layer_idx")]
    holders = [part for part in module.modules() if getattr(part, "layers", None) is whole or part is module]
    configs = [(part, part.config) for part in holders if getattr(part, "config", None) is config]
    try:
        decoder.layers = nn.ModuleList(whole[i] for i in kept)
        for new, i in enumerate(kept):
            for part in whole[i].modules():
                if hasattr(part, "layer_idx"):
                    part.layer_idx = new
        for part, _ in configs:
            part.config = _of(config, kept)
        yield
    finally:
        decoder.layers = whole
        for part, i in numbered:
            part.layer_idx = i
        for part, own in configs:
            part.config = own


def _of(config: Any, kept: list[int]) -> Any:
    """The configuration of a model with these of its layers."""
    changed = copy.deepcopy(config)
    changed.num_hidden_layers = len(kept)
    if kinds := getattr(config, "layer_types", None):
        changed.layer_types = [kinds[i] for i in kept]
    return changed
