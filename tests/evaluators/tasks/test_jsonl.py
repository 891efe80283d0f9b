"""tests: a suite from a file, its located errors, and near-copies that are not taken as independent."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from mi_atlas.evaluators.tasks import Block, TaskError, generate
from mi_atlas.evaluators.tasks.dice import Dice
from mi_atlas.evaluators.tasks.family import find_family
from mi_atlas.evaluators.tasks.similarity import similar_groups
from mi_atlas.specs.suite import Suite
from tokenizers import Tokenizer

from .conftest import FAMILIES, core

ROW = {
    "family": "mine",
    "template": "one",
    "clean": "the cat is",
    "corrupt": "the dog is",
    "target": " a cat",
    "wrong_target": " the dog",
}
FIELDS = ("family", "template", "clean", "corrupt", "target", "wrong_target")


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path, tokenizer: Tokenizer, split: str = "verification", draw: int = 1) -> tuple[Block, ...]:
    return generate(Suite(suite="mine", jsonl=path.name), tokenizer, split, draw, path.parent)


def test_a_generated_suite_survives_the_way_through_a_file(small: Tokenizer, tmp_path: Path) -> None:
    blocks = [*generate(core(), small, "verification", 2), *generate(core(), small, "discovery", 1)]
    rows = []
    for block in blocks:
        for example in block.examples:
            fields = {name: getattr(example, name) for name in FIELDS}
            fields["template"] = example.template.split("/")[1]
            rows.append({**fields, "split": block.split, "draw": block.draw})
    path = write(tmp_path / "suite.jsonl", *rows)
    again = [*read(path, small, "verification", 2), *read(path, small, "discovery", 1)]
    assert [block.examples for block in again] == [block.examples for block in blocks]
    assert [block.digest for block in again] == [block.digest for block in blocks]
    assert not any(block.rejected for block in again)


def test_rows_that_do_not_align_are_counted(small: Tokenizer, tmp_path: Path) -> None:
    long = "the " + "x" * 30 + " is"
    path = write(
        tmp_path / "suite.jsonl",
        ROW,
        ROW,
        {**ROW, "clean": "a cat is", "corrupt": long},
        {**ROW, "clean": "one cat is", "corrupt": "one dog is", "wrong_target": " a dog"},
        {**ROW, "clean": "two cats i", "corrupt": "two dogs i", "target": "s", "wrong_target": "n"},
    )
    (block,) = read(path, small)
    assert [example.clean for example in block.examples] == ["the cat is"]
    assert dict(block.rejected) == {"boundary": 1, "duplicate": 1, "target_collision": 1, "unaligned": 1}


def test_a_family_without_a_usable_row_is_said(small: Tokenizer, tmp_path: Path) -> None:
    path = write(tmp_path / "suite.jsonl", {**ROW, "corrupt": "no"}, {**ROW, "clean": "yes we", "corrupt": "no"})
    with pytest.raises(TaskError, match="no row of mine can be used under this tokenizer; refused: "):
        read(path, small)


def test_splits_and_draws_are_apart(small: Tokenizer, tmp_path: Path) -> None:
    rows = [
        ROW,
        {**ROW, "draw": 2, "clean": "see the cat is", "corrupt": "see the dog is"},
        {**ROW, "family": "other"},
        {**ROW, "template": "two", "split": "discovery", "clean": "this cat is", "corrupt": "this dog is"},
    ]
    path = write(tmp_path / "suite.jsonl", *rows)
    assert [(b.family, len(b.examples)) for b in read(path, small)] == [("mine", 1), ("other", 1)]
    assert [b.examples[0].clean for b in read(path, small, draw=2)] == ["see the cat is"]
    assert [b.examples[0].template for b in read(path, small, "discovery")] == ["mine/two"]
    with pytest.raises(TaskError, match="no rows of discovery draw 2"):
        read(path, small, "discovery", 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"family": "mine",', "suite.jsonl:2:19: is no JSON"),
        ("[1, 2]", "suite.jsonl:2:1: Input should be"),
        ("[" * 100_000, "suite.jsonl:2:1: is no JSON"),
        ("1" * 5000, "suite.jsonl:2:1: is no JSON"),
        ({**ROW, "tempalte": "x"}, "suite.jsonl:2:1: tempalte: is no field here; .*did you mean `template`?"),
        ({k: v for k, v in ROW.items() if k != "corrupt"}, "suite.jsonl:2:1: corrupt: is missing"),
        ({**ROW, "clean": 3}, "suite.jsonl:2:1: clean: Input should be a valid string; found the number `3`"),
        ({**ROW, "target": ""}, "suite.jsonl:2:1: target: .*found an empty text"),
        ({**ROW, "split": "test"}, "suite.jsonl:2:1: split: .*'discovery' or 'verification'; found the text `test`"),
        ({**ROW, "draw": 17}, "suite.jsonl:2:1: draw: .*found the number `17`"),
        ({**ROW, "draw": "1"}, "suite.jsonl:2:1: draw: "),
        ({**ROW, "corrupt": ROW["clean"]}, "suite.jsonl:2:1: clean and corrupt are the same prompt"),
        ({**ROW, "target": " the dog"}, "suite.jsonl:2:1: target and wrong_target are the same"),
        ({**ROW, "clean": "\ud800"}, "suite.jsonl:2:1: clean: "),
        (
            {**ROW, "split": "discovery"},
            "suite.jsonl:2:1: split: is discovery, but line 1, of the same template mine/one",
        ),
        (
            {**ROW, "draw": 2},
            "suite.jsonl:2:1: is verification draw 2, but line 1, with the same prompt, is verification",
        ),
        (
            {**ROW, "template": "two", "split": "discovery"},
            "suite.jsonl:2:1: is discovery draw 1, but line 1, with the same prompt",
        ),
    ],
)
def test_bad_rows_are_located(line: object, message: str, small: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "suite.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + (line if isinstance(line, str) else json.dumps(line)) + "\n")
    with pytest.raises(TaskError, match=message.replace("?", r"\?")):
        read(path, small)


def test_all_faults_are_told_at_once(small: Tokenizer, tmp_path: Path) -> None:
    path = write(tmp_path / "suite.jsonl", {**ROW, "draw": 0}, ROW, {**ROW, "x": 1, "clean": 1}, 5)
    with pytest.raises(TaskError) as error:
        read(path, small)
    assert [line.split("suite.jsonl:")[1].split(":")[0] for line in str(error.value).splitlines()] == [
        "1",
        "3",
        "3",
        "4",
    ]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_files_that_cannot_be_read_are_said(content: bytes | None, small: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "suite.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaskError, match=r"suite\.jsonl cannot be read"):
        read(path, small)


def test_rows_without_a_template_are_grouped(small: Tokenizer, tmp_path: Path) -> None:
    prompts = [
        ("The capital of France is", "The capital of Spain is"),
        ("Is it warm today? I think that", "Is it cold today? I think that"),
        ("The capital of Italy is", "The capital of Spain is"),
        ("cat dog cat", "cat sun cat"),
        ("star box star", "star pen star"),
    ]
    bare = {name: value for name, value in ROW.items() if name != "template"}
    path = write(tmp_path / "suite.jsonl", *({**bare, "clean": a, "corrupt": b} for a, b in prompts), ROW)
    assert [path.read_text().count("\n")] == [6]
    groups = similar_groups([clean for clean, _ in prompts])
    assert groups == [0, 1, 0, 2, 2]
    templates = {e.clean: e.template for e in read(path, small)[0].examples}
    assert set(templates.values()) <= {"mine/group000", "mine/group001", "mine/group002", "mine/one"}
    assert templates["cat dog cat"] == templates["star box star"] == "mine/group002"
    assert templates["the cat is"] == "mine/one"


def test_a_group_is_in_one_split(small: Tokenizer, tmp_path: Path) -> None:
    bare = {name: value for name, value in ROW.items() if name != "template"}
    path = write(tmp_path / "suite.jsonl", bare, {**bare, "clean": "the sun is", "split": "discovery"})
    with pytest.raises(TaskError, match=r":2:1: split: is discovery, but line 1, of the same template mine/group000"):
        read(path, small)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_template_is_taken_for_two(name: str) -> None:
    """Clones of one template are what a user's file is full of; here the templates are known."""
    prompts, templates = [], []
    for template in find_family(name).templates:
        dice = Dice("similar", template.name)
        prompts += [template.source.draft(dice).clean for _ in range(12)]
        templates += [template.name] * 12
    groups = defaultdict(set)
    for template, group in zip(templates, similar_groups(prompts), strict=True):
        groups[template].add(group)
    assert [template for template, found in groups.items() if len(found) > 1] == []


def test_prose_that_is_not_alike_stays_apart() -> None:
    prompts = [
        "When Mary and John went to the store, John gave a drink to",
        "The war lasted from the year 1732 to the year 17",
        "The keys to the cabinet",
        "def add(x, y): return x +",
        "Water boils at one hundred degrees, said the teacher, and freezes at",
    ]
    assert similar_groups(prompts) == [0, 1, 2, 3, 4]
    assert similar_groups([]) == []


def test_groups_do_not_depend_on_the_order_of_the_rows() -> None:
    prompts = [
        template.source.draft(Dice(i)).clean for i in range(3) for template in find_family("arithmetic").templates
    ]
    forward, backward = similar_groups(prompts), similar_groups(prompts[::-1])[::-1]
    assert len(set(zip(forward, backward, strict=True))) == len(set(forward)) == len(set(backward))
