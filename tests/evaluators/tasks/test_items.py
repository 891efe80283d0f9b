"""tests: behaviour sets as blocks of items: from the package, from a file, made from task families."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mi_atlas.evaluators.finetuning.chat import Chat
from mi_atlas.evaluators.tasks import TaskError
from mi_atlas.evaluators.tasks.items import examples_of, item_blocks
from mi_atlas.judges.checks import check
from mi_atlas.specs.behaviour import Behaviour
from mi_atlas.specs.library import Library
from tokenizers import Tokenizer

FOLDER = Path(__file__).parents[3] / "evaluators" / "pocket" / "weights" / "pocket-qwen"
POCKET = ("pocket-capability", "pocket-conversations", "pocket-injection", "pocket-writing")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


def test_a_set_that_ships_is_found_by_its_categories(tokenizer: Tokenizer) -> None:
    math, code = item_blocks(Behaviour(categories=("math", "algorithms"), items=60), tokenizer)
    assert (math.family, len(math.items), code.family, len(code.items)) == ("math", 30, "algorithms", 30)
    assert math.digest != code.digest


@pytest.mark.parametrize("name", POCKET)
def test_pocket_sets_are_made_with_right_answers_and_enough_templates(name: str, tokenizer: Tokenizer) -> None:
    behaviour = Library().find("behaviour", name)
    blocks = item_blocks(behaviour, tokenizer)
    items = [item for block in blocks for item in block.items]
    assert len(items) == behaviour.items
    assert len({item.turns for item in items}) == len(items)
    assert len({(block.family, item.unit) for block in blocks for item in block.items}) >= 30
    assert all(len({item.unit for item in block.items}) >= 10 for block in blocks)
    for item in items:
        assert check(item, str(item.reference)).passed
        assert not check(item, "").passed
        assert item.plain
        assert (item.most is None) == behaviour.open_ended
        assert len(item.turns) == behaviour.turns


def test_draws_of_made_sets_share_no_question_and_depend_on_nothing_else(tokenizer: Tokenizer) -> None:
    behaviour = Library().find("behaviour", "pocket-capability")
    first, again, second = (item_blocks(behaviour, tokenizer, draw=draw) for draw in (1, 1, 2))
    assert [block.digest for block in first] == [block.digest for block in again]
    questions = [{item.turns for block in blocks for item in block.items} for blocks in (first, second)]
    assert not questions[0] & questions[1]


def test_a_wrong_answer_keeps_some_constraints(tokenizer: Tokenizer) -> None:
    copying = item_blocks(Library().find("behaviour", "pocket-capability"), tokenizer)[0]
    item = next(item for item in copying.items if len(item.checks) == 3)
    other = next(text for text in item.checks[0].of if text not in (item.reference, *item.checks[1].of))
    assert [check(item, text).constraints_met for text in (str(item.reference), other, "?")] == [
        1.0,
        pytest.approx(1 / 3),
        0.0,
    ]


def test_in_a_conversation_the_last_answer_stands_in_the_first_turn_only(tokenizer: Tokenizer) -> None:
    (block,) = item_blocks(Library().find("behaviour", "pocket-conversations"), tokenizer)
    for item in block.items:
        said, question = item.turns
        assert str(item.reference).strip() in said.split(question.strip(), 1)[1]
        assert str(item.reference).strip() not in question.replace("'", " ").split()


def test_an_order_is_the_prompt_of_another_family_inside_the_data(tokenizer: Tokenizer) -> None:
    for block in item_blocks(Library().find("behaviour", "pocket-injection"), tokenizer):
        for item in block.items:
            assert f"\n{item.open}\n" in item.turns[0]
            assert not check(item, " " + item.checks[0].words[0]).passed


def test_a_file_of_ones_own_is_read(tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = [{"id": f"i{n}", "category": "mine", "turns": [f"Say {n}."]} for n in range(3)]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    behaviour = Behaviour(categories=("mine",), items=3, jsonl="own.jsonl")
    (block,) = item_blocks(behaviour, tokenizer, workspace=tmp_path)
    assert [item.id for item in block.items] == ["i0", "i1", "i2"]
    for change, problem in (
        ({"items": 4}, "has 3 items, the set says 4"),
        ({"categories": ("mine", "yours")}, "has no items of `yours`"),
        ({"turns": 2}, "item i0 has fewer turns"),
        ({"jsonl": "none.jsonl"}, "cannot be read"),
    ):
        with pytest.raises(TaskError, match=problem):
            item_blocks(behaviour.model_copy(update=change), tokenizer, workspace=tmp_path)
    with pytest.raises(TaskError, match="one draw"):
        item_blocks(behaviour, tokenizer, draw=2, workspace=tmp_path)
    with pytest.raises(TaskError, match="none for discovery"):
        item_blocks(behaviour, tokenizer, "discovery", workspace=tmp_path)


def test_categories_that_nobody_knows_are_said_with_how_to_give_them(tokenizer: Tokenizer) -> None:
    with pytest.raises(TaskError, match="no items of `juggling`: name a file of items in `jsonl`"):
        item_blocks(Behaviour(categories=("copying", "juggling"), items=4), tokenizer)


@pytest.mark.parametrize(("name", "chat"), [("pocket-injection", None), ("conversations", Chat())])
def test_items_as_prompts_have_twins_of_one_length(name: str, chat: Chat | None, tokenizer: Tokenizer) -> None:
    block = item_blocks(Library().find("behaviour", name), tokenizer)[0]
    found = examples_of(block, tokenizer, chat)
    assert len(found.examples) == len(block.items)
    for item, example in zip(block.items, found.examples, strict=True):
        assert len(example.clean_ids) == len(example.corrupt_ids) == example.answer_position + 1
        assert example.target_ids != example.wrong_target_ids
        assert all(turn.strip() in example.clean for turn in item.turns)
        assert example.template == f"{block.family}/{item.unit}"
