"""evaluators/finetuning: low-rank adapters: made, trained, added up, written and read, in PEFT's own format.

An adapter adds to each of its modules, W x + s B A x, with A [rank, in], B [out, rank], s = alpha / rank (Hu et al.
2021). What is written is loaded by plain `PeftModel.from_pretrained`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...specs.canonical import digest
from ...specs.model import Model

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NEW, PARENT, SUM = "default", "parent", "sum"
"""Names of adapters that are live together."""

PREFIX, DOWN, UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


@contextmanager
def attached(module: nn.Module, modules: Sequence[str], rank: int, alpha: float, seed: int) -> Iterator[PeftModel]:
    """A new adapter, of which A is drawn by the seed and the module's name and B is zero; afterwards there is none."""
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]
        target_modules=list(modules),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        live = get_peft_model(module, config, adapter_name=NEW)
    try:
        for name, layer in layers(live).items():
            generator = torch.Generator().manual_seed(int(digest("lora", [name, seed])[:15], 16))
            drawn = torch.empty(layer.lora_A[NEW].weight.shape)
            nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
            layer.lora_A[NEW].weight.data.copy_(drawn)
        yield live
    finally:
        live.unload()


@contextmanager
def loaded(module: nn.Module, folders: Mapping[str, Path]) -> Iterator[PeftModel]:
    """Adapters from their folders, the first of them live, nothing of them trained; afterwards there are none."""
    (first, folder), *others = folders.items()
    live = PeftModel.from_pretrained(module, str(folder), adapter_name=first, local_files_only=True)
    try:
        for name, path in others:
            live.load_adapter(str(path), adapter_name=name, local_files_only=True)
        yield live.eval().requires_grad_(False)
    finally:
        live.unload()


def layers(live: PeftModel) -> dict[str, Any]:
    """The adapted modules, by their names in the base model."""
    named = live.get_base_model().named_modules()
    return {name: each for name, each in named if isinstance(each, LoraLayer)}


def trainable(live: PeftModel, others: Sequence[str] = ()) -> None:
    """The new adapter is trained, together with others that are live but stay as they are."""
    tuner: Any = live.base_model
    tuner.set_adapter([*others, NEW])
    live.eval().requires_grad_(False)
    for layer in layers(live).values():
        if NEW in layer.lora_A:
            layer.lora_A[NEW].requires_grad_(True)
            layer.lora_B[NEW].requires_grad_(True)


@contextmanager
def without_new(live: PeftModel) -> Iterator[None]:
    """Inside the block the new adapter adds nothing; others stay."""
    kept = [(layer, layer.scaling[NEW]) for layer in layers(live).values() if NEW in layer.scaling]
    try:
        for layer, _ in kept:
            layer.scaling[NEW] = 0.0
        yield
    finally:
        for layer, scale in kept:
            layer.scaling[NEW] = scale


def add_up(live: PeftModel, names: Sequence[str], weights: Sequence[float]) -> str:
    """One adapter that does what several do, each times its weight: exactly, their ranks side by side; its name."""
    live.add_weighted_adapter(list(names), list(weights), SUM, combination_type="cat")
    return SUM


def added(live: PeftModel) -> dict[str, Tensor]:
    """Name of a module's weight -> that weight, float32, with what the new adapter adds to it."""
    found = {}
    for name, layer in layers(live).items():
        weight = layer.get_base_layer().weight.detach().float()
        found[f"{name}.weight"] = (
            weight + layer.get_delta_weight(NEW).detach().float() if NEW in layer.lora_A else weight
        )
    return found


def write(live: PeftModel, name: str, base: Model, folder: Path) -> None:
    """adapter_config.json and adapter_model.safetensors of one adapter; no path of this machine is in them."""
    state = {
        key: value.detach().cpu().contiguous()
        for key, value in get_peft_model_state_dict(live, adapter_name=name).items()
    }
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    config = live.peft_config[name].to_dict()
    modules = sorted({key.removeprefix(PREFIX).rpartition(".lora_")[0] for key in state})
    named = {
        "base_model_name_or_path": base.source.hub or base.source.pocket or base.model,
        "revision": base.source.revision,
        "target_modules": modules,
        "inference_mode": True,
    }
    text = json.dumps(config | named, indent=2, sort_keys=True, default=_plain)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, tuple[Tensor, Tensor, float]]:
    """Module -> A, B, and the scale of B A, of an adapter in a folder."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    state = load_file(folder / WEIGHTS)
    scale = config["lora_alpha"] / config["r"]
    names = [key.removeprefix(PREFIX).removesuffix(DOWN) for key in state if key.endswith(DOWN)]
    return {name: (state[f"{PREFIX}{name}{DOWN}"], state[f"{PREFIX}{name}{UP}"], scale) for name in names}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else getattr(value, "value", str(value))
