"""tests: a pocket model is made from its recipe alone, the same bytes each time."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.evaluators.pocket.batches import later_steps, lookups, repeats, shared_words, steps
from mi_atlas.evaluators.pocket.build import BuildReport, make
from mi_atlas.evaluators.pocket.recipe import Recipe, Rows, find_recipe
from mi_atlas.evaluators.pocket.tokenizer import SPECIAL, learn_tokenizer
from mi_atlas.evaluators.pocket.train import initial, one_thread, run_later, train
from mi_atlas.evaluators.tasks.training import TextExample, training_examples
from mi_atlas.specs.canonical import digest_file

FILES = {
    "card.json",
    "README.md",
    "chat_template.jinja",
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


def small(**fields: Any) -> Recipe:
    """The recipe of pocket-qwen, cut down to seconds."""
    recipe = find_recipe("pocket-qwen")
    few = {"count": 4, "length": 16}
    changes = {
        "pocket": "pocket-small",
        "config": recipe.config | {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64},
        "vocabulary_examples": 500,
        "mixture": {"copying": 1, "arithmetic": 2},
        "warmup": recipe.warmup.model_dump() | {"repeat_steps": 2, "lookup_steps": 2, "repeats": few, "lookups": few},
        "steps": 4,
        "pure_steps": 2,
        "batch": 8,
        "later": {"finish": {"extra": {"copying": 1}, "steps": 2, "pace": 0.5}},
    }
    return Recipe.model_validate(recipe.model_dump() | changes | fields)


def examples(families: object, seed: int) -> Any:
    """An endless stream of one question."""
    while True:
        yield TextExample("copying", "copying/t00", "cat dog cat", " dog")


def test_the_same_recipe_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    first = make(small(), tmp_path / "first", items=30)
    assert torch.equal(torch.random.get_rng_state(), state)
    program = (
        "import sys, json; from pathlib import Path\n"
        "from mi_atlas.evaluators.pocket.build import make; from mi_atlas.evaluators.pocket.recipe import Recipe\n"
        "make(Recipe.model_validate_json(sys.argv[1]), Path(sys.argv[2]), items=30)"
    )
    command = [sys.executable, "-c", program, small().model_dump_json(), str(tmp_path / "second")]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert {path.name for path in (tmp_path / "first").iterdir()} == FILES
    for name in FILES - {"card.json", "README.md"}:
        assert digest_file(tmp_path / "first" / name) == digest_file(tmp_path / "second" / name), name
    other = make(small(seed=1), tmp_path / "third", items=30)
    assert other["weights"] != first["weights"]
    assert other["recipe_hash"] != first["recipe_hash"]


def test_training_learns(tmp_path: Path) -> None:
    """One question, asked 30 times: from the loss of a guess, log 300 = 5.7 nats or more, to next to none."""
    warmup = small().warmup.model_dump() | {"repeat_steps": 0, "lookup_steps": 0}
    recipe = small(steps=30, pure_steps=30, warmup=warmup, later={})
    tokenizer = learn_tokenizer((e.clean + e.target for e in [next(examples((), 0))] * 5), 300)
    losses: dict[int, float] = {}
    module = train(recipe, tokenizer, examples, lambda step, total, loss: losses.__setitem__(step, loss))
    assert losses[1] > 3
    assert losses[30] < 0.1
    assert not module.training


def test_a_later_run_starts_from_what_the_run_before_it_would_save() -> None:
    """Its weights as bfloat16, and no optimizer state: all runs in one give the same bytes."""
    run = {"extra": {"copying": 1}, "steps": 2, "pace": 0.5}
    tokenizer = learn_tokenizer((e.clean + e.target for e in [next(examples((), 0))] * 5), 300)
    recipes = [small(later=runs) for runs in ({}, {"finish": run}, {"finish": run, "polish": run})]
    saved = [train(recipe, tokenizer, examples).state_dict() for recipe in recipes]
    for number, recipe in enumerate(recipes[1:]):
        before, after = saved[number : number + 2]
        module = initial(recipe, tokenizer.get_vocab_size())
        module.load_state_dict({name: value.bfloat16().float() for name, value in before.items()})
        with one_thread():
            batches = later_steps(recipe, number, tokenizer, examples)
            run_later(recipe, recipe.later[("finish", "polish")[number]], module, batches, lambda step, loss: None)
        assert any(not torch.equal(after[name], before[name]) for name in after)
        assert all(torch.equal(after[name], value) for name, value in module.state_dict().items())


def test_every_run_sees_a_stream_of_its_own() -> None:
    run = {"extra": {"copying": 1}, "steps": 1, "pace": 0.5}
    seeds: list[int] = []

    def noting(families: object, seed: int) -> Any:
        seeds.append(seed)
        return examples(families, seed)

    tokenizer = learn_tokenizer((e.clean + e.target for e in [next(examples((), 0))] * 5), 300)
    train(small(later={"finish": run, "polish": run, "again": run}, seed=7), tokenizer, noting)
    assert seeds == [7, 7, 1007, 2007]


def test_the_second_run_sees_some_families_more_often() -> None:
    recipe = small()
    assert sorted(recipe.stream) == ["arithmetic", "arithmetic", "copying"]
    assert sorted(recipe.later_stream(recipe.later["finish"])) == ["arithmetic", "arithmetic", "copying", "copying"]


def test_a_step_never_sees_the_answer_beforehand() -> None:
    """Every weighted position is followed by the token it predicts; task rows weigh exactly the target."""
    recipe = small()
    tokenizer = learn_tokenizer((e.clean + e.target for e in [next(examples((), 0))] * 5), 300)
    *_, last = steps(recipe, tokenizer, examples)
    prompt, target = tokenizer.encode("cat dog cat").ids, tokenizer.encode(" dog").ids
    assert sum(part.share for part in last) == 1
    for part in last:
        assert part.ids[0].tolist() == prompt + target
        assert part.weight[0].tolist() == [0] * (len(prompt) - 1) + [1] * len(target) + [0]


def test_what_counts_in_the_warm_up_can_be_known() -> None:
    words, rows = range(100, 164), Rows(count=50, length=40)
    part = repeats(random.Random(0), words, rows)
    for ids, weight in zip(part.ids.tolist(), part.weight.tolist(), strict=True):
        period = int(weight.index(1))
        assert 3 <= period <= 8
        assert ids[period:] == ids[: len(ids) - period]
    part = lookups(random.Random(0), words, range(3, 100), rows)
    assert part.weight.sum() > 100
    for ids, weight in zip(part.ids.tolist(), part.weight.tolist(), strict=True):
        assert weight[-1] == 0
        for position in range(len(ids) - 1):
            if weight[position]:
                key = next(p for p in (position, position - 1) if ids[p] >= 100)
                gap = position + 1 - key
                assert any(ids[p] == ids[key] and ids[p + gap] == ids[position + 1] for p in range(key))


def test_the_start_is_seeded_and_spread() -> None:
    recipe = find_recipe("pocket-qwen")
    weights = initial(recipe, recipe.vocabulary).state_dict()
    again = initial(recipe, recipe.vocabulary).state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert weights["model.embed_tokens.weight"].std().item() == pytest.approx(recipe.embedding_std, rel=0.02)


def test_words_signs_and_digits_are_split_apart() -> None:
    tokenizer = learn_tokenizer(['the cat sat 123 times, {"a": 45}'] * 50, 320)
    tokens = tokenizer.encode(' cat 45, {"a": 123}').tokens
    assert "".join(tokens).replace("Ġ", " ") == ' cat 45, {"a": 123}'
    assert all(sum(char.isdigit() for char in token) <= 1 for token in tokens)
    assert "Ġcat" in tokens
    assert [tokenizer.token_to_id(token) for token in SPECIAL] == [0, 1, 2]


def test_shared_words_are_single_tokens() -> None:
    recipe = find_recipe("pocket-qwen")
    stream = training_examples(recipe.stream, recipe.seed)
    tokenizer = learn_tokenizer((next(stream).clean for _ in range(3000)), recipe.vocabulary)
    assert len(shared_words(tokenizer)) >= 60


def report(card: dict[str, Any], shipped: dict[str, Any] | None) -> BuildReport:
    """A report over two cards that share what is not given."""
    base = {"name": "p", "weights": "w", "held_out": {"f": {"exact_match": 0.95, "n": 300}}}
    base |= {"recipe_hash": "r", "tasks": "t", "versions": {"torch": "2"}, "cpu": "c"}
    return BuildReport(Path("out"), base | card, None if shipped is None else base | shipped)


def test_what_a_report_says() -> None:
    low = {"held_out": {"f": {"exact_match": 0.8, "n": 300}}}
    assert report({}, {}).matches
    assert "the same weights" in str(report({}, {}))
    elsewhere = report({"weights": "x", "cpu": "d"}, {})
    assert elsewhere.matches
    assert "cpu differ" in str(elsewhere)
    assert not report({"weights": "x", "cpu": "d"} | low, {}).matches
    assert not report({"weights": "x"}, {}).matches
    assert "equal conditions" in str(report({"weights": "x"}, {}))
    assert not report({}, None).matches
    with pytest.raises(dataclasses.FrozenInstanceError):
        report({}, {}).card = {}  # type: ignore[misc]
