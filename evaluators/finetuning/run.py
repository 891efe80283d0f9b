"""evaluators/finetuning: one training is made: from the base model, or from earlier trainings, to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..anatomy import dissect
from ..cells import NotEvaluated
from ..models.load import LoadedModel
from . import lora
from .inplace import frozen_by, left_out, replaced, restored
from .loop import Fit, fit, steps_of
from .losses import Learner, Loss, TokenLoss
from .lowrank import fast
from .memory import adapter_bytes, available_bytes, full_bytes
from .order import in_order
from .plan import Plan, skipped

if TYPE_CHECKING:
    from .workshop import Training

WEIGHTS = "model.safetensors"

NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"
"""What torch says on a CPU, in an error of no kind of its own."""


@dataclass(frozen=True)
class Result:
    """What a training left, its files aside."""

    kind: Literal["adapter", "weights"]
    losses: tuple[float, ...]
    peak_memory: int
    parameters: int


def run(plan: Plan, model: LoadedModel, parents: Sequence[Training], workspace: Path, folder: Path) -> Result:
    """Train, and write what came of it into the folder; the base model is afterwards what it was.

    Raises:
        NotEvaluated: `out_of_memory`, with the bytes that are needed at least; and as `Workshop.make`.
    """
    if plan.job.recipe.training == "stack":
        return _stack(plan, model, parents, folder)
    needed, free = bytes_needed(plan, model), available_bytes(model.device)
    stays = not plan.adapts and model.device.type == "cpu"
    more = needed if stays else needed - _held(model)
    if free is not None and more > free:
        raise _too_large(needed, f"{more} more than are taken now, and {free} are free")
    train = _train_adapter if plan.adapts else _train_weights
    try:
        with left_out(model.module, skipped(plan.job.recipe)):
            return train(plan, model, parents[0] if parents else None, workspace, folder)
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or NO_MEMORY in str(error):
            raise _too_large(needed, "activations come on top, and there was no memory for them") from error
        raise


def _stack(plan: Plan, model: LoadedModel, parents: Sequence[Training], folder: Path) -> Result:
    recipe = plan.job.recipe
    folders = {f"of{i}": each.folder for i, each in enumerate(parents) if each.folder and each.kind == "adapter"}
    if len(folders) < len(recipe.of):
        raise NotEvaluated("not_an_adapter", "a stack adds up adapters, and one of its recipes leaves none")
    weights = recipe.weights or (1 / len(folders),) * len(folders)
    with lora.loaded(model.module, folders) as live:
        lora.write(live, lora.add_up(live, list(folders), weights), model.located.spec, folder)
    return Result("adapter", (), max(p.peak_memory for p in parents), sum(p.parameters for p in parents))


def _train_adapter(plan: Plan, model: LoadedModel, parent: Training | None, workspace: Path, folder: Path) -> Result:
    recipe = plan.job.recipe
    before = _weights_of(parent)
    with ExitStack() as stack:
        stack.enter_context(replaced(model.module, before))
        live = stack.enter_context(lora.attached(model.module, plan.modules, recipe.rank, recipe.alpha, plan.job.seed))
        under = _live_under(live, parent)
        lora.trainable(live, under)
        learner = Learner(live, dissect(live), lambda: lora.without_new(live), model.device)
        count = sum(p.numel() for p in live.parameters() if p.requires_grad)
        with fast(lora.layers(live).values(), lora.NEW):
            done = _fit(plan, model, learner, workspace)
        live.requires_grad_(False)
        if before:
            _save(before | lora.added(live), _formats(model.module), folder)
        else:
            name = lora.add_up(live, [*under, lora.NEW], [1.0, 1.0]) if under else lora.NEW
            lora.write(live, name, model.located.spec, folder)
    return Result("weights" if before else "adapter", done.losses, done.peak_memory, count)


def _train_weights(plan: Plan, model: LoadedModel, parent: Training | None, workspace: Path, folder: Path) -> Result:
    recipe, module = plan.job.recipe, model.module
    if model.located.spec.quantization is not None:
        raise NotEvaluated("quantised_weights", f"training {recipe.training} changes weights; quantised ones it cannot")
    formats = _formats(module)
    with restored(module):
        named = dict(module.named_parameters())
        before = _weights_of(parent) or _merged(named, parent)
        for name, weight in before.items():
            named[name].data.copy_(weight)
        trained = _trained_names(plan, module)
        for name in trained:
            named[name].requires_grad_(True)
        kept = {name: named[name].data.clone() for name in trained} if recipe.training in ("dpo", "grpo") else {}
        learner = Learner(module, dissect(module), lambda: replaced(module, kept), model.device)
        done = _fit(plan, model, learner, workspace)
        _save({name: named[name].detach() for name in sorted(trained | before.keys())}, formats, folder)
        count = sum(named[name].numel() for name in trained)
    return Result("weights", done.losses, done.peak_memory, count)


def _fit(plan: Plan, model: LoadedModel, learner: Learner, workspace: Path) -> Fit:
    job, loss = plan.job, _loss(plan, model)
    count = steps_of(job.recipe) * job.recipe.batch
    found = in_order(job, model, learner, count, workspace)
    return fit(job.recipe, learner, loss, found, job.seed)


def _loss(plan: Plan, model: LoadedModel) -> Loss:
    recipe = plan.job.recipe
    if recipe.training == "dpo":
        from .preference import Preference

        return Preference(recipe.beta)
    if recipe.training == "grpo":
        from .reinforcement import Reward

        return Reward(recipe, model.tokenizer, plan.job.seed)
    return TokenLoss(whole=recipe.training == "pretrain")


def _live_under(live: PeftModel, parent: Training | None) -> list[str]:
    """The adapter of an earlier training, live beside the new one; its name."""
    if parent is None or parent.folder is None or parent.kind != "adapter":
        return []
    live.load_adapter(str(parent.folder), adapter_name=lora.PARENT, local_files_only=True)
    return [lora.PARENT]


def _weights_of(parent: Training | None) -> dict[str, Tensor]:
    return load_file(parent.folder / WEIGHTS) if parent and parent.folder and parent.kind == "weights" else {}


def _merged(named: Mapping[str, nn.Parameter], parent: Training | None) -> dict[str, Tensor]:
    """The weights that an earlier training's adapter is on, with it added."""
    adapter = lora.read(parent.folder) if parent and parent.folder and parent.kind == "adapter" else {}
    weights = {name: named[f"{name}.weight"].data for name in adapter}
    return {f"{name}.weight": weights[name] + s * (b @ a).to(weights[name]) for name, (a, b, s) in adapter.items()}


def _trained_names(plan: Plan, module: nn.Module) -> set[str]:
    """Every parameter, or those of the modules that the targets name; never those of layers that are left out."""
    inside = set(plan.modules)
    named = [name for name, _ in module.named_parameters()]
    chosen = {name for name in named if not inside or name.rpartition(".")[0] in inside}
    return chosen - frozen_by(module, skipped(plan.job.recipe))


def _save(weights: Mapping[str, Tensor], formats: Mapping[str, torch.dtype], folder: Path) -> None:
    held = {name: weight.to("cpu", formats[name]).contiguous() for name, weight in weights.items()}
    save_file(held, folder / WEIGHTS, metadata={"format": "pt"})


def _formats(module: nn.Module) -> dict[str, torch.dtype]:
    """Name of a parameter, as it is called without adapters -> its number format."""
    return {name.replace(".base_layer.", "."): p.dtype for name, p in module.named_parameters()}


def bytes_needed(plan: Plan, model: LoadedModel) -> int:
    """Weights, gradients and optimizer states of a training, in bytes; activations come on top."""
    recipe, named = plan.job.recipe, dict(model.module.named_modules())
    if not plan.adapts:
        trained = _trained_names(plan, model.module)
        return full_bytes(model.module, recipe.optimizer, trained)
    sizes = [(int(named[name].in_features), int(named[name].out_features)) for name in plan.modules]
    shapes = [shape for inward, out in sizes for shape in ((recipe.rank, inward), (out, recipe.rank))]
    return adapter_bytes(model.module, shapes, recipe.optimizer)


def _held(model: LoadedModel) -> int:
    """Bytes of the weights, which are in memory already."""
    return sum(p.numel() * p.element_size() for p in model.module.parameters())


def _too_large(needed: int, why: str) -> NotEvaluated:
    text = f"weights, gradients and optimizer states take {needed} bytes ({needed / 2**30:.2f} GiB)"
    return NotEvaluated("out_of_memory", f"{text}; {why}")
