"""evaluators/planted: small bodies of genuine transformers classes, and handles on the weights of their parts.

A body begins with random weights at a scale where every update is about as large as the stream it is added
to. The stream has no special axes: what is planted is planted along random orthonormal directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...specs.canonical import digest
from ...specs.sites import Site, sites
from ..anatomy import dissect
from ..tasks.dice import Dice

Architecture = Literal["qwen2", "llama", "lfm2"]

ARCHITECTURES: tuple[Architecture, ...] = ("qwen2", "llama", "lfm2")

PARTS: tuple[Literal["operator", "mlp"], ...] = ("operator", "mlp")

MIXERS = ("conv", "full_attention")
"""Operators of Lfm2."""

READS = ("q_proj", "k_proj", "v_proj", "in_proj", "gate_proj", "up_proj", "w1", "w3")
"""Matrices [inner, d_model] that read the normed stream."""

WRITES = ("o_proj", "out_proj", "down_proj", "w2")
"""Matrices [d_model, inner] that write to the stream."""

OPEN = 8.0
"""Gate of a neuron that is always open: silu(8) = 8 (1 - 3e-4)."""


@dataclass(frozen=True)
class Sizes:
    """The shape of a body."""

    architecture: Architecture
    vocabulary: int
    layers: int
    width: int
    """d_model."""
    hidden: int
    """Neurons of an MLP."""
    heads: int = 4
    kv_heads: int = 2
    theta: float = 1e6
    """Base of the rotary frequencies."""
    mixers: tuple[str, ...] = ()
    """Lfm2's `conv` or `full_attention`, layer by layer."""


@dataclass(frozen=True)
class Head:
    """One attention head's own rows and columns, as views of the weights."""

    query: Tensor
    """[head_dim, d_model]"""
    key: Tensor
    value: Tensor
    out: Tensor
    """[d_model, head_dim]"""
    query_bias: Tensor | None
    """[head_dim], where the architecture has it."""
    key_bias: Tensor | None


class Body:
    """A model with random weights, seeded by words."""

    def __init__(self, sizes: Sizes, *seed: str | int) -> None:
        self.sizes = sizes
        self.generator = torch.Generator().manual_seed(int(digest("planted", list(seed))[:15], 16))
        self.module: Any = _construct(sizes).eval().requires_grad_(False)
        self.anatomy = dissect(self.module)
        self._basis: Tensor = torch.linalg.qr(self.normal(sizes.width, sizes.width, 1.0).double()).Q.float()
        self._taken = 0
        for name, parameter in self.module.named_parameters():
            parameter.copy_(self._initial(name, parameter))
        self.embedding[0] = self.unembedding[0] = 0

    @property
    def embedding(self) -> Tensor:
        """[vocabulary, d_model]"""
        weight = self.module.get_input_embeddings().weight
        assert isinstance(weight, Tensor)
        return weight

    @property
    def unembedding(self) -> Tensor:
        """[vocabulary, d_model]"""
        weight = self.module.get_output_embeddings().weight
        assert isinstance(weight, Tensor)
        return weight

    @property
    def parts(self) -> tuple[Site, ...]:
        """Every operator and every MLP."""
        return sites(PARTS, self.sizes.layers)

    def normal(self, rows: int, columns: int, scale: float) -> Tensor:
        """Gaussian numbers."""
        numbers = torch.randn(rows, columns, generator=self.generator)
        return numbers * scale

    def directions(self, count: int) -> Tensor:
        """Random orthonormal directions that nobody had before, [count, d_model]."""
        self._taken += count
        assert self._taken <= self.sizes.width, "the stream has no room for more directions"
        return self._basis[self._taken - count : self._taken]

    def hush(self, gain: float) -> None:
        """Make every random update about `gain` long, for streams of norm 1 or so instead of sqrt(d_model)."""
        for site in self.parts:
            self.write(site).mul_(gain / self.sizes.width**0.5)

    def reads(self, site: Site) -> list[Tensor]:
        """The matrices with which an operator or MLP reads the stream."""
        return [child.weight for name, child in self.anatomy.module(site).named_children() if name in READS]  # type: ignore[misc]

    def write(self, site: Site) -> Tensor:
        """The matrix with which an operator or MLP writes to the stream."""
        (weight,) = (c.weight for name, c in self.anatomy.module(site).named_children() if name in WRITES)
        assert isinstance(weight, Tensor)
        return weight

    def gated(self, layer: int) -> tuple[Tensor, Tensor, Tensor]:
        """Gate and up [neuron, d_model] and down [d_model, neuron] of an MLP: down (silu(gate x) * up x)."""
        gate, up = self.reads(Site(layer, "mlp"))
        return gate, up, self.write(Site(layer, "mlp"))

    def head(self, layer: int, head: int) -> Head:
        """An empty head: its weights, and the keys and values that its group shares, are made zero."""
        attention: Any = self.anatomy.operators[layer]
        dim = attention.head_dim
        own = slice(head * dim, (head + 1) * dim)
        group = head // attention.num_key_value_groups
        shared = slice(group * dim, (group + 1) * dim)
        query, key, value = attention.q_proj, attention.k_proj, attention.v_proj
        biases = (None, None) if query.bias is None else (query.bias[own], key.bias[shared])
        out = self.write(Site(layer, "operator"))[:, own]
        made = Head(query.weight[own], key.weight[shared], value.weight[shared], out, *biases)
        for view in (made.query, made.key, made.value, made.out, *biases):
            if view is not None:
                view.zero_()
        return made

    def neuron(self, layer: int, index: int, read: Tensor, write: Tensor, constant: Tensor, norm: float) -> None:
        """Make a neuron add (read . h) `write` to a stream h of norm `norm` whose amplitude along `constant` is 1."""
        gate, up, down = self.gated(layer)
        unit = norm / self.sizes.width**0.5
        gate[index], up[index], down[:, index] = OPEN * unit * constant, unit * read, write / OPEN

    def _initial(self, name: str, parameter: Tensor) -> Tensor:
        if parameter.ndim == 1:
            return torch.ones_like(parameter) if "norm" in name else torch.zeros_like(parameter)
        rows, columns = len(parameter), parameter[0].numel()
        scale = 1.0 if "embed_tokens" in name else columns**-0.5
        return self.normal(rows, columns, scale).reshape(parameter.shape)


def random_sizes(dice: Dice, vocabulary: int) -> Sizes:
    """A random architecture of 4 to 8 layers, d_model 48 to 80; Lfm2 with one attention layer or more."""
    layers = dice.pick(range(4, 9))
    attention = dice.pick(range(layers))
    return Sizes(
        architecture=dice.pick(ARCHITECTURES),
        vocabulary=vocabulary,
        layers=layers,
        width=dice.pick((48, 64, 80)),
        hidden=dice.pick((64, 96, 128)),
        kv_heads=dice.pick((1, 2, 4)),
        mixers=tuple("full_attention" if i == attention else dice.pick(MIXERS) for i in range(layers)),
    )


def _construct(sizes: Sizes) -> Any:
    import transformers

    settings: dict[str, Any] = {
        "vocab_size": sizes.vocabulary,
        "hidden_size": sizes.width,
        "intermediate_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "max_position_embeddings": 256,
        "rope_theta": sizes.theta,
        "tie_word_embeddings": False,
    }
    if sizes.architecture == "lfm2":
        settings |= {"layer_types": list(sizes.mixers), "block_auto_adjust_ff_dim": False}
    name = {"qwen2": "Qwen2", "llama": "Llama", "lfm2": "Lfm2"}[sizes.architecture]
    with torch.random.fork_rng(devices=[]):
        config = getattr(transformers, f"{name}Config")(**settings)
        module: nn.Module = getattr(transformers, f"{name}ForCausalLM")(config)
    return module
