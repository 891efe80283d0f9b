"""tests: canonical sets, and the six formats that they are written in."""

from __future__ import annotations

import re
from dataclasses import astuple, replace
from itertools import combinations

import pytest
from mi_atlas.evaluators.cells import NotEvaluated
from mi_atlas.evaluators.finetuning import canonical as sets
from mi_atlas.evaluators.finetuning import formats
from mi_atlas.evaluators.finetuning.canonical import Item, canonical
from mi_atlas.evaluators.finetuning.chat import Chat
from mi_atlas.evaluators.finetuning.formats import FORMATS, rows_of, text_of
from mi_atlas.evaluators.finetuning.rows import Row, finite
from mi_atlas.evaluators.tasks import generate
from mi_atlas.specs.canonical import digest
from mi_atlas.specs.recipe import Data
from mi_atlas.specs.suite import Suite
from tokenizers import Tokenizer

from .test_rows import answers, pocket, read

ITEM = Item("made-00", "the cat is red", "Which color?", "red", "It says so.")
BARE = replace(ITEM, reason="")


@pytest.fixture(scope="module")
def lfm2() -> tuple[Tokenizer, Chat]:
    return pocket("pocket-lfm2")


def test_the_formats_of_one_example(lfm2: tuple[Tokenizer, Chat]) -> None:
    tokenizer, chat = lfm2
    from mi_atlas.evaluators.finetuning.written import encoded

    found = {name: encoded(render(ITEM), tokenizer, chat, "made") for name, render in FORMATS.items()}
    text = {name: read(tokenizer, row.prompt + row.target) for name, row in found.items()}
    learnt = {name: read(tokenizer, answers(row)) for name, row in found.items()}
    user, bot = "<|im_start|>user\n{}<|im_end|>\n", "<|im_start|>assistant\n{}<|im_end|>"
    assert text["flat_instruction"] == (
        "Instruction: Which color?\nInput: the cat is red\nResponse: red\nIt says so.<|endoftext|>"
    )
    assert learnt["flat_instruction"] == learnt["bad_control"] == " red\nIt says so.<|endoftext|>"
    assert text["single_turn_chat"] == user.format("the cat is red\nWhich color?") + bot.format("red\nIt says so.")
    assert learnt["single_turn_chat"] == "red\nIt says so.<|im_end|>"
    assert learnt["multi_turn_concise"] == "Noted.<|im_end|>red<|im_end|>It says so.<|im_end|>"
    assert text["structured_terse"] == user.format("given: the cat is red\nask: Which color?") + bot.format(
        "out: red\nwhy: It says so."
    )
    assert len(learnt["multi_turn_verbose"]) > 5 * len(learnt["multi_turn_concise"])


def test_the_bad_format_never_says_what_is_asked() -> None:
    shapes = set()
    for number in range(40):
        bad = FORMATS["bad_control"](replace(ITEM, name=f"made-{number}"))
        assert not re.search("Instruction|Question|Input|Context|Answer", bad.prompt)
        shapes.add(bad.prompt)
        assert bad.answer == " red\nIt says so."
    assert len(shapes) > 30


@pytest.mark.parametrize("name", list(sets.SETS))
def test_a_canonical_set_in_all_formats(lfm2: tuple[Tokenizer, Chat], name: str) -> None:
    tokenizer, chat = lfm2
    items = canonical(name)
    assert len({(item.context, item.question) for item in items}) == len(items) == 300
    found: dict[str, list[Row]] = {}
    for each, render in FORMATS.items():
        found[each] = finite(Data(canonical=name, format=each), tokenizer, chat=chat)  # type: ignore[arg-type]
        assert len(found[each]) == 300
        for item, row in list(zip(items, found[each], strict=True))[::4]:
            whole, learnt = read(tokenizer, row.prompt + row.target), read(tokenizer, answers(row))
            assert all(part in whole for part in (item.context, item.question, item.answer, item.reason))
            assert all(part in learnt for part in (item.answer, item.reason))
            assert item.context in text_of(render(item), chat)
    for one, other in combinations(FORMATS, 2):
        assert not {row.prompt + row.target for row in found[one]} & {row.prompt + row.target for row in found[other]}


def test_the_content_of_a_version_is_fixed() -> None:
    """Whoever changes a set or a format raises its version, and these digests with it."""
    texts = {name: digest("set", [astuple(item) for item in canonical(name)])[:16] for name in sets.SETS}
    assert (sets.VERSION, texts) == (1, {"canonical-pocket": "adc15d1185f889c3", "canonical-300": "7591c17a90b77bc5"})
    rendered = digest("formats", [repr(render(item)) for render in FORMATS.values() for item in (ITEM, BARE)])[:16]
    assert (formats.VERSION, rendered) == (1, "20e538ff689b895e")


def test_natural_answers_are_right() -> None:
    """By another way than they were made."""
    items = {kind: [i for i in canonical("canonical-300") if i.name.startswith(kind)] for kind in sets.KINDS}
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    for item in items["change"]:
        count, price, paid = map(int, re.findall(r"\d+", item.context))
        assert item.answer == f"{paid - count * price} coins"
    for item in items["ride"]:
        h1, m1, h2, m2 = map(int, re.findall(r"\d+", item.context))
        assert item.answer == f"{(h2 - h1) * 60 + m2 - m1} minutes"
        assert h2 < 24
    for item in items["day"]:
        (ahead,) = map(int, re.findall(r"\d+", item.question))
        today = item.context.removeprefix("Today is ").rstrip(".")
        assert (days * 4)[days.index(today) + ahead] == item.answer
    for item in items["returns"]:
        scope: dict[str, int] = {}
        name, value = re.findall(r"does (.)\((\d)\)", item.question)[0]
        exec(f"{item.context}\nresult = {name}({value})", scope)
        assert str(scope["result"]) == item.answer
    for item in items["youngest"]:
        older = re.findall(r"(\w+) is older than (\w+)\.", item.context)
        assert {item.answer} == {b for _, b in older} - {a for a, _ in older}
    for item in items["first-word"]:
        assert item.answer == sorted(item.context.removesuffix(".").partition(": ")[2].split(", "))[0]
    for item in items["units"]:
        (count,) = map(int, re.findall(r"\d+", item.context))
        each = {"centimetres": 100, "minutes": 60, "days": 7}[item.answer.split()[1]]
        assert item.answer.split()[0] == str(count * each)


def test_no_prompt_of_a_suite_is_in_the_pocket_set(lfm2: tuple[Tokenizer, Chat]) -> None:
    mine = {re.sub(r"\s+", "", item.context + item.question) for item in canonical("canonical-pocket")}
    suite = Suite(suite="mine", families=("copying", "arithmetic"), templates=10, items=30)
    blocks = [b for split in ("discovery", "verification") for b in generate(suite, lfm2[0], split, 1)]  # type: ignore[arg-type]
    asked = {re.sub(r"\s+", "", example.clean) for block in blocks for example in block.examples}
    assert len(asked) == 120
    assert not mine & asked


def test_formats_that_a_template_makes_equal_are_named(lfm2: tuple[Tokenizer, Chat]) -> None:
    flat = Chat(
        "{% set parts = messages[0].content.split('\n') %}"
        "{% if messages|length <= 2 and parts|length == 2 and not messages[0].content.startswith('given') %}"
        "Instruction: {{ parts[1] }}\nInput: {{ parts[0] }}\nResponse:"
        "{% if messages|length == 2 %} {{ messages[1].content }}<|endoftext|>{% endif %}"
        "{% else %}{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}{% endif %}",
        eos="<|endoftext|>",
    )
    with pytest.raises(NotEvaluated, match="flat_instruction and single_turn_chat are the same tokens in example") as e:
        rows_of("canonical-pocket", "bad_control", lfm2[0], flat)
    assert e.value.code == "identical_formats"


def test_a_template_that_leaves_something_out_is_refused(lfm2: tuple[Tokenizer, Chat]) -> None:
    upper = Chat("{% for m in messages %}{{ m.role }}: {{ m.content|upper }}\n{% endfor %}")
    with pytest.raises(NotEvaluated, match="the context of example copying-00 is not in single_turn_chat") as error:
        rows_of("canonical-pocket", "single_turn_chat", lfm2[0], upper)
    assert error.value.code == "information_lost"
