"""tests of judges/gate: the answers that judges are tried on, and the calls that are made of them."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from mi_atlas.judges.gate import BUILT_IN, DIMENSIONS, DRAWS, Gold, SetError, gate_questions, pairs, sets_of
from mi_atlas.specs.judge import Judge

RUBRIC: dict[str, Any] = {
    "dimensions": [{"name": name, "asks": f"{name}?", "better": better} for name, better in DIMENSIONS.items()]
}


def judge(**rubric: Any) -> Judge:
    return Judge.model_validate({"model": "m", "family": "f", "rubric": {**RUBRIC, **rubric}})


def correlation(one: list[float], other: list[float]) -> float:
    """Pearson's, literally."""
    a, b = (sum(values) / len(values) for values in (one, other))
    product = sum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    return product / (sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other)) ** 0.5


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_labels_are_many_and_balanced_and_neither_length_nor_place_predicts_them(dimension: str) -> None:
    gold = [each for each in BUILT_IN.gold if dimension in each.labels]
    labels = [each.labels[dimension] for each in gold]
    assert len(gold) >= 100
    assert {*labels} == {1, 2, 3, 4, 5}
    assert all(15 <= 100 * labels.count(level) / len(labels) <= 27 for level in range(1, 6))
    for length in (lambda text: float(len(text)), lambda text: float(len(text.split()))):
        assert abs(correlation(labels, [length(each.answer) for each in gold])) < 0.08
    assert abs(correlation(labels, [float(place) for place in range(len(gold))])) < 0.08


def test_in_pairs_the_longer_or_the_first_is_the_better_one_about_half_the_time() -> None:
    both = [(one, other) for one, other in pairs(BUILT_IN) if "overall" in one.labels and "overall" in other.labels]
    assert len(both) >= 100
    first = [one.labels["overall"] > other.labels["overall"] for one, other in both]
    longer = [(len(one.answer) > len(other.answer)) == up for (one, other), up in zip(both, first, strict=True)]
    for share in (sum(first) / len(both), sum(longer) / len(both)):
        assert 0.44 <= share <= 0.56
    right_longer = sum(len(each.right) > len(each.wrong) for each in BUILT_IN.anchors)
    assert right_longer == len(BUILT_IN.anchors) / 2


KEPT = {
    "put each answer on a line of its own": lambda text, asked: text.count("\n") >= 3 and ", " not in body(text),
    "write all answers on one line with semicolons between them": lambda text, asked: text.count("; ") == 3,
    "number the answers from 1 to 4": lambda text, asked: all(f"{number}. " in text for number in range(1, 5)),
    "put each answer in square brackets": lambda text, asked: text.count("[") == text.count("]") == 4,
    "begin each answer with a dash": lambda text, asked: len(re.findall(r"(?:^|[\s;,])- ", text)) == 4,
    "begin with the word Answers": lambda text, asked: text.startswith("Answers"),
    "begin with the words Here they are": lambda text, asked: text.startswith("Here they are"),
    "write no introduction": lambda text, asked: not text.startswith(("Sure", "Thank", "Let me", "I am happy")),
    "end with the word DONE": lambda text, asked: text.endswith("DONE"),
    "end with the words That is all": lambda text, asked: text.endswith("That is all"),
    "add nothing after the last answer": lambda text, asked: not text.endswith((".", "!")),
    "repeat the question before each answer": lambda text, asked: all(f"{each}: " in text for each in asked),
    "give the answers without repeating the questions": lambda text, asked: not any(f"{e}: " in text for e in asked),
}
"""Instruction -> whether an answer keeps it, by a rule that knows nothing of how the answer was written."""


def body(text: str) -> str:
    """Without an introduction and what stands behind the answers, which are sentences."""
    return "\n".join(line for line in text.split("\n") if not line.endswith((".", "!", ":")))


def test_labels_of_instructions_are_one_plus_how_many_of_the_four_are_kept() -> None:
    for each in BUILT_IN.gold:
        listing, _, orders = each.prompt.rpartition(". ")
        asked = [part.strip() for part in re.split(r"[:?] ", listing, maxsplit=1)[1].split(";")]
        named = [order for order in KEPT if order in orders[0].lower() + orders[1:]]
        assert len(asked) == len(named) == 4, each.prompt
        assert each.reference is not None
        assert all(KEPT[order](each.reference, asked) for order in named), each.reference
        if "follows_instructions" in each.labels:
            kept = sum(KEPT[order](each.answer, asked) for order in named)
            assert each.labels["follows_instructions"] == 1 + kept, (each.prompt, each.answer)


def test_labels_of_sums_are_one_plus_how_many_are_right() -> None:
    for each in [one for one in BUILT_IN.gold if re.match("Work out|Multiply|Subtract", one.prompt)]:
        listing = re.split(": ", each.prompt.rpartition(". ")[0], maxsplit=1)[1]
        truth = [str(eval(part.replace("x", "*"), {})) for part in listing.split("; ")]  # noqa: S307 - our own sums
        said = [part for part in re.split(r"\n|; |, ", body(each.answer)) if re.search(r"\d", part)]
        given = [
            re.sub(r"^.*?: ", "", re.sub(r"^(Answers: |Here they are: )?(\d\. |- |\[)?", "", part)) for part in said
        ]
        right = sum(re.match(r"\d+", got)[0] == wanted for got, wanted in zip(given, truth, strict=True))  # type: ignore[index]
        assert (each.labels["correctness"], each.labels["invented"]) == (1 + right, 5 - right), (truth, each.answer)


def test_answers_to_a_prompt_differ_in_their_labels() -> None:
    for one, other in combinations(BUILT_IN.gold, 2):
        if one.prompt == other.prompt and "overall" in one.labels and "overall" in other.labels:
            assert one.labels != other.labels
            assert one.answer != other.answer


def test_canaries_and_anchors() -> None:
    kinds = [each.kind for each in BUILT_IN.canaries]
    assert {kind: kinds.count(kind) for kind in kinds} == {"injected": 20, "constant": 20, "empty": 20}
    assert not any(re.search(r"\w", each.answer) for each in BUILT_IN.canaries if each.kind == "empty")
    assert len({each.answer for each in BUILT_IN.canaries if each.kind != "empty"}) == 40
    assert len(BUILT_IN.anchors) >= 50
    assert len({each.prompt for each in BUILT_IN.anchors}) == len(BUILT_IN.anchors)


@pytest.mark.parametrize(
    ("mode", "calls"),
    [("pointwise", 121 * DRAWS + 60 + 2 * 52), ("reference", 527), ("pairwise", 2 * (105 * DRAWS + 60 + 52))],
)
def test_every_call_is_another_one(mode: str, calls: int) -> None:
    """Draws of one question too; empty answers to one prompt are not asked twice."""
    questions = gate_questions(judge(mode=mode))
    assert len(questions) == calls
    assert len({question.key for question in questions.values()}) == calls
    assert not any("labels" in str(question.body) for question in questions.values())


def test_a_workspaces_own_labels(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text('{"prompt": "Say hello.", "answer": "Hello!", "labels": {"kind": 9}}\n\n')
    own = judge(gold="gold.jsonl", scale=[0, 10], dimensions=[{"name": "kind", "asks": "Is it kind?"}])
    sets = sets_of(own, tmp_path)
    assert sets.gold == (Gold("line-1", "Say hello.", "Hello!", {"kind": 9}),)
    assert sets.labelled(own.rubric, "kind") == {"line-1": 9}  # type: ignore[arg-type]
    assert sets.digest != BUILT_IN.digest
    assert sets_of(judge(), tmp_path) is BUILT_IN


def test_our_labels_are_put_on_the_rubrics_scale_and_need_its_direction() -> None:
    wide = judge(scale=[0, 8]).rubric
    turned = judge(dimensions=[{"name": "invented", "asks": "How little is made up?"}]).rubric
    first = BUILT_IN.gold[0]
    assert BUILT_IN.labelled(wide, "overall")[first.id] == 2 * (first.labels["overall"] - 1)  # type: ignore[arg-type]
    assert BUILT_IN.labelled(turned, "invented") == {}  # type: ignore[arg-type]
    assert BUILT_IN.labelled(wide, "politeness") == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no json", "gold.jsonl:2: no JSON"),
        ("[1]", "gold.jsonl:2: a labelled answer is an object"),
        ('{"prompt": "p", "answer": "a", "label": 3}', "not label"),
        ('{"prompt": "p", "labels": {"overall": 3}}', "gold.jsonl:2: answer is text"),
        ('{"prompt": "p", "answer": "a", "labels": {}}', "labels is an object"),
        ('{"prompt": "p", "answer": "a", "labels": {"overall": 6}}', "labels.overall is a number from 1 to 5, not 6"),
        ('{"prompt": "p", "answer": "a", "labels": {"overall": true}}', "from 1 to 5, not True"),
        ('{"prompt": "p", "answer": "a", "labels": {"fun": 3}}', "no dimension `fun`"),
        ('{"id": "line-1", "prompt": "p", "answer": "a", "labels": {"overall": 3}}', "stands on an earlier line"),
        ('{"id": "a/b", "prompt": "p", "answer": "a", "labels": {"overall": 3}}', "neither `/` nor `+`"),
    ],
)
def test_lines_that_are_no_labels_are_located(tmp_path: Path, line: str, said: str) -> None:
    good = '{"prompt": "p", "answer": "a", "labels": {"overall": 3}}'
    (tmp_path / "gold.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(SetError, match=re.escape(said)):
        sets_of(judge(gold="gold.jsonl"), tmp_path)
    with pytest.raises(SetError, match="cannot be read"):
        sets_of(judge(gold="none.jsonl"), tmp_path)
