"""evaluators/replay: interventions as data: a site, a value, positions and a strength.

With u what passes the site (at a layer, an operator or an MLP the update it adds to the residual stream), v the
value and s the strength, u becomes u + s (v(u) - u) at the positions and stays what it is elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...specs.sites import Site
from ..cells import NotEvaluated
from ..interventions import add_matched_norm, matched_norm, residual_zero, zero
from .prompts import Positions, Prompts, Rows


class Value(Protocol):
    """What takes the place of a site's tensor."""

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        """(what passes the site, the residual before it, whose tokens these are) -> the new tensor, [..., width]."""


@dataclass(frozen=True)
class Zero:
    """Nothing is added; at a layer the block becomes the identity, a skip."""

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        return zero(update, before)


@dataclass(frozen=True)
class ResidualZero:
    """The artefact: a layer's update cancels the residual stream."""

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        return residual_zero(update, before)


@dataclass(frozen=True, eq=False)
class Constant:
    """The same vector everywhere: mean ablation."""

    vector: Tensor
    """[width]"""

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        return self.vector.to(update).expand_as(update)


@dataclass(frozen=True, eq=False)
class Donor:
    """Rows of other tokens: resampling within the run, or patching from another run."""

    source: Tensor
    """What passed the same site elsewhere, [row, width], as a capture gives it."""
    index: Tensor
    """Which of these rows each token of the run takes, the run's prompts one behind the other, [token]."""

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        token = rows.prompts.token.index_select(0, rows.at.flatten())
        taken = self.source.index_select(0, self.index.to(token.device).index_select(0, token).to(self.source.device))
        return taken.to(update).view_as(update)


@dataclass(frozen=True, eq=False)
class Add:
    """The update and a vector: steering."""

    vector: Tensor
    """[width]"""

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        return update + self.vector.to(update)


@dataclass(frozen=True)
class MatchedNormNoise:
    """The update and a random vector of its own norm, drawn for each token."""

    seed: int

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        directions = rows.prompts.gaussian(self.seed, update.shape[-1])
        return add_matched_norm(directions[rows.at])(update, before)


@dataclass(frozen=True)
class Noise:
    """A random vector of the update's own norm, drawn for each token."""

    seed: int

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        directions = rows.prompts.gaussian(self.seed, update.shape[-1])
        return matched_norm(directions[rows.at])(update, before)


@dataclass(frozen=True, eq=False)
class Intervention:
    """One edit of a forward pass; several that act together are a tuple of them."""

    site: Site
    value: Value
    positions: Positions | None = None
    """None: all of them, in generation those to come as well."""
    strength: float = 1.0

    def edited(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        """What passes the site instead of `update`, [..., width]."""
        new = self.value(update, before, rows)
        if self.strength != 1:
            new = torch.lerp(update, new, self.strength)
        if self.positions is not None:
            new = torch.where(self._touched(rows.prompts, self.positions)[rows.at][..., None], new, update)
        return new

    def firsts(self, prompts: Prompts) -> list[int]:
        """The first position that is touched, for each prompt; its length where none is."""
        if self.positions is None:
            return [0] * len(prompts.lengths)
        rows = prompts.rows(self.positions)
        places = zip(rows, prompts.starts, prompts.lengths, strict=True)
        return [mine[0] - start if mine else length for mine, start, length in places]

    @staticmethod
    def _touched(prompts: Prompts, positions: Positions) -> Tensor:
        mask = torch.zeros(len(prompts.ids), dtype=torch.bool, device=prompts.ids.device)
        mask[[row for rows in prompts.rows(positions) for row in rows]] = True
        return mask


Together = tuple[Intervention, ...]
"""Interventions of one forward pass."""


def together(interventions: Sequence[Intervention | Sequence[Intervention]]) -> list[Together]:
    """Every entry as a tuple.

    Raises:
        NotEvaluated: `no_such_intervention`, a value that has no meaning at its site.
    """
    sets = [(entry,) if isinstance(entry, Intervention) else tuple(entry) for entry in interventions]
    for intervention in (one for every in sets for one in every):
        kind, label = intervention.site.granularity, intervention.site.label
        if isinstance(intervention.value, ResidualZero) and kind != "layer":
            raise NotEvaluated(
                "no_such_intervention", f"residual_zero acts at a layer, not at {intervention.site.label}"
            )
        if isinstance(intervention.value, Zero) and kind == "residual":
            label = intervention.site.label
            raise NotEvaluated("no_such_intervention", f"zero at {label} deletes the stream: name it residual_zero")
    return sets
