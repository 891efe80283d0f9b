"""evaluators/pocket: the layers of a model in training as compiled kernels: half the time, where a C++ compiler is.

What a compiler makes differs from the eager kernels in the last bits, so that the card names it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

EAGER = "none"
"""Name of the compiler where there is none."""


def compiler() -> str:
    """The C++ compiler that torch would call, as it names itself; `EAGER` where there is none."""
    path = shutil.which(os.environ.get("CXX", "g++"))
    if path is None:
        return EAGER
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return said.splitlines()[0] if said else EAGER


@contextmanager
def compiled(module: nn.Module) -> Iterator[None]:
    """Inside the block the layers of a model run compiled, for any length of prompt."""
    with shifted_convolutions():
        for layer in module.model.layers:  # type: ignore[union-attr]
            layer.compile(dynamic=True)
        try:
            yield
        finally:
            for layer in module.model.layers:  # type: ignore[union-attr]
                layer._compiled_call_impl = None


@contextmanager
def shifted_convolutions() -> Iterator[None]:
    """Lfm2's short convolution as a sum of shifted products, whose gradient costs a tenth of the library's."""
    from transformers.models.lfm2 import modeling_lfm2 as library

    own = library.causal_conv1d_fn
    library.causal_conv1d_fn = _causal_convolution
    try:
        yield
    finally:
        library.causal_conv1d_fn = own


def _causal_convolution(signal: Tensor, weight: Tensor, bias: Tensor | None = None, **_: Any) -> Tensor:
    """Each channel [batch, channel, position] convolved with its taps [channel, tap]; the last tap is the present."""
    taps = weight.shape[1]
    total = signal * weight[:, -1, None]
    for back in range(1, taps):
        total = total + F.pad(signal, (back, 0))[..., :-back] * weight[:, taps - 1 - back, None]
    return total if bias is None else total + bias[:, None]
