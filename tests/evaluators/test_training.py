"""tests: trained models scored, against copies with plain weights that decode token by token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from mi_atlas.evaluators import training
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.finetuning import run, scores
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.finetuning.reinforcement import reward, sample
from mi_atlas.evaluators.finetuning.rows import Row
from mi_atlas.evaluators.finetuning.scores import Base, score
from mi_atlas.evaluators.finetuning.workshop import Workshop
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Block
from mi_atlas.evaluators.training import Training
from mi_atlas.specs.recipe import Data, Recipe
from scipy.stats import spearmanr
from torch import nn

from .conftest import micro, wrap
from .finetuned import (
    LORA,
    NONE,
    UPPER,
    Fake,
    answer,
    by_hand,
    entered,
    long_block,
    no_training,
    numbers,
    results,
)
from .test_ablation import surgically

_no_training = no_training(training)

BLOCKS = [long_block("made"), long_block("other", n=5)]
RECIPES = {"all_linear": LORA, "upper": UPPER, "as_is": NONE}


def measure(module: nn.Module, *cells: Cell, **settings: Any) -> dict[Cell, dict[str, list[float]]]:
    return numbers(Training(), wrap(module), Materials(BLOCKS, settings, recipes=RECIPES), *cells)


def test_every_number_is_that_of_a_model_with_the_adapter_in_its_weights(architecture: str) -> None:
    module, cell = micro(architecture), Cell("made", "upper", "train", 3)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    got, other = measure(module, cell)[cell], by_hand(module, Job(UPPER, 3))
    for row, example in enumerate(BLOCKS[0].examples):
        n = len(example.target_ids)
        base, trained = (answer(one, example.clean_ids, example.target_ids) for one in (module, other))
        wrong = answer(other, example.clean_ids, example.wrong_target_ids)[0]
        assert got["answer_loss"][row] == pytest.approx(-trained[0] / n, abs=1e-4)
        assert got["answer_loss_drop"][row] == pytest.approx((trained[0] - base[0]) / n, abs=1e-4)
        assert got["exact_match"][row] == trained[1]
        assert got["exact_match_gain"][row] == trained[1] - base[1]
        assert got["preferred"][row] == (trained[0] > wrong)
        expected = kl_divergence(base[2][None], trained[2][None])
        assert got["kl_from_base"][row] == pytest.approx(float(expected), rel=1e-3, abs=1e-5)
    assert module.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_what_is_one_number_a_training_is_the_same_in_every_example() -> None:
    # Layers 1 and 2 of d_model 16, MLP 24, 4 heads of 4 that share 2: rank * (in + out) of each linear module.
    shapes = [(16, 16), (16, 8), (16, 8), (16, 16), (16, 24), (16, 24), (24, 16)]
    parameters = 2 * 2 * sum(a + b for a, b in shapes)
    got = measure(micro("qwen2"), cell := Cell("made", "upper", "train", 1))[cell]
    expected = {
        "parameters": parameters,
        "bytes": 4 * parameters,
        "training_loss": 1,
        "duration": 3.5,
        "peak_memory": 4096,
    }
    assert {name: got[name] for name in expected} == {name: [value] * 6 for name, value in expected.items()}


def test_a_model_that_is_not_trained_is_the_base() -> None:
    got = measure(micro("qwen2"), cell := Cell("made", "as_is", "train", 1))[cell]
    zeros = ("kl_from_base", "exact_match_gain", "answer_loss_drop", "parameters")
    assert {name: got[name] for name in zeros} == dict.fromkeys(zeros, [0.0] * 6)


def test_targets_that_decoding_gives_are_exact() -> None:
    module = micro("llama")
    greedy = [answer(module, e.clean_ids, (0,))[2].argmax().item() for e in BLOCKS[0].examples]
    exact = score(wrap(module), BLOCKS[0].examples).exact.tolist()
    assert exact == [e.target_ids == (token,) for e, token in zip(BLOCKS[0].examples, greedy, strict=True)]


def test_a_training_is_entered_once_and_a_cell_is_the_same_alone() -> None:
    module, families = micro("qwen2"), ("made", "other")
    words = ["train", "train|random_matched_layers", "train|shuffled_answers"]
    cells = [Cell(f, "upper", word, seed) for seed in (2, 1) for word in words for f in families]
    together = measure(module, *cells)
    assert len(entered) == len(cells) / 2
    alone = [measure(module, cell)[cell] for cell in cells]
    assert [together[cell] for cell in cells] == alone
    assert len({tuple(each["kl_from_base"]) for each in alone}) == len(cells)


def test_small_batches_and_scores_on_disk_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, whole = wrap(micro("lfm2")), [score(wrap(micro("lfm2")), one.examples) for one in BLOCKS]
    monkeypatch.setattr(scores, "KEPT", 4 * 50 * 6)
    monkeypatch.setattr(scores, "LOGITS", 4 * 50 * 3)
    base = Base(model, BLOCKS)
    for block, expected in zip(BLOCKS, whole, strict=True):
        for name in ("log_probs", "loss", "wrong"):
            torch.testing.assert_close(getattr(base(block.family), name), getattr(expected, name), atol=1e-5, rtol=1e-5)


def test_map_agreement_is_spearmans_of_what_zeroing_does_to_both_models() -> None:
    module, labels = micro("qwen2"), ("operator", "mlp")
    mapped = {"map": {"granularity": list(labels)}, "reference": "all_linear"}
    cells = [Cell("made", "upper", "train", 2), Cell("made", "upper", "train|shuffled_answers", 6)]
    got = measure(module, *cells, Cell("made", "all_linear", "train", 2), **mapped)

    def effects(job: Job) -> torch.Tensor:
        other = by_hand(module, job)
        clean = torch.stack([answer(other, e.clean_ids, (0,))[2] for e in BLOCKS[0].examples])
        rows = []
        for label in [f"L{i}.{kind}" for kind in labels for i in range(3)]:
            without = surgically(other, training.ablation.parse_component(label).sites[0], torch.zeros(16))
            ablated = torch.stack([answer(without, e.clean_ids, (0,))[2] for e in BLOCKS[0].examples])
            rows.append(kl_divergence(clean, ablated))
        return torch.stack(rows)

    # Draw 6 of a control takes turn 2 of the trainings, and so the reference of seed 2.
    reference = effects(Job(LORA, 2))
    for cell, job in zip(cells, (Job(UPPER, 2), Job(UPPER, 2, answers_draw=6)), strict=True):
        own = effects(job)
        expected = [spearmanr(own[:, i], reference[:, i]).statistic for i in range(6)]
        assert got[cell]["map_agreement"] == pytest.approx(expected, abs=1e-6)
    assert got[Cell("made", "all_linear", "train", 2)]["map_agreement"] == pytest.approx([1] * 6)


def test_merging_an_adapter_changes_next_to_nothing_and_is_undone() -> None:
    module, cell = micro("lfm2"), Cell("made", "all_linear", "train", 1)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    got = measure(module, cell, also="merge_gap")[cell]
    assert max(got["merge_gap"]) < 1e-6 < min(got["kl_from_base"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert "merge_gap" not in measure(module, cell)[cell]


def test_a_reward_is_what_sampled_answers_get_on_average() -> None:
    module, some = micro("qwen2"), BLOCKS[0].examples[0]
    first = int(answer(module, some.clean_ids, (0,))[2].argmax())
    likely = (first, int(answer(module, (*some.clean_ids, first), (0,))[2].argmax()))
    whole = Block.of("made", "verification", 1, [replace(some, target_ids=likely)], {})
    cell = Cell("made", "as_is", "train", 1)
    got = results(Training(), wrap(module), Materials([whole], recipes=RECIPES), cell)[cell]
    row = Row(some.clean_ids, likely)
    (answers,) = sample(dissect(module), [row], 20_000, torch.Generator().manual_seed(1))
    rewards = torch.tensor([reward(row, each) for each in answers])
    assert 0.01 < float(rewards.mean()) < 0.99
    assert got.values["reward"][0] == pytest.approx(float(rewards.mean()), abs=4 * float(rewards.std()) / 20_000**0.5)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(NotEvaluated, match=r"no recipe `other`; there are all_linear, upper, as_is"):
        measure(micro("qwen2"), Cell("made", "other", "train", 1))
    with pytest.raises(NotEvaluated, match=r"train\|wrong_donor of upper is not defined"):
        measure(micro("qwen2"), Cell("made", "upper", "train|wrong_donor", 1))


def test_one_training_that_cannot_be_had_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small(Fake):
        def make(self, job: Job) -> Any:
            if job.recipe == LORA:
                raise NotEvaluated("out_of_memory", "it takes 9 GB")
            return super().make(job)

    monkeypatch.setattr(training, "Workshop", Small)
    found, cells = [], [Cell("made", site, "train", 1) for site in ("all_linear", "upper")]
    with pytest.raises(NotEvaluated, match="9 GB"):
        found += Training().measure(wrap(micro("qwen2")), Materials(BLOCKS, recipes=RECIPES), cells)
    assert [result.cell.site for result in found] == ["upper"]


def test_what_a_training_takes_that_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, gradients and two moments, all in float32: 16 bytes of every weight of the model."""
    monkeypatch.setattr(training, "Workshop", Workshop)
    monkeypatch.setattr(run, "available_bytes", lambda device: 0)
    module, cell = micro("llama"), Cell("made", "full", "train", 1)
    full = Recipe(training="full", data=Data(families=("copying",)))
    given = {"recipes": {"full": full}}
    asked = Materials(BLOCKS, {"also": "peak_memory"}, **given)
    found = numbers(Training(), wrap(module), asked, cell)[cell]
    weights = sum({id(p): p.numel() for p in module.parameters()}.values())
    assert found == {"peak_memory": [16.0 * weights] * 6, "counted": [1.0] * 6}
    with pytest.raises(NotEvaluated, match=f"take {16 * weights} bytes") as fault:
        numbers(Training(), wrap(module), Materials(BLOCKS, {}, **given), cell)
    assert fault.value.code == "out_of_memory"


def test_what_a_training_takes_is_read_off_it_and_nothing_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "score", None)
    monkeypatch.setattr(scores, "score", None)
    got = measure(micro("qwen2"), cell := Cell("made", "upper", "train", 1), also="peak_memory")[cell]
    assert got["peak_memory"] == [4096.0] * 6
    assert got["duration"] == [3.5] * 6
    assert "counted" not in got
