"""tests: ablation of trained models, against ablation of copies that have the adapter in their weights."""

from __future__ import annotations

import pytest
import torch
from mi_atlas.evaluators import ablation, trained_ablation
from mi_atlas.evaluators.ablation import Ablation
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.proven import proof_key
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.trained_ablation import TrainedAblation
from mi_atlas.specs.metrics.adapter import RECIPE
from torch import nn

from .conftest import micro, wrap
from .finetuned import LORA, Fake, by_hand, entered, long_block, numbers, results, unproven

BLOCKS = [long_block("made"), long_block("other", n=5)]


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(trained_ablation, "Workshop", Fake)
    if "proven" not in request.node.name:
        monkeypatch.setattr(trained_ablation, "prove", unproven)
        monkeypatch.setattr(ablation, "prove", unproven)


def measure(module: nn.Module, *cells: Cell) -> dict[Cell, dict[str, list[float]]]:
    return numbers(TrainedAblation(), wrap(module), Materials(BLOCKS, recipes={RECIPE: LORA}), *cells)


def ablated(module: nn.Module, cell: Cell) -> dict[str, list[float]]:
    made = results(Ablation(), wrap(module), Materials(BLOCKS), cell)
    return {name: list(value) for name, value in made[cell].values.items()}


@pytest.mark.parametrize(
    ("architecture", "word", "seed", "plain", "job"),
    [
        ("qwen2", "zero", 2, Cell("made", "L1.mlp", "zero"), Job(LORA, 2)),
        ("lfm2", "zero", 2, Cell("made", "L2.operator", "zero"), Job(LORA, 2)),
        ("llama", "mean", 1, Cell("made", "L1", "mean"), Job(LORA, 1)),
        ("llama", "resample", 3, Cell("made", "L1.mlp", "resample", 3), Job(LORA, 3)),
        ("lfm2", "matched_norm_noise", 6, Cell("made", "L1.mlp", "matched_norm_noise", 6), Job(LORA, 2)),
        ("qwen2", "zero|shuffled_answers", 6, Cell("made", "L1.mlp", "zero"), Job(LORA, 2, answers_draw=6)),
    ],
)
def test_it_is_ablation_of_a_model_with_the_adapter_in_its_weights(
    architecture: str, word: str, seed: int, plain: Cell, job: Job
) -> None:
    module, cell = micro(architecture), Cell("made", plain.site, word, seed)
    got, trained, base = measure(module, cell)[cell], ablated(by_hand(module, job), plain), ablated(module, plain)
    for name, values in trained.items():
        assert got[name] == pytest.approx(values, rel=1e-3, abs=1e-4)
    drops = zip(trained["target_logprob_drop"], base["target_logprob_drop"], strict=True)
    assert got["drop_change"] == pytest.approx([after - before for after, before in drops], rel=1e-3, abs=1e-4)


def test_components_at_a_class_of_tokens_say_which_examples_have_them() -> None:
    cell = Cell("made", "L1@answer", "zero", 1)
    assert (
        measure(micro("qwen2"), cell)[cell]["applies"]
        == ablated(micro("qwen2"), Cell("made", "L1@answer", "zero"))["applies"]
    )


def test_cells_are_the_same_alone_the_base_is_untouched_and_a_training_is_entered_once() -> None:
    module = micro("lfm2")
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    words = [("zero", 1), ("mean", 1), ("resample", 1), ("matched_norm_noise", 0), ("matched_norm_noise", 5)]
    cells = [Cell(family, "L0", *word) for family in ("made", "other") for word in words]
    together = measure(module, *cells, Cell("made", "L0", "resample", 2))
    assert [job.seed for job in entered] == [1, 2]
    for cell in cells:
        for name, values in measure(module, cell)[cell].items():
            assert values == pytest.approx(together[cell][name], rel=1e-4, abs=1e-5)
    assert len({tuple(each["kl"]) for each in together.values()}) == len(together)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_every_trained_model_is_proven_under_its_own_name() -> None:
    model, cells = wrap(micro("qwen2")), [Cell("made", "L0", "zero", seed) for seed in (1, 2)]
    results(TrainedAblation(), model, Materials(BLOCKS, recipes={RECIPE: LORA}), *cells)
    assert len(model.proven) == 3 * 3
    assert {proof_key(model, kind) for kind in ("layer", "operator", "mlp")} < model.proven


def test_what_is_not_defined_is_named() -> None:
    with pytest.raises(NotEvaluated, match=r"zero\|wrong_donor at L0 is not defined"):
        measure(micro("qwen2"), Cell("made", "L0", "zero|wrong_donor", 1))
    with pytest.raises(NotEvaluated, match="no recipe `recipe`; there are none"):
        list(TrainedAblation().measure(wrap(micro("qwen2")), Materials(BLOCKS), [Cell("made", "L0", "zero", 1)]))
