"""evaluators/replay: many interventions over many prompts, at the cost of what they change.

Models whose layers the packed pass does not reproduce are run one set of interventions at a time with hooks, behind
the same interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...specs.sites import Site
from ..anatomy import dissect
from ..cells import NotEvaluated
from .body import Body
from .generate import Generated, generate
from .naive import Naive
from .prompts import Prompts
from .readout import Collector, Contrast, Measured, Readout, Reference
from .tiling import Tiling
from .values import Intervention, together

MEMORY = 256 * 2**20
"""Bytes of a run, unless told otherwise."""

PROBE = 7
"""Tokens by which a model without prompts so far is asked whether its passes are packed."""


class Replay:
    """A model, ready for interventions. It is left as it was: hooks and settings are undone when a call returns."""

    def __init__(self, model: nn.Module, memory: int = MEMORY, packed: bool = True) -> None:
        """A Hugging Face causal language model in evaluation mode.

        Args:
            memory: bytes a run may use beside the weights and its results, about.
            packed: False runs every pass one by one with hooks: what the packed passes are checked against.

        Raises:
            NotEvaluated: the model is no decoder whose parts are known.
        """
        self.anatomy = dissect(model)
        self._refused: str | None = None if packed else "asked for"
        self._way: Tiling | Naive = Naive(self.anatomy)
        if packed:
            with self._falling_back():
                self._way = Tiling(Body(self.anatomy), memory)

    @property
    def fallback(self) -> str | None:
        """Why passes are run one by one with hooks; None where they are packed."""
        self._prepare(PROBE)
        return self._refused

    @torch.no_grad()
    def run(
        self,
        prompts: Sequence[Sequence[int]],
        interventions: Sequence[Intervention | Sequence[Intervention]],
        readout: Readout | None = None,
    ) -> Measured:
        """Measure every entry, an intervention or several that act together, on every prompt of token ids.

        Raises:
            NotEvaluated: a site, position or meaning that the model or its prompts do not have.
        """
        sets, every = together(interventions), self._prompts(prompts)
        for site in {one.site for acting in sets for one in acting}:
            self.anatomy.port(site)
        collector = Collector(every, readout or Readout(), len(sets))
        for which in self._way.batches(every, collector.counts):
            some, measured = every.take(which), collector.rows(which)
            if not len(measured):
                continue
            logits = self._way.logits(some, measured, sets)
            _, clean = next(logits)
            numbers = torch.tensor(some.numbers)[some.prompt.cpu()[measured]].to(clean.device)
            reference = Reference(clean[0], numbers)
            collector.add(which, [], Contrast(reference, clean))
            for sets_done, other in logits:
                collector.add(which, sets_done, Contrast(reference, other))
        return collector.measured(self._refused)

    @torch.no_grad()
    def captures(
        self, prompts: Sequence[Sequence[int]], sites: Sequence[Site], under: Sequence[Intervention] = ()
    ) -> dict[Site, Tensor]:
        """What passes some sites, [token, width], the prompts one behind the other.

        In the clean pass, or under interventions that act together. A site's update at a layer, an operator or an
        MLP, else the tensor there: a head's input to the output projection, a module's output, the stream.

        Raises:
            NotEvaluated: as `run`.
        """
        (acting,), every = together([under]), self._prompts(prompts)
        kept: dict[Site, Tensor] = {}
        for which in self._way.batches(every, [0] * len(every.lengths)):
            some = every.take(which)
            for site, tensor in self._way.captures(some, sites, acting).items():
                if site not in kept:
                    kept[site] = tensor.new_empty(len(every.ids), tensor.shape[1])
                kept[site][some.token] = tensor
        return kept

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        interventions: Sequence[Intervention | Sequence[Intervention]],
        count: int,
    ) -> Generated:
        """Continue every prompt greedily by `count` tokens under every entry; the empty entry is the clean model.

        Positions are absolute, and no positions means all, those to come included.

        Raises:
            NotEvaluated: as `run`; also for a value that tokens to come do not have.
        """
        return generate(self.anatomy, self._prompts(prompts), together(interventions), count)

    def unembed(self, stream: Tensor) -> Tensor:
        """Logits [..., vocabulary] of a residual stream [..., d_model] as if it were the last: the logit lens.

        Raises:
            NotEvaluated: the decoder has no final norm of a known name.
        """
        norm = self.anatomy.port(Site(len(self.anatomy.layers), "residual")).module
        return self.anatomy.unembedding(norm(stream))

    def _prompts(self, prompts: Sequence[Sequence[int]]) -> Prompts:
        """The prompts, packed; from here on the way is one that is right for their lengths."""
        packed = Prompts.of(prompts, self.anatomy.device)
        self._prepare(max(packed.lengths))
        return packed

    def _prepare(self, length: int) -> None:
        with self._falling_back():
            if isinstance(self._way, Tiling):
                self._way.body.prepare(length)

    @contextmanager
    def _falling_back(self) -> Iterator[None]:
        """Inside the block what is not packed makes every pass from here on one by one with hooks."""
        try:
            yield
        except NotEvaluated as reason:
            self._way, self._refused = Naive(self.anatomy), str(reason)
