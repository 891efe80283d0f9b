"""evaluators/replay: a model's layers, run on packed rows by its own modules.

Whether that gives what the model gives is not assumed: a rehearsal compares every layer with the model's own pass.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...specs.sites import Site
from ..anatomy import Anatomy, Norms, Port
from ..cells import NotEvaluated
from ..interventions import visiting
from .attention import Packing, packed
from .layout import Tile
from .prompts import Prompts

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 5e-3}
"""Largest difference between two ways to one tensor that is rounding, relative to the largest value."""


@dataclass(frozen=True, eq=False)
class Call:
    """What an operator needs besides its input, for the first sets of a tile at one layer."""

    tile: Tile
    sets: int
    clean: tuple[Tensor, ...]
    """What the clean pass noted at this layer; empty where no segment reads it."""
    on_conv: Callable[[Tensor], None] = lambda tensor: None
    """Is shown what a short convolution gives, [row, d_model], and may change it in place."""
    noted: list[Tensor] = field(default_factory=list)
    """Receives what later passes may read of the tokens before theirs: keys and values, or a convolution's input."""


class Body:
    """The parts of a model that the packed pass calls, once `prepare` has found that they give what the model gives.

    Raises:
        NotEvaluated: `not_packed`, the architecture is not one of those that the pass reproduces; the text says why.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        if anatomy.final_norm is None:
            raise NotEvaluated("not_packed", f"{type(anatomy.decoder).__name__} has no final norm of a known name")
        self.anatomy = anatomy
        self._norms = [_known(norms, i) for i, norms in enumerate(anatomy.norms)]
        self._rotations: list[tuple[Tensor, Tensor] | None] = []
        self._length = 0

    def prepare(self, length: int) -> None:
        """Make the pass ready for prompts of up to `length` tokens: rehearse with one of that length.

        Raises:
            NotEvaluated: as for the class; windows, for one, only show in long prompts.
        """
        if length > self._length:
            self._rehearse(length)
            self._length = length

    def embed(self, prompts: Prompts) -> Tensor:
        """The stream entering the first layer, [row, d_model]."""
        embedded: Tensor = self.anatomy.embedding(prompts.ids)
        return embedded

    def operator(self, layer: int, stream: Tensor, call: Call) -> Tensor:
        """The update of a layer's operator, [row, d_model] from [row, d_model], row by row of the tile's first sets."""
        norms, operator = self._norms[layer], self.anatomy.operators[layer]
        normed = norms.before_operator(stream) if norms.before_operator else stream
        if self.anatomy.is_convolution(layer):
            update = _short_convolution(operator, normed, call)
        else:
            update = self._attention(layer, operator, normed, call)
        return self._behind_operator(norms, update)

    def project(self, layer: int, heads: Tensor) -> Tensor:
        """The update that an operator makes of its heads' outputs, [row, head * width] -> [row, d_model]."""
        update: Tensor = self.anatomy.projection(layer)(heads[None])[0]
        return self._behind_operator(self._norms[layer], update)

    def mlp(self, layer: int, stream: Tensor) -> Tensor:
        """The update of a layer's MLP, [row, d_model] -> [row, d_model]."""
        norms = self._norms[layer]
        normed = norms.before_mlp(stream) if norms.before_mlp else stream
        update: Tensor = self.anatomy.mlps[layer](normed[None])[0]
        return update if norms.after_mlp is None else norms.after_mlp(update)

    def logits(self, stream: Tensor) -> Tensor:
        """[row, d_model] behind the last layer -> [row, vocabulary]."""
        assert self.anatomy.final_norm is not None
        return self.anatomy.unembedding(self.anatomy.final_norm(stream))

    @staticmethod
    def _behind_operator(norms: Norms, update: Tensor) -> Tensor:
        return update if norms.after_operator is None else norms.after_operator(update)

    def _attention(self, layer: int, operator: nn.Module, normed: Tensor, call: Call) -> Tensor:
        positions = call.tile.positions[: len(normed)]
        rotation = self._rotations[layer]
        clean = (call.clean[0], call.clean[1]) if call.clean else None
        output, _ = operator(
            hidden_states=normed[None],
            position_embeddings=rotation and tuple(table[positions][None] for table in rotation),
            attention_mask=None,
            position_ids=positions[None],
            past_key_values=None,
            packing=Packing(call.tile.groups, call.sets, clean, call.noted),
        )
        update: Tensor = output[0]
        return update

    @torch.no_grad()
    def _rehearse(self, length: int) -> None:
        """Compare every layer with the model's own pass over a prompt."""
        prompts = Prompts.of([[i % self.anatomy.vocabulary for i in range(length)]], self.anatomy.device)
        streams = self._watch(prompts.ids[None])
        tile = Tile(prompts, [[0]], [length], torch.arange(length))
        try:
            with packed(self.anatomy.operators):
                ours = [self.embed(prompts), *(self._layer(i, x, tile) for i, x in enumerate(streams[:-1]))]
        except (TypeError, AttributeError, RuntimeError) as error:
            raise NotEvaluated("not_packed", f"its layers cannot be run on packed rows: {error}") from error
        for i, (one, other) in enumerate(zip(ours, streams, strict=True)):
            if (one - other).abs().max() > TOLERANCE.get(other.dtype, 1e-4) * other.abs().max():
                what = f"layer {i - 1}" if i else "the embedding"
                raise NotEvaluated("not_packed", f"{what} is not what its parts give for {length} tokens")

    def _layer(self, layer: int, stream: Tensor, tile: Tile) -> Tensor:
        call = Call(tile, 1, ())
        stream = stream + self.operator(layer, stream, call)
        if not call.noted:
            raise NotEvaluated("not_packed", f"the operator of layer {layer} does not call transformers' attention")
        return stream + self.mlp(layer, stream)

    def _watch(self, ids: Tensor) -> list[Tensor]:
        """The stream entering each layer and the final norm in the model's own pass over [1, position] token ids.

        Takes down how its operators rotate each position.
        """
        rotations: list[tuple[Tensor, Tensor] | None] = []
        streams: list[Tensor] = []

        def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = kwargs.get("position_embeddings")
            rotations.append(given if given is None else (given[0][0], given[1][0]))

        with ExitStack() as hooks:
            for layer, operator in enumerate(self.anatomy.operators):
                hooks.enter_context(visiting(_entering(self.anatomy, layer), streams.append))
                hooks.callback(operator.register_forward_pre_hook(note, with_kwargs=True).remove)
            hooks.enter_context(visiting(_entering(self.anatomy, len(self.anatomy.layers)), streams.append))
            self.anatomy.decoder(input_ids=ids, use_cache=False)
        self._rotations = rotations
        return [stream[0] for stream in streams]


def _known(norms: Norms | None, layer: int) -> Norms:
    if norms is None:
        raise NotEvaluated("not_packed", f"layer {layer} has norms of no known family")
    return norms


def _entering(anatomy: Anatomy, layer: int) -> Port:
    return anatomy.port(Site(layer, "residual"))


def _short_convolution(operator: Any, normed: Tensor, call: Call) -> Tensor:
    """out_proj(C * conv(B * x)) with (B, C, x) = in_proj, each row with the tokens before it in its own prompt."""
    gate, carrier, signal = operator.in_proj(normed[None])[0].chunk(3, dim=-1)
    gated = gate * signal
    call.noted.append(gated)
    kernel = operator.conv.weight[:, 0].float()
    table = torch.cat([gated.new_zeros(1, gated.shape[-1]), *call.clean, gated]).float()
    taps = call.tile.taps(kernel.shape[-1])[:, : len(gated)]
    convolved = sum(table[rows] * weight for rows, weight in zip(taps, kernel.flip(-1).T, strict=True))
    if operator.conv.bias is not None:
        convolved = convolved + operator.conv.bias.float()
    call.on_conv(convolved := convolved.to(gated.dtype))
    update: Tensor = operator.out_proj((carrier * convolved)[None])[0]
    return update
