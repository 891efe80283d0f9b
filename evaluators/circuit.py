"""evaluators: a circuit: what a few components do without all others of their kinds, and all others without them.

The universe is every component of some kinds. An ablated component has, at every token, zero, its mean over the clean
prompts, another prompt's update (a resampling in the manner of causal scrubbing) or the aligned corrupt prompt's. With
LD = logit(target) - logit(wrong target) at the answer position, C the circuit, M the model, 0 nothing of the universe:

    faithfulness   (LD(C) - LD(0)) / (LD(M) - LD(0))              all but the circuit ablated
    necessity      (LD(M) - LD(M without C)) / (LD(M) - LD(0))    the circuit ablated; small where others back it up
    kl             KL(M || C), nats
    circuit_wins   1 where LD(C) > LD(M): one half where circuit and model are equivalent
    least_member   LD(C) - LD(C without v), logits, v being the member that does least on the discovery examples

The first two are ratios of means over examples. Size-matched random circuits are the control by which a circuit must do
better than chance. Sources: Wang et al., arXiv 2211.00593 (minimality, knock-out); Hanna et al., arXiv 2403.17806;
Mueller et al., arXiv 2504.13151 (faithfulness); Shi et al., arXiv 2410.13032 (equivalence, random circuits); Chan et
al. 2022 (causal scrubbing).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import comb, prod

import torch
from torch import Tensor

from ..specs.sites import Site, SiteKind, parse_component
from . import ablation
from .cells import OF, Cell, CellResult, NotEvaluated
from .models.load import LoadedModel
from .proofs import prove
from .registry import Materials
from .replay import Donor, Intervention, Measured, Readout, Value, kl, logit_difference
from .tasks.example import Block, Example

Circuit = tuple[Site, ...]


class CircuitEvaluator:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell.

        Raises:
            NotEvaluated: `proof_failed`; `no_such_site`, a member that is not of the universe; `no_such_intervention`;
                `too_few_circuits`, the universe has fewer random circuits than are drawn.
        """
        kinds: tuple[SiteKind, ...] = tuple(materials.settings["granularity"])
        prove(model, materials.blocks[0].examples[:4], kinds)
        bench, discovery = Bench(model, materials.blocks, kinds), Bench(model, materials.discovery, kinds)
        for (_, _, _), group in groupby(sorted(cells, key=_order), lambda cell: _order(cell)[:3]):
            mine = list(group)
            circuit = bench.circuit(mine[0])
            value = mine[0].intervention.partition("|")[0]
            own_seed = 0 if "|" in mine[0].intervention else mine[0].seed
            least = discovery.least(circuit, value, own_seed)
            for cell in mine:
                start = time.perf_counter()
                values = bench.values(cell.family, circuit, least, value, own_seed)
                yield CellResult(cell, values, time.perf_counter() - start)


class Bench(ablation.Bench):
    """One model before some blocks, and a universe of components."""

    def __init__(self, model: LoadedModel, blocks: Sequence[Block], kinds: tuple[SiteKind, ...]) -> None:
        super().__init__(model, blocks)
        self.universe = self.replay.anatomy.sites(kinds)
        self._corrupt: dict[str, dict[Site, Tensor]] = {}

    def circuit(self, cell: Cell) -> Circuit:
        """The members of a cell's circuit, or those that a control draws in their place."""
        members = parse_component(cell.site).sites
        if strange := [site.label for site in members if site not in self.universe]:
            raise NotEvaluated(
                "no_such_site", f"{strange[0]} is not of the universe of {len(self.universe)} components"
            )
        twist = cell.intervention.partition("|")[2]
        if twist == "random_circuit":
            return random_circuit(members, self.universe, cell.seed)
        if twist:
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} is not defined")
        return members

    def values(self, family: str, circuit: Circuit, least: Site, value: str, seed: int) -> dict[str, list[float]]:
        """Every quantity of one block."""
        examples = self.blocks[family].examples
        without = [site for site in circuit if site != least]
        kept = [circuit, without, ()]
        measured = self._run(family, [*map(self._others, kept), circuit], value, seed)
        full = measured.clean["logit_diff"]
        alone, fewer, nothing, knocked_out = measured.values["logit_diff"]
        whole = full - nothing
        found = {
            "faithfulness": alone - nothing,
            f"faithfulness{OF}": whole,
            "necessity": full - knocked_out,
            f"necessity{OF}": whole,
            "kl": measured.values["kl"][0],
            "circuit_wins": (alone > full).double(),
            "least_member": alone - fewer,
        }
        assert len(full) == len(examples)
        return {name: tensor.double().tolist() for name, tensor in found.items()}

    def least(self, circuit: Circuit, value: str, seed: int) -> Site:
        """The member without which the circuit's mean logit difference falls least, over all blocks alike."""
        falls = torch.zeros(len(circuit), dtype=torch.float64)
        sets = [self._others([site for site in circuit if site != member]) for member in circuit]
        for family in self.blocks if len(circuit) > 1 else ():
            falls -= self._run(family, sets, value, seed).values["logit_diff"].double().mean(-1)
        return circuit[int(falls.argmin())]

    def _others(self, kept: Iterable[Site]) -> Circuit:
        kept = set(kept)
        return tuple(site for site in self.universe if site not in kept)

    def _run(self, family: str, ablated: Sequence[Circuit], value: str, seed: int) -> Measured:
        examples = self.blocks[family].examples
        sites = {site for each in ablated for site in each}
        values = self._values(family, sites, value, seed)
        sets = [[Intervention(site, values[site]) for site in each] for each in ablated]
        answers = [[ids[0] for ids in each] for each in zip(*map(_answers, examples), strict=True)]
        readout = Readout({"kl": kl, "logit_diff": logit_difference(*answers)})
        return self.replay.run([example.clean_ids for example in examples], sets, readout)

    def _values(self, family: str, sites: set[Site], value: str, seed: int) -> dict[Site, Value]:
        """What an ablated component has, for each."""
        examples = self.blocks[family].examples
        if value == "corrupt":
            if family not in self._corrupt:
                for example in examples:
                    if len(example.clean_ids) != len(example.corrupt_ids):
                        raise NotEvaluated("unaligned", f"example {example.id} and its twin do not align")
                corrupt = [example.corrupt_ids for example in examples]
                self._corrupt[family] = self.replay.captures(corrupt, self.universe)
            given = self._corrupt[family]
            index = torch.arange(sum(len(example.corrupt_ids) for example in examples))
            return {site: Donor(given[site], index) for site in sites}
        if value in ("mean", "resample") and not self._captured:
            self._capture(self.universe)
        if value not in ("zero", "mean", "resample"):
            raise NotEvaluated("no_such_intervention", f"{value} is not defined for a circuit")
        return {site: self._value(Cell(family, site.label, value, seed), site, examples) for site in sites}


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


def _order(cell: Cell) -> tuple[str, str, int, str]:
    return cell.site, cell.intervention, cell.seed, cell.family


EVALUATOR = CircuitEvaluator
