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
better than chance. What takes more passes is measured where it is asked for: `circuit_scores`.

Of the tests of Shi et al., equivalence is `circuit_wins`, independence `dependence` (in `independence`), sufficiency
the control `random_circuit`.

Sources: Wang et al., arXiv 2211.00593 (minimality, knock-out); Hanna et al., arXiv 2403.17806;
Mueller et al., arXiv 2504.13151 (faithfulness); Shi et al., arXiv 2410.13032 (equivalence, random circuits); Chan et
al. 2022 (causal scrubbing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..specs.sites import Site, SiteKind
from .cells import OF, Cell, CellResult, one_by_one
from .circuit_bench import Asked, Bench, Score, Values
from .circuit_scores import Curve, Loss, Subsets
from .independence import Independence
from .models.load import LoadedModel
from .proofs import prove
from .registry import Materials


class CircuitEvaluator:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell; a cell that has no value is an error only after all others were given.

        Raises:
            NotEvaluated: `proof_failed`; `no_such_site`, a member that is not of the universe; `no_such_intervention`;
                `too_few_circuits`, the universe has fewer random circuits than are drawn; `unaligned`;
                `no_other_example`; for dependence `too_few_families`, `too_few_templates`, `no_discovery`,
                `constant_score`.
        """
        kinds: tuple[SiteKind, ...] = tuple(materials.settings["granularity"])
        prove(model, materials.blocks[0].examples[:4], kinds)
        bench, discovery = Bench(model, materials.blocks, kinds), Bench(model, materials.discovery, kinds)
        score = SCORES[materials.settings.get("about", "")](bench, discovery)
        yield from one_by_one([(sorted(cells, key=_order), lambda cell: score(cell.family, bench.asked(cell)))])


class Parts(Score[Site]):
    """The circuit, the rest, the circuit without its least member, and nothing."""

    def learn(self, asked: Asked) -> Site:
        """The member without which the circuit's mean logit difference falls least, over all families alike."""
        circuit = self.bench.circuit(asked)
        if len(circuit) == 1:
            return circuit[0]
        fewer = [self.bench.others(set(circuit) - {member}) for member in circuit]
        under, _ = self.discovery.totals(fewer, asked.value, asked.seed)
        return circuit[int(under.argmax())]

    def values(self, family: str, asked: Asked, learnt: Site) -> Values:
        """Every quantity of the module's docstring."""
        circuit, others = self.bench.circuit(asked), self.bench.others
        ablated = [others(circuit), others(set(circuit) - {learnt}), self.bench.universe, circuit]
        measured = self.bench.run(family, ablated, asked.value, asked.seed, ("kl", "logit_diff"))
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
        return {name: tensor.double().tolist() for name, tensor in found.items()}


SCORES: Mapping[str, type[Score[Any]]] = {
    "": Parts,
    "subsets": Subsets,
    "curve": Curve,
    "loss": Loss,
    "independence": Independence,
}
"""What the settings say is asked about -> what measures it."""


def _order(cell: Cell) -> tuple[str, str, int, str]:
    return cell.site, cell.intervention, cell.seed, cell.family


EVALUATOR = CircuitEvaluator
