"""tests: how far scores without a circuit depend on the model's: literal sums, simulated scores, planted circuits."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from math import exp, sqrt
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.circuit import CircuitEvaluator
from mi_atlas.evaluators.independence import LEAST_BANDWIDTH, bandwidth, dependence, hsic, pseudo_values
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.planted.model import Planted
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Block
from mi_atlas.specs.sites import Site, parse_component
from pydantic import ValidationError
from torch import Tensor, nn

from .claims import claim
from .conftest import block, micro, wrap
from .test_circuit import CLAIM, literally

SETTINGS = {"granularity": ["head"], "about": "independence"}
LABEL = "L1.head0+L1.head3"
OWN = [0, 0, 1, 2, 2, 2, 3, 4, 5, 5]
"""Templates of ten examples."""


def families(n: int, seed: int, count: int = 4) -> list[Block]:
    """Blocks with two examples a template."""
    return [templated(block(f"f{i}", n, seed), f"f{i}") for i in range(count)]


def templated(some: Block, family: str) -> Block:
    examples = [replace(e, template=f"{family}/t{i // 2}") for i, e in enumerate(some.examples)]
    return Block.of(family, "verification", 1, examples, {})


def measure(module: nn.Module, *cells: Cell) -> dict[Cell, list[float]]:
    materials = Materials(families(11, 0), SETTINGS, families(6, 9))
    results = CircuitEvaluator().measure(wrap(module), materials, cells)
    return {result.cell: list(result.values["dependence"]) for result in results}


def literal_hsic(k: list[list[float]], l: list[list[float]], own: list[int]) -> float:  # noqa: E741
    """E k l + E k E l - 2 E k l', every expectation a mean over all distinct templates and their examples."""
    of = {t: [i for i, mine in enumerate(own) if mine == t] for t in own}
    mean = statistics.fmean
    joint = mean(mean(k[i][j] * l[i][j] for i in of[s] for j in of[t]) for s, t in permutations(of, 2))
    apart = mean(
        mean(k[i][j] for i in of[s] for j in of[t]) * mean(l[i][j] for i in of[u] for j in of[v])
        for s, t, u, v in permutations(of, 4)
    )
    crossed = mean(
        mean(k[i][j] * l[i][m] for i in of[s] for j in of[t] for m in of[u]) for s, t, u in permutations(of, 3)
    )
    return joint + apart - 2 * crossed


def literal_dependence(scores: Sequence[list[float]], widths: Sequence[float], own: list[int]) -> float:
    k, l = ([[exp(-((a - b) ** 2) / 2 / s**2) for b in x] for a in x] for x, s in zip(scores, widths, strict=True))  # noqa: E741
    return literal_hsic(k, l, own) / sqrt(literal_hsic(k, k, own) * literal_hsic(l, l, own))


def literal_pseudo_values(scores: Sequence[list[float]], widths: Sequence[float], own: list[int]) -> list[float]:
    count, whole = len(set(own)), literal_dependence(scores, widths, own)

    def without(template: int) -> float:
        kept = [i for i, mine in enumerate(own) if mine != template]
        return literal_dependence([[x[i] for i in kept] for x in scores], widths, [own[i] for i in kept])

    return [count * whole - (count - 1) * without(template) for template in own]


def literal_bandwidth(scores: list[float], own: list[int]) -> float:
    pairs = [(i, j) for i in range(len(own)) for j in range(i) if own[i] != own[j]]
    return statistics.median(abs(scores[i] - scores[j]) for i, j in pairs)


# the statistic


def normal(count: int, correlation: float, generator: torch.Generator) -> Tensor:
    """Two standard normal scores of a correlation, two examples a template that share half of their variance."""
    one, noise = sqrt(0.5) * torch.randn(2, count, generator=generator, dtype=torch.float64).repeat_interleave(
        2, 1
    ) + sqrt(0.5) * torch.randn(2, 2 * count, generator=generator, dtype=torch.float64)
    return torch.stack([one, correlation * one + sqrt(1 - correlation**2) * noise])


def expected(correlation: float, s: float, r: float) -> float:
    """Dependence of normal scores under Gaussian kernels: E exp of a quadratic form is a determinant to the -1/2."""

    def mean(c: float, a: float, b: float) -> float:
        return ((1 + 2 / a**2) * (1 + 2 / b**2) - (c / (a * b)) ** 2) ** -0.5

    def criterion(c: float, a: float, b: float) -> float:
        return mean(2 * c, a, b) + mean(0, a, b) - 2 * mean(c, a, b)

    return criterion(correlation, s, r) / sqrt(criterion(1, s, s) * criterion(1, r, r))


def test_the_statistic_and_its_pseudo_values_are_the_literal_sums() -> None:
    generator = torch.Generator().manual_seed(0)
    scores, widths = normal(5, 0.6, generator), (0.7, 1.3)
    k, l = torch.rand(2, 10, 10, generator=generator, dtype=torch.float64)  # noqa: E741
    k, l = k + k.T, l + l.T  # noqa: E741
    own = torch.tensor(OWN)
    assert float(hsic(k, l, own)) == pytest.approx(literal_hsic(k.tolist(), l.tolist(), OWN), abs=1e-12)
    assert float(dependence(scores, widths, own)) == pytest.approx(literal_dependence(scores.tolist(), widths, OWN))
    got = pseudo_values(scores, widths, list(map(str, OWN)))
    assert got.tolist() == pytest.approx(literal_pseudo_values(scores.tolist(), widths, OWN))
    assert bandwidth(scores[0], list(map(str, OWN))) == pytest.approx(literal_bandwidth(scores[0].tolist(), OWN))


def test_scores_that_are_alike_depend_wholly_and_a_constant_not_at_all() -> None:
    scores = normal(10, 0.0, torch.Generator().manual_seed(1))[0]
    templates = [str(i // 2) for i in range(20)]
    width = bandwidth(scores, templates)
    same = pseudo_values(torch.stack([scores, 5 - 3 * scores]), (width, 3 * width), templates)
    assert same.tolist() == pytest.approx([1.0] * 20)
    rounded = torch.full_like(scores, 7) + 1e-6 * scores
    assert bandwidth(rounded, templates) == LEAST_BANDWIDTH
    assert not pseudo_values(torch.stack([scores, rounded]), (width, LEAST_BANDWIDTH), templates).any()
    with pytest.raises(NotEvaluated, match="the same in all examples") as error:
        pseudo_values(torch.stack([rounded, scores]), (LEAST_BANDWIDTH, width), templates)
    assert error.value.code == "constant_score"


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_pseudo_values_have_the_population_s_mean_and_about_the_right_standard_error(correlation: float) -> None:
    """30 templates of 2 examples, 80 times; near independence the jackknife's error is too large, never too small."""
    generator, templates = torch.Generator().manual_seed(3), [str(i // 2) for i in range(60)]
    samples = [pseudo_values(normal(30, correlation, generator), (1.0, 0.8), templates)[::2] for _ in range(80)]
    values = torch.stack(samples)
    estimates, spread = values.mean(1), float(values.mean(1).std())
    assert abs(float(estimates.mean()) - expected(correlation, 1.0, 0.8)) < 3 * spread / sqrt(80)
    errors = float((values.var(1) / 30).mean().sqrt())
    assert 0.85 < errors / spread < (1.3 if correlation else 1.8)


# circuits


def test_dependence_is_that_of_passes_without_the_circuit(architecture: str) -> None:
    module, circuit = micro(architecture), parse_component(LABEL).sites
    got = measure(module, Cell("f1", LABEL, "zero"))[Cell("f1", LABEL, "zero")]
    seen = []
    for blocks in (families(6, 9), families(11, 0)):
        scores = [literally(module, ablated, "zero", blocks[1])[0] for ablated in ((), circuit)]
        seen.append((scores, [i // 2 for i in range(len(scores[0]))]))
    (learnt, of_learnt), (scores, own) = seen
    widths = [literal_bandwidth(each, of_learnt) for each in learnt]
    assert got == pytest.approx(literal_pseudo_values(scores, widths, own), abs=1e-3)


def planted_blocks(planted: Planted, n: int, split: Any) -> list[Block]:
    """Four samples of the planted task as families of their own."""
    blocks = []
    for seed in range(4):
        family, examples = f"f{seed}", planted.examples(n, seed=seed, split=split).examples
        blocks.append(Block.of(family, split, 1, [replace(e, family=family) for e in examples], {}))
    return blocks


def planted_dependence(planted: Planted, *cells: tuple[str, str, int]) -> list[float]:
    """Of (component, word, draw), the mean over families."""
    blocks, discovery = (planted_blocks(planted, n, split) for n, split in ((60, "verification"), (20, "discovery")))
    materials = Materials(blocks, SETTINGS, discovery)
    asked = [Cell(made.family, *cell) for cell in cells for made in blocks]
    results = CircuitEvaluator().measure(planted.loaded(), materials, asked)
    got = {result.cell: statistics.fmean(result.values["dependence"]) for result in results}
    return [statistics.fmean(got[Cell(made.family, *cell)] for made in blocks) for cell in cells]


def members(planted: Planted, *names: str) -> list[str]:
    return [Site(layer, "head", head).label for layer, head in map(planted.truth.facts.get, names)]


@pytest.mark.parametrize("seed", range(2))
def test_without_a_planted_circuit_nothing_is_left_and_without_others_all_is(seed: int) -> None:
    """Two heads, hand-set, do all of it: the truth of the planted model says so."""
    planted = build("induction", seed)
    own = members(planted, "previous", "matching")
    others = [f"L{layer}.head{head}" for layer in range(2) for head in range(4) if f"L{layer}.head{head}" not in own]
    label = "+".join(sorted(own))
    circuit, rest = planted_dependence(planted, (label, "zero", 0), ("+".join(others[:2]), "zero", 0))
    assert circuit < 0.1
    assert rest > 0.8
    draws = planted_dependence(planted, *((label, "zero|random_circuit", draw) for draw in range(4)))
    assert statistics.fmean(draws) > 1.5 * circuit + 0.1


@pytest.mark.parametrize("seed", range(2))
def test_without_half_of_a_circuit_its_backup_still_follows_the_model(seed: int) -> None:
    """A head and its backup: the truth of the planted model says so."""
    planted = build("backup_head", seed)
    own = members(planted, "necessary", "backup")
    whole, *halves = planted_dependence(planted, *((each, "zero", 0) for each in ("+".join(sorted(own)), *own)))
    assert whole < 0.6 * min(halves)


def test_a_cell_is_the_same_alone_and_among_others_and_draws_differ() -> None:
    module = micro("qwen2")
    cells = [Cell(family, LABEL, value) for family in ("f0", "f2") for value in ("mean", "resample", "corrupt")]
    drawn = [Cell("f0", LABEL, "mean|random_circuit", draw) for draw in range(20)]
    together = measure(module, *cells, *drawn)
    for cell in (cells[1], cells[5], drawn[7]):
        assert measure(module, cell)[cell] == pytest.approx(together[cell], abs=1e-5)
    assert len({tuple(together[cell]) for cell in [cells[0], *drawn]}) == 21


@pytest.mark.parametrize(
    ("blocks", "discovery", "code"),
    [
        (families(11, 0, count=3), families(6, 9, count=3), "too_few_families"),
        (families(8, 0), families(6, 9), "too_few_templates"),
        (families(11, 0), families(2, 9), "too_few_templates"),
        (families(11, 0), families(6, 9, count=3), "no_discovery"),
    ],
)
def test_what_has_no_dependence_is_not_evaluated(blocks: list[Block], discovery: list[Block], code: str) -> None:
    cells = [Cell(made.family, LABEL, "zero") for made in blocks]
    with pytest.raises(NotEvaluated) as error:
        list(CircuitEvaluator().measure(wrap(micro("llama")), Materials(blocks, SETTINGS, discovery), cells))
    assert error.value.code == code


def test_the_spec() -> None:
    expect = {"form": "threshold", "component": CLAIM["expect"]["component"], "at_most": 0.2}
    assert claim(CLAIM, {"quantity": "dependence"}, expect=expect).metric.settings() == SETTINGS
    with pytest.raises(ValidationError, match="of all examples of a family at once"):
        claim(CLAIM, {"quantity": "dependence", "only": "clean_correct"}, expect=expect)
