"""evaluators: one model before some blocks, and a universe of components of which any part can be ablated.

An ablated component has, at every token, zero, its mean over the clean prompts, the update of another prompt, or that
of the aligned corrupt prompt.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import comb, prod
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ..specs.sites import Site, SiteKind, parse_component
from . import ablation
from .cells import Cell, NotEvaluated
from .models.load import LoadedModel
from .replay import Constant, Donor, Intervention, Measured, Readout, Value, Zero, kl, log_probability, logit_difference
from .tasks.example import Block, Example

Circuit = tuple[Site, ...]

Learnt = TypeVar("Learnt")

Values = dict[str, list[float]]


@dataclass(frozen=True)
class Asked:
    """What a cell asks for, in every family alike."""

    members: Circuit
    """Of the circuit that the claim names."""
    value: str
    """What an ablated component has: zero, mean, resample, corrupt."""
    seed: int
    draw: int | None
    """Which random draw of a control; None for the claim's own circuit."""


class Bench(ablation.Bench):
    """See the module's docstring."""

    def __init__(self, model: LoadedModel, blocks: Sequence[Block], kinds: tuple[SiteKind, ...]) -> None:
        super().__init__(model, blocks)
        self.universe: Circuit = self.replay.anatomy.sites(kinds)
        self._corrupt: dict[str, dict[Site, Tensor]] = {}
        self._means: dict[Site, Constant] = {}
        self._taken: dict[tuple[str, int], Tensor] = {}

    def asked(self, cell: Cell) -> Asked:
        """A cell, read.

        Raises:
            NotEvaluated: `no_such_site`, a member is not of the universe; `no_such_intervention`.
        """
        members = parse_component(cell.site).sites
        if strange := [site.label for site in members if site not in self.universe]:
            raise NotEvaluated(
                "no_such_site", f"{strange[0]} is not of the universe of {len(self.universe)} components"
            )
        value, _, twist = cell.intervention.partition("|")
        if value not in ("zero", "mean", "resample", "corrupt"):
            raise NotEvaluated("no_such_intervention", f"{value} is not defined for a circuit")
        if twist not in ("", "random_circuit"):
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} is not defined")
        return Asked(members, value, 0, cell.seed) if twist else Asked(members, value, cell.seed, None)

    def circuit(self, asked: Asked) -> Circuit:
        """The members of the circuit, or those that a control draws in their place.

        Raises:
            NotEvaluated: `too_few_circuits`.
        """
        return asked.members if asked.draw is None else random_circuit(asked.members, self.universe, asked.draw)

    def others(self, kept: Iterable[Site]) -> Circuit:
        """The universe without some components."""
        kept = set(kept)
        return tuple(site for site in self.universe if site not in kept)

    def run(
        self, family: str, ablated: Sequence[Circuit], value: str, seed: int, reads: Sequence[str] = ("logit_diff",)
    ) -> Measured:
        """One block with each of some sets of components ablated: kl, logit_diff, target_logprob, [set, example]."""
        sets = list(dict.fromkeys(ablated))
        values = {site: self.value(family, site, value, seed) for site in {site for each in sets for site in each}}
        measured = self.with_values(family, [{site: values[site] for site in each} for each in sets], reads)
        again = [sets.index(each) for each in ablated]
        return replace(measured, values={name: numbers[again] for name, numbers in measured.values.items()})

    def with_values(self, family: str, sets: Sequence[dict[Site, Value]], reads: Sequence[str]) -> Measured:
        """The same, each set with values of its own."""
        examples = self.blocks[family].examples
        acting = [[Intervention(site, value) for site, value in each.items()] for each in sets]
        targets, wrong = ([ids[0] for ids in each] for each in zip(*map(_answers, examples), strict=True))
        known = {
            "kl": kl,
            "logit_diff": logit_difference(targets, wrong),
            "target_logprob": log_probability(targets),
        }
        readout = Readout({name: known[name] for name in reads})
        return self.replay.run([example.clean_ids for example in examples], acting, readout)

    def totals(self, ablated: Sequence[Circuit], value: str, seed: int) -> tuple[Tensor, Tensor]:
        """Sum over families of the mean logit difference: with each set ablated, [set], and clean, both float64."""
        under, clean = torch.zeros(len(ablated), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for family in self.blocks:
            measured = self.run(family, ablated, value, seed)
            under += measured.values["logit_diff"].double().mean(-1)
            clean += measured.clean["logit_diff"].double().mean()
        return under, clean

    def value(self, family: str, site: Site, value: str, seed: int) -> Value:
        """What an ablated component has.

        Raises:
            NotEvaluated: `unaligned`, a corrupt prompt has another length; `no_other_example`.
        """
        examples = self.blocks[family].examples
        if value == "zero":
            return Zero()
        if value == "corrupt":
            given = self._of_twins(family)[site]
            return Donor(given, torch.arange(len(given)))
        if not self._captured:
            self._capture(self.universe)
        updates = self._updates(site)
        if value == "mean":
            if site not in self._means:
                self._means[site] = Constant(updates.double().mean(0).to(updates.dtype))
            return self._means[site]
        if (family, seed) not in self._taken:
            if len(self.donors.examples) < 2:
                raise NotEvaluated("no_other_example", "another prompt's update needs two examples")
            self._taken[family, seed] = torch.tensor(self.donors.tokens_for(examples, seed))
        return Donor(updates, self._taken[family, seed])

    def _of_twins(self, family: str) -> dict[Site, Tensor]:
        if family not in self._corrupt:
            examples = self.blocks[family].examples
            for example in examples:
                if len(example.clean_ids) != len(example.corrupt_ids):
                    raise NotEvaluated("unaligned", f"example {example.id} and its twin do not align")
            self._corrupt[family] = self.replay.captures([e.corrupt_ids for e in examples], self.universe)
        return self._corrupt[family]


class Score(ABC, Generic[Learnt]):
    """Quantities that are measured together."""

    def __init__(self, bench: Bench, discovery: Bench) -> None:
        self.bench, self.discovery = bench, discovery
        self._learnt: dict[Asked, Learnt] = {}

    def __call__(self, family: str, asked: Asked) -> Values:
        """Every quantity of one block; a share also has its denominators."""
        if asked not in self._learnt:
            self._learnt[asked] = self.learn(asked)
        return self.values(family, asked, self._learnt[asked])

    @abstractmethod
    def learn(self, asked: Asked) -> Learnt:
        """What the discovery examples decide, once for all families."""

    @abstractmethod
    def values(self, family: str, asked: Asked, learnt: Learnt) -> Values:
        """The numbers of one block."""


def random_circuit(members: Circuit, universe: Circuit, draw: int) -> Circuit:
    """A circuit with as many components of each kind, another for every draw and never the given one.

    Raises:
        NotEvaluated: `too_few_circuits`.
    """
    counts = {kind: sum(site.granularity == kind for site in members) for kind in {s.granularity for s in members}}
    pools = {kind: [site for site in universe if site.granularity == kind] for kind in sorted(counts)}
    there = prod(comb(len(pool), counts[kind]) for kind, pool in pools.items()) - 1
    if there <= draw:
        raise NotEvaluated("too_few_circuits", f"draw {draw} of random circuits: the universe has only {there} others")
    choice, drawn = random.Random("+".join(site.label for site in members)), {frozenset(members)}
    while True:
        chosen = tuple(site for kind, pool in pools.items() for site in sorted(choice.sample(pool, counts[kind])))
        if frozenset(chosen) not in drawn:
            drawn.add(frozenset(chosen))
            if len(drawn) == draw + 2:
                return chosen


def _answers(example: Example) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return example.target_ids, example.wrong_target_ids
