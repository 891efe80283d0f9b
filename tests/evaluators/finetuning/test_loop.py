"""tests: the loss, its masks, the fast pass and the loop, against plain PEFT on micro models."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.finetuning import lora
from mi_atlas.evaluators.finetuning.loop import fit, training_loss
from mi_atlas.evaluators.finetuning.losses import Learner, TokenLoss, by_length, pad, token_losses
from mi_atlas.evaluators.finetuning.lowrank import fast
from mi_atlas.evaluators.finetuning.optimizers import make_optimizer, pace
from mi_atlas.evaluators.finetuning.rows import Row
from torch import nn
from torch.nn import functional as F

from ..replay.models import micro
from .workbench import recipe

ROWS = [
    Row((3, 4, 5), (6, 7)),
    Row((8,), (9, 10, 11, 12)),
    Row((13, 14, 15, 16, 17, 18), (19,)),
    Row((2, 3), (4, 5, 6, 7), counted=(2, 4, 5)),
]
ANSWERS = [{3, 4}, {1, 2, 3, 4}, {6}, {2, 4, 5}]
"""By hand: the positions in each row that the loss is on."""


def learner(module: nn.Module) -> Learner:
    return Learner(module, dissect(module), lambda: torch.no_grad(), torch.device("cpu"))


def by_hand(module: nn.Module, row: Row, places: set[int]) -> list[float]:
    """-log p of tokens at places, from the model's own logits of the row alone, without padding."""
    ids = torch.tensor([[*row.prompt, *row.target]])
    log_probs = module(input_ids=ids).logits[0].float().log_softmax(-1)
    return [-float(log_probs[place - 1, ids[0, place]]) for place in sorted(places)]


@pytest.mark.parametrize("architecture", ["Qwen2", "Llama", "Lfm2", "Gemma2"])
def test_loss_is_on_answers_and_padding_changes_nothing(architecture: str):
    module = micro(architecture)
    losses = [by_hand(module, row, places) for row, places in zip(ROWS, ANSWERS, strict=True)]
    every = [loss for row in losses for loss in row]
    found = token_losses(learner(module), pad(ROWS, torch.device("cpu")))
    torch.testing.assert_close(found, torch.tensor(every))
    assert float(TokenLoss()(learner(module), ROWS)) == pytest.approx(sum(every) / 10, rel=1e-5)
    texts = [by_hand(module, row, set(range(1, len(row.prompt + row.target)))) for row in ROWS]
    whole = [loss for row in texts for loss in row]
    assert float(TokenLoss(whole=True)(learner(module), ROWS)) == pytest.approx(sum(whole) / len(whole), rel=1e-5)


def test_parts_of_a_step_add_up_to_its_mean():
    module = micro("Llama")
    loss = TokenLoss()
    parts = list(by_length(ROWS, lambda row: len(row.prompt) + len(row.target), most=12))
    assert [len(part) for part in parts] == [1, 2, 1]  # 7 tokens; 6 + 5 in 2 x 6; 5
    assert [len(part[0].prompt) + len(part[0].target) for part in parts] == [7, 6, 5]
    shares = [sum(map(loss.weight, part)) / sum(map(loss.weight, ROWS)) for part in parts]
    cut = sum(share * float(loss(learner(module), part)) for share, part in zip(shares, parts, strict=True))
    assert cut == pytest.approx(float(loss(learner(module), ROWS)), rel=1e-5)


def test_long_and_short_rows_are_not_padded_together():
    rows = [Row((1,) * length, (2,)) for length in (999, 699, 399, 99)]
    parts = list(by_length(rows, lambda row: len(row.prompt) + len(row.target)))
    # 4 rows of 1000 are many tokens, of which 400 and 100 would be mostly padding; then 2 rows of 400 are few
    assert [[len(row.prompt) for row in part] for part in parts] == [[999, 699], [399, 99]]


@pytest.mark.parametrize("architecture", ["Qwen2", "Llama", "Lfm2"])
def test_training_is_that_of_plain_peft(architecture: str):
    """The oracle: PEFT's own forward pass, hand-made padding with an attention mask, torch's AdamW."""
    chosen = recipe(steps=5, batch=2, learning_rate=1e-2, warmup=0.4)
    modules = [
        name for name, each in micro(architecture).named_modules() if isinstance(each, nn.Linear) and "layers.1" in name
    ]
    rows = [ROWS[i] for i in (0, 1, 2, 3, 1, 2, 0, 3, 3, 1)]
    ours = micro(architecture)
    with lora.attached(ours, modules, 2, 6.0, seed=3) as live:
        lora.trainable(live)
        with fast(lora.layers(live).values(), lora.NEW):
            done = fit(chosen, learner(live), TokenLoss(), rows, seed=1)
        found = {name: p.detach().clone() for name, p in live.named_parameters() if "lora_" in name}
    plain = micro(architecture)
    with lora.attached(plain, modules, 2, 6.0, seed=3) as live:
        lora.trainable(live)
        losses = _plain_loop(live, rows, rates=(0.5e-2, 1e-2, 1e-2, 1e-2, 1e-2))
        expected = {name: p.detach() for name, p in live.named_parameters() if "lora_" in name}
    assert list(done.losses) == pytest.approx(losses, rel=1e-4)
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], atol=2e-4, rtol=2e-3)


def _plain_loop(live: nn.Module, rows: list[Row], rates: tuple[float, ...]) -> list[float]:
    optimizer = torch.optim.AdamW([p for p in live.parameters() if p.requires_grad], weight_decay=0.0)
    losses = []
    for i, rate in enumerate(rates):
        pair = rows[2 * i : 2 * i + 2]
        width = max(len(row.prompt + row.target) for row in pair)
        ids, mask, labels = (torch.full((2, width), fill) for fill in (0, 0, -100))
        for j, row in enumerate(pair):
            text = torch.tensor([*row.prompt, *row.target])
            places = sorted(ANSWERS[ROWS.index(row)])
            ids[j, : len(text)], mask[j, : len(text)] = text, 1
            labels[j, places] = text[places]
        logits = live(input_ids=ids, attention_mask=mask).logits
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        optimizer.param_groups[0]["lr"] = rate
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("bias", [True, False])
def test_fast_pass_has_peft_gradients(bias: bool):
    torch.manual_seed(0)
    holder = nn.ModuleDict({"a": nn.Linear(6, 5, bias=bias)})
    holder.config = {"model_type": "custom"}  # type: ignore[assignment]
    from peft import LoraConfig, inject_adapter_in_model

    inject_adapter_in_model(LoraConfig(r=3, lora_alpha=5, target_modules=["a"]), holder)
    layer: Any = holder["a"]
    nn.init.normal_(layer.lora_B["default"].weight)
    layer.base_layer.requires_grad_(False)
    x = torch.randn(2, 4, 6, requires_grad=True)
    wanted = [x, layer.lora_A["default"].weight, layer.lora_B["default"].weight]
    slow = layer(x)
    slow_gradients = torch.autograd.grad(slow.square().sum(), wanted)
    with fast([layer], "default"):
        quick = layer(x)
        gradients = torch.autograd.grad(quick.square().sum(), wanted)
    torch.testing.assert_close(quick, slow)
    torch.testing.assert_close(gradients, slow_gradients)
    assert "forward" not in vars(layer)


def test_rate_rises_and_falls():
    linear = recipe(steps=10, warmup=0.2, schedule="linear")
    assert [pace(linear, step) for step in range(10)] == pytest.approx(
        [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )
    cosine = recipe(steps=10, warmup=0.2, schedule="cosine")
    assert pace(cosine, 6) == pytest.approx(0.5)
    assert [pace(recipe(steps=100), step) for step in (0, 1, 2, 3, 99)] == pytest.approx([1 / 3, 2 / 3, 1, 1, 1])


def test_reported_loss_is_of_the_last_tenth():
    assert training_loss([float(i) for i in range(20)]) == 18.5
    assert training_loss([3.0]) == 3.0
    assert training_loss([]) == 0.0


def test_a_loss_that_is_no_number_is_no_result():
    class Broken(TokenLoss):
        def __call__(self, learner: Learner, rows: Any) -> Any:
            return super().__call__(learner, rows) * math.nan

    module = micro("Llama").requires_grad_(True)
    with pytest.raises(NotEvaluated, match="lower the learning rate"):
        fit(recipe(batch=1), learner(module), Broken(), ROWS[:3], seed=1)


@pytest.mark.parametrize(("name", "library"), [("lion", "lion_pytorch"), ("schedule_free", "schedulefree")])
def test_a_missing_optimizer_names_the_extra(name: str, library: str, monkeypatch: pytest.MonkeyPatch):
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda wanted: None if wanted == library else found(wanted))
    with pytest.raises(NotEvaluated, match=r"pip install 'mi-atlas\[training\]'") as fault:
        make_optimizer(recipe(optimizer=name), [nn.Parameter(torch.zeros(1))])
    assert fault.value.code == "no_optimizer"


def test_global_random_state_is_left_alone():
    module = micro("Llama").requires_grad_(True)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    fit(recipe(batch=1), learner(module), TokenLoss(), ROWS[:3], seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
