"""evaluators: a model under proof: its sites, a few prompts, and passes over them with and without edits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from ..specs.sites import GRANULARITIES, Site, SiteKind
from .anatomy import Anatomy, dissect
from .cells import NotEvaluated
from .interventions import Edit, capture, intervene
from .models.load import LoadedModel
from .replay import Replay
from .replay.body import TOLERANCE


class Subject:
    """A model under proof, with a few prompts and the kinds of sites that are to be used.

    `sites` are all of these kinds, `some` the first, a middle and the last of each.
    """

    def __init__(
        self, model: LoadedModel, prompts: Sequence[Sequence[int]], kinds: tuple[SiteKind, ...] = GRANULARITIES
    ) -> None:
        self.model, self.prompts, self.kinds = model, prompts, kinds
        self.anatomy: Anatomy = dissect(model.module)
        self.sites = self.anatomy.sites(kinds)
        by_kind = ([site for site in self.sites if site.granularity == kind] for kind in kinds)
        self.some = tuple(site for mine in by_kind for site in few(mine))
        # Largest difference, relative to the largest value, for identities that rounding disturbs.
        self.tolerance = max(TOLERANCE.get(model.dtype, 1e-4), 5e-2 * (model.located.spec.quantization is not None))

    @cached_property
    def replay(self) -> Replay:
        """The model's engine."""
        return Replay(self.model.module)

    @cached_property
    def ids(self) -> Tensor:
        """The longest prompt, [1, position]."""
        return torch.tensor([max(self.prompts, key=len)], device=self.model.device)

    @cached_property
    def other(self) -> Tensor:
        """A prompt of the same length whose every token is another one, [1, position]."""
        return (self.ids + 1) % self.anatomy.vocabulary

    @cached_property
    def clean(self) -> Tensor:
        """Final hidden state, [1, position, d_model]."""
        return self.hidden(self.ids)

    def hidden(self, ids: Tensor) -> Tensor:
        """Final hidden state, [prompt, position, d_model]."""
        hidden: Tensor = self.anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return hidden

    def under(self, edits: dict[Site, Edit], ids: Tensor | None = None) -> Tensor:
        """Final hidden state under edits."""
        with intervene(self.anatomy, edits):
            return self.hidden(self.ids if ids is None else ids)

    def captured(self, sites: Iterable[Site], ids: Tensor | None = None) -> dict[Site, Tensor]:
        """What passes some sites, [1, position, width].

        Raises:
            NotEvaluated: nothing passed one of them.
        """
        sites = tuple(sites)
        with capture(self.anatomy, sites) as seen:
            self.hidden(self.ids if ids is None else ids)
        if silent := [site.label for site in sites if site not in seen]:
            raise NotEvaluated("hook_count", f"in a forward pass nothing passed {', '.join(silent)}")
        return seen

    def same(self, one: Tensor, other: Tensor) -> bool:
        """Whether two tensors are equal, bit for bit; in int8, which rounds the tokens of a pass together, about."""
        together = self.model.located.spec.quantization == "int8"
        return torch.equal(one, other) or (together and not self.differ("", one, other))

    def differ(self, what: str, one: Tensor, other: Tensor, *scales: Tensor) -> str:
        """What is wrong if two tensors are further apart than rounding takes them; compared on the largest scale."""
        scale = torch.stack([tensor.abs().max() for tensor in (other, *scales)]).max().clamp_min(1e-6)
        gap = float((one - other).abs().max() / scale)
        return "" if gap <= self.tolerance else f"{what} by {gap:.1e} of the largest value"


def few(sites: Sequence[Site]) -> tuple[Site, ...]:
    """The first, a middle and the last."""
    return tuple(sites[i] for i in sorted({0, len(sites) // 2, len(sites) - 1})) if sites else ()
