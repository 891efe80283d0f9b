"""evaluators: scores of a circuit that take many passes: completeness, the curve over sizes, causal scrubbing.

With F = LD = logit(target) - logit(wrong target), U the universe, C the circuit, M the model, 0 the model with all of U
ablated, and A \\ K the circuit or model A with the components K ablated too:

    incompleteness   mean over K of s_K (F(C \\ K) - F(M \\ K)), logits, K being up to 8 distinct random subsets of C
    cpr              sum over sizes k of w_k (F(C_k) - F(0)), as a share of F(M) - F(0)
    cmd              sum over sizes k of w_k s_k (F(M) - F(C_k)), as a share of the same
    loss_recovered   (log p(C) - log p_random) / (log p(M) - log p_random) of the target's first token

**Signs.** Completeness and CMD are defined with absolute values of means over a dataset, |F(C \\ K) - F(M \\ K)| and
|1 - f_k|. An absolute value per example would count noise as an effect; one of the mean over the verification examples
would be biased. Here s is the sign that the mean has on the discovery examples, families alike: where it has the same
sign on the verification examples, which is so wherever it is not about zero, their mean is the published number.

**Curve.** C_k are the first k components of an order, k = 1, 2, 4, ..., |U|; f_k is the faithfulness of C_k. The
circuit's members come first, then the others; in each part a component comes earlier the more LD(M) - LD(M without it)
is on the discovery examples, for `cmd` by size whatever the sign. So the circuit of all components ranks the universe,
which is the published number for exact single ablations. w are the trapezoid's over the fraction k / |U| from k = 0,
where f = 0 (the published area begins at the smallest circuit). A control shuffles each order within the kinds of
components, so that its circuits match in size at every size.

**Loss.** For `resample` every ablated component takes the update of a prompt drawn for it alone, in 4 independent
scrubbings whose losses are averaged: causal scrubbing of the hypothesis that only the circuit matters. For the other
values there is one pass. log p_random is what the clean model says of the target after 4 other prompts of the same
family, on average: knowing the family recovers nothing.

Sources: Wang et al., arXiv 2211.00593 (completeness); Mueller et al., arXiv 2504.13151 (CPR, CMD); Chan et al. 2022,
"Causal scrubbing" (loss recovered).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import factorial, prod

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import Site
from .cells import OF, NotEvaluated
from .circuit_bench import Asked, Bench, Circuit, Score, Values
from .replay import Readout, log_probability
from .tasks.example import Example

SUBSETS = 8
"""Of a circuit that are ablated, at most."""

SCRUBBINGS = 4
"""Independent drawings of donors."""


@dataclass(frozen=True)
class Signed:
    """Some circuits, and the sign of each one's difference on the discovery examples."""

    circuits: tuple[Circuit, ...]
    signs: Tensor
    """1 or -1, [circuit], float64."""


class Subsets(Score[Signed]):
    """Incompleteness."""

    def learn(self, asked: Asked) -> Signed:
        """The subsets of the circuit, with signs."""
        circuit = self.bench.circuit(asked)
        subsets = random_subsets(circuit)
        under, _ = self.discovery.totals(self._sets(circuit, subsets), asked.value, asked.seed)
        alone, whole = under.chunk(2)
        return Signed(subsets, _signs(alone - whole))

    def values(self, family: str, asked: Asked, learnt: Signed) -> Values:
        """`incompleteness`."""
        sets = self._sets(self.bench.circuit(asked), learnt.circuits)
        alone, whole = self.bench.run(family, sets, asked.value, asked.seed).values["logit_diff"].double().chunk(2)
        return {"incompleteness": (learnt.signs[:, None] * (alone - whole)).mean(0).tolist()}

    def _sets(self, circuit: Circuit, subsets: Iterable[Circuit]) -> list[Circuit]:
        """What is ablated: in the circuit alone with each subset gone, then in the model."""
        subsets = list(subsets)
        return [self.bench.others(set(circuit) - set(each)) for each in subsets] + subsets


class Curve(Score[tuple[Signed, Signed]]):
    """CPR and CMD."""

    def __init__(self, bench: Bench, discovery: Bench) -> None:
        super().__init__(bench, discovery)
        self.sizes = curve_sizes(len(bench.universe))
        self._effects: dict[tuple[str, int], list[float]] = {}

    def learn(self, asked: Asked) -> tuple[Signed, Signed]:
        """The circuits of the two curves, for CPR and for CMD, with signs, from the empty one on, without the last."""
        chains = [self._chain(asked, absolute) for absolute in (False, True)]
        ablated = [self.bench.others(each) for chain in chains for each in chain]
        under, clean = self.discovery.totals(ablated, asked.value, asked.seed)
        signed = (Signed(*each) for each in zip(chains, _signs(clean - under).chunk(2), strict=True))
        first, second = signed
        return first, second

    def values(self, family: str, asked: Asked, learnt: tuple[Signed, Signed]) -> Values:
        """`cpr`, `cmd`."""
        ablated = [self.bench.others(each) for chain in learnt for each in chain.circuits]
        measured = self.bench.run(family, ablated, asked.value, asked.seed)
        full, weights = measured.clean["logit_diff"].double(), trapezoid((0, *self.sizes))[:, None]
        below, missing = (full - under for under in measured.values["logit_diff"].double().chunk(2))
        whole = below[0]
        above = torch.cat([whole - below, whole[None]])  # the whole universe is the model
        return {
            "cpr": (weights * above).sum(0).tolist(),
            f"cpr{OF}": whole.tolist(),
            "cmd": (weights[:-1] * learnt[1].signs[:, None] * missing).sum(0).tolist(),
            f"cmd{OF}": whole.tolist(),
        }

    def _chain(self, asked: Asked, absolute: bool) -> tuple[Circuit, ...]:
        order = self._order(asked, absolute)
        if asked.draw is not None:
            order = random_order(order, self.sizes, asked.draw)
        return tuple(order[:size] for size in (0, *self.sizes[:-1]))

    def _order(self, asked: Asked, absolute: bool) -> Circuit:
        key = asked.value, asked.seed
        if key not in self._effects:
            under, clean = self.discovery.totals([(site,) for site in self.bench.universe], *key)
            self._effects[key] = (clean - under).tolist()
        effects = dict(zip(self.bench.universe, self._effects[key], strict=True))
        if absolute:
            effects = {site: abs(effect) for site, effect in effects.items()}
        return tuple(sorted(self.bench.universe, key=lambda site: (site not in asked.members, -effects[site])))


class Loss(Score[None]):
    """Recovered loss."""

    def __init__(self, bench: Bench, discovery: Bench) -> None:
        super().__init__(bench, discovery)
        self._at_random: dict[tuple[str, int], Tensor] = {}

    def learn(self, asked: Asked) -> None:
        """Nothing."""

    def values(self, family: str, asked: Asked, learnt: None) -> Values:
        """`loss_recovered`."""
        rest = self.bench.others(self.bench.circuit(asked))
        seeds = range(SCRUBBINGS) if asked.value == "resample" else (0,)
        sets = [
            {site: self.bench.value(family, site, asked.value, donor_seed(asked.seed, i, site.label)) for site in rest}
            for i in seeds
        ]
        measured = self.bench.with_values(family, sets, ["target_logprob"])
        base = self._random(family, asked.seed)
        scrubbed, clean = measured.values["target_logprob"].mean(0), measured.clean["target_logprob"]
        return {"loss_recovered": (scrubbed - base).tolist(), f"loss_recovered{OF}": (clean - base).tolist()}

    def _random(self, family: str, seed: int) -> Tensor:
        """Mean log-probability of each example's target after other prompts of its family, [example]."""
        if (family, seed) not in self._at_random:
            examples = self.bench.blocks[family].examples
            readout = Readout({"target_logprob": log_probability([e.target_ids[0] for e in examples])})
            losses = []
            for i in range(SCRUBBINGS):
                prompts = [random_other(examples, k, donor_seed(seed, i, "prompt")) for k in range(len(examples))]
                losses.append(
                    self.bench.replay.run([e.clean_ids for e in prompts], [], readout).clean["target_logprob"]
                )
            self._at_random[family, seed] = torch.stack(losses).mean(0)
        return self._at_random[family, seed]


def random_subsets(circuit: Circuit) -> tuple[Circuit, ...]:
    """All subsets of a small circuit, and else SUBSETS distinct ones, each member in each with probability 1/2."""
    count = 2 ** len(circuit)
    choice = random.Random(digest("subsets", [site.label for site in circuit]))
    chosen = range(count) if count <= SUBSETS else _distinct_numbers(choice, len(circuit))
    return tuple(tuple(site for i, site in enumerate(circuit) if mask >> i & 1) for mask in chosen)


def curve_sizes(universe: int) -> tuple[int, ...]:
    """1, 2, 4, ... and the universe."""
    return (*(2**i for i in range((universe - 1).bit_length())), universe)


def trapezoid(sizes: Sequence[int]) -> Tensor:
    """Weights of values at some sizes, whose sum is the area over the fraction of the largest, float64."""
    x = torch.tensor(sizes, dtype=torch.float64) / sizes[-1]
    width = torch.diff(x)
    zero = width.new_zeros(1)
    return (torch.cat([width, zero]) + torch.cat([zero, width])) / 2


def random_order(order: Circuit, sizes: Sequence[int], draw: int) -> Circuit:
    """A random order with the same kind of component at each place.

    Any two draws, and a draw and the given order, differ in the circuit of at least one of the sizes.

    Raises:
        NotEvaluated: `too_few_circuits`.
    """
    there = _chains(order, sizes) - 1
    if there <= draw:
        raise NotEvaluated("too_few_circuits", f"draw {draw} of random orders: the universe has only {there} others")
    choice = random.Random(digest("order", sorted(site.label for site in order)))
    drawn, shuffled = {_cut(order, sizes)}, order
    while len(drawn) < draw + 2:
        pools = {kind: sorted(s for s in order if s.granularity == kind) for kind in {s.granularity for s in order}}
        for kind in sorted(pools):
            choice.shuffle(pools[kind])
        shuffled = tuple(pools[site.granularity].pop() for site in order)
        drawn.add(_cut(shuffled, sizes))
    return shuffled


def random_other(examples: Sequence[Example], i: int, seed: int) -> Example:
    """Another example than the i-th.

    Raises:
        NotEvaluated: `no_other_example`.
    """
    if len(examples) < 2:
        raise NotEvaluated("no_other_example", "the loss at random needs two examples of a family")
    choice = random.Random(digest("other-example", {"seed": seed, "example": examples[i].id}))
    return examples[(i + choice.randrange(1, len(examples))) % len(examples)]


def donor_seed(seed: int, scrubbing: int, what: str) -> int:
    """By which the donors of one component, or the prompts of the loss at random, are drawn."""
    return int(digest("scrubbing", [seed, scrubbing, what])[:12], 16)


def _cut(order: Circuit, sizes: Sequence[int]) -> tuple[frozenset[Site], ...]:
    return tuple(frozenset(order[:size]) for size in sizes)


def _chains(order: Circuit, sizes: Sequence[int]) -> int:
    """How many chains of nested circuits there are with the kinds of this order."""
    kinds = Counter(site.granularity for site in order)
    steps = [Counter(site.granularity for site in order[a:b]) for a, b in zip((0, *sizes), sizes, strict=False)]
    return prod(map(factorial, kinds.values())) // prod(factorial(n) for step in steps for n in step.values())


def _distinct_numbers(choice: random.Random, bits: int) -> list[int]:
    numbers: dict[int, None] = {}
    while len(numbers) < SUBSETS:
        numbers[choice.getrandbits(bits)] = None
    return list(numbers)


def _signs(differences: Tensor) -> Tensor:
    return torch.where(differences < 0, -1.0, 1.0).double()
