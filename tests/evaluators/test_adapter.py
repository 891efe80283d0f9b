"""tests: adapters taken out of components, against copies of the model that have them in their weights, or not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mi_atlas.engine.memo import generate_blocks
from mi_atlas.evaluators import adapter, trained_ablation, training
from mi_atlas.evaluators.ablation import Ablation
from mi_atlas.evaluators.adapter import Adapter
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.finetuning.adapters import adapted, joined, norm
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.finetuning.workshop import Workshop
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Block
from mi_atlas.specs.metrics.adapter import RECIPE
from mi_atlas.specs.recipe import Recipe
from mi_atlas.specs.suite import Suite
from torch import nn

from .conftest import micro, wrap
from .finetuned import (
    ALPHA,
    LORA,
    NONE,
    RANK,
    UPPER,
    Fake,
    answer,
    by_hand,
    entered,
    factors,
    long_block,
    no_training,
    numbers,
    unproven,
)
from .finetuning.workbench import pocket, recipe

BLOCKS = [long_block("made"), long_block("other", n=5)]
REMOVE, MATCHED = "remove_adapter", "remove_adapter|matched_norm_adapter"


_no_training = no_training(adapter)


def measure(module: nn.Module, *cells: Cell, recipe: Recipe = LORA) -> dict[Cell, dict[str, list[float]]]:
    return numbers(Adapter(), wrap(module), Materials(BLOCKS, recipes={RECIPE: recipe}), *cells)


OPERATORS = {"qwen2": "self_attn", "llama": "self_attn", "lfm2": "conv"}
MLPS = {"qwen2": "mlp", "llama": "mlp", "lfm2": "feed_forward"}


@pytest.mark.parametrize("label", ["L2", "L2.operator", "L0.mlp", "L0+L1.mlp", "L1.q_proj", "L0.down_proj"])
def test_what_is_taken_out_is_what_a_copy_without_it_lacks(architecture: str, label: str) -> None:
    operator, mlp = OPERATORS[architecture], MLPS[architecture]
    down = "w2" if architecture == "lfm2" else "down_proj"
    without = {
        "L2": ["model.layers.2."],
        "L2.operator": [f"model.layers.2.{operator}."],
        "L0.mlp": [f"model.layers.0.{mlp}."],
        "L0+L1.mlp": ["model.layers.0.", f"model.layers.1.{mlp}."],
        "L1.q_proj": ["model.layers.1.self_attn.q_proj"],
        "L0.down_proj": [f"model.layers.0.{mlp}.{down}"],
    }[label]
    module, job, cell = micro(architecture), Job(LORA, 2), Cell("made", label, REMOVE, 2)
    got = measure(module, cell)[cell]
    trained, other = by_hand(module, job), by_hand(module, job, without)
    for row, example in enumerate(BLOCKS[0].examples):
        p, q, r = (answer(each, example.clean_ids, example.target_ids) for each in (module, trained, other))
        lost, whole = (float(kl_divergence(q[2][None], each[2][None])) for each in (r, p))
        assert got["kl"][row] == got["kl_share"][row] == pytest.approx(lost, rel=1e-3, abs=1e-5)
        assert got["kl_share_of"][row] == pytest.approx(whole, rel=1e-3, abs=1e-5)
        assert got["answer_loss_rise"][row] == pytest.approx((q[0] - r[0]) / len(example.target_ids), abs=1e-4)
        assert got["exact_match_drop"][row] == q[1] - r[1]
    taken = {name: pair for name, pair in factors(module, job).items() if name.startswith(tuple(without))}
    squares = sum(float((ALPHA / RANK * b @ a).square().sum()) for a, b in taken.values())
    assert got["adapter_norm"] == pytest.approx([squares**0.5] * 6, rel=1e-4)
    assert got["parameters"] == [float(sum(a.numel() + b.numel() for a, b in taken.values()))] * 6


def test_where_nothing_was_trained_nothing_is_lost() -> None:
    cells = [Cell("made", label, word, 1) for label in ("L0", "L1") for word in (REMOVE, MATCHED)]
    got = measure(micro("qwen2"), *cells, recipe=UPPER)
    for cell in cells[:2]:
        numbers = (
            got[cell][name] for name in ("kl", "answer_loss_rise", "exact_match_drop", "adapter_norm", "parameters")
        )
        assert all(values == [0.0] * 6 for values in numbers)
    assert min(got[cells[2]]["kl"]) > 0 < got[cells[2]]["adapter_norm"][0]


def test_all_of_an_adapter_is_a_share_of_one() -> None:
    cell = Cell("other", "L0+L1+L2", REMOVE, 1)
    got = measure(micro("llama"), cell)[cell]
    assert got["kl_share"] == pytest.approx(got["kl_share_of"], rel=1e-6)


def test_a_random_adapter_has_the_rank_and_the_norm_of_the_one_it_joins() -> None:
    model, sizes = Fake(wrap(micro("lfm2")), Materials(BLOCKS)), {}
    with model.trained(model.make(Job(LORA, 1))) as trained:
        parts = adapted(trained.module, "L0")
        own = {name: (part.get_delta_weight("default"), norm({name: part})) for name, part in parts.items()}
        for draw in range(2):
            with joined(parts, draw):
                for name, part in parts.items():
                    random = part.get_delta_weight("default") - own[name][0]
                    assert float(random.norm()) == pytest.approx(own[name][1], rel=1e-4)
                    assert int(torch.linalg.matrix_rank(random, rtol=1e-4)) == RANK
                    sizes[name, draw] = random
        assert all(torch.equal(part.get_delta_weight("default"), own[name][0]) for name, part in parts.items())
    assert all(not torch.allclose(sizes[name, 0], sizes[name, 1]) for name in parts)


def test_draws_differ_and_the_adapter_itself_stays() -> None:
    cells = [Cell("made", "L1", MATCHED, draw) for draw in (0, 5, 1)]
    shuffled = Cell("made", "L1", "remove_adapter|shuffled_answers", 5)
    own = Cell("made", "L1", REMOVE, 1)
    got = measure(micro("qwen2"), *cells, shuffled, own)
    assert len({tuple(each["kl"]) for each in got.values()}) == 5
    # Draws 0 and 5 are of the training with seed 1, on which what is removed is measured as well.
    norms = [got[cell]["adapter_norm"][0] for cell in (*cells, own)]
    assert norms[0] == norms[1] == norms[3] != norms[2]
    assert len(entered) == 3


def test_cells_are_the_same_alone_and_the_base_is_untouched() -> None:
    module = micro("lfm2")
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    cells = [
        Cell(f, site, word, 2)
        for f in ("made", "other")
        for site in ("L0", "L1.operator")
        for word in (REMOVE, MATCHED)
    ]
    together = measure(module, *cells)
    assert [measure(module, cell)[cell] for cell in cells] == [together[cell] for cell in cells]
    assert module.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("label", "what"),
    [
        ("L0.head1", "L0.head1 is no module of its own"),
        ("L0.residual", "L0.residual is no module of its own"),
        ("L0@last", "an adapter acts at every token"),
        ("L7", "the model has layers L0 to L2"),
    ],
)
def test_what_has_no_adapter_of_its_own_is_refused(label: str, what: str) -> None:
    with pytest.raises(NotEvaluated, match=what):
        measure(micro("qwen2"), Cell("made", label, REMOVE, 1))


def test_a_training_of_a_pocket_model_is_the_same_for_all_that_measure_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for evaluator in (adapter, training, trained_ablation):
        monkeypatch.setattr(evaluator, "prove", unproven)
        monkeypatch.setattr(evaluator, "Workshop", Workshop)
    model, suite = pocket(), Suite(families=("json_schema",), templates=30, items=30)
    (whole,) = generate_blocks(suite, model.located, 1, Path(), "verification")
    block = Block.of("json_schema", "verification", 1, whole.examples[:8], {})
    short = recipe(learning_rate=0.02)
    materials = Materials([block], recipes={RECIPE: short, "short": short}, artefacts=tmp_path)
    cells = [Cell("json_schema", label, REMOVE, 1) for label in ("L0", "L1+L3")]
    untouched, all_of_it = (result.values for result in Adapter().measure(model, materials, cells))
    (whole_training,) = training.Training().measure(model, materials, [Cell("json_schema", "short", "train", 1)])
    (ablated,) = trained_ablation.TrainedAblation().measure(model, materials, [Cell("json_schema", "L1", "zero", 1)])
    (base,) = Ablation().measure(model, Materials([block]), [Cell("json_schema", "L1", "zero")])

    # The recipe trains layers 1 and 3: without their adapters the model is the base model.
    assert untouched["kl"] == untouched["parameters"] == [0.0] * 8
    assert all_of_it["kl_share"] == pytest.approx(all_of_it["kl_share_of"], rel=1e-4, abs=1e-7)
    assert all_of_it["answer_loss_rise"] == pytest.approx(whole_training.values["answer_loss_drop"], abs=1e-5)
    assert all_of_it["parameters"] == whole_training.values["parameters"]
    assert max(whole_training.values["kl_from_base"]) > 1e-3
    drops = (one.values["target_logprob_drop"] for one in (ablated, base))
    change = [after - before for after, before in zip(*drops, strict=True)]
    assert ablated.values["drop_change"] == pytest.approx(change, abs=1e-4)
    assert max(map(abs, change)) > 1e-3
    assert len(list((tmp_path / "trainings").iterdir())) == 1


def test_a_training_without_an_adapter_is_refused() -> None:
    with pytest.raises(NotEvaluated, match="a training `none` leaves no adapter"):
        measure(micro("qwen2"), Cell("made", "L0", REMOVE, 1), recipe=NONE)
    with pytest.raises(NotEvaluated, match="zero of L0 is not defined"):
        measure(micro("qwen2"), Cell("made", "L0", "zero", 1))
