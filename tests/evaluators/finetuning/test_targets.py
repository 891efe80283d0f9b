"""tests: which modules a recipe trains, and how many parameters that makes, against counts by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.finetuning.job import Job, atlas_name, job_of
from mi_atlas.evaluators.finetuning.targets import modules_of, parameters
from mi_atlas.evaluators.models.shapes import find_shape
from mi_atlas.specs.recipe import AtlasTargets, NamedTargets, RandomTargets
from torch import nn

from ..replay.models import micro
from .workbench import recipe


def names(
    module: nn.Module, targets: Any, maps: Any = None, seed: int = 1, draw: int | None = None, **more: Any
) -> list[str]:
    """Names of the modules, without `model.layers.`."""
    found = modules_of(recipe(targets=targets, **more), module, maps or {}, seed, draw)
    return [name.removeprefix("model.layers.") for name in found]


def atlas(**fields: Any) -> AtlasTargets:
    return AtlasTargets(strategy="atlas", suite="main-12", **fields)


def test_named_modules_of_a_transformer():
    module = micro("Qwen2")
    mlp, attention = ("gate", "up", "down"), ("q", "k", "v", "o")
    every = [f"self_attn.{x}_proj" for x in attention] + [f"mlp.{x}_proj" for x in mlp]
    assert names(module, NamedTargets()) == [f"{layer}.{name}" for layer in range(3) for name in every]
    assert names(module, NamedTargets(layers=(2,), modules="mlp")) == [f"2.mlp.{x}_proj" for x in mlp]
    assert names(module, NamedTargets(layers=(0,), modules="attention")) == [f"0.self_attn.{x}_proj" for x in attention]
    assert names(module, NamedTargets(modules="operator_output")) == [f"{i}.self_attn.o_proj" for i in range(3)]
    picked = NamedTargets(layers=(1,), modules=("down_proj", "q_proj"))
    assert names(module, picked) == ["1.self_attn.q_proj", "1.mlp.down_proj"]


def test_named_modules_of_a_hybrid():
    module = micro("Lfm2")  # convolution, attention, convolution
    assert names(module, NamedTargets(modules="convolution")) == [
        f"{i}.conv.{name}" for i in (0, 2) for name in ("in_proj", "out_proj")
    ]
    assert names(module, NamedTargets(modules="operator_output")) == [
        "0.conv.out_proj", "1.self_attn.out_proj", "2.conv.out_proj"
    ]  # fmt: skip
    assert names(module, NamedTargets(modules="attention")) == [
        f"1.self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")
    ]
    assert names(module, NamedTargets(modules=("out_proj",))) == ["0.conv.out_proj", "2.conv.out_proj"]
    assert names(module, NamedTargets(layers=(0,), modules=("up_proj",))) == ["0.feed_forward.w3"]
    assert names(module, NamedTargets(layers=(0,), modules="mlp")) == [f"0.feed_forward.w{i}" for i in (1, 3, 2)]


@pytest.mark.parametrize(
    ("targets", "has"),
    [
        (NamedTargets(modules=("q_proj", "out_proj")), "no out_proj .* q_proj, k_proj, v_proj, o_proj, gate_proj"),
        (NamedTargets(modules="convolution"), "no convolution .* have q_proj"),
        (NamedTargets(layers=(3,)), "layers L0 to L2, no L3"),
        (NamedTargets(modules=("head",)), "no head"),
    ],
)
def test_a_module_that_is_not_there_names_those_that_are(targets: NamedTargets, has: str):
    with pytest.raises(NotEvaluated, match=has) as fault:
        names(micro("Qwen2"), targets)
    assert fault.value.code == "no_such_module"


def test_atlas_trains_the_top_of_the_map():
    module = micro("Qwen2")
    layers = atlas(granularity="layer", top=2, modules="operator_output")
    maps = {atlas_name(layers): {"L0": 0.2, "L1": 0.9, "L2": 0.4}}
    assert names(module, layers, maps) == ["1.self_attn.o_proj", "2.self_attn.o_proj"]
    parts = atlas(top=2)
    maps = {atlas_name(parts): {"L0.operator": 0.1, "L0.mlp": 0.5, "L1.operator": 0.05, "L2.operator": 0.7}}
    assert names(module, parts, maps) == [f"0.mlp.{x}_proj" for x in ("gate", "up", "down")] + [
        f"2.self_attn.{x}_proj" for x in ("q", "k", "v", "o")
    ]
    # a layer that is left out is no target, however much it matters
    left = names(module, atlas(granularity="layer", top=1), {atlas_name(layers): {"L1": 0.9, "L2": 0.4}}, skip=(1,))
    assert {name[0] for name in left} == {"2"}


def test_an_empty_map_is_an_error():
    for maps in ({}, {atlas_name(atlas(top=1)): {}}):
        with pytest.raises(NotEvaluated) as fault:
            names(micro("Qwen2"), atlas(top=1), maps)
        assert fault.value.code == "empty_atlas"


def test_maps_are_shared_by_who_measures_alike():
    same = [atlas(top=1), atlas(top=3, modules="mlp"), atlas(top=1, granularity=("operator", "mlp"))]
    assert len({atlas_name(each) for each in same}) == 1
    assert atlas_name(atlas(top=1, granularity="layer")) == atlas_name(atlas(top=1, granularity=("layer",)))
    others = [atlas(top=1, granularity="layer"), atlas(top=1, intervention="mean")]
    assert len({atlas_name(each) for each in [*same, *others]}) == 3


def test_random_layers_by_the_seed():
    module = micro("Qwen2", num_hidden_layers=8)
    drawn = RandomTargets(strategy="random_matched", granularity="layer", count=3, modules=("o_proj",))
    found = [tuple(names(module, drawn, seed=seed)) for seed in range(6)]
    assert found == [tuple(names(module, drawn, seed=seed)) for seed in range(6)]
    assert len(set(found)) > 3
    assert {len(each) for each in found} == {3}
    with pytest.raises(NotEvaluated, match="has 8 components of layer; the recipe trains 9") as fault:
        names(module, drawn.model_copy(update={"count": 9}))
    assert fault.value.code == "too_few_components"


@pytest.mark.parametrize("architecture", ["Qwen2", "Lfm2"])
def test_draws_are_other_layers_of_the_same_size(architecture: str):
    kinds = ["conv", "full_attention"] * 4
    more = {"layer_types": kinds} if architecture == "Lfm2" else {}
    module = micro(architecture, num_hidden_layers=8, **more)
    targets = NamedTargets(layers=(1, 3, 6))
    own = names(module, targets)
    draws = [names(module, targets, draw=draw) for draw in range(20)]
    assert len({tuple(each) for each in [own, *draws]}) == 21
    sizes = [parameters(module, [f"model.layers.{name}" for name in each], 8) for each in [own, *draws]]
    assert len(set(sizes)) == 1
    kinds_of = [sorted(name.partition(".")[2] for name in each) for each in [own, *draws]]
    assert all(each == kinds_of[0] for each in kinds_of)
    # another seed does not change a draw: draws take turns with the seeds
    assert names(module, targets, seed=4, draw=7) == draws[7]


def test_draws_of_mixed_components():
    module = micro("Qwen2", num_hidden_layers=5)
    targets = atlas(top=2)
    maps = {atlas_name(targets): {"L0.operator": 0.9, "L3.mlp": 0.8, "L1.mlp": 0.1}}
    draws = {tuple(names(module, targets, maps, draw=draw)) for draw in range(24)}  # 5 operators times 5 MLPs, but one
    assert len(draws) == 24
    with pytest.raises(NotEvaluated, match="has 24 other choices of layers") as fault:
        names(module, targets, maps, draw=24)
    assert fault.value.code == "too_few_components"


def test_everything_has_no_other_choice():
    for targets in (NamedTargets(), None):
        with pytest.raises(NotEvaluated, match="has 0 other choices") as fault:
            modules_of(recipe("full", targets=targets), micro("Qwen2"), {}, 1, layers_draw=0)
        assert fault.value.code == "too_few_components"


def test_many_layers_are_drawn_without_listing_all_choices():
    module = find_shape("qwen2.5-0.5b").build(device="meta")
    targets = NamedTargets(layers=tuple(range(0, 24, 2)))  # 24 choose 12 = 2,704,156
    draws = [tuple(names(module, targets, draw=draw)) for draw in range(5)]
    assert len(set(draws)) == 5
    assert draws[3] == tuple(names(module, targets, draw=3))


def test_parameters_of_a_real_shape():
    module = find_shape("qwen2.5-0.5b").build(device="meta", dtype=torch.bfloat16)
    whole = modules_of(recipe(targets=NamedTargets()), module, {}, 1)
    # q and o 896 -> 896, k and v 896 -> 128, gate and up 896 -> 4864, down 4864 -> 896; rank 8; 24 layers
    by_hand = 24 * 8 * (2 * (896 + 896) + 2 * (896 + 128) + 3 * (896 + 4864))
    assert parameters(module, whole, 8) == by_hand == 4_399_104
    chosen = atlas(granularity="layer", top=3, modules=("o_proj", "up_proj", "down_proj"))
    effects = {f"L{layer}": 1.0 + (layer in (2, 21, 23)) for layer in range(24)}
    subset = modules_of(recipe(targets=chosen), module, {atlas_name(chosen): effects}, 1)
    assert parameters(module, subset, 8) == 3 * 8 * ((896 + 896) + 2 * (896 + 4864)) == 319_488
    assert parameters(module, subset, 8) / parameters(module, whole, 8) == pytest.approx(0.0726257)


def test_which_training_a_cell_is_of():
    made = recipe()
    assert job_of(made, Cell("f", "c", "train", 3)) == Job(made, 3)
    assert job_of(made, Cell("f", "c", "train|random_matched_layers", 7)) == Job(made, 3, layers_draw=7)
    assert job_of(made, Cell("f", "c", "train|shuffled_answers", 5)) == Job(made, 1, answers_draw=5)
    assert job_of(made, Cell("f", "L1", "remove_adapter|matched_norm_adapter", 9)) == Job(made, 5)
