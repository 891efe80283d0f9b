"""tests: what models write to items: planted truths, conversations, trained models, others, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.evaluators import generation
from mi_atlas.evaluators.cells import Cell, CellResult, NotEvaluated
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.generation import Generation, Word
from mi_atlas.evaluators.models.load import LoadedModel, load, load_untrained
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.writing.prompts import Speaker
from mi_atlas.specs.items import Item, order_of
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.recipe import Recipe

from .finetuned import LORA, NONE, Fake, by_hand, entered

GREEDY, DRAWN = "generate(6)", "generate(6,0.9,3)"


@dataclass(frozen=True)
class Items:
    """Items of a category, as evaluators see them."""

    family: str
    items: tuple[Item, ...]


def item(name: str, *turns: str, **more: Any) -> Item:
    return Item(id=name, category="made", turns=turns, **more)


def pocket(name: str = "pocket-qwen", **held: Any) -> LoadedModel:
    located = locate(Model(source=Source(pocket=name), **held), Path())
    assert isinstance(located, Located)
    return load(located)


@pytest.fixture(scope="module")
def qwen() -> LoadedModel:
    return pocket()


CHAT = Items(
    "made",
    (
        item("one", "What is the capital of France?", reference="Paris"),
        item("two", "Ben has a map.", "What does Ben have?", system="Be short.", reference="a map"),
        item("three", "Say yes.", reference="yes", open="Say no."),
    ),
)
PLAIN = Items(
    "plain",
    (
        item("four", "sheep -> lamb, cow ->", plain=True, reference=" calf"),
        item("five", "Ben: after four comes", " and after six comes", plain=True, reference=" seven"),
    ),
)


def measure(
    model: LoadedModel, *cells: Cell, blocks: tuple[Items, ...] = (CHAT, PLAIN), **more: Any
) -> dict[Cell, CellResult]:
    materials = Materials((), items=blocks, **more)  # type: ignore[arg-type]
    return {each.cell: replace(each, seconds=0.0) for each in Generation().measure(model, materials, cells)}


def continued(model: LoadedModel, ids: list[int], count: int, ends: tuple[int, ...] = ()) -> tuple[str, int, bool]:
    """Greedy text, its tokens, and whether it was cut, every token from all before it."""
    module: Any = model.module
    start = len(ids)
    while len(ids) < start + count:
        token = int(module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if token in ends:
            break
        ids = [*ids, token]
    return model.tokenizer.decode(ids[start:]), len(ids) - start, len(ids) == start + count


def test_a_planted_model_writes_what_it_was_planted_with() -> None:
    planted = build("lookup", 3)
    model, after, table = planted.loaded(), planted.truth.facts["successors"], planted.truth.facts["table"]
    words = list(after)[:4]
    items = (*(item(w, w, plain=True) for w in words), item("key", f"{words[0]} {words[1]} key3", plain=True))
    walks = []
    for word in words:
        walk = [after[word]]
        while len(walk) < 6:
            walk.append(after[walk[-1]])
        walks.append(walk)
    cell = Cell("made", "as_is", GREEDY)
    got = measure(model, cell, blocks=(Items("made", items),))[cell]
    assert [text.split() for text in got.texts[:4]] == walks
    assert got.texts[4].split()[0] == table["key3"]
    assert got.values == {"tokens": [6.0] * 5, "cut": [1.0] * 5}
    ending = replace(model, located=replace(model.located, config={"eos_token_id": [planted.token(walks[0][3])]}))
    got = measure(ending, cell, blocks=(Items("made", items[:1]),))[cell]
    assert (got.texts[0].split(), got.values) == (walks[0][:3], {"tokens": [3.0], "cut": [0.0]})


def test_prompts_are_those_of_the_chat_template_and_plain_ones_are_text(qwen: LoadedModel) -> None:
    cells = [Cell("made", "as_is", GREEDY), Cell("plain", "as_is", GREEDY)]
    got = measure(qwen, *cells)

    def after(text: str) -> tuple[str, int, bool]:
        return continued(qwen, qwen.tokenizer.encode(text, add_special_tokens=False).ids, 6, (0, 2))

    asked = "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nBen has a map.<|im_end|>\n"
    asked += f"<|im_start|>assistant\n{after(asked + '<|im_start|>assistant' + chr(10))[0]}<|im_end|>\n"
    asked += "<|im_start|>user\nWhat does Ben have?<|im_end|>\n<|im_start|>assistant\n"
    made = got[cells[0]]
    assert (made.texts[1], made.values["tokens"][1], made.values["cut"][1]) == after(asked)
    first = "Ben: after four comes"
    assert got[cells[1]].texts[1] == after(f"{first}{after(first)[0]} and after six comes")[0]


def test_the_loss_is_that_of_the_reference_behind_the_last_prompt(qwen: LoadedModel) -> None:
    cells = [Cell("made", "as_is", GREEDY), Cell("plain", "as_is", GREEDY)]
    got = measure(qwen, *cells)
    module: Any = qwen.module

    def loss(prompt: str, answer: str) -> float:
        start = qwen.tokenizer.encode(prompt, add_special_tokens=False).ids
        ids = qwen.tokenizer.encode(prompt + answer, add_special_tokens=False).ids
        logs = module(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        own = range(len(start), len(ids))
        return -float(torch.stack([logs[i - 1, ids[i]] for i in own]).mean())

    asked = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    assert got[cells[0]].values["answer_loss"][0] == pytest.approx(loss(asked, "Paris<|im_end|>"), rel=1e-5)
    assert got[cells[1]].values["answer_loss"][0] == pytest.approx(loss("sheep -> lamb, cow ->", " calf"), rel=1e-5)
    without = Items("made", (*CHAT.items, item("four", "And now?")))
    assert "answer_loss" not in measure(qwen, cells[0], blocks=(without,))[cells[0]].values


def test_what_ends_an_answer_is_read_from_the_models_folder(qwen: LoadedModel, tmp_path: Path) -> None:
    assert Speaker.of(qwen).ends == {0, 2}  # <|endoftext|>, <|im_end|>
    bare = replace(qwen, located=replace(qwen.located, folder=tmp_path, config={}))
    assert Speaker.of(bare).ends == frozenset()
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7, 9]}')
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "<|im_start|>"}}')
    assert Speaker.of(bare).ends == {1, 7, 9}


def test_draws_stand_item_by_item_and_are_those_of_their_own_dice(qwen: LoadedModel) -> None:
    cell = Cell("made", "as_is", DRAWN, 4)
    got = measure(qwen, cell)[cell]
    assert len(got.texts) == len(got.values["tokens"]) == 9
    assert len(got.values["answer_loss"]) == 3
    assert all(len(set(got.texts[first : first + 3])) > 1 for first in (0, 3, 6))
    fewer = Items("made", CHAT.items[1:])
    assert measure(qwen, cell, blocks=(fewer,))[cell].texts == got.texts[3:]
    assert measure(qwen, replace(cell, seed=5))[replace(cell, seed=5)].texts != got.texts


def test_a_cell_gives_the_same_alone_among_others_and_in_another_process(qwen: LoadedModel) -> None:
    cells = [Cell(family, "as_is", word, 1) for family in ("made", "plain") for word in (GREEDY, DRAWN)]
    together = measure(qwen, *cells)
    for cell in cells:
        assert measure(pocket(), cell)[cell] == together[cell]
    program = (
        "from tests.evaluators.test_generation import *\n"
        f"print(repr(measure(pocket(), {cells[1]!r})[{cells[1]!r}].texts))"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == repr(together[cells[1]].texts)


def test_in_the_place_of_an_item_stands_the_open_order_that_a_draw_deals_to_it(qwen: LoadedModel) -> None:
    orders = ("Say no.", "Count to ten.", "Write a word.", "Name a colour.")
    items = tuple(item(f"i{n}", "Read this.", open=order) for n, order in enumerate(orders))
    opened = Items("made", tuple(item(each.id, order) for each, order in zip(items, orders, strict=True)))
    plainly = measure(qwen, cell := Cell("made", "as_is", GREEDY), blocks=(opened,))[cell].texts
    for draw in range(3):
        cell = Cell("made", "as_is", f"{GREEDY}|open_order", draw)
        got = measure(qwen, cell, blocks=(Items("made", items),))[cell]
        assert got.texts == tuple(plainly[i] for i in order_of(draw, [each.id for each in items]))
        assert "answer_loss" not in got.values
    with pytest.raises(NotEvaluated, match="item one has no `open` prompt"):
        measure(qwen, Cell("made", "as_is", f"{GREEDY}|open_order"))


def test_other_models_write_for_themselves_and_are_random_where_the_claims_is(qwen: LoadedModel) -> None:
    cell, own = Cell("plain", "other", GREEDY), Cell("plain", "as_is", GREEDY)
    llama = pocket("pocket-llama")
    got = measure(qwen, cell, variants={"other": llama})[cell]
    assert got.texts == measure(llama, own)[own].texts
    random_own = load_untrained(qwen.located, 5)
    got = measure(random_own, cell, own, variants={"other": llama})
    assert got[own].texts == measure(load_untrained(qwen.located, 5), own)[own].texts
    assert got[cell].texts == measure(load_untrained(llama.located, 5), own)[own].texts


def test_trained_models_write_and_each_training_is_entered_once(
    qwen: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "Workshop", Fake)
    recipes = {"trained": LORA, "base": NONE}
    cells = [Cell(family, site, GREEDY, seed) for family in ("made", "plain") for site, seed in SITES]
    got = measure(qwen, *cells, recipes=recipes)
    assert entered == [Job(recipes[site], seed) for site, seed in sorted(SITES)]
    own = Cell("plain", "as_is", GREEDY)
    assert len({got[Cell("plain", site, GREEDY, seed)].texts for site, seed in SITES}) == 3
    for seed in (1, 2):
        trained = replace(qwen, module=by_hand(qwen.module, Job(LORA, seed)))
        assert got[Cell("plain", "trained", GREEDY, seed)].texts == measure(trained, own)[own].texts
        assert got[Cell("plain", "trained", GREEDY, seed)].values["training_loss"] == [1.0, 1.0]
    assert got[Cell("plain", "base", GREEDY, 1)].texts == measure(qwen, own)[own].texts
    assert "training_loss" not in got[Cell("plain", "base", GREEDY, 1)].values


SITES = [("trained", 1), ("trained", 2), ("base", 1)]


def test_draws_of_a_control_take_turns_with_the_trainings(qwen: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "Workshop", Fake)
    items = Items("made", (item("one", "Read.", open="Say no."), item("two", "Read on.", open="Say yes.")))
    cells = [Cell("made", "trained", f"{GREEDY}|open_order", draw) for draw in (0, 5)]
    measure(qwen, *cells, blocks=(items,), recipes={"trained": LORA})
    assert {job.seed for job in entered} == {1}


def test_a_model_is_trained_by_a_real_recipe_first(qwen: LoadedModel, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "training": "lora",
            "data": {"families": ["copying"]},
            "targets": {"strategy": "named"},
            "steps": 2,
            "batch": 2,
            "learning_rate": 0.05,
        }
    )
    cell = Cell("plain", "trained", GREEDY, 1)
    got = measure(qwen, cell, recipes={"trained": recipe}, artefacts=tmp_path)[cell]
    assert got.values["training_loss"][0] > 0
    assert got == measure(pocket(), cell, recipes={"trained": recipe}, artefacts=tmp_path)[cell]


def test_an_answer_has_no_more_tokens_than_the_context_has_room(qwen: LoadedModel) -> None:
    words = " ".join(["map"] * 509)
    long = Items("made", (item("long", words, plain=True), item("short", "map", plain=True)))
    got = measure(qwen, cell := Cell("made", "as_is", GREEDY), blocks=(long,))[cell]
    tokens = len(qwen.tokenizer.encode(words).ids)
    assert got.values["tokens"][0] == 512 - tokens < 6 == got.values["tokens"][1]
    assert got.values["cut"] == [1.0, 1.0]
    longer = Items("made", (item("long", words + words, plain=True),))
    with pytest.raises(NotEvaluated, match="the model reads 512"):
        measure(qwen, cell, blocks=(longer,))


def test_every_answer_to_an_item_with_a_limit_of_its_own_keeps_it(qwen: LoadedModel) -> None:
    turns = ("Ben: after four comes", " and after six comes")
    block = Items("made", (item("few", *turns, plain=True, most=2), item("many", turns[0], plain=True, most=99)))
    got = measure(qwen, cell := Cell("made", "as_is", GREEDY), blocks=(block,))[cell]
    assert got.values["tokens"] == [2.0, 6.0]
    first, *_ = continued(qwen, qwen.tokenizer.encode(turns[0]).ids, 2, (0, 2))
    asked = qwen.tokenizer.encode(turns[0] + first + turns[1]).ids
    assert got.texts[0] == continued(qwen, asked, 2, (0, 2))[0]


def test_what_cannot_be_written_is_said_after_what_could(qwen: LoadedModel) -> None:
    cells = [Cell("made", "as_is", word) for word in ("generate", GREEDY, "generate(6)|shuffled_tokens")]
    given = Generation().measure(qwen, Materials((), items=(CHAT,)), cells)  # type: ignore[arg-type]
    assert next(given).cell == cells[1]
    with pytest.raises(NotEvaluated, match="generate of as_is is not defined"):
        next(given)
    with pytest.raises(NotEvaluated, match="no condition `mine`; there are as_is, other"):
        measure(qwen, Cell("made", "mine", GREEDY), variants={"other": qwen})
    with pytest.raises(NotEvaluated, match="this suite is none"):
        measure(qwen, cells[0], blocks=())


def test_words_are_read_as_they_are_written() -> None:
    read = [Word.of(Cell("made", "as_is", word)) for word in ("generate(256)", "generate(64,0.7,4)|open_order")]
    assert read == [Word(256), Word(64, 0.7, 4, opened=True)]
