"""tests: what every family promises, on two tokenizers, and whether the answers are right."""

from __future__ import annotations

import functools
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from mi_atlas.evaluators.tasks import Block, Example, generate, training_examples
from mi_atlas.evaluators.tasks.buckets import AFTER_NOTES, LONG, TRAINING, bucket, question
from mi_atlas.evaluators.tasks.dice import Dice
from mi_atlas.evaluators.tasks.example import Draft
from mi_atlas.evaluators.tasks.family import family_names, find_family
from tokenizers import Tokenizer

from .conftest import core

BlockOf = Callable[[str, str], Block]
"""Family and split -> its block under the tokenizer of the test."""

LONG_ONES = [name for name in family_names() if name.endswith(LONG)]

WRITTEN = [name for name in family_names() if not name.endswith(LONG)]
"""Families whose templates are texts; the others are these after notes."""


def drafts(family: str, each: int) -> Iterator[tuple[str, Draft]]:
    """(template, draft), `each` of every template."""
    for template in find_family(family).templates:
        dice = Dice("test", template.name)
        for _ in range(each):
            yield template.name, template.source.draft(dice)


def answers(family: str, each: int) -> Iterator[tuple[str, str]]:
    """Clean and corrupt prompts with their right continuations."""
    dice = Dice("twins", family)
    for _, draft in drafts(family, each):
        yield draft.clean, draft.target
        yield draft.twin(dice)


@pytest.mark.parametrize("name", family_names())
def test_templates_are_many_and_split(name: str) -> None:
    family = find_family(name)
    discovery, verification = family.split("discovery"), family.split("verification")
    assert len(discovery) == 10
    assert len(verification) >= 30
    assert sorted(t.name for t in (*discovery, *verification)) == [t.name for t in family.templates]


@pytest.mark.parametrize("name", WRITTEN)
def test_templates_differ_in_more_than_fillers(name: str) -> None:
    """Slots become the number of their first appearance: `$word1 $word2 $word1` and `$name1 $digit1 $name1` are one."""
    skeletons, pure = Counter(), Counter()
    for template in find_family(name).templates:
        slots: dict[str, str] = {}
        skeleton = re.sub(r"\$\??[a-z]+\d?", lambda s: slots.setdefault(s[0], f"{len(slots)}"), template.source.text)  # noqa: B023
        skeletons[skeleton] += 1
        pure[re.sub(r"[a-z]+", "_", skeleton, flags=re.IGNORECASE)] += 1
    assert max(skeletons.values()) == 1
    assert len(pure) >= 0.9 * len(skeletons), [each for each in pure if pure[each] > 1]


@pytest.fixture
def block_of(tokenizer: Tokenizer) -> BlockOf:
    """The block of 300 examples that a family has in a split under the test's tokenizer, made once."""
    return functools.partial(_block, tokenizer)


@functools.cache
def _block(tokenizer: Tokenizer, family: str, split: str) -> Block:
    return generate(core(families=[family], items=300), tokenizer, split, 1)[0]


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(("split", "templates"), [("verification", 30), ("discovery", 10)])
def test_every_template_fills_its_items(name: str, split: str, templates: int, block_of: BlockOf) -> None:
    block = block_of(name, split)
    counts = Counter(example.template for example in block.examples)
    assert len(counts) == templates
    assert set(counts.values()) == {300 // templates}
    assert len({example.clean for example in block.examples}) == 300
    assert len({example.id for example in block.examples}) == 300


@pytest.mark.parametrize("name", WRITTEN)
def test_other_draws_have_room_too(name: str, small: Tokenizer) -> None:
    for draw in (2, 16):
        (block,) = generate(core(families=[name], items=60), small, "verification", draw)
        assert len({example.clean for example in block.examples}) == 60


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("split", ["verification", "discovery"])
def test_examples_are_aligned(name: str, split: str, tokenizer: Tokenizer, block_of: BlockOf) -> None:
    for each in block_of(name, split).examples[:120]:
        assert_aligned(each, tokenizer)


def assert_aligned(each: Example, tokenizer: Tokenizer) -> None:
    assert each.clean_ids == tuple(tokenizer.encode(each.clean).ids)
    assert each.corrupt_ids == tuple(tokenizer.encode(each.corrupt).ids)
    assert len(each.clean_ids) == len(each.corrupt_ids) == each.answer_position + 1
    assert each.clean_ids != each.corrupt_ids
    assert each.target_ids[0] != each.wrong_target_ids[0]
    assert words(tokenizer, each.clean) == words(tokenizer, each.corrupt), each
    for prompt, ids in ((each.clean, each.clean_ids), (each.corrupt, each.corrupt_ids)):
        assert tokenizer.encode(prompt + each.target).ids == [*ids, *each.target_ids]
        assert tokenizer.encode(prompt + each.wrong_target).ids == [*ids, *each.wrong_target_ids]


def words(tokenizer: Tokenizer, text: str) -> list[int]:
    """The number of tokens that each run of letters and digits has a part in, another way than `align` counts."""
    spans = tokenizer.encode(text).offsets
    return [sum(a < m.end() and b > m.start() for a, b in spans) for m in re.finditer(r"\w+", text)]


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("split", ["verification", "discovery"])
def test_only_what_decides_differs(name: str, split: str, block_of: BlockOf) -> None:
    for each in block_of(name, split).examples[:120]:
        clean, corrupt = (re.findall(r"\w+|[^\w]", text) for text in (each.clean, each.corrupt))
        assert len(clean) == len(corrupt) or name == "json_schema", each
        changed = {(a, b) for a, b in zip(clean, corrupt, strict=False) if a != b}
        assert len(clean) != len(corrupt) or 1 <= len(changed) <= 3, (each.clean, each.corrupt)


@pytest.mark.parametrize("name", LONG_ONES)
def test_a_long_prompt_is_a_prompt_after_notes(name: str, small: Tokenizer) -> None:
    """The prompt is one of the base family's of the same draw; both twins have the same notes, 2 to 8 of them."""
    base = name.removesuffix(LONG)
    for split in ("verification", "discovery"):
        (block,) = generate(core(families=[name], items=60), small, split, 3)
        lengths = set()
        for each in block.examples:
            assert_aligned(each, small)
            notes, prompt = each.clean.split(AFTER_NOTES)
            assert each.corrupt.split(AFTER_NOTES)[0] == notes
            assert bucket(base, prompt) == 3
            assert AFTER_NOTES not in prompt
            lengths.add(len(notes.splitlines()))
        assert lengths <= set(range(2, 9))
        assert len(lengths) >= 5
    assert not any(bucket(base, question(e.clean)) != TRAINING for e in islice(training_examples([name], 3), 300))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_prompt_has_one_answer(name: str) -> None:
    known: dict[str, str] = {}
    for prompt, answer in answers(name, 100):
        assert known.setdefault(prompt, answer) == answer, prompt
    for example in islice(training_examples([name], 3), 5000):
        assert known.setdefault(example.clean, example.target) == example.target, example.clean


@pytest.mark.parametrize("name", WRITTEN)
def test_a_prompt_has_one_template(name: str) -> None:
    known: dict[str, str] = {}
    for template, draft in drafts(name, 150):
        assert AFTER_NOTES not in draft.clean
        assert known.setdefault(draft.clean, template) == template, draft.clean


def test_what_is_copied_stands_in_the_prompt(small: Tokenizer) -> None:
    (block,) = generate(core(families=["copying"]), small, "verification", 2)
    for each in block.examples:
        assert re.search(rf"\b{each.target.strip()}\b", each.clean)
        assert re.search(rf"\b{each.wrong_target.strip()}\b", each.corrupt)


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
ORACLES: dict[str, Callable[..., object]] = {
    r"(?:^|\n|, )(\d+) ?\+ ?(\d+) ?=\n?$": operator.add,
    r"add\((\d),(\d)\)=$": operator.add,
    r"saw (\d) red and (\d) blue \w+\. Number of \w+:$": operator.add,
    r"what is (\w+) plus (\w+)\? \w+ answers:$": operator.add,
    r"(\w+) and (\w+) make$": operator.add,
    r'\[(\d),(\d)\],"sum":$': operator.add,
    r"(\d)\+(\d)\+(\d)=$": lambda a, b, c: a + b + c,
    r"counts (\w+) \w+ and then (\w+) more\. In all \w+ counts$": operator.add,
    r"works (\d) hours on \w+ and (\d) more on \w+\. Hours of work:$": operator.add,
    r"It is (\w+) o'clock .* come (\w+) hours later, at$": operator.add,
    r"(\d)\+x=(\d), x=$": lambda a, b: b - a,
    r"wants (\w+) \w+ and has only (\w+)\. Still needed:$": operator.sub,
    r"(\d)=(\d)\+$": operator.sub,
    r"(\d)-(\d)=$": operator.sub,
    r"had (\d) \w+ and gave away (\d) of them\. Left:$": operator.sub,
    r"(\w+) minus (\w+) is$": operator.sub,
    r"There were (\w+) .* took (\w+), so now the number is$": operator.sub,
    r"is (\d), and \w+ is younger by (\d)\. Age of \w+:$": operator.sub,
    r"f\((\d), (\d)\) ->\n$": operator.sub,
    r"Steps from (\d) to (\d):\n$": lambda a, b: b - a,
    r"after (\w+) comes$": lambda a: a + 1,
    r"is number (\w+) in the line\. \w+ is next, so \w+ is number$": lambda a: a + 1,
    r"(\d) ->\n$": lambda a: a - 1,
    r"Before (\w+) comes, .* know,$": lambda a: a - 1,
    r"(\d),(\d),(\d),$": lambda a, b, c: c + b - a,
    r": ([a-z]+), ([a-z]+), ([a-z]+),$": lambda a, b, c: c + b - a,
    r"=(\d) # \w+\n\w+\+=1\nprint\(\w+\)\n$": lambda a: a + 1,
    r"Tens of .*: (\d+), (\d+), (\d+),\n$": lambda a, b, c: c + b - a,
    r"bigger of (\d),(\d):\n$": max,
    r"has (\w+) \w+, \w+ has (\w+)\. The smaller number is$": min,
    r"Is (\w+) more than (\w+)\?": lambda a, b: "yes" if a > b else "no",
    r"sort\((\d),(\d)\)=\[$": min,
    r"Of (\w+) and (\w+) the larger is$": max,
    r"(\w+) > (\w+):$": lambda a, b: "yes" if a > b else "no",
    r"threw (\d) and \w+ threw (\d)\. Best throw": max,
    r"drew the number (\w+)\.": lambda a: "odd" if a % 2 else "even",
    r", (\w+) is$": lambda a: "odd" if a % 2 else "even",
    r"was (\w+)\. \w+ says it is now twice that:$": lambda a: 2 * a,
    r"share (\w+) \w+, half for each\. Each gets$": lambda a: a // 2,
    r"double\((\d)\)=$": lambda a: 2 * a,
}
"""What each question of the arithmetic family asks for, read from the prompt alone."""


def test_arithmetic_is_right() -> None:
    used = set()
    for prompt, answer in answers("arithmetic", 50):
        question, asked = next((q, m) for q in ORACLES if (m := re.search(q, prompt)))
        numbers = (int(word) if word.isdigit() else WORDS.index(word) for word in asked.groups())
        right = ORACLES[question](*numbers)
        given = answer.strip()
        assert given in (str(right), WORDS[right] if isinstance(right, int) and right < 11 else right), prompt + answer
        used.add(question)
    assert used == set(ORACLES)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (r"capital of Japan is$", "Tokyo"),
        (r"capital of Greece\? Answer:$", "Athens"),
        (r"Capital of Egypt:$", "Cairo"),
        (r"In Iran, \w+ and \w+ speak$", "Persian"),
        (r"but in Austria they speak$", "German"),
        (r"in China, a country in$", "Asia"),
        (r"city of Accra is in$", "Ghana"),
        (r"young sheep is called a$", "lamb"),
        (r"saw a tadpole at .* to be a$", "frog"),
        (r"color of coal is$", "black"),
        (r"says north and \w+ says the opposite:$", "south"),
        (r"past tense of think\. It is$", "thought"),
        (r"day after Sunday, on$", "Monday"),
    ],
)
def test_facts_are_right(question: str, answer: str) -> None:
    given = {answer for prompt, answer in answers("factual_recall", 300) if re.search(question, prompt)}
    assert given == {f" {answer}"}
