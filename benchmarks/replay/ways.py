"""benchmarks: the ways to a workload's numbers: KL(clean || intervened) at the last position, [intervention, prompt].

Each way is a function of (model, workload) that does all of its own preparation, and each is written as its library's
users write it: one forward pass an intervention, prompts of equal length in one batch. What a library cannot express,
or not in its installed version, raises Unable.
"""

from __future__ import annotations

import copy
import importlib.metadata
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.replay import Constant, Intervention, Replay, Zero
from torch import Tensor, nn

from .workloads import Workload

Way = Callable[[nn.Module, Workload], Tensor]


class Unable(Exception):
    """This way cannot do this workload."""


def replay(model: nn.Module, workload: Workload) -> Tensor:
    """The replay engine."""
    return Replay(model).run(workload.prompts, workload.interventions).values["kl"]


def batches(workload: Workload) -> Iterator[tuple[list[int], Tensor]]:
    """Which prompts have one length, and their ids."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, prompt in enumerate(workload.prompts):
        by_length[len(prompt)].append(i)
    for which in by_length.values():
        yield which, torch.tensor([workload.prompts[i] for i in which])


def measured(workload: Workload, logits: Callable[[Tensor, Intervention | None], Tensor]) -> Tensor:
    """KL from a function that gives the last logits [prompt, vocabulary] of some ids under an intervention."""
    values = torch.zeros(len(workload.interventions), len(workload.prompts), dtype=torch.float64)
    for which, ids in batches(workload):
        clean = logits(ids, None)
        for k, one in enumerate(workload.interventions):
            values[k, which] = kl_divergence(clean, logits(ids, one)).cpu()
    return values


def edited(one: Intervention, tensor: Tensor, columns: slice = slice(None)) -> Tensor:
    """A site's tensor [prompt, position, width] under a removal or a constant."""
    if not isinstance(one.value, Zero | Constant):
        raise Unable("only removals and constants")
    new = tensor.clone()
    where = slice(None) if one.positions is None else list(one.positions)
    new[:, where, columns] = 0.0 if isinstance(one.value, Zero) else one.value.vector.to(tensor)
    return new


def plain_hooks(model: nn.Module, workload: Workload) -> Tensor:
    """PyTorch hooks on the transformers model, as it is called: logits of every position."""
    return _hooked(model, workload)


def last_logits(model: nn.Module, workload: Workload) -> Tensor:
    """The same, with the model told that the last position's logits are enough."""
    return _hooked(model, workload, logits_to_keep=1)


def _hooked(model: nn.Module, workload: Workload, **said: int) -> Tensor:
    anatomy: Any = dissect(model)

    def logits(ids: Tensor, one: Intervention | None) -> Tensor:
        handle = None if one is None else _hook(anatomy, one)
        try:
            full: Tensor = model(input_ids=ids.to(anatomy.device), use_cache=False, **said).logits
        finally:
            if handle is not None:
                handle.remove()
        return full[:, -1].float()

    return measured(workload, logits)


def path(model: nn.Module, module: nn.Module) -> str:
    """The name under which a model has a module."""
    return next(name for name, own in model.named_modules() if own is module)


def _hook(anatomy: Any, one: Intervention) -> Any:
    port, kind = anatomy.port(one.site), one.site.granularity
    columns = port.columns or slice(None)
    if port.side == "input":
        return port.module.register_forward_pre_hook(lambda module, args: (edited(one, args[0], columns), *args[1:]))

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if kind == "layer":
            return args[0] + edited(one, output - args[0])
        new = edited(one, output[0] if isinstance(output, tuple) else output)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    return port.module.register_forward_hook(after)


def transformer_lens(model: nn.Module, workload: Workload) -> Tensor:
    """TransformerLens' bridge, on a copy, since it changes the modules it is put around."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformer_lens.model_bridge.sources.transformers import boot
    from transformers import PreTrainedTokenizerFast

    own: Any = copy.deepcopy(model)
    own.config.architectures = [type(own).__name__]
    words = Tokenizer(WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="b", pad_token="b")
    anatomy = dissect(model)
    device = anatomy.device
    bridge = boot("benchmark", hf_model=own, tokenizer=tokenizer, dtype=own.dtype, device=device)

    def hooks(one: Intervention) -> list[tuple[str, Callable[..., Any]]]:
        block, kind = f"blocks.{one.site.layer}", one.site.granularity
        if kind == "layer":
            entered: list[Tensor] = []
            leave = (f"{block}.hook_out", lambda x, hook: entered[-1] + edited(one, x - entered[-1]))
            return [(f"{block}.hook_in", lambda x, hook: entered.append(x)), leave]
        if kind == "head":
            columns = anatomy.port(one.site).columns or slice(None)
            return [(f"{block}.attn.hook_z", lambda x, hook: edited(one, x.flatten(2), columns).view_as(x))]
        operator = "conv" if anatomy.is_convolution(one.site.layer) else "attn"
        point = {"operator": f"{operator}.hook_out", "mlp": "mlp.hook_out", "residual": "hook_in"}[kind]
        return [(f"{block}.{point}", lambda x, hook: edited(one, x))]

    def logits(ids: Tensor, one: Intervention | None) -> Tensor:
        given: Tensor = bridge.run_with_hooks(ids.to(device), fwd_hooks=[] if one is None else hooks(one))
        return given[:, -1].float()

    return measured(workload, logits)


def nnsight(model: nn.Module, workload: Workload) -> Tensor:
    """nnsight around the same module."""
    from nnsight import NNsight

    anatomy, traced = dissect(model), NNsight(model)

    def change(one: Intervention) -> None:
        port, kind = anatomy.port(one.site), one.site.granularity
        place = traced.get(path(model, port.module))
        if kind == "layer":
            entered = place.input
            place.output = entered + edited(one, place.output - entered)
        elif port.side == "input":
            place.input = edited(one, place.input, port.columns or slice(None))
        else:
            output = place.output
            several = isinstance(output, tuple)
            new = edited(one, output[0] if several else output)
            place.output = (new, *output[1:]) if several else new

    def logits(ids: Tensor, one: Intervention | None) -> Tensor:
        with traced.trace(input_ids=ids.to(anatomy.device), use_cache=False):
            if one is not None:
                change(one)
            given = traced.lm_head.output[:, -1].save()
        return given.float()

    return measured(workload, logits)


def pyvene(model: nn.Module, workload: Workload) -> Tensor:
    """pyvene around the same module."""
    import pyvene as library

    anatomy = dissect(model)

    def representations(one: Intervention) -> list[dict[str, Any]]:
        port = anatomy.port(one.site)
        place = re.sub(r"\.(\d+)", r"[\1]", path(model, port.module))
        if one.site.granularity == "layer":
            entered: list[Tensor] = []

            def keep(base: Tensor, source: Tensor) -> Tensor:
                entered.append(base.clone())
                return base

            def leave(base: Tensor, source: Tensor) -> Tensor:
                return entered[-1] + edited(one, base - entered[-1])

            return [
                {"component": f"{place}.input", "intervention": keep},
                {"component": f"{place}.output", "intervention": leave},
            ]
        columns = port.columns or slice(None)
        return [
            {
                "component": f"{place}.{port.side}",
                "intervention": lambda base, source: edited(one, base, columns),
            }
        ]

    def logits(ids: Tensor, one: Intervention | None) -> Tensor:
        ids = ids.to(anatomy.device)
        if one is None:
            clean: Tensor = model(input_ids=ids, use_cache=False).logits
            return clean[:, -1].float()
        around = library.IntervenableModel(representations(one), model=model)
        _, output = around({"input_ids": ids, "use_cache": False}, unit_locations={"base": list(range(ids.shape[1]))})
        return output.logits[:, -1].float()

    return measured(workload, logits)


def _tried(way: Way) -> Way:
    """A library's own errors are its reason for not being measured, and no end of the benchmark."""

    def tried(model: nn.Module, workload: Workload) -> Tensor:
        try:
            return way(model, workload)
        except Unable:
            raise
        except Exception as error:
            raise Unable(f"{type(error).__name__}: {error}".splitlines()[0][:200]) from error

    return tried


LIBRARIES = {
    "transformer-lens": _tried(transformer_lens),
    "nnsight": _tried(nnsight),
    "pyvene": _tried(pyvene),
}
"""Distribution -> its way; `libraries.txt` names the versions these were written for."""


def installed() -> dict[str, str]:
    """The libraries that are here, and their versions."""
    here = {found.metadata["Name"].lower().replace("_", "-") for found in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in LIBRARIES if name in here}
