"""evaluators: path patching: what a sender's output, taken from the twin's run, does on its direct way to a receiver.

Of the receiving run let x be the stream that the receiver reads and s what the sender adds to it; of the giving run
let s' be what the sender adds there. Every component between the two keeps its output, so that the receiver reads

    x + (s' - s)    instead of    x

and nobody else does. What the receiver gives for that (a head its slice of the output projection's input, an operator
or an MLP its update, a module its output, the stream before the final norm itself) takes the place of its own tensor in
the receiving run, and everything behind the receiver follows. s of a head is what its operator writes with it less what
it writes without, a norm behind the operator included. Where several senders are named, all their differences are
added; several receivers each read theirs, and not each other's.

Denoising (receiving: corrupt, giving: clean), noising, quantities and controls are those of `patching`; the controls'
draws change what the sender sends. Recoveries of different ways need not add up: receivers and norms are not linear.
Sources: Wang et al., arXiv 2211.00593 (direct effects); Goldowsky-Dill et al., arXiv 2304.05969 (path patching).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from ..specs.metrics.path_patching import SENDERS, order
from ..specs.sites import Component, Site, parse_component
from .ablation import kinds_of
from .cells import APPLIES, Cell, CellResult, NotEvaluated, by_way, grouped, together
from .models.load import LoadedModel
from .patching import Twins
from .positions import Places
from .proofs import prove
from .registry import Materials
from .replay import Donor, Intervention, Replay
from .replay.prompts import Rows
from .tasks.example import Example


@dataclass(frozen=True, eq=False)
class Plus:
    """What passes and a vector of each token's own."""

    rows: Donor

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        """[..., width]"""
        return update + self.rows(update, before, rows)


class PathPatching:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell.

        Raises:
            NotEvaluated: `proof_failed`; `unaligned`, a twin has another length; `no_path`, a receiver does not read
                what the sender writes; `no_such_site`; `no_such_intervention`; `no_other_example`.
        """
        sender = parse_component(materials.settings["sender"])
        sending = Cell("", sender.label, "none")
        prove(model, materials.blocks[0].examples[:4], kinds_of([*cells, sending]))
        examples = {block.family: block.examples for block in materials.blocks}
        replay, places = Replay(model.module), Places(model.tokenizer)
        yield from together(
            (mine, Paths(replay, places, examples[family], way, sender).patched)
            for (family, way), mine in grouped(cells, by_way, 2)
        )


class Paths(Twins):
    """The examples of one block, patched one way from one sender."""

    def __init__(
        self, replay: Replay, places: Places, examples: Sequence[Example], way: str, sender: Component
    ) -> None:
        """`sender` is heads, operators or MLPs; `way` is denoising or noising.

        Raises:
            NotEvaluated: `unaligned`, `no_such_intervention`, `no_path`.
        """
        super().__init__(replay, places, examples, way)
        if wrong := [site.label for site in sender.sites if site.granularity not in SENDERS]:
            raise NotEvaluated("no_path", f"{wrong[0]} is no head, operator or mlp: it does not write to the stream")
        self.sender = sender
        self.take(sender.sites)
        self._every = torch.arange(sum(map(len, self.receiving)))

    def patched(self, cells: Sequence[Cell]) -> list[dict[str, list[float]]]:
        """Values of some cells, each against the same unpatched run."""
        given: dict[Cell, dict[Site, Tensor]] = {cell: {} for cell in cells}
        for _, group in groupby(sorted(cells, key=_draw), _draw):
            mine = list(group)
            receivers = {site for cell in mine for site in parse_component(cell.site).sites}
            self._check(receivers)
            sent = self._sent(mine[0])
            for _, some in groupby(sorted(receivers, key=order), order):
                seen = self._received(sent, list(some))
                for cell in mine:
                    given[cell] |= {site: seen[site] for site in parse_component(cell.site).sites if site in seen}
        return self.effects([self._putting(cell, given[cell]) for cell in cells], [self._where(cell) for cell in cells])

    def _check(self, receivers: set[Site]) -> None:
        depth, last = len(self.replay.anatomy.layers), max(map(order, self.sender.sites))
        for site in receivers:
            self.replay.anatomy.port(site)
            stream = site.granularity == "residual" and site.layer < depth
            if stream or site.granularity == "layer" or order(site) <= last:
                what = f"there is no direct way from {self.sender.label} to {site.label}: "
                why = "it does not read what the sender writes" if order(site) <= last else "it is no single reader"
                raise NotEvaluated("no_path", what + why)
            if order(site)[1] and self.replay.anatomy.norms[site.layer] is None:
                what = f"layer {site.layer} has norms of no known family: what its MLP reads is not known"
                raise NotEvaluated("unsupported_architecture", what)

    def _sent(self, cell: Cell) -> Tensor:
        """s' - s, float32, [token, d_model]: what the senders add in place of their own output, and that less."""
        positions, total = self.positions(self.sender), torch.zeros(())
        written: dict[Site, list[Intervention]] = {}
        for site in self.sender.sites:
            update = site if site.granularity == "mlp" else Site(site.layer, "operator")
            written.setdefault(update, []).append(Intervention(site, self.value(cell, site), positions))
        for update, acting in written.items():
            own, other = (self.replay.captures(self.receiving, [update], under)[update] for under in ((), acting))
            total = total.to(own.device) + (other.float() - own.float())
        return total

    def _received(self, sent: Tensor, receivers: Sequence[Site]) -> dict[Site, Tensor]:
        """What receivers of one order give, [token, width], when what they read is changed by what was sent."""
        layer, behind = order(receivers[0])
        read = Site(layer, "operator" if behind else "residual")
        under = [Intervention(read, Plus(Donor(sent, self._every)))]
        return self.replay.captures(self.receiving, receivers, under)

    def _putting(self, cell: Cell, given: dict[Site, Tensor]) -> list[Intervention]:
        positions = self.positions(parse_component(cell.site))
        return [Intervention(site, Donor(tensor, self._every), positions) for site, tensor in given.items()]

    def _where(self, cell: Cell) -> dict[str, list[float]]:
        """Which examples have tokens of the receiver's class and of the sender's."""
        both = [self.applies(parse_component(cell.site)), self.applies(self.sender)]
        series = [each[APPLIES] for each in both if each]
        return {APPLIES: [min(values) for values in zip(*series, strict=True)]} if series else {}


def _draw(cell: Cell) -> tuple[str, int]:
    return cell.intervention, cell.seed


EVALUATOR = PathPatching
