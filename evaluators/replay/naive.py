"""evaluators/replay: one forward pass an intervention, with hooks: the oracle of the packed passes, and their fallback.

Prompts are padded on the right: in a causal decoder nothing reads to its right, so no mask is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

from torch import Tensor

from ...specs.sites import Site
from ..anatomy import Anatomy
from ..interventions import Edit, capture, intervene
from .prompts import Prompts, Rows
from .values import Intervention, Together

TOKENS = 8192
"""Of a padded batch, about."""


def edits(together: Together, rows: Rows) -> dict[Site, Edit]:
    """Interventions as edits of tensors [..., width] whose rows are these."""
    by_site: dict[Site, list[Intervention]] = {}
    for one in together:
        by_site.setdefault(one.site, []).append(one)

    def edit(several: Sequence[Intervention]) -> Edit:
        return lambda update, before: reduce(lambda u, one: one.edited(u, before, rows), several, update)

    return {site: edit(several) for site, several in by_site.items()}


class Naive:
    """One model's passes, one forward each."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy

    def batches(self, prompts: Prompts, read: Sequence[int]) -> Iterator[list[int]]:
        """Which prompts go into one padded batch, however many rows of each are read."""
        batch: list[int] = []
        for i in sorted(range(len(prompts.lengths)), key=prompts.lengths.__getitem__):
            if batch and (len(batch) + 1) * prompts.lengths[i] > TOKENS:
                yield batch
                batch = []
            batch.append(i)
        yield batch

    def logits(
        self, prompts: Prompts, measured: Tensor, sets: Sequence[Together]
    ) -> Iterator[tuple[list[int], Tensor]]:
        """Logits [set, measured row, vocabulary]: the clean ones for no set, then those of one set at a time."""
        passes: list[tuple[list[int], Together]] = [([], ()), *(([k], acting) for k, acting in enumerate(sets))]
        where = prompts.prompt.cpu()[measured], prompts.position.cpu()[measured]
        for numbers, acting in passes:
            with intervene(self.anatomy, edits(acting, Rows(prompts, prompts.padded))):
                hidden = self._hidden(prompts)
            yield numbers, self.anatomy.unembedding(hidden[where]).float()[None]

    def captures(self, prompts: Prompts, sites: Iterable[Site], under: Together) -> dict[Site, Tensor]:
        """What passes some sites, [row of the prompts, width], under interventions or, without any, as it is."""
        rows = Rows(prompts, prompts.padded)
        with intervene(self.anatomy, edits(under, rows)), capture(self.anatomy, sites) as seen:
            self._hidden(prompts)
        return {site: tensor[prompts.prompt, prompts.position] for site, tensor in seen.items()}

    def _hidden(self, prompts: Prompts) -> Tensor:
        ids = prompts.ids[prompts.padded]
        hidden: Tensor = self.anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return hidden
