"""evaluators/models: a located model in memory, frozen and ready to be measured."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from ..cells import NotEvaluated
from .locate import Located, untrained

ATTENTION = "sdpa"


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model in evaluation mode, without gradients, and its tokenizer."""

    module: nn.Module
    tokenizer: Tokenizer
    located: Located
    device: torch.device
    dtype: torch.dtype
    proven: set[str] = field(default_factory=set, compare=False)
    """What `proofs.prove` has shown, of this model or of any: whoever loads several gives them one set."""

    def reads_like(self, other: LoadedModel) -> bool:
        """Whether both have the same tokenizer, so that a text is the same tokens to them."""
        return self.tokenizer is other.tokenizer or self.tokenizer.to_str() == other.tokenizer.to_str()


def load(located: Located, device: str | torch.device = "cpu") -> LoadedModel:
    """Load a model as its spec says: number format, quantisation, adapter, or random weights.

    Raises:
        NotEvaluated: this machine or this version of transformers cannot; the text says what is missing.
    """
    device = torch.device(device)
    dtype: torch.dtype = getattr(torch, located.spec.dtype)
    with _quiet():
        if located.untrained is None:
            module = _trained(located, device, dtype)
        else:
            module = _random(located, located.untrained, dtype).to(device)
        if located.adapter is not None:
            module = _with_adapter(module, located)
    module.eval().requires_grad_(False)
    return LoadedModel(module, Tokenizer.from_file(str(located.tokenizer_file)), located, device, dtype)


def load_untrained(located: Located, seed: int, device: str | torch.device = "cpu") -> LoadedModel:
    """The same architecture with the random weights its own code starts training from; equal for equal seeds."""
    return load(untrained(located, seed), device)


def _trained(located: Located, device: torch.device, dtype: torch.dtype) -> nn.Module:
    quantised = _quantisation(located, dtype)
    placement = {"quantization_config": quantised, "device_map": {"": device}} if quantised else {}
    module, report = _transformers_class(located).from_pretrained(
        located.folder,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype=dtype,
        attn_implementation=ATTENTION,
        output_loading_info=True,
        **placement,
    )
    if wrong := sorted(report["missing_keys"]) + sorted(key for key, *_ in report["mismatched_keys"]):
        raise NotEvaluated(
            "weights_incomplete", f"{located.folder}: {len(wrong)} weights do not fit, such as {wrong[0]}"
        )
    loaded: nn.Module = _unpacked(module) if quantised else module.to(device)
    return loaded


def _unpacked(module: nn.Module) -> nn.Module:
    """Keep bitsandbytes from repacking NF4 weights for a CPU's bfloat16 kernel in the first pass without a gradient.

    They would be rounded, and give other numbers, and no gradient, from then on: results would depend on history.
    """
    for each in module.modules():
        if hasattr(each, "support_avx512bf16_for_cpu"):
            each.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    return module


def _random(located: Located, seed: int, dtype: torch.dtype) -> nn.Module:
    cls = _transformers_class(located)
    config = cls.config_class.from_pretrained(located.folder, local_files_only=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: nn.Module = cls._from_config(config, dtype=torch.float32, attn_implementation=ATTENTION)
    return module.to(dtype)


def _transformers_class(located: Located) -> Any:
    import transformers

    try:
        return getattr(transformers, located.architecture)
    except AttributeError:
        raise NotEvaluated(
            "unsupported_architecture", f"transformers {transformers.__version__} has no {located.architecture}"
        ) from None


def _quantisation(located: Located, dtype: torch.dtype) -> Any:
    quantization = located.spec.quantization
    if quantization is None:
        return None
    if importlib.util.find_spec("bitsandbytes") is None:
        raise NotEvaluated(
            "no_bitsandbytes", f"{quantization} needs bitsandbytes: pip install 'mi-atlas[quantisation]'"
        )
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)  # else a line for each product
    nf4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    return BitsAndBytesConfig(**({"load_in_8bit": True} if quantization == "int8" else nf4))  # type: ignore[no-untyped-call]


def _with_adapter(module: nn.Module, located: Located) -> nn.Module:
    from peft import PeftModel

    return PeftModel.from_pretrained(module, str(located.adapter), local_files_only=True, autocast_adapter_dtype=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, no advice: transformers is told so, and told otherwise afterwards."""
    from transformers.utils import logging as chatter

    verbosity, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity(logging.ERROR)
    chatter.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        chatter.set_verbosity(verbosity)
        if bars:
            chatter.enable_progress_bar()  # type: ignore[no-untyped-call]
