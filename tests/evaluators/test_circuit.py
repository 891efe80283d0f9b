"""tests: a circuit's numbers are those of passes with the rest ablated, and planted circuits are found."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import OF, Cell, NotEvaluated
from mi_atlas.evaluators.circuit import CircuitEvaluator
from mi_atlas.evaluators.circuit_bench import random_circuit
from mi_atlas.evaluators.interventions import Edit, capture, constant, intervene, zero
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Block
from mi_atlas.specs.sites import Frame, Site, parse_component
from pydantic import ValidationError
from torch import Tensor, nn

from .claims import claim, document
from .conftest import block, micro, wrap

HEADS = {"granularity": ["head"]}

METRIC = {"evaluator": "circuit", "quantity": "faithfulness", "granularity": "head", "circuit": "L1.head0+L2.head1"}
CLAIM = document(METRIC, ("corrupt", "mean"), "random_circuit", METRIC["circuit"], at_least=0.5)
DISCOVERY = [block("made", n=4, seed=9), block("other", n=4, seed=9)]


def measure(module: nn.Module, *cells: Cell, made: Block | None = None, settings: Any = HEADS) -> dict[Cell, Any]:
    blocks = [made or block(), block("other", n=5)]
    materials = Materials(blocks[: 1 if made else 2], settings, DISCOVERY if made is None else [made])
    return {result.cell: dict(result.values) for result in CircuitEvaluator().measure(wrap(module), materials, cells)}


def literally(
    module: nn.Module, ablated: tuple[Site, ...], value: str, made: Block | None = None
) -> tuple[list[float], list[Tensor]]:
    """Logit differences, and logits, one prompt at a time under hooks."""
    anatomy, differences, logits = dissect(module), [], []
    for example in (made or block()).examples:
        ids = torch.tensor([example.clean_ids])
        with capture(anatomy, ablated) as seen:
            module(input_ids=torch.tensor([example.corrupt_ids]), use_cache=False)
        edits: dict[Site, Edit] = {site: zero if value == "zero" else constant(seen[site]) for site in ablated}
        with intervene(anatomy, edits):
            out = module(input_ids=ids, use_cache=False).logits[:, -1]
        differences.append(float(out[0, example.target_ids[0]] - out[0, example.wrong_target_ids[0]]))
        logits.append(out)
    return differences, logits


def mean_ld(module: nn.Module, ablated: tuple[Site, ...], value: str, made: Block) -> float:
    """The mean logit difference over a block."""
    differences, _ = literally(module, ablated, value, made)
    return sum(differences) / len(differences)


@pytest.mark.parametrize("value", ["zero", "corrupt"])
@pytest.mark.parametrize("kinds", [("head",), ("operator", "mlp")])
def test_every_quantity_is_that_of_passes_with_the_rest_ablated(kinds: tuple[Any, ...], value: str) -> None:
    module = micro("llama")
    label = "L0.head1+L2.head3" if kinds == ("head",) else "L0.mlp+L1.operator"
    cell, circuit = Cell("made", label, value), parse_component(label).sites
    values = measure(module, cell, settings={"granularity": list(kinds)})[cell]
    universe = dissect(module).sites(kinds)
    outside = tuple(site for site in universe if site not in circuit)
    full, full_logits = literally(module, (), value)
    alone, alone_logits = literally(module, outside, value)
    nothing, _ = literally(module, universe, value)
    without, _ = literally(module, circuit, value)

    def less(one: list[float], other: list[float]) -> Any:
        return pytest.approx([a - b for a, b in zip(one, other, strict=True)], abs=1e-4)

    assert values["faithfulness"] == less(alone, nothing)
    assert values["necessity"] == less(full, without)
    assert values[f"faithfulness{OF}"] == values[f"necessity{OF}"] == less(full, nothing)
    divergences = [float(kl_divergence(a, b)[0]) for a, b in zip(full_logits, alone_logits, strict=True)]
    assert values["kl"] == pytest.approx(divergences, abs=1e-5)
    assert values["circuit_wins"] == [float(a > f) for a, f in zip(alone, full, strict=True)]
    fewer = [literally(module, (*outside, site), value)[0] for site in circuit]
    learnt = [sum(mean_ld(module, (*outside, site), value, made) for made in DISCOVERY) for site in circuit]
    assert values["least_member"] == less(alone, fewer[learnt.index(max(learnt))])


@pytest.mark.parametrize("value", ["zero", "mean"])
def test_faithfulness_is_that_of_plain_hooks(architecture: str, value: str) -> None:
    """Nothing of ours but the numbers: heads are columns of the output projection's input."""
    module: Any = micro(architecture)
    layers = [1] if architecture == "lfm2" else [0, 1, 2]
    kept = {(1, 0), (1, 3)} if architecture == "lfm2" else {(0, 1), (2, 3)}
    names = {"lfm2": "out_proj"}
    projections = {
        layer: getattr(module.model.layers[layer].self_attn, names.get(architecture, "o_proj")) for layer in layers
    }
    seen: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    hooks = [
        projections[layer].register_forward_pre_hook(lambda m, args, layer=layer: seen[layer].append(args[0][0]))
        for layer in layers
    ]
    examples = [*block().examples, *block("other", n=5).examples]
    for example in examples:
        module(input_ids=torch.tensor([example.clean_ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    means = {layer: torch.cat(rows).mean(0) if value == "mean" else torch.zeros(16) for layer, rows in seen.items()}

    def under(ablated: set[tuple[int, int]]) -> list[float]:
        def replacing(layer: int) -> Any:
            def hook(m: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
                heads = args[0].clone()
                for head in range(4):
                    if (layer, head) in ablated:
                        heads[..., 4 * head : 4 * head + 4] = means[layer][4 * head : 4 * head + 4]
                return (heads,)

            return hook

        hooks = [projections[layer].register_forward_pre_hook(replacing(layer)) for layer in layers]
        found = []
        for example in block().examples:
            out = module(input_ids=torch.tensor([example.clean_ids]), use_cache=False).logits[0, -1]
            found.append(float(out[example.target_ids[0]] - out[example.wrong_target_ids[0]]))
        for hook in hooks:
            hook.remove()
        return found

    every = {(layer, head) for layer in layers for head in range(4)}
    full, alone, nothing = under(set()), under(every - kept), under(every)
    label = "+".join(f"L{layer}.head{head}" for layer, head in sorted(kept))
    values = measure(module, Cell("made", label, value))[Cell("made", label, value)]
    assert values["faithfulness"] == pytest.approx([a - b for a, b in zip(alone, nothing, strict=True)], abs=1e-4)
    assert values[f"faithfulness{OF}"] == pytest.approx([a - b for a, b in zip(full, nothing, strict=True)], abs=1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_a_planted_circuit_is_faithful_and_necessary_and_a_random_one_is_not(seed: int) -> None:
    """Two heads, hand-set, do all of it: the truth of the planted model says so."""
    planted = build("induction", seed)
    facts = planted.truth.facts
    members = sorted([tuple(facts["previous"]), tuple(facts["matching"])])
    label = "+".join(Site(layer, "head", head).label for layer, head in members)
    made = planted.examples(30)
    cells = [Cell(made.family, label, "mean"), *(Cell(made.family, label, "mean|random_circuit", d) for d in range(5))]
    values = measure(planted.module, *cells, made=made)

    def share(cell: Cell, name: str) -> float:
        return sum(values[cell][name]) / sum(values[cell][f"{name}{OF}"])

    assert share(cells[0], "faithfulness") > 0.9
    assert share(cells[0], "necessity") > 0.9
    assert sum(values[cells[0]]["least_member"]) > 0.5 * sum(values[cells[0]]["faithfulness"])
    assert all(share(cell, "faithfulness") < 0.5 for cell in cells[1:])


def test_a_backup_hides_a_necessary_head() -> None:
    """Alone neither head is necessary, both together are: the truth of the planted model says so."""
    planted = build("backup_head", 0)
    primary, backup = (
        Site(layer, "head", head).label for layer, head in (planted.truth.facts[n] for n in ("necessary", "backup"))
    )
    made = planted.examples(30)
    cells = [Cell(made.family, label, "zero") for label in (primary, "+".join(sorted((primary, backup))))]
    values = measure(planted.module, *cells, made=made)
    one, both = (sum(values[cell]["necessity"]) / sum(values[cell][f"necessity{OF}"]) for cell in cells)
    assert one < 0.5 < both


def test_random_circuits_match_in_size_and_are_all_different() -> None:
    universe = tuple(Site(layer, kind, None if kind == "mlp" else 0) for kind in ("head", "mlp") for layer in range(8))
    members = (universe[0], universe[1], universe[9])
    drawn = [random_circuit(members, universe, draw) for draw in range(20)]  # type: ignore[arg-type]
    assert len({frozenset(each) for each in drawn} | {frozenset(members)}) == 21
    assert all([site.granularity for site in each] == ["head", "head", "mlp"] for each in drawn)
    assert drawn[7] == random_circuit(members, universe, 7)  # type: ignore[arg-type]
    with pytest.raises(NotEvaluated, match="the universe has only 7 others"):
        random_circuit(universe[:1], universe, 7)  # type: ignore[arg-type]


def test_a_cell_is_the_same_alone_and_among_others() -> None:
    module = micro("qwen2")
    cells = [
        Cell("made", "L0.head1+L2.head3", value) for value in ("mean", "resample", "corrupt", "mean|random_circuit")
    ]
    together = measure(module, *cells)
    for cell in cells:
        alone = measure(module, cell)[cell]
        for name, numbers in alone.items():
            assert numbers == pytest.approx(together[cell][name], abs=1e-5), (cell, name)


def test_cells_that_have_a_value_are_given_before_those_that_have_none_are_an_error() -> None:
    """Lfm2 has four heads: of five random ones three are others, and of the circuit itself there is a value."""
    cells = [Cell("made", "L1.head0", "zero|random_circuit", draw) for draw in range(5)]
    cells.append(Cell("made", "L1.head0", "zero"))
    given: list[Cell] = []
    results = CircuitEvaluator().measure(wrap(micro("lfm2")), Materials([block()], HEADS, DISCOVERY), cells)
    with pytest.raises(NotEvaluated, match="the universe has only 3 others") as error:
        given.extend(result.cell for result in results)
    assert set(given) == {*cells[:3], cells[5]}
    assert error.value.code == "too_few_circuits"


def test_what_is_no_circuit_is_refused() -> None:
    with pytest.raises(NotEvaluated, match=r"L1\.mlp is not of the universe"):
        measure(micro("qwen2"), Cell("made", "L1.mlp", "zero"))
    with pytest.raises(NotEvaluated, match="noise is not defined for a circuit"):
        measure(micro("qwen2"), Cell("made", "L1.head0", "noise"))


def test_the_spec() -> None:
    metric = claim(CLAIM).metric
    assert metric.sweep(Frame(3)) == ("L1.head0+L2.head1",)
    assert metric.settings() == HEADS
    for circuit, says in (
        ("L1.mlp", "granularity is head only"),
        ("L1.head0@last", "at every token"),
        ("L1.head0+L1.head0", "twice"),
    ):
        with pytest.raises(ValidationError, match=says):
            claim(CLAIM, {"circuit": circuit})
    for kinds, says in (
        (["operator", "head"], "granularity has operator and head, which is a part of it"),
        (["head", "layer"], "granularity has layer and"),
        (["head", "residual"], "the stream is no component"),
    ):
        with pytest.raises(ValidationError, match=says):
            claim(CLAIM, {"granularity": kinds})
