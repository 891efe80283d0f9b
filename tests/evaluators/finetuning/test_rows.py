"""tests: training rows, from families, files and datasets, with the tokenizers of pocket models."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.finetuning import rows as module
from mi_atlas.evaluators.finetuning.chat import Chat, Turn, conversation
from mi_atlas.evaluators.finetuning.rows import Row, data_digest, dealt, finite, rows
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.tasks import generate
from mi_atlas.evaluators.tasks.families.main.copying import TABLES
from mi_atlas.evaluators.tasks.family import Family, Template, find_family
from mi_atlas.evaluators.tasks.pattern import Pattern
from mi_atlas.evaluators.tasks.training import training_examples
from mi_atlas.specs.canonical import digest_file
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.recipe import Data, Recipe
from mi_atlas.specs.suite import Suite
from tokenizers import Tokenizer

from ..hub_cache import COMMIT, snapshot_of

LIBRARY = Path(__file__).parents[3] / "specs" / "library" / "recipes"
PAIRS = [
    {"prompt": "Say it", "chosen": "Gladly", "rejected": "No"},
    {"chosen": [*({"role": "user", "content": "Hi"},), {"role": "assistant", "content": "Hello"}],
     "rejected": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Go"}]},
]  # fmt: skip


def pocket(name: str) -> tuple[Tokenizer, Chat]:
    located = locate(Model(model=name, source=Source(pocket=name)), Path())
    assert isinstance(located, Located)
    return Tokenizer.from_file(str(located.tokenizer_file)), Chat.of(located)


@pytest.fixture(scope="module")
def qwen() -> tuple[Tokenizer, Chat]:
    return pocket("pocket-qwen")


def answers(row: Row) -> list[int]:
    text = row.prompt + row.target
    return [text[place] for place in row.counted or range(len(row.prompt), len(text))]


def read(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(list(ids), skip_special_tokens=False)
    return text


def write(folder: Path, *lines: Any) -> Data:
    (folder / "my.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return Data(jsonl="my.jsonl")


def test_families_are_the_training_stream(qwen: tuple[Tokenizer, Chat]) -> None:
    tokenizer, _ = qwen
    data = Data(families=("copying", "arithmetic"))
    found = rows(data, tokenizer, 40, seed=3)
    for row, example in zip(found, islice(training_examples(["copying", "arithmetic"], 3), 40), strict=True):
        assert read(tokenizer, row.prompt) == example.clean
        assert read(tokenizer, row.target) == example.target
        assert (row.key, row.worse, row.counted) == (example.family, None, ())
    assert rows(data, tokenizer, 40, seed=4) != found
    assert rows(data, tokenizer, 10, seed=3) == found[:10]


def test_no_training_prompt_is_a_prompt_of_any_draw(qwen: tuple[Tokenizer, Chat]) -> None:
    tokenizer, families = qwen[0], ("json_schema", "refusal_style")
    suite = Suite(suite="mine", families=families, templates=3, items=6)
    asked = {
        example.clean_ids
        for draw in range(1, 17)
        for split in ("discovery", "verification")
        for block in generate(suite, tokenizer, split, draw)
        for example in block.examples
    }
    for data in (Data(families=families), Data(families=families, examples=500, pairs="preference")):
        trained = {row.prompt for row in rows(data, tokenizer, 2_000, seed=1)}
        assert len(asked) == 2 * 2 * 16 * 6
        assert not asked & trained


def test_a_finite_set_is_repeated_in_another_order(qwen: tuple[Tokenizer, Chat]) -> None:
    tokenizer, _ = qwen
    data = Data(families=("copying",), examples=20)
    whole = finite(data, tokenizer)
    assert len({row.prompt for row in whole}) == 20
    one, two = rows(data, tokenizer, 50, seed=1), rows(data, tokenizer, 50, seed=2)
    assert set(one[:20]) == set(one[20:40]) == set(two[:20]) == set(whole)
    assert len({tuple(one[:20]), tuple(one[20:40]), tuple(two[:20])}) == 3
    assert rows(data, tokenizer, 50, seed=1, order="as_given") == [*whole, *whole, *whole[:10]]
    with pytest.raises(NotEvaluated, match="say how many `examples`"):
        rows(Data(families=("copying",)), tokenizer, 5, seed=1, order="easy_first")


def test_a_family_may_have_too_few_prompts(qwen: tuple[Tokenizer, Chat], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0)
    with pytest.raises(NotEvaluated, match=r"copying have only \d+ training prompts; data.examples asks for 100000"):
        finite(Data(families=("copying",), examples=100_000), qwen[0])


@pytest.mark.parametrize("examples", [None, 60])
def test_shuffled_answers_keep_prompts_and_the_answers_of_each_family(
    qwen: tuple[Tokenizer, Chat], examples: int | None
) -> None:
    data = Data(families=("copying", "arithmetic"), examples=examples)
    right = rows(data, qwen[0], 120, seed=2)
    draws = [rows(data, qwen[0], 120, seed=2, answers_draw=draw) for draw in range(3)]
    for wrong in draws:
        assert [row.prompt for row in wrong] == [row.prompt for row in right]
        assert Counter((row.key, row.target) for row in wrong) == Counter((row.key, row.target) for row in right)
        assert sum(a.target != b.target for a, b in zip(right, wrong, strict=True)) > 60
    assert draws[0] != draws[1] != draws[2]
    assert rows(data, qwen[0], 120, seed=2, answers_draw=1) == draws[1]


def test_shuffled_answers_of_conversations_and_pairs(qwen: tuple[Tokenizer, Chat]) -> None:
    tokenizer, chat = qwen
    said = [("Hi", "red", "and", "blue"), ("You", "green", "and", "a pink hat"), ("So", "tea", "or", "dog")]
    roles = ("user", "assistant", "user", "assistant")
    talks = [conversation(tokenizer, chat, list(map(Turn, roles, texts))) for texts in said]
    mixed = dealt(talks, 1)
    assert mixed != talks
    assert Counter(token for row in mixed for token in answers(row)) == Counter(
        t for row in talks for t in answers(row)
    )
    for before, after in zip(talks, mixed, strict=True):
        assert before.prompt == after.prompt
        between = [token for place, token in enumerate(before.prompt + before.target) if place not in before.counted]
        assert between == [t for place, t in enumerate(after.prompt + after.target) if place not in after.counted]
    data = Data(families=("refusal_style",), pairs="preference")
    right, wrong = rows(data, tokenizer, 50, 1), rows(data, tokenizer, 50, 1, answers_draw=0)
    assert Counter((row.target, row.worse) for row in right) == Counter((row.target, row.worse) for row in wrong)
    assert right != wrong


def test_the_worse_answer_of_a_family_is_its_twins(qwen: tuple[Tokenizer, Chat]) -> None:
    found = rows(Data(families=("refusal_style",), pairs="preference"), qwen[0], 200, seed=1)
    assert all(row.worse and row.worse != row.target for row in found)
    assert {(read(qwen[0], row.target), read(qwen[0], row.worse or ())) for row in found} >= {
        (" Yes", " No"),
        (" No", " Yes"),
    }


TALK = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}]
ASKED = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
SHAPES: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": "the cat is", "answer": " red"}, "the cat is", " red"),
    ({"text": "the cat is red"}, "", "the cat is red"),
    ({"instruction": "Add", "input": "2 3", "output": "5"}, ASKED.format("Add\n\n2 3"), "5<|im_end|>"),
    ({"instruction": "Add", "input": "", "output": "5", "id": 7}, ASKED.format("Add"), "5<|im_end|>"),
    ({"instruction": "Add", "context": "2 3", "response": "5"}, ASKED.format("Add\n\n2 3"), "5<|im_end|>"),
    ({"question": "2 + 3?", "answer": "5"}, ASKED.format("2 + 3?"), "5<|im_end|>"),
    ({"conversations": TALK}, ASKED.format("Hi"), "Yes<|im_end|>"),
]


@pytest.mark.parametrize(("line", "prompt", "target"), SHAPES)
def test_shapes_of_examples(
    qwen: tuple[Tokenizer, Chat], tmp_path: Path, line: dict[str, Any], prompt: str, target: str
) -> None:
    (row,) = finite(write(tmp_path, line), qwen[0], tmp_path, qwen[1])
    assert (read(qwen[0], row.prompt), read(qwen[0], row.target)) == (prompt, target)


def test_every_answer_of_a_conversation_counts(qwen: tuple[Tokenizer, Chat], tmp_path: Path) -> None:
    said = [("system", "Be brief"), ("user", "A dog?"), ("assistant", "Yes"), ("user", "Red?"), ("assistant", "No")]
    data = write(tmp_path, {"messages": [{"role": role, "content": content} for role, content in said]})
    (row,) = finite(data, qwen[0], tmp_path, qwen[1])
    assert read(qwen[0], row.prompt + row.target) == (
        "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nA dog?<|im_end|>\n"
        "<|im_start|>assistant\nYes<|im_end|>\n<|im_start|>user\nRed?<|im_end|>\n<|im_start|>assistant\nNo<|im_end|>"
    )
    assert read(qwen[0], answers(row)) == "Yes<|im_end|>No<|im_end|>"
    (bare,) = finite(data, qwen[0], tmp_path)
    assert read(qwen[0], bare.prompt) == "System: Be brief\nUser: A dog?\nAssistant:"
    assert read(qwen[0], answers(bare)) == " Yes No"


def test_pairs_of_a_file(qwen: tuple[Tokenizer, Chat], tmp_path: Path) -> None:
    data = write(tmp_path, *PAIRS).model_copy(update={"pairs": "preference"})
    one, two = finite(data, qwen[0], tmp_path, qwen[1])
    assert read(qwen[0], one.prompt) == ASKED.format("Say it")
    assert [read(qwen[0], ids or ()) for ids in (one.target, one.worse, two.target, two.worse)] == [
        "Gladly<|im_end|>",
        "No<|im_end|>",
        "Hello<|im_end|>",
        "Go<|im_end|>",
    ]
    with pytest.raises(NotEvaluated, match=r"my.jsonl:1:1: has a better and a worse answer: say `pairs: preference`"):
        finite(data.model_copy(update={"pairs": None}), qwen[0], tmp_path, qwen[1])


def test_every_bad_row_of_a_file_is_named(qwen: tuple[Tokenizer, Chat], tmp_path: Path) -> None:
    data = write(
        tmp_path,
        {"prompt": "the cat is", "answer": " red"},
        {"prompt": "the cat is", "anwser": " red"},
        {"prompt": "the cat is", "answer": ""},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "judge", "content": "Hi"}]},
        ["a list"],
        {"prompt": "the cat is", "answer": " red" * 5000},
    )
    with (tmp_path / "my.jsonl").open("a") as file:
        file.write("{no json\n")
    with pytest.raises(NotEvaluated) as error:
        finite(data, qwen[0], tmp_path, qwen[1])
    said = str(error.value).splitlines()
    for line, text in zip(
        range(2, 9),
        (
            "did you mean `answer` by `anwser`?",
            "answer is no text, or an empty one",
            "a conversation ends with the assistant's answer",
            "message 1 needs a role: system (first), user or assistant",
            "is no mapping of columns to values",
            "tokens long; 4096 are the most",
            "is no JSON",
        ),
        strict=True,
    ):
        assert said[line - 2].startswith(f"{tmp_path / 'my.jsonl'}:{line}:")
        assert text in said[line - 2]


def test_copies_of_a_row_are_counted_and_used_once(qwen: tuple[Tokenizer, Chat], tmp_path: Path) -> None:
    lines = [{"prompt": "the cat is", "answer": " red"}, {"prompt": "the dog is", "answer": " blue"}]
    data = write(tmp_path, *lines, *lines, lines[0])
    assert [read(qwen[0], row.target) for row in finite(data, qwen[0], tmp_path)] == [" red", " blue"]
    with pytest.raises(NotEvaluated, match=r"has 2 rows that can be used, and 3 copies of them; .* asks for 3"):
        finite(data.model_copy(update={"examples": 3}), qwen[0], tmp_path)


def test_a_template_that_rewrites_earlier_answers_is_refused(qwen: tuple[Tokenizer, Chat]) -> None:
    last_only = Chat(
        "{% for m in messages %}{% if m.role == 'user' or loop.last %}{{ m.content }}\n{% endif %}{% endfor %}"
    )
    talk = [Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d")]
    with pytest.raises(NotEvaluated, match="of 4 turns the chat template does not write turn 2"):
        conversation(qwen[0], last_only, talk)
    with pytest.raises(NotEvaluated, match="refuses a conversation: no system"):
        Chat("{{ raise_exception('no system') }}").render(talk)
    with pytest.raises(NotEvaluated, match="refuses a conversation"):
        Chat("{{ messages.__class__.__mro__ }}").render(talk)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache that holds one dataset at one commit; nothing else can be reached."""
    return snapshot_of("mine", tmp_path, monkeypatch)


def test_a_dataset_of_the_hub(qwen: tuple[Tokenizer, Chat], cache: Path) -> None:
    lines = [{"instruction": f"Say {i}", "input": "", "output": str(i) if i else ""} for i in range(5)]
    (cache / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = Data(hub="someone/mine", revision=COMMIT, examples=3)
    found = finite(data, qwen[0], chat=qwen[1])
    assert [read(qwen[0], row.target) for row in found] == ["1<|im_end|>", "2<|im_end|>", "3<|im_end|>"]
    assert data_digest(data, Path(), digest_file) != data_digest(Data(families=("copying",)), Path(), digest_file)
    with pytest.raises(NotEvaluated, match=r"no row of someone/mine can be used; the first: .*:1:1: has no `chosen`"):
        finite(data.model_copy(update={"pairs": "preference"}), qwen[0], chat=qwen[1])


def test_preferences_have_a_split_of_their_own(qwen: tuple[Tokenizer, Chat], cache: Path) -> None:
    (cache / "data").mkdir()
    for split, line in {"train_sft": PAIRS[0], "train_prefs": {**PAIRS[0], "chosen": "Yes"}}.items():
        (cache / "data" / f"{split}-00000.jsonl").write_text(json.dumps(line) + "\n")
    splits = [{"split": s, "path": f"data/{s}-*.jsonl"} for s in ("train_sft", "train_prefs")]
    card = yaml.safe_dump({"configs": [{"config_name": "default", "data_files": splits}]})
    (cache / "README.md").write_text(f"---\n{card}---\n")
    (row,) = finite(Data(hub="someone/mine", revision=COMMIT, pairs="preference"), qwen[0], chat=qwen[1])
    assert read(qwen[0], row.target) == "Yes<|im_end|>"


def test_data_that_are_not_here_say_how_to_get_them(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NotEvaluated, match="hf download --repo-type dataset tatsu-lab/alpaca --revision") as error:
        data_digest(Data(hub="tatsu-lab/alpaca"), Path(), digest_file)
    assert error.value.code == "not_pinned"
    with pytest.raises(NotEvaluated, match="dataset tatsu-lab/alpaca --revision 0123456789abcdef") as error:
        data_digest(Data(hub="tatsu-lab/alpaca", revision=COMMIT), Path(), digest_file)
    assert error.value.code == "data_missing"
    with pytest.raises(NotEvaluated, match=r"there is no file .*gone.jsonl"):
        data_digest(Data(jsonl="gone.jsonl"), tmp_path, digest_file)
    with pytest.raises(NotEvaluated, match="did you mean `copying`"):
        data_digest(Data(families=("copyin",)), tmp_path, digest_file)
    with pytest.raises(NotEvaluated, match="there are canonical-pocket, canonical-300"):
        data_digest(Data(canonical="canonical-9", format="bad_control"), tmp_path, digest_file)


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    one, two = Data(families=("copying",)), Data(families=("arithmetic",))
    assert data_digest(one, Path(), digest_file) != data_digest(two, Path(), digest_file)
    mine = write(tmp_path, {"text": "a"})
    before = data_digest(mine, tmp_path, digest_file)
    assert data_digest(mine, tmp_path, digest_file) == before
    write(tmp_path, {"text": "b"})
    assert data_digest(mine, tmp_path, digest_file) != before


def test_the_digest_of_families_is_of_what_they_say_and_of_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    data, copying = Data(families=("copying",)), find_family("copying")
    before = data_digest(data, Path(), digest_file)

    def digest_with(*templates: Template) -> str:
        monkeypatch.setattr(module, "find_family", lambda name: Family(name, templates))
        return data_digest(data, Path(), digest_file)

    first, *others = copying.templates
    text = first.source.text  # type: ignore[attr-defined]
    assert digest_with(Template(first.name, Pattern(text, TABLES)), *others) == before
    assert digest_with(Template(first.name, Pattern(f"{text[0]}.{text[1:]}", TABLES)), *others) != before
    assert digest_with(*others) != before


def test_all_data_of_the_library_are_at_hand_or_to_be_pinned(qwen: tuple[Tokenizer, Chat]) -> None:
    recipes = [Recipe.model_validate(yaml.safe_load(file.read_text())) for file in sorted(LIBRARY.glob("*.yaml"))]
    every = {
        repr(each.data): each.data for one in recipes for each in one.conditions("it").values() if each.data is not None
    }
    assert len(every) > 20
    for data in every.values():
        if data.hub is not None:
            with pytest.raises(NotEvaluated, match="no commit of"):
                data_digest(data, Path(), digest_file)
            continue
        assert len(data_digest(data, Path(), digest_file)) == 64
        if data.canonical is None:
            assert len(rows(data, qwen[0], 8, 1)) == 8
