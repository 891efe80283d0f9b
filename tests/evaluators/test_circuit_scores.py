"""tests: completeness, the curve over sizes and recovered loss against literal passes and planted circuits."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.ablation import Donors, aligned
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import OF, Cell, NotEvaluated
from mi_atlas.evaluators.circuit_scores import (
    SCRUBBINGS,
    SUBSETS,
    curve_sizes,
    donor_seed,
    random_order,
    random_other,
    random_subsets,
    trapezoid,
)
from mi_atlas.evaluators.interventions import Edit, capture, constant, intervene
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.planted.model import Planted
from mi_atlas.specs.sites import Site, parse_component
from torch import nn

from .claims import claim
from .conftest import block, micro
from .test_circuit import CLAIM, DISCOVERY, literally, mean_ld, measure

Circuit = tuple[Site, ...]

PARTS = ("operator", "mlp")
LABEL = "L0.mlp+L1.operator"


def settings(about: str, *kinds: str) -> dict[str, Any]:
    return {"granularity": list(kinds or ("head",)), "about": about}


def learnt(module: nn.Module, ablated: Circuit, value: str) -> float:
    """Mean logit difference on the discovery examples, families alike."""
    return sum(mean_ld(module, ablated, value, made) for made in DISCOVERY) / len(DISCOVERY)


def without(universe: Circuit, kept: Any) -> Circuit:
    return tuple(site for site in universe if site not in set(kept))


def share(values: dict[str, list[float]], name: str) -> float:
    return sum(values[name]) / sum(values[f"{name}{OF}"])


@pytest.mark.parametrize("value", ["zero", "corrupt"])
def test_incompleteness_is_that_of_every_subset_gone_from_circuit_and_model(architecture: str, value: str) -> None:
    module, cell = micro(architecture), Cell("made", LABEL, value)
    universe, circuit = dissect(module).sites(PARTS), parse_component(LABEL).sites
    expected = torch.zeros(len(block().examples), dtype=torch.float64)
    for gone in [(), circuit[:1], circuit[1:], circuit]:
        rest = without(universe, without(circuit, gone))
        sign = -1 if learnt(module, rest, value) < learnt(module, gone, value) else 1
        alone, whole = (torch.tensor(literally(module, each, value)[0]) for each in (rest, gone))
        expected += sign * (alone - whole) / 4
    found = measure(module, cell, settings=settings("subsets", *PARTS))[cell]
    assert found["incompleteness"] == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("value", ["zero", "corrupt"])
def test_the_curve_is_that_of_nested_circuits_ranked_on_discovery_examples(architecture: str, value: str) -> None:
    """Six components: circuits of 0, 1, 2, 4, 6, and so by hand weights of 1/12, 2/12, 3/12, 4/12, 2/12."""
    module, cell = micro(architecture), Cell("made", LABEL, value)
    universe, members = dissect(module).sites(PARTS), parse_component(LABEL).sites
    clean = learnt(module, (), value)
    effects = {site: clean - learnt(module, (site,), value) for site in universe}
    full, nothing = (torch.tensor(literally(module, each, value)[0]) for each in ((), universe))
    cpr = cmd = torch.zeros(len(full))
    for twelfths, size in zip((1, 2, 3, 4, 2), (0, 1, 2, 4, 6), strict=True):
        signed = sorted(universe, key=lambda site: (site not in members, -effects[site]))[:size]
        by_size = sorted(universe, key=lambda site: (site not in members, -abs(effects[site])))[:size]
        cpr = cpr + twelfths / 12 * (torch.tensor(literally(module, without(universe, signed), value)[0]) - nothing)
        rest = without(universe, by_size)
        sign = 1 if clean >= learnt(module, rest, value) else -1
        cmd = cmd + twelfths / 12 * sign * (full - torch.tensor(literally(module, rest, value)[0]))
    found = measure(module, cell, settings=settings("curve", *PARTS))[cell]
    assert found["cpr"] == pytest.approx(cpr.tolist(), abs=1e-4)
    assert found["cmd"] == pytest.approx(cmd.tolist(), abs=1e-4)
    assert found[f"cpr{OF}"] == found[f"cmd{OF}"] == pytest.approx((full - nothing).tolist(), abs=1e-4)


@pytest.mark.parametrize("value", ["zero", "resample"])
def test_recovered_loss_is_that_of_scrubbed_passes_and_of_other_prompts(architecture: str, value: str) -> None:
    module: Any = micro(architecture)
    cell, anatomy = Cell("made", LABEL, value), dissect(module)
    rest = without(anatomy.sites(PARTS), parse_component(LABEL).sites)
    pool = [*block().examples, *block("other", n=5).examples]
    donors, by_id = Donors(pool), {example.id: example for example in pool}
    scrubbed, clean, base = [], [], []
    for number, example in enumerate(block().examples):

        def log_p(ids: tuple[int, ...], target: int = example.target_ids[0]) -> float:
            logits = module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
            return float(logits.double().log_softmax(-1)[target])

        def edit(site: Site, i: int, example: Any = example) -> Edit:
            donor = by_id[donors.donor(example, donor_seed(0, i, site.label))].clean_ids
            with capture(anatomy, [site]) as seen:
                module(input_ids=torch.tensor([donor]), use_cache=False)
            given = seen[site][:, aligned(len(donor), len(example.clean_ids))]
            return constant(given if value == "resample" else torch.zeros_like(given))

        passes = []
        for i in range(SCRUBBINGS):
            with intervene(anatomy, {site: edit(site, i) for site in rest}):
                passes.append(log_p(example.clean_ids))
        scrubbed.append(sum(passes) / SCRUBBINGS)
        clean.append(log_p(example.clean_ids))
        others = [random_other(block().examples, number, donor_seed(0, i, "prompt")) for i in range(SCRUBBINGS)]
        base.append(sum(log_p(other.clean_ids) for other in others) / SCRUBBINGS)
        assert example.id not in {other.id for other in others} <= {each.id for each in block().examples}
    found = measure(module, cell, settings=settings("loss", *PARTS))[cell]
    assert found["loss_recovered"] == pytest.approx([a - b for a, b in zip(scrubbed, base, strict=True)], abs=1e-4)
    assert found[f"loss_recovered{OF}"] == pytest.approx([a - b for a, b in zip(clean, base, strict=True)], abs=1e-4)


def planted_pair(planted: Planted, *names: str) -> str:
    return "+".join(sorted(Site(layer, "head", head).label for layer, head in map(planted.truth.facts.get, names)))


@pytest.mark.parametrize("seed", range(2))
def test_a_planted_circuit_comes_first_and_survives_scrubbing(seed: int) -> None:
    """Two heads, hand-set, do all of it: the truth of the planted model says so."""
    planted = build("induction", seed)
    label, made = planted_pair(planted, "previous", "matching"), planted.examples(30)
    heads = len(dissect(planted.module).sites(("head",)))

    def found(about: str, value: str) -> list[dict[str, list[float]]]:
        twisted = [Cell(made.family, label, f"{value}|random_circuit", draw) for draw in range(5)]
        cells = [Cell(made.family, label, value), *twisted]
        values = measure(planted.module, *cells, made=made, settings=settings(about))
        return [values[cell] for cell in cells]

    own, *drawn = found("curve", "mean")
    assert share(own, "cpr") > 1 - 2 / heads
    assert share(own, "cmd") < 2 / heads
    assert all(share(each, "cpr") < share(own, "cpr") - 0.1 for each in drawn)
    assert all(share(each, "cmd") > share(own, "cmd") + 0.1 for each in drawn)
    own, *drawn = found("loss", "resample")
    assert share(own, "loss_recovered") > 0.9
    assert all(share(each, "loss_recovered") < 0.5 for each in drawn)
    own, *drawn = found("subsets", "mean")
    whole = sum(measure(planted.module, Cell(made.family, label, "mean"), made=made).popitem()[1][f"faithfulness{OF}"])
    assert sum(own["incompleteness"]) < 0.1 * whole
    assert all(sum(each["incompleteness"]) > 0.2 * whole for each in drawn)


def test_a_circuit_without_its_backup_is_incomplete() -> None:
    """The backup does the head's work only where that is missing: the truth of the planted model says so."""
    planted = build("backup_head", 0)
    made = planted.examples(30)
    cells = [
        Cell(made.family, planted_pair(planted, *names), "zero") for names in (("necessary",), ("necessary", "backup"))
    ]
    values = measure(planted.module, *cells, made=made, settings=settings("subsets"))
    one, both = (sum(values[cell]["incompleteness"]) for cell in cells)
    assert one > 5 * both


@pytest.mark.parametrize("about", ["subsets", "curve", "loss"])
def test_a_cell_is_the_same_alone_and_among_others_and_draws_differ(about: str) -> None:
    module, asked = micro("qwen2"), settings(about)
    label = "L0.head1+L2.head3"
    cells = [Cell(family, label, value) for family in ("made", "other") for value in ("zero", "resample", "corrupt")]
    drawn = [Cell("made", label, "mean|random_circuit", draw) for draw in range(20)]
    together = measure(module, *cells, *drawn, settings=asked)
    for cell in (cells[1], cells[5], drawn[7]):
        alone = measure(module, cell, settings=asked)[cell]
        assert alone == {name: pytest.approx(numbers, abs=1e-5) for name, numbers in together[cell].items()}
    for name in together[cells[0]]:
        if not name.endswith(OF):
            assert len({tuple(together[cell][name]) for cell in drawn}) == 20, name


def test_a_random_order_keeps_kinds_and_differs_in_its_circuits() -> None:
    """Three heads and two MLPs by turns, at sizes 1, 2, 4, 5: no step has two alike, so 3! 2! = 12 chains."""
    order = (Site(0, "head", 0), Site(0, "mlp"), Site(1, "head", 0), Site(1, "mlp"), Site(2, "head", 0))
    sizes = curve_sizes(5)
    assert sizes == (1, 2, 4, 5)
    drawn = [random_order(order, sizes, draw) for draw in range(11)]
    chains = {tuple(frozenset(each[:size]) for size in sizes) for each in [order, *drawn]}
    assert len(chains) == 12
    assert all([site.granularity for site in each] == [site.granularity for site in order] for each in drawn)
    with pytest.raises(NotEvaluated, match="the universe has only 11 others") as error:
        random_order(order, sizes, 11)
    assert error.value.code == "too_few_circuits"


def test_subsets_are_all_of_a_small_circuit_and_distinct_ones_of_a_large_one() -> None:
    circuit = tuple(Site(layer, "mlp") for layer in range(12))
    small = random_subsets(circuit[:3])
    assert set(small) == {each for size in range(4) for each in combinations(circuit[:3], size)}
    large = random_subsets(circuit)
    assert len(set(large)) == SUBSETS == len(large)
    assert large == random_subsets(circuit)
    assert all(set(each) <= set(circuit) for each in large)


def test_the_area_under_a_line_is_exact() -> None:
    for universe in (1, 2, 3, 24):
        sizes = (0, *curve_sizes(universe))
        assert trapezoid(sizes).sum() == pytest.approx(1)
        assert float(trapezoid(sizes) @ torch.tensor(sizes).double()) / universe == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("quantity", "about"),
    [("incompleteness", "subsets"), ("cpr", "curve"), ("cmd", "curve"), ("loss_recovered", "loss")],
)
def test_what_takes_passes_of_its_own_is_part_of_the_settings(quantity: str, about: str) -> None:
    assert claim(CLAIM, {"quantity": quantity}).metric.settings() == settings(about)
