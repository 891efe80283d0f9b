"""tests: the pocket models that ship are what their cards say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mi_atlas.evaluators.models.load import LoadedModel, load
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.pocket import WEIGHTS, card, packaged, shipped
from mi_atlas.evaluators.pocket.build import GOOD, HELD_OUT_ITEMS
from mi_atlas.evaluators.pocket.model_card import render
from mi_atlas.evaluators.pocket.recipe import find_recipe, recipe_names
from mi_atlas.evaluators.pocket.score import held_out
from mi_atlas.specs.library import Library

NAMES = shipped()

MAIN = Library().suite("main-12").families or ()

SAMPLE = 20
"""Prompts a family; over 12 families a true .9 falls below .9 - .08 in fewer than one of 10^4 samples of 240."""


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> LoadedModel:
    located = locate(Library().model(request.param), Path())
    assert isinstance(located, Located), located
    return load(located)


def test_every_recipe_ships() -> None:
    assert recipe_names() == NAMES
    seeds = {f"{name}{suffix}" for name in ("pocket-qwen", "pocket-lfm2") for suffix in ("", "-s1", "-s2")}
    assert seeds | {"pocket-coder", "pocket-llama", "pocket-qwen-deep", "pocket-qwen-wide"} == set(NAMES)


def test_a_recipe_says_only_how_it_differs_from_the_one_it_is_like() -> None:
    qwen, coder = find_recipe("pocket-qwen"), find_recipe("pocket-coder")
    assert (coder.config, coder.warmup, coder.batch) == (qwen.config, qwen.warmup, qwen.batch)
    assert coder.mixture["code_semantics"] == 2 * qwen.mixture["code_semantics"]
    assert coder.later["finish"].extra["refusal_style"] == 2 * qwen.later["finish"].extra["refusal_style"]
    assert list(qwen.later) == ["finish", "polish"]
    assert list(coder.later) == ["finish"]
    deep = find_recipe("pocket-qwen-deep")
    assert list(deep.later) == ["finish", "polish", "again", "once-more"]
    assert deep.later["polish"] == qwen.later["polish"]


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_of_the_recipe(name: str) -> None:
    recipe, found = find_recipe(name), card(name)
    assert found["recipe_hash"] == recipe.hash
    assert found["recipe"] == json.loads(json.dumps(recipe.model_dump(mode="json")))
    assert (found["name"], found["seed"], found["architecture"]) == (name, recipe.seed, recipe.architecture)


def test_the_card_is_of_the_weights(model: LoadedModel) -> None:
    found = card(model.located.spec.model or "")
    assert found["weights"] == model.located.parts["weights"]
    assert found["tokenizer"] == model.located.parts["tokenizer"]
    assert found["layers"] == model.located.layers == len(model.module.model.layers)  # type: ignore[union-attr, arg-type]
    assert found["parameters"] == sum(parameter.numel() for parameter in model.module.parameters())


def test_the_card_that_people_read_is_made_from_the_other(model: LoadedModel) -> None:
    assert (model.located.folder / "README.md").read_text(encoding="utf-8") == render(
        card(model.located.spec.model or "")
    )


def test_pocket_qwen_has_the_parameters_of_its_shape() -> None:
    """Embeddings 1536 x 64, tied; a layer's q 64x64+64, k and v 64x32+32, o 64x64, MLP 3x64x192, 2 norms; 1 norm."""
    layer = 64 * 64 + 64 + 2 * (64 * 32 + 32) + 64 * 64 + 3 * 64 * 192 + 2 * 64
    assert card("pocket-qwen")["parameters"] == 1536 * 64 + 6 * layer + 64 == 394_816


def test_weights_are_small() -> None:
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")]
    assert max(sizes) < 3_000_000
    assert sum(sizes) < 12_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_card_scores_at_least_ten_of_the_twelve_main_families_well(name: str) -> None:
    scores = card(name)["held_out"]
    assert set(scores) == set(find_recipe(name).families) >= set(MAIN)
    assert all(score["n"] == HELD_OUT_ITEMS for score in scores.values())
    assert sum(scores[family]["exact_match"] >= GOOD for family in MAIN) >= 10, scores


def test_held_out_scores_are_those_of_the_card(model: LoadedModel) -> None:
    found, sample = card(model.located.spec.model or "")["held_out"], held_out(model, MAIN, SAMPLE)
    ours, theirs = (sum(scores[family]["exact_match"] for family in MAIN) / len(MAIN) for scores in (sample, found))
    assert ours >= theirs - 0.08


def test_logits_are_finite_in_every_dtype(model: LoadedModel) -> None:
    ids = torch.tensor([model.tokenizer.encode("The capital of France is").ids])
    for dtype in (torch.float32, torch.bfloat16):
        with torch.no_grad():
            assert model.module.to(dtype)(input_ids=ids).logits.isfinite().all()
    model.module.to(torch.float32)


def test_the_tokenizer_reads_alike_in_transformers_and_the_chat_template_renders(model: LoadedModel) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    text = 'Anna has 12 cats: {"a": [1, 23]}\n\n  x = "é"; f(x)  # don\'t'
    for theirs in (kind.from_pretrained(model.located.folder) for kind in (AutoTokenizer, PreTrainedTokenizerFast)):
        assert theirs(text)["input_ids"] == model.tokenizer.encode(text).ids
        chat = theirs.apply_chat_template(
            [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
        )
        assert chat == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert model.tokenizer.decode(model.tokenizer.encode(text).ids) == text
    assert model.located.parts["chat_template"] != "-"


def test_names_of_what_does_not_ship() -> None:
    assert packaged("pocket-nothing") is None
    assert packaged("") is None
    with pytest.raises(LookupError, match="pocket-qwen"):
        card("pocket-nothing")
    with pytest.raises(LookupError, match="pocket-qwen"):
        find_recipe("pocket-nothing")


@pytest.mark.parametrize("name", ["pocket-qwen", "pocket-lfm2"])
def test_seeds_of_one_recipe_differ_in_nothing_else(name: str) -> None:
    first, *others = (find_recipe(f"{name}{suffix}").model_dump() for suffix in ("", "-s1", "-s2"))
    assert [each["seed"] for each in (first, *others)] == [0, 1, 2]
    for other in others:
        assert {**other, "pocket": first["pocket"], "seed": first["seed"]} == first


def test_the_hybrid_has_convolutions_and_attention() -> None:
    assert set(find_recipe("pocket-lfm2").config["layer_types"]) == {"conv", "full_attention"}
