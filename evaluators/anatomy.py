"""evaluators: where the sites of an architecture are. What an architecture does not have is not guessed.

A decoder layer is recognised by the names of its parts. With x the residual stream it adds, in this order,

    x += after_operator(operator(before_operator(x)))
    x += after_mlp(mlp(before_mlp(x)))

where a norm that an architecture lacks is the identity. The update of a site is what is really added: with a
norm behind an operator (Gemma 2 and 3, OLMo 2) it is the norm's output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..specs.sites import Site, SiteKind
from .cells import NotEvaluated

OPERATORS = ("self_attn", "conv")
"""Names under which decoder layers keep their token mixer."""

MLPS = ("mlp", "feed_forward")
"""Names under which decoder layers keep their feed-forward part."""

FINAL_NORMS = ("norm", "embedding_norm", "final_layernorm")
"""Names under which decoders keep the norm before the unembedding."""

ALIASES = {
    "o_proj": ("o_proj", "out_proj", "dense"),
    "gate_proj": ("gate_proj", "w1"),
    "up_proj": ("up_proj", "w3", "fc1"),
    "down_proj": ("down_proj", "w2", "fc2"),
}
"""Site kind -> the names its module has; every other kind has one, its own."""

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
CONVOLUTION = ("conv_gate", "conv_carrier", "conv_signal", "conv", "out_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


class Norms(NamedTuple):
    """The norms of a layer, by where they stand; None where there is none."""

    before_operator: nn.Module | None
    after_operator: nn.Module | None
    before_mlp: nn.Module | None
    after_mlp: nn.Module | None


NORM_NAMES = (
    ("input_layernorm", None, "post_attention_layernorm", None),
    ("operator_norm", None, "ffn_norm", None),
    ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"),
    (None, "post_attention_layernorm", None, "post_feedforward_layernorm"),
)
"""The families of decoder layers: names of the norms, in the order of `Norms`."""


@dataclass(frozen=True)
class Port:
    """Where a site's tensor can be read and replaced: at a module, on one side of it, in some columns or all."""

    module: nn.Module
    side: Literal["input", "output"] = "output"
    columns: slice | None = None


@dataclass(frozen=True)
class Heads:
    """How the columns of an attention's tensors fall into heads."""

    count: int
    kv_count: int
    width: int
    """Columns of one head."""

    def group(self, head: int) -> int:
        """Which key/value head a query head reads."""
        return head // (self.count // self.kv_count)


@dataclass(frozen=True)
class Unembedding:
    """Final hidden state [..., d_model] -> logits [..., vocabulary], as the model itself computes them."""

    module: nn.Module
    softcap: float | None

    def __call__(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.module(hidden)
        return logits if self.softcap is None else (logits / self.softcap).tanh() * self.softcap


@dataclass(frozen=True)
class Anatomy:
    """The modules of a decoder whose outputs are added to the residual stream, and what they are made of."""

    decoder: nn.Module
    """Token ids -> final hidden state, final norm included."""
    embedding: nn.Module
    unembedding: Unembedding
    layers: tuple[nn.Module, ...]
    operators: tuple[nn.Module, ...]
    mlps: tuple[nn.Module, ...]
    norms: tuple[Norms | None, ...]
    """None for a layer whose norms are of no known family."""
    final_norm: nn.Module | None

    @property
    def vocabulary(self) -> int:
        """Rows of the unembedding."""
        return self._weight.shape[0]

    @property
    def width(self) -> int:
        """d_model."""
        return self._weight.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return self._weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the embeddings, and so of the residual stream."""
        return self._weight.dtype

    @property
    def hidden(self) -> int:
        """Neurons of the first layer's MLP; four times d_model where its parts have other names."""
        try:
            return _features(self.port(Site(0, "down_proj")).module)[0]
        except NotEvaluated:
            return 4 * self.width

    @property
    def _weight(self) -> Tensor:
        weight = self.unembedding.module.weight
        assert isinstance(weight, Tensor)
        return weight

    def module(self, site: Site) -> nn.Module:
        """The layer, operator or MLP of a site.

        Raises:
            NotEvaluated: the model has no such layer.
        """
        modules = {"layer": self.layers, "operator": self.operators, "mlp": self.mlps}[site.granularity]
        if site.layer >= len(modules):
            raise NotEvaluated("no_such_site", f"the model has layers L0 to L{len(modules) - 1}, no {site.label}")
        return modules[site.layer]

    def is_convolution(self, layer: int) -> bool:
        """Whether a layer's operator is a gated short convolution: out_proj(C * conv(B * x)), (B, C, x) = in_proj."""
        return {"in_proj", "conv", "out_proj"} <= dict(self.operators[layer].named_children()).keys()

    def projection(self, layer: int) -> nn.Module:
        """The linear map with which a layer's operator writes; its input are the heads, side by side."""
        return _child(self.operators[layer], "o_proj", layer)

    def heads(self, layer: int) -> Heads:
        """The heads of a layer's attention.

        Raises:
            NotEvaluated: the operator is no attention, or its widths do not fall into heads.
        """
        operator = self.operators[layer]
        width = getattr(operator, "head_dim", None)
        if not isinstance(width, int):
            raise _missing(Site(layer, "head", 0), operator, "no heads")
        columns, keys = _features(self.projection(layer))[0], dict(operator.named_children()).get("k_proj")
        count, rest = divmod(columns, width)
        fused = _features(_child(operator, "qkv_proj", layer))[1] - columns if keys is None else 0
        kv_count = _features(keys)[1] // width if keys is not None else fused // 2 // width
        if rest or not kv_count or count % kv_count:
            raise _missing(Site(layer, "head", 0), operator, f"{columns} columns that are no {width}-wide heads")
        return Heads(count, kv_count, width)

    def port(self, site: Site) -> Port:
        """Where a site's tensor passes. For `conv` it is the operator: what a short convolution gives is inside it.

        Raises:
            NotEvaluated: `no_such_site`, the model does not have it.
        """
        kind, layer = site.granularity, site.layer
        if kind == "residual" and layer == len(self.layers) and self.final_norm is not None:
            return Port(self.final_norm, "input")
        whole = self.module(Site(layer, "layer"))
        if kind in ("layer", "residual"):
            return Port(whole, "output" if kind == "layer" else "input")
        norms = self.norms[layer]
        if kind in ("operator", "mlp"):
            behind = norms and (norms.after_operator if kind == "operator" else norms.after_mlp)
            return Port(behind or self.module(site))
        if kind in MLP:
            return self._projection(site, self.mlps[layer])
        operator = self.operators[layer]
        if kind in CONVOLUTION and self.is_convolution(layer):
            return self._third(site, operator)
        if kind not in ("head", *ATTENTION) or self.is_convolution(layer):
            raise _missing(site, operator, f"no {kind}")
        if kind != "head":
            return self._projection(site, operator)
        heads = self.heads(layer)
        if site.head is None or site.head >= heads.count:
            raise _missing(site, operator, f"heads 0 to {heads.count - 1}")
        columns = slice(site.head * heads.width, (site.head + 1) * heads.width)
        return Port(self.projection(layer), "input", columns)

    def sites(self, kinds: tuple[SiteKind, ...]) -> tuple[Site, ...]:
        """Every site of some kinds that the model has, kind by kind in layer order."""
        return tuple(site for kind in kinds for layer in range(len(self.layers) + 1) for site in self._at(layer, kind))

    def _at(self, layer: int, kind: SiteKind) -> list[Site]:
        try:
            heads = range(self.heads(layer).count) if kind == "head" and layer < len(self.layers) else (None,)
            found = [Site(layer, kind, head) for head in heads]
            for site in found:
                self.port(site)
        except NotEvaluated:
            return []
        return found

    def _third(self, site: Site, operator: nn.Module) -> Port:
        if site.granularity == "conv":
            return Port(operator)
        if site.granularity == "out_proj":
            return Port(self.projection(site.layer))
        inward, third = _child(operator, "in_proj", site.layer), CONVOLUTION.index(site.granularity)
        width = _features(inward)[1] // 3
        return Port(inward, columns=slice(third * width, (third + 1) * width))

    def _projection(self, site: Site, parent: nn.Module) -> Port:
        """A projection of its own, or its columns of a fused one (Phi-3)."""
        children, kind = dict(parent.named_children()), site.granularity
        for name in ALIASES.get(kind, (kind,)):
            if name in children:
                return Port(children[name])
        if "gate_up_proj" in children and kind in MLP:
            half = _features(children["gate_up_proj"])[1] // 2
            start = half * MLP.index(kind)
            return Port(children["gate_up_proj"], columns=slice(start, start + half))
        if "qkv_proj" in children and kind in ATTENTION:
            heads = self.heads(site.layer)
            ends = [0, heads.count, heads.count + heads.kv_count, heads.count + 2 * heads.kv_count]
            first = ATTENTION.index(kind)
            return Port(children["qkv_proj"], columns=slice(ends[first] * heads.width, ends[first + 1] * heads.width))
        raise _missing(site, parent, f"no {kind}")


def dissect(model: nn.Module) -> Anatomy:
    """Find the parts of a Hugging Face causal language model, also under a PEFT wrapper.

    Raises:
        NotEvaluated: naming the module that is missing or ambiguous.
    """
    wrapped: Any = model
    base = wrapped.get_base_model() if hasattr(model, "peft_config") else wrapped
    decoder = getattr(base, "model", None)
    decoder = getattr(decoder, "language_model", decoder)
    layers = getattr(decoder, "layers", None)
    if not isinstance(decoder, nn.Module) or not isinstance(layers, nn.ModuleList):
        raise NotEvaluated("unsupported_architecture", f"{type(base).__name__} has no `model.layers`")
    unembedding = base.get_output_embeddings()
    if unembedding is None:
        raise NotEvaluated("unsupported_architecture", f"{type(base).__name__} has no output embedding")
    if getattr(wrapped, "active_peft_config", None) is not None and wrapped.active_peft_config.is_prompt_learning:
        raise NotEvaluated("unsupported_architecture", "an adapter that adds virtual tokens moves every position")
    return Anatomy(
        decoder=decoder,
        embedding=base.get_input_embeddings(),
        unembedding=Unembedding(unembedding, getattr(base.config, "final_logit_softcapping", None)),
        layers=tuple(layers),
        operators=tuple(_part(layer, i, OPERATORS) for i, layer in enumerate(layers)),
        mlps=tuple(_part(layer, i, MLPS) for i, layer in enumerate(layers)),
        norms=tuple(_norms(layer) for layer in layers),
        final_norm=next((getattr(decoder, name) for name in FINAL_NORMS if hasattr(decoder, name)), None),
    )


def _part(layer: nn.Module, index: int, names: tuple[str, ...]) -> nn.Module:
    found = [child for name, child in layer.named_children() if name in names]
    if len(found) != 1:
        raise NotEvaluated(
            "unsupported_architecture",
            f"layer {index} ({type(layer).__name__}) has {len(found)} of {', '.join(names)}; exactly one is needed",
        )
    return found[0]


def _norms(layer: nn.Module) -> Norms | None:
    children = {name: child for name, child in layer.named_children() if "norm" in name}
    for names in NORM_NAMES:
        if children.keys() == {name for name in names if name}:
            return Norms(*(children[name] if name else None for name in names))
    return None


def _child(parent: nn.Module, kind: str, layer: int) -> nn.Module:
    children = dict(parent.named_children())
    for name in ALIASES.get(kind, (kind,)):
        if name in children:
            return children[name]
    raise NotEvaluated("no_such_site", f"{type(parent).__name__} of layer {layer} has no {kind}")


def _features(linear: nn.Module) -> tuple[int, int]:
    """(columns in, columns out) of a linear map, also of a quantised or adapted one."""
    return int(linear.in_features), int(linear.out_features)  # type: ignore[arg-type]


def _missing(site: Site, module: nn.Module, has: str) -> NotEvaluated:
    return NotEvaluated("no_such_site", f"there is no {site.label}: {type(module).__name__} has {has}")
