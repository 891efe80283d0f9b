"""evaluators/planted: the means of proof: effects by literal ablation, and what a claim's truth demands of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from ...specs.sites import GRANULARITIES, Site, sites
from ..ablation import Bench
from ..anatomy import dissect
from ..cells import Cell
from ..interventions import Edit, capture, intervene, zero
from ..quantities import kl_divergence
from .model import Planted, PlantedClaim
from .prompts import last_logits, padded

EXAMPLES, SEED = 30, 97
"""How many fresh prompts a proof looks at; whose seed nobody else uses."""

FLOOR = 1e-4
"""nats: logs of effects are taken no lower."""

LEAD, ROOM = 1.5, 1.25
"""Factors: a true top component leads every rival, and a false one trails some, by the first; the second lies between
an effect and a bound."""


class NotAsPlanted(Exception):
    """The model's structure is not what its truth says."""


def require(holds: bool, what: str) -> None:
    """Raise NotAsPlanted unless it holds."""
    if not holds:
        raise NotAsPlanted(what)


class Measured:
    """Effects of a planted model's sites on one block of fresh prompts; each is measured once."""

    def __init__(self, planted: Planted) -> None:
        self.planted = planted
        self.block = planted.examples(EXAMPLES, SEED)
        self.bench = Bench(planted.loaded(), [self.block])
        self.anatomy = self.bench.replay.anatomy
        self.prompts = [example.clean_ids for example in self.block.examples]
        self.clean = last_logits(planted.module, self.prompts)
        self.kl = cache(self._kl)

    def _kl(self, site: str, intervention: str = "zero") -> tuple[float, ...]:
        """KL per example, nats, when one site's update is replaced."""
        cell = Cell(self.block.family, site, intervention)
        return tuple(self.bench.ablated_values(cell.family, [cell])[0]["kl"])

    def mean_kl(self, site: str, intervention: str = "zero") -> float:
        """Average over the block, nats."""
        return math.fsum(self.kl(site, intervention)) / len(self.block.examples)

    def typical(self, site: str, intervention: str = "zero") -> float:
        """Mean log KL over the block."""
        return math.fsum(math.log(max(kl, FLOOR)) for kl in self.kl(site, intervention)) / len(self.block.examples)

    def logits(self, edits: Mapping[Site, Edit]) -> Tensor:
        """Next-token logits after every clean prompt of the block under some edits, [row, vocabulary]."""
        with intervene(self.anatomy, edits):
            return last_logits(self.planted.module, self.prompts)

    def mean_kl_of(self, logits: Tensor) -> float:
        """Average KL(clean || logits), nats."""
        return float(kl_divergence(self.clean, logits).mean())

    def exact(self, logits: Tensor) -> float:
        """Share of prompts whose most likely next token is the target."""
        targets = torch.tensor([example.target_ids[0] for example in self.block.examples])
        return float((logits.argmax(-1) == targets).double().mean())

    def without(self, *labels: Site) -> Tensor:
        """Logits when several sites are ablated to zero together."""
        return self.logits(dict.fromkeys(labels, zero))


def stream(planted: Planted, prompts: Sequence[Sequence[int]]) -> list[Tensor]:
    """The residual stream before the first layer and after every layer, each [position of any prompt, d_model]."""
    first, updates = _updates(planted, prompts)
    return list(itertools.accumulate([first, *(updates[site] for site in updates if site.granularity == "layer")]))


def update_sizes(planted: Planted, prompts: Sequence[Sequence[int]]) -> dict[Site, float]:
    """Mean |update| / |stream before its layer| of every operator and MLP."""
    norms = [point.norm(dim=-1) for point in stream(planted, prompts)]
    _, updates = _updates(planted, prompts)
    parts = {site: update for site, update in updates.items() if site.granularity != "layer"}
    return {site: float((update.norm(dim=-1) / norms[site.layer]).mean()) for site, update in parts.items()}


def _updates(planted: Planted, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, dict[Site, Tensor]]:
    """The embeddings, and every site's update, at all positions of all prompts."""
    anatomy = dissect(planted.module)
    ids = padded(prompts)
    real = torch.arange(ids.shape[1]) < torch.tensor([[len(prompt)] for prompt in prompts])
    every = sites(GRANULARITIES, len(anatomy.layers))
    with capture(anatomy, every) as seen, torch.inference_mode():
        anatomy.decoder(input_ids=ids, use_cache=False)
    embedding = planted.module.get_input_embeddings().weight
    assert isinstance(embedding, Tensor)
    return embedding[ids][real], {site: seen[site][real] for site in every}


@contextmanager
def without_heads(planted: Planted, *heads: Sequence[int]) -> Iterator[None]:
    """Inside the block some attention heads, (layer, head), write nothing."""
    kept = []
    for layer, head in heads:
        attention = dissect(planted.module).operators[layer]
        columns = slice(head * attention.head_dim, (head + 1) * attention.head_dim)  # type: ignore[operator]
        kept.append((view := attention.o_proj.weight[:, columns], view.clone()))  # type: ignore[union-attr, index]
        view.zero_()
    try:
        yield
    finally:
        for view, value in kept:
            view.copy_(value)


def prove_claims(planted: Planted, measured: Measured) -> None:
    """Every claim of the truth is true, or false, by a wide margin.

    Raises:
        NotAsPlanted: naming the first that is not.
    """
    for claim in planted.truth.claims:
        shown = _top(claim, measured) if claim.expect["form"] == "top_component" else _bound(claim, measured)
        require(shown, f"{planted.kind} {planted.seed}: not {claim.holds} by a wide margin: {dict(claim.expect)}")


def _top(claim: PlantedClaim, measured: Measured) -> bool:
    own, value = claim.expect["component"], claim.counterfactual
    swept = [site.label for site in sites((claim.granularity,), len(measured.anatomy.layers))]
    rivals = [label for label in swept if label != own]
    if claim.holds:
        leads = all(_leads(measured, own, rival, value) for rival in rivals)
        return leads and measured.mean_kl(own, value) >= 0.02
    ties = any(measured.kl(rival, value) == measured.kl(own, value) for rival in rivals)
    return ties or any(_leads(measured, rival, own, value) for rival in rivals)


def _leads(measured: Measured, one: str, other: str, value: str) -> bool:
    typical = measured.typical(one, value) - measured.typical(other, value)
    return typical >= math.log(LEAD) and measured.mean_kl(one, value) >= LEAD * measured.mean_kl(other, value)


def _bound(claim: PlantedClaim, measured: Measured) -> bool:
    typical = math.exp(measured.typical(claim.expect["component"], claim.counterfactual))
    above = claim.holds == ("at_least" in claim.expect)
    bound = claim.expect.get("at_least") or claim.expect["at_most"]
    return bool(typical >= ROOM * bound if above else typical <= bound / ROOM)
