"""evaluators/models: the shapes of real models with random weights, for costs and counts, never for evidence.

What is built here is a bare module: it has no files and no digest, so no claim can name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

_FILE = Path(__file__).parent / "shapes.yaml"


@dataclass(frozen=True)
class Shape:
    """The architecture and configuration of a published model."""

    name: str
    architecture: str
    """Class name in transformers."""
    config: dict[str, Any]
    parameters: int
    """What the published model has, tied weights counted once."""

    def build(
        self,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        **changes: Any,
    ) -> nn.Module:
        """The module with random weights, in evaluation mode; `changes` to its configuration make it smaller.

        On the device `meta` it has shapes and no weights, and costs nothing.
        """
        import transformers

        cls = getattr(transformers, self.architecture)
        with torch.random.fork_rng(devices=[]), torch.device(device):
            torch.manual_seed(seed)
            config = cls.config_class(**self.config | changes)
            module: nn.Module = cls._from_config(config, dtype=dtype, attn_implementation="sdpa")
        return module.eval().requires_grad_(False)


def shape_names() -> list[str]:
    """The shapes there are."""
    return sorted(_shapes())


def find_shape(name: str) -> Shape:
    """The shape of that name.

    Raises:
        LookupError: there is none.
    """
    if name not in _shapes():
        raise LookupError(f"no shape is called `{name}`; there are {', '.join(shape_names())}")
    return _shapes()[name]


@cache
def _shapes() -> dict[str, Shape]:
    found = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {name: Shape(name=name, **fields) for name, fields in found.items()}


def count_parameters(module: nn.Module) -> int:
    """Exact number of parameters, shared ones counted once."""
    return sum(parameter.numel() for parameter in {id(p): p for p in module.parameters()}.values())
