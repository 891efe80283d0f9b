"""evaluators/replay: one pass of the layers over a growing batch of interventions.

Before its first site an intervention's pass is the clean one. So a tile's pass walks the layers in order, and each set
of interventions joins at its earliest site, with what the clean pass left there:

    entering   the residual stream and what is inside an operator join with the stream that enters the layer
    heads      ... with the heads' outputs before the output projection: no attention is computed again
    middle     the operator's update and what is inside an MLP join with the stream between the two
    leaving    the MLP's update and the layer's join with the stream that leaves the layer

Behind the last layer's attention only the measured rows go on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from torch import Tensor

from ...specs.sites import Site, SiteKind
from ..anatomy import Port
from ..interventions import replaced, visiting
from .attention import packed
from .body import Body, Call
from .layout import Tile
from .prompts import Prompts, Rows
from .values import Intervention, Together

ENTERING, HEADS, MIDDLE, LEAVING = range(4)

INSIDE_OPERATOR: tuple[SiteKind, ...] = (
    *("q_proj", "k_proj", "v_proj", "o_proj"),
    *("conv_gate", "conv_carrier", "conv_signal", "out_proj"),
)
INSIDE_MLP: tuple[SiteKind, ...] = ("gate_proj", "up_proj", "down_proj")

STAGES: dict[SiteKind, int] = {"head": HEADS, "operator": MIDDLE, "mlp": LEAVING, "layer": LEAVING}
STAGES |= dict.fromkeys(INSIDE_MLP, MIDDLE)
"""Where a kind of site joins; every other enters with the stream."""

Point = tuple[int, SiteKind]
"""A layer and what passes there; the heads of a layer are one point."""


def joining(together: Together) -> tuple[int, int]:
    """(layer, stage) at which a set of interventions joins the pass; the empty set is the whole pass."""
    return min(
        ((one.site.layer, STAGES.get(one.site.granularity, ENTERING)) for one in together), default=(0, ENTERING)
    )


class Tape:
    """What a pass over some prompts left, with one row for each of the prompts' rows."""

    def __init__(self, prompts: Prompts, embedded: Tensor) -> None:
        self.prompts = prompts
        self.seen: dict[Point, Tensor] = {(0, "residual"): embedded}
        """What passed each recorded point, [row, width]; rows that were not computed are zero."""
        self.noted: dict[int, tuple[Tensor, ...]] = {}
        """Of each layer, what its operator noted for tokens that come later."""

    def keep(self, rows: Tensor, tensor: Tensor) -> Tensor:
        """A tensor of some of the prompts' rows as one of all of them."""
        whole = tensor.new_zeros(len(self.prompts.ids), *tensor.shape[1:])
        whole[rows] = tensor
        return whole


class Pass:
    """One tile's pass. See the module's docstring."""

    def __init__(self, body: Body, tile: Tile, sets: Sequence[Together], tape: Tape) -> None:
        """Sets are in the order of `joining`."""
        self.body, self.anatomy, self.tile, self.tape = body, body.anatomy, tile, tape
        self.depth = len(self.anatomy.layers)
        self.joins = [joining(together) for together in sets]
        self.edits: dict[Point, list[tuple[int, Intervention]]] = defaultdict(list)
        for k, together in enumerate(sets):
            for one in together:
                self.edits[one.site.layer, one.site.granularity].append((k, one))
        self.points: frozenset[Point] = frozenset()
        self.notes = False
        self.touched = tile.full.source.new_zeros(len(sets), len(tile.prompts.lengths))
        """How many rows of a set's prompt some edit has changed by a bit, [set, prompt]."""
        self._layout = tile.full
        self._entered: Tensor | None = None
        """The stream that entered the layer under way, where an edit or a record of the layer needs it."""

    def recording(self, points: frozenset[Point], notes: bool) -> Pass:
        """This pass, from the first layer on, leaving on its tape what passes some points, and its operators' notes."""
        self.points, self.notes, self.joins = points, notes, [(0, ENTERING)]
        return self

    def run(self) -> Tensor:
        """The stream before the final norm at the tile's measured rows, [row, d_model]."""
        first = self.joins[0][0]
        residual = self.tape.seen[0, "residual"]
        self._stream = residual.new_empty(self._layout.bounds[-1], residual.shape[1])
        with packed(self.anatomy.operators):
            for layer in range(first, self.depth):
                self._layer(layer)
        if first == self.depth:
            self._trim()
        self._enter(self.depth)
        return self._stream

    def _layer(self, layer: int) -> None:
        self._enter(layer)
        self._entered = self._stream[: self._active(layer, ENTERING)].clone() if self._points(layer, "layer") else None
        update = self._operator(layer) if self._active(layer, ENTERING) else None
        if layer == self.depth - 1 and update is None:
            self._trim()
        self._middle(layer, update)
        if rows := self._active(layer, MIDDLE):
            update = self._mlp(layer, self._stream[:rows])
            self._pass(layer, "mlp", update)
            self._stream[:rows] += update
        self._leave(layer)

    def _enter(self, layer: int) -> None:
        if (joined := self._joined(layer, ENTERING)).start < joined.stop:
            self._stream[joined] = self._clean(layer, "residual", joined)
        rows = self._active(layer, ENTERING)
        self._pass(layer, "residual", self._stream[:rows])

    def _operator(self, layer: int) -> Tensor:
        """The update of the sets under way, as their edits inside the operator leave it."""
        rows = self._active(layer, ENTERING)
        call = Call(
            self.tile,
            bisect_right(self.joins, (layer, ENTERING)),
            self.tape.noted[layer] if self.tile.reads_prefixes else (),
            lambda convolved: self._pass(layer, "conv", convolved),
        )

        def heads(tensor: Tensor) -> Tensor | None:
            self._pass(layer, "head", tensor[0])
            return tensor[:, self._trim()] if layer == self.depth - 1 else None

        with ExitStack() as hooks:
            self._watch(hooks, layer, INSIDE_OPERATOR)
            hooks.enter_context(visiting(Port(self.anatomy.projection(layer), "input"), heads))
            update = self.body.operator(layer, self._stream[:rows], call)
        if self.notes:
            self.tape.noted[layer] = tuple(self.tape.keep(self.tile.full.source, noted) for noted in call.noted)
        return update

    def _middle(self, layer: int, update: Tensor | None) -> None:
        """Let the operator's updates be added: those computed, those of edited heads, and the clean ones."""
        if update is not None:
            self._pass(layer, "operator", update)
            self._stream[: len(update)] += update
        if (joined := self._joined(layer, HEADS)).start < joined.stop:
            heads = self._clean(layer, "head", joined)
            self._pass(layer, "head", heads, joined.start)
            with ExitStack() as hooks:
                self._watch(hooks, layer, ("o_proj", "out_proj"), joined.start)
                self._join_middle(layer, joined, self.body.project(layer, heads))
        if (joined := self._joined(layer, MIDDLE)).start < joined.stop:
            self._join_middle(layer, joined, self._clean(layer, "operator", joined))

    def _join_middle(self, layer: int, joined: slice, update: Tensor) -> None:
        self._pass(layer, "operator", update, joined.start)
        self._stream[joined] = self._clean(layer, "residual", joined) + update

    def _mlp(self, layer: int, stream: Tensor) -> Tensor:
        with ExitStack() as hooks:
            self._watch(hooks, layer, INSIDE_MLP)
            return self.body.mlp(layer, stream)

    def _leave(self, layer: int) -> None:
        if (joined := self._joined(layer, LEAVING)).start < joined.stop:
            update = self._clean(layer, "mlp", joined)
            self._pass(layer, "mlp", update, joined.start)
            middle = self._clean(layer, "residual", joined) + self._clean(layer, "operator", joined)
            self._stream[joined] = middle + update
        for k, one in self.edits.get((layer, "layer"), ()):
            mine = slice(self._layout.bounds[k], self._layout.bounds[k + 1])
            before = self._clean(layer, "residual", mine) if self._joins_behind(k, layer) else self._before()[mine]
            self._stream[mine] = replaced(self._stream[mine], before, partial(self._edited, k, one))
        if (layer, "layer") in self.points:
            self.tape.seen[layer, "layer"] = self.tape.keep(self._layout.source, self._stream - self._before())

    def _joins_behind(self, k: int, layer: int) -> bool:
        """Whether a set has not gone through this layer from its entry."""
        return self.joins[k] > (layer, ENTERING)

    def _before(self) -> Tensor:
        assert self._entered is not None
        return self._entered

    def _watch(self, hooks: ExitStack, layer: int, kinds: Sequence[SiteKind], first: int = 0) -> None:
        """Hook the modules of some kinds where something is to be done with what they give."""
        for kind in kinds:
            if self._points(layer, kind):
                port = Port(self.anatomy.port(Site(layer, kind)).module)
                hooks.enter_context(visiting(port, partial(self._see, layer, kind, first)))

    def _see(self, layer: int, kind: SiteKind, first: int, tensor: Tensor) -> None:
        self._pass(layer, kind, tensor[0], first)

    def _points(self, layer: int, kind: SiteKind) -> bool:
        return (layer, kind) in self.edits or (layer, kind) in self.points

    def _pass(self, layer: int, kind: SiteKind, tensor: Tensor, first: int = 0) -> None:
        """Edit in place, and record, what passes a point for the rows from `first` on, [row, columns of the module]."""
        for k, one in self.edits.get((layer, kind), ()):
            start, stop = self._layout.bounds[k] - first, self._layout.bounds[k + 1] - first
            if 0 <= start < stop <= len(tensor):
                mine = tensor[start:stop, self.anatomy.port(one.site).columns or slice(None)]
                mine.copy_(self._edited(k, one, mine, mine))
        if (layer, kind) in self.points:
            columns = None if kind == "head" else self.anatomy.port(Site(layer, kind)).columns
            kept = tensor[:, columns or slice(None)]
            self.tape.seen[layer, kind] = self.tape.keep(self._layout.source[: len(kept)], kept)

    def _edited(self, k: int, one: Intervention, update: Tensor, before: Tensor) -> Tensor:
        source = self._layout.source[self._layout.bounds[k] : self._layout.bounds[k + 1]]
        new = one.edited(update, before, Rows(self.tile.prompts, source))
        changed = (new != update).any(-1).to(self.touched.dtype)
        self.touched[k].index_add_(0, self.tile.prompts.prompt[source], changed)
        return new

    def _clean(self, layer: int, kind: SiteKind, rows: slice) -> Tensor:
        """What passed a point in the clean pass, for some rows of the tile."""
        return self.tape.seen[layer, kind][self._layout.source[rows]]

    def _active(self, layer: int, stage: int) -> int:
        """Rows of the sets that have joined."""
        return self._layout.bounds[bisect_right(self.joins, (layer, stage))]

    def _joined(self, layer: int, stage: int) -> slice:
        """Rows of the sets that join here."""
        first = bisect_left(self.joins, (layer, stage))
        return slice(self._layout.bounds[first], self._active(layer, stage))

    def _trim(self) -> Tensor:
        """Go on with the measured rows alone; returns which of the rows under way these are."""
        self._layout, keep, _ = self.tile.last
        stream = self._stream.new_empty(len(keep), self._stream.shape[1])
        kept = keep[: self._active(self.depth - 1, ENTERING)]
        stream[: len(kept)] = self._stream[kept]
        if self._entered is not None:
            self._entered = self._entered[kept]
        self._stream = stream
        return kept
