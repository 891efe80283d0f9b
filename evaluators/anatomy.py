"""evaluators: where the sites of an architecture are. What an architecture does not have is not guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..specs.sites import Site
from .cells import NotEvaluated

OPERATORS = ("self_attn", "conv")
"""Names under which decoder layers keep their token mixer."""

MLPS = ("mlp", "feed_forward")
"""Names under which decoder layers keep their feed-forward part."""


@dataclass(frozen=True)
class Anatomy:
    """The modules of a pre-norm decoder whose outputs are added to the residual stream."""

    decoder: nn.Module
    """Token ids -> final hidden state, final norm included."""
    unembedding: nn.Module
    """Final hidden state -> logits."""
    layers: tuple[nn.Module, ...]
    operators: tuple[nn.Module, ...]
    mlps: tuple[nn.Module, ...]

    @property
    def vocabulary(self) -> int:
        """Rows of the unembedding."""
        return self._weight.shape[0]

    @property
    def width(self) -> int:
        """d_model."""
        return self._weight.shape[1]

    @property
    def _weight(self) -> Tensor:
        weight = self.unembedding.weight
        assert isinstance(weight, Tensor)
        return weight

    def module(self, site: Site) -> nn.Module:
        """The module whose output carries the site's update.

        Raises:
            NotEvaluated: the model has no such layer.
        """
        modules = {"layer": self.layers, "operator": self.operators, "mlp": self.mlps}[site.granularity]
        if site.layer >= len(modules):
            raise NotEvaluated("no_such_site", f"the model has layers L0 to L{len(modules) - 1}, no {site.label}")
        return modules[site.layer]


def dissect(model: nn.Module) -> Anatomy:
    """Find the parts of a Hugging Face causal language model, also under a PEFT wrapper.

    Raises:
        NotEvaluated: naming the module that is missing or ambiguous.
    """
    wrapped: Any = model
    base = wrapped.get_base_model() if hasattr(model, "peft_config") else wrapped
    decoder = getattr(base, "model", None)
    layers = getattr(decoder, "layers", None)
    if not isinstance(decoder, nn.Module) or not isinstance(layers, nn.ModuleList):
        raise NotEvaluated("unsupported_architecture", f"{type(base).__name__} has no `model.layers`")
    unembedding = base.get_output_embeddings()
    if unembedding is None:
        raise NotEvaluated("unsupported_architecture", f"{type(base).__name__} has no output embedding")
    return Anatomy(
        decoder=decoder,
        unembedding=unembedding,
        layers=tuple(layers),
        operators=tuple(_part(layer, i, OPERATORS) for i, layer in enumerate(layers)),
        mlps=tuple(_part(layer, i, MLPS) for i, layer in enumerate(layers)),
    )


def _part(layer: nn.Module, index: int, names: tuple[str, ...]) -> nn.Module:
    found = [child for name, child in layer.named_children() if name in names]
    if len(found) != 1:
        raise NotEvaluated(
            "unsupported_architecture",
            f"layer {index} ({type(layer).__name__}) has {len(found)} of {', '.join(names)}; exactly one is needed",
        )
    return found[0]
