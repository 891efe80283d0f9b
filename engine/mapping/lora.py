"""engine: from a measured map to a PEFT LoRA configuration that adapts what matters most, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from torch import nn

SHARE = 0.5
"""Of a layer's operator and MLP the weaker is adapted too, if its effect is at least this share of the stronger's."""

RANK, ALPHA = 16, 32


def lora_config(module: nn.Module, effects: Mapping[str, float], layers: int, base: str | None) -> dict[str, Any]:
    """What adapter_config.json says: rank 16 on every linear map of the parts that matter in the `layers` top layers.

    Layers are ordered by the effect of skipping them; where the map has none, by the larger one of their parts.
    `effects`: component -> typical KL; `base`: name or folder of the base model.

    Raises:
        UsageError: a chosen layer has no linear map, or the map says nothing of layers, operators or MLPs.
    """
    chosen = {layer: _parts(layer, effects) for layer in _top(effects, layers)}
    below = {layer: _linear(module, layer, parts) for layer, parts in chosen.items()}
    if bare := [f"L{layer}" for layer, (_, names) in below.items() if not names]:
        raise UsageError(f"{', '.join(bare)} of this model has no linear map for an adapter; give fewer --layers")
    alike = len({names for _, names in below.values()}) == 1
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(
            next(iter(below.values()))[1]
            if alike
            else {f"{prefix}.{name}" for prefix, names in below.values() for name in names}
        ),
        "layers_to_transform": sorted(below) if alike else None,
    }


def _top(effects: Mapping[str, float], count: int) -> list[int]:
    found = {int(label[1:].partition(".")[0]) for label in effects if ".head" not in label}
    if not found:
        raise UsageError("--lora-config needs a map of layers, operators or MLPs: see --kinds")
    if count > len(found):
        raise UsageError(f"the model has {len(found)} layers; --layers asks for {count}")

    def strength(layer: int) -> float:
        parts = [effects.get(f"L{layer}.{part}", 0.0) for part in ("operator", "mlp")]
        return effects.get(f"L{layer}", max(parts))

    return sorted(found, key=lambda layer: (-strength(layer), layer))[:count]


def _parts(layer: int, effects: Mapping[str, float]) -> tuple[str, ...]:
    """Those of a layer's parts that matter; both where the map has neither."""
    known = {part: effects[f"L{layer}.{part}"] for part in ("operator", "mlp") if f"L{layer}.{part}" in effects}
    if not known:
        return "operator", "mlp"
    return tuple(part for part, value in known.items() if value >= SHARE * max(known.values()))


def _linear(module: nn.Module, layer: int, parts: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """The name of a layer, and those of the linear maps of some of its parts, from the layer on."""
    from torch import nn

    from ...evaluators.anatomy import dissect

    anatomy = dissect(module)
    whole = anatomy.layers[layer]
    prefix = next(name for name, each in module.named_modules() if each is whole)
    inside = {"operator": anatomy.operators[layer], "mlp": anatomy.mlps[layer]}
    wanted = {id(each) for part in parts for each in inside[part].modules() if isinstance(each, nn.Linear)}
    return prefix, tuple(sorted(name for name, each in whole.named_modules() if id(each) in wanted))
