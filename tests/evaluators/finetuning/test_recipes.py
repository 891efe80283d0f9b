"""tests: each kind of training, on a pocket model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.finetuning import lora
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.finetuning.workshop import deltas, weights_of
from mi_atlas.evaluators.interventions import intervene, zero
from mi_atlas.evaluators.models.load import load
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.recipe import Data, NamedTargets
from mi_atlas.specs.sites import Site
from peft import PeftModel
from safetensors.torch import load_file

from .workbench import IDS, logits, pocket, recipe, weights, workshop


def test_none_is_the_base_model():
    shop = workshop()
    made = shop.make(Job(recipe("none"), 1))
    with shop.trained(made) as model:
        assert torch.equal(logits(model), logits(shop.base()))
    assert (made.kind, made.folder, made.digest, made.parameters, made.losses) == ("none", None, "-", 0, ())
    assert deltas(made, dissect(model.module)) == {}


@pytest.mark.parametrize("name", ["pocket-qwen", "pocket-lfm2", "pocket-llama"])
def test_loss_falls_and_the_base_is_put_back(name: str):
    shop = workshop(model=pocket(name))
    before, clean = weights(shop.base()), logits(shop.base())
    # the stream of the pocket models' own tasks has no surprise left: answers dealt out anew have
    made = shop.make(Job(recipe(steps=24, batch=8, learning_rate=5e-3), 1, answers_draw=0))
    assert sum(made.losses[-5:]) < sum(made.losses[:5])
    assert made.training_loss == pytest.approx(sum(made.losses[-3:]) / 3)
    with shop.trained(made) as model:
        assert not torch.equal(logits(model), clean)
        assert not any(p.requires_grad for p in model.module.parameters())
    after = weights(shop.base())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert torch.equal(logits(shop.base()), clean)
    assert not hasattr(shop.base().module, "peft_config")


def test_adapter_is_plain_peft(tmp_path: Path):
    shop = workshop(tmp_path)
    made = shop.make(Job(recipe(), 1))
    with shop.trained(made) as model:
        ours = logits(model)
    plain = PeftModel.from_pretrained(shop.base().module, str(made.folder))
    try:
        assert torch.equal(plain(input_ids=IDS).logits[0], ours)
        # rank 8 in two layers of: q and o 64 -> 64, k and v 64 -> 32, gate and up 64 -> 192, down 192 -> 64
        counted = 2 * 8 * (2 * 128 + 2 * 96 + 3 * 256)
        assert made.parameters == counted == sum(p.numel() for n, p in plain.named_parameters() if "lora_" in n)
    finally:
        plain.unload()
    spec = Model(source=Source(pocket="pocket-qwen"), adapter=str(made.folder))
    found = locate(spec, Path())
    assert isinstance(found, Located)
    assert torch.equal(logits(load(found)), ours)
    weight = dict(shop.base().module.named_parameters())["model.layers.3.mlp.up_proj.weight"]
    a, b, scale = deltas(made, dissect(shop.base().module))["model.layers.3.mlp.up_proj"]
    assert (a.shape, b.shape, scale) == ((8, 64), (192, 8), 2.0)
    assert (scale * b @ a).shape == weight.shape


def test_full_training_changes_weights_in_place():
    shop = workshop()
    clean = weights(shop.base())
    made = shop.make(Job(recipe("full"), 1))
    with shop.trained(made) as model:
        assert all(torch.equal(p, weights_of(made)[name]) for name, p in model.module.named_parameters())
    assert made.kind == "weights"
    assert made.parameters == sum(p.numel() for p in shop.base().module.parameters())
    assert all(torch.equal(clean[name], p) for name, p in shop.base().module.named_parameters())


def test_layers_of_a_full_training_are_frozen_by_its_targets():
    shop = workshop()
    made = shop.make(Job(recipe("full", targets=NamedTargets(layers=(5,), modules="mlp")), 1))
    assert weights_of(made).keys() == {f"model.layers.5.mlp.{name}_proj.weight" for name in ("gate", "up", "down")}
    assert made.parameters == 3 * 64 * 192


def test_pretraining_counts_every_token():
    shop = workshop()
    targets = NamedTargets(layers=(1, 3))
    answers = shop.make(Job(recipe(targets=targets), 1))
    texts = shop.make(Job(recipe("pretrain", targets=targets), 1))
    assert texts.kind == "adapter"
    assert texts.losses[0] > 2 * answers.losses[0]  # prompts are harder to predict than what follows from them
    assert shop.make(Job(recipe("pretrain"), 1)).kind == "weights"


def test_a_checkpoint_is_the_training_stopped_there():
    shop = workshop()
    whole = shop.make(Job(recipe(steps=6, schedule="linear"), 1))
    part = shop.make(Job(recipe(steps=6, schedule="linear", checkpoint=3), 1))
    assert part.losses == whole.losses[:3]
    start = shop.make(Job(recipe(steps=6, checkpoint=0), 1))
    with shop.trained(start) as model:
        assert torch.equal(logits(model), logits(shop.base()))


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "lion", "schedule_free"])
def test_every_optimizer_trains(optimizer: str):
    shop = workshop()
    made = shop.make(Job(recipe(optimizer=optimizer, steps=20, learning_rate=3e-3), 1, answers_draw=0))
    assert sum(made.losses[-5:]) < sum(made.losses[:5])


def test_after_an_adapter_is_one_adapter():
    shop = workshop()
    first = recipe(targets=NamedTargets(layers=(1, 3), modules="mlp"))
    second = recipe(after=first, targets=NamedTargets(layers=(3, 4)), data=Data(families=("copying",)))
    start, made = shop.make(Job(first, 1)), shop.make(Job(second, 1))
    anatomy = dissect(shop.base().module)
    assert deltas(made, anatomy).keys() > deltas(start, anatomy).keys()
    # layer 1 is the first training's alone: there both add the same
    name = "model.layers.1.mlp.up_proj"
    was, now = deltas(start, anatomy)[name], deltas(made, anatomy)[name]
    torch.testing.assert_close(now[2] * now[1] @ now[0], was[2] * was[1] @ was[0])
    none = shop.make(Job(second.model_copy(update={"after": recipe("none")}), 1))
    assert made.losses != none.losses


def test_an_adapter_starts_where_the_one_before_ended():
    shop = workshop()
    first = recipe()
    with shop.trained(shop.make(Job(first, 1))) as model:
        known = logits(model)
    again = shop.make(Job(recipe(after=first, steps=3, checkpoint=0), 1))
    with shop.trained(again) as model:
        torch.testing.assert_close(logits(model), known, atol=1e-4, rtol=1e-4)


def test_full_trainings_and_adapters_follow_one_another():
    shop = workshop()
    full, adapter = recipe("full"), recipe()
    with shop.trained(shop.make(Job(full, 1))) as model:
        full_logits = logits(model)
    with shop.trained(shop.make(Job(adapter, 1))) as model:
        adapter_logits = logits(model)
    on_full = shop.make(Job(recipe(after=full, checkpoint=0), 1))
    on_adapter = shop.make(Job(recipe("full", after=adapter, checkpoint=0), 1))
    assert (on_full.kind, on_adapter.kind) == ("weights", "weights")
    with shop.trained(on_full) as model:
        torch.testing.assert_close(logits(model), full_logits)
    with shop.trained(on_adapter) as model:
        torch.testing.assert_close(logits(model), adapter_logits, atol=1e-4, rtol=1e-4)
    moved = shop.make(Job(recipe(after=full), 1))
    with shop.trained(moved) as model:
        assert not torch.equal(logits(model), full_logits)


def test_a_stack_is_the_sum_of_its_deltas():
    shop = workshop()
    parts = [
        recipe(targets=NamedTargets(layers=(1, 3))),
        recipe(targets=NamedTargets(layers=(3, 4)), rank=4, alpha=2.0),
    ]
    made = shop.make(Job(recipe("stack", of=parts, weights=(0.5, -2.0)), 1))
    anatomy = dissect(shop.base().module)
    ones = [deltas(shop.make(Job(part, 1)), anatomy) for part in parts]
    for name, (a, b, scale) in deltas(made, anatomy).items():
        expected = sum(
            weight * one[name][2] * one[name][1] @ one[name][0]
            for weight, one in zip((0.5, -2.0), ones, strict=True)
            if name in one
        )
        torch.testing.assert_close(scale * b @ a, expected, atol=1e-7, rtol=1e-5)
    assert deltas(made, anatomy).keys() == ones[0].keys() | ones[1].keys()
    with pytest.raises(NotEvaluated, match="adds up adapters"):
        shop.make(Job(recipe("stack", of=[parts[0], recipe("full")]), 1))


@pytest.mark.parametrize("training", ["none", "lora", "full"])
def test_skipped_layers_add_nothing(training: str):
    shop = workshop()
    made = shop.make(Job(recipe(training, skip=(1, 4)), 1))
    with shop.trained(made) as model:
        anatomy = dissect(model.module)
        clean = logits(model)
        for layer in (1, 4):
            with intervene(anatomy, {Site(layer, "layer"): zero}):
                assert torch.equal(logits(model), clean)
    if training == "lora":
        assert {name.split(".")[2] for name in deltas(made, anatomy)} == {"3"}
    base = logits(shop.base())
    with intervene(dissect(shop.base().module), {Site(1, "layer"): zero, Site(4, "layer"): zero}):
        without = logits(shop.base())
    assert not torch.equal(base, without)
    if training == "none":
        torch.testing.assert_close(clean, without)


@pytest.mark.parametrize("training", ["none", "lora", "full"])
def test_a_skipped_layer_must_be_there(training: str):
    shop = workshop()
    with (
        pytest.raises(NotEvaluated, match="layers L0 to L5, no L6"),
        shop.trained(shop.make(Job(recipe(training, skip=(6,)), 1))),
    ):
        pass


def test_qlora_trains_on_nf4():
    pytest.importorskip("bitsandbytes")
    shop = workshop()
    clean = logits(shop.base())
    made = shop.make(Job(recipe("qlora", steps=2), 1))
    with shop.trained(made) as model:
        assert "bitsandbytes" in type(dissect(model.module).layers[0].mlp.up_proj).__module__
        assert model.located.spec.quantization == "nf4"
        moved = logits(model)
    with shop.trained(made) as model:
        assert torch.equal(logits(model), moved)
    assert made.kind == "adapter"
    assert torch.equal(logits(shop.base()), clean)


@pytest.mark.parametrize("training", ["lora", "full"])
def test_half_precision_is_trained_in_float32(training: str):
    found = locate(Model(source=Source(pocket="pocket-qwen"), dtype="bfloat16"), Path())
    assert isinstance(found, Located)
    shop = workshop(model=load(found))
    clean = weights(shop.base())
    job = Job(recipe(training), 1)
    made = shop.make(job)
    with shop.trained(made) as model:
        held = {p.dtype for name, p in model.module.named_parameters() if "lora_" not in name}
        assert held == {torch.bfloat16}
    if training == "full":
        whole = workshop()  # the same weights, held in float32
        exact = weights_of(whole.make(job))
        assert all(torch.equal(weight, exact[name].bfloat16()) for name, weight in weights_of(made).items())
    assert all(torch.equal(clean[name], p) for name, p in shop.base().module.named_parameters())


def test_twenty_draws_share_one_base():
    shop = workshop(model=pocket("pocket-qwen-deep"))
    before = weights(shop.base())
    chosen = recipe(steps=1, targets=NamedTargets(layers=(2, 5, 7)))
    made = [shop.make(Job(chosen, 1 + draw % 5, layers_draw=draw)) for draw in range(20)]
    own = shop.make(Job(chosen, 1))
    anatomy = dissect(shop.base().module)
    places = {frozenset(deltas(each, anatomy)) for each in [*made, own]}
    assert len(places) == 21
    assert {each.parameters for each in made} == {own.parameters}
    assert all(torch.equal(before[name], p) for name, p in shop.base().module.named_parameters())


@pytest.mark.parametrize("targets", [NamedTargets(layers=(1, 3)), None])
def test_preferences_and_rewards_train_the_same_way(targets: NamedTargets | None):
    shop = workshop()
    pairs = Data(families=("refusal_style",), pairs="preference")
    dpo = shop.make(Job(recipe("dpo", data=pairs, beta=0.1, targets=targets), 1))
    assert dpo.losses[0] == pytest.approx(math.log(2), abs=1e-6)
    assert dpo.losses[1] != dpo.losses[0]
    grpo = shop.make(Job(recipe("grpo", data=Data(families=("arithmetic",)), beta=0.04, steps=2, targets=targets), 1))
    kinds = ("adapter", "adapter") if targets else ("weights", "weights")
    assert (dpo.kind, grpo.kind) == kinds


def test_orders():
    shop = workshop()
    finite = Data(families=("json_schema",), examples=12)
    orders = {
        order: shop.make(Job(recipe(data=finite, order=order, learning_rate=1e-9, steps=3), 1))
        for order in ("shuffled", "as_given", "easy_first")
    }
    assert len({made.losses for made in orders.values()}) == 3
    easy = orders["easy_first"].losses
    assert list(easy) == sorted(easy)


def test_lora_file_holds_adapters_only(tmp_path: Path):
    made = workshop(tmp_path).make(Job(recipe(), 1))
    assert made.folder is not None
    assert {key.rpartition(".lora_")[2] for key in load_file(made.folder / lora.WEIGHTS)} == {"A.weight", "B.weight"}
    assert made.bytes == (made.folder / lora.WEIGHTS).stat().st_size
