"""evaluators: what passes the sites of one model on some prompts, token by token or one vector a prompt."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import Site
from .cells import NotEvaluated
from .replay import Replay

ROOM = 256 * 2**20
"""Bytes that are held at a time."""


class View:
    """One model before some prompts of token ids, in their order."""

    def __init__(self, replay: Replay, prompts: Sequence[Sequence[int]]) -> None:
        self.replay, self.prompts = replay, prompts
        self.lengths = [len(prompt) for prompt in prompts]
        anatomy = replay.anatomy
        self.room = max(1, ROOM // (sum(self.lengths) * anatomy.width * anatomy.dtype.itemsize))
        """How many sites' tensors may be held at a time, about."""
        self._held: dict[Site, tuple[Tensor, ...]] = {}

    def hold(self, sites: Iterable[Site]) -> None:
        """Hold what passes these sites, and no others.

        Raises:
            NotEvaluated: `no_such_site`.
        """
        wanted = sorted(set(sites))
        for site in wanted:
            self.replay.anatomy.port(site)
        seen = self.replay.captures(self.prompts, wanted) if wanted else {}
        self._held = {site: torch.split(tensor, self.lengths) for site, tensor in seen.items()}

    def tokens(self, site: Site) -> tuple[Tensor, ...]:
        """[token, width] of each prompt."""
        if site not in self._held:
            self.hold([site])
        return self._held[site]

    def vectors(self, site: Site, every: bool) -> Tensor:
        """At each prompt's last token, or the mean over its tokens, [prompt, width]."""
        return torch.stack([tokens.mean(0) if every else tokens[-1] for tokens in self.tokens(site)])

    def norms(self, site: Site, every: bool) -> list[Tensor]:
        """L2 norms at each prompt's last token or all its tokens, [token] each, float64.

        Raises:
            NotEvaluated: `no_norm`, one is zero, or not finite.
        """
        norms = [tokens[0 if every else -1 :].double().norm(dim=-1) for tokens in self.tokens(site)]
        if any(not bool(((some > 0) & some.isfinite()).all()) for some in norms):
            raise NotEvaluated("no_norm", f"a vector at {site.label} is zero or not finite")
        return norms


def shuffled(count: int, *of: str | int) -> list[int]:
    """An order in which nothing stays in its place, drawn by some words: Sattolo's algorithm (1986).

    Raises:
        NotEvaluated: `too_few_rows`, there is nothing to change places with.
    """
    if count < 2:
        raise NotEvaluated("too_few_rows", f"{count} of something cannot be shuffled")
    order, choice = list(range(count)), random.Random(digest("shuffled", list(of)))
    for last in range(count - 1, 0, -1):
        other = choice.randrange(last)
        order[last], order[other] = order[other], order[last]
    return order
