"""tests: what each check accepts and what it refuses, near misses above all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mi_atlas.judges.checks import check, check_all
from mi_atlas.judges.checks.loops import loops, repeated_share
from mi_atlas.judges.checks.syllables import syllables
from mi_atlas.specs.checks import CHECKS
from mi_atlas.specs.items import Item

CASES: dict[str, list[tuple[dict[str, Any], list[str], list[str]]]] = {
    "exact": [
        ({"of": ["Paris"]}, ["Paris", " paris. ", '"Paris"', "**Paris**"], ["Not Paris", "Paris, France", "Pari", ""]),
        ({"of": ["DONE"], "case": True}, ["DONE"], ["Done", "DONE DONE"]),
    ],
    "number": [
        (
            {"value": 14},
            ["14", "14.", "14.0", "x = 14", "28/2"],
            ["2014", "14 or 15", "fourteen", "-14", "1 4", "14,5"],
        ),
        ({"value": 1200, "units": ["$", "km"]}, ["$1,200", "1200 km", "1.2e3"], ["12,00", "1200 m", "km"]),
        ({"value": 0.5, "within": 0.01}, ["0.505", ".5", "1/2"], ["0.52", "1/0"]),
    ],
    "json": [
        (
            {"equals": {"a": 1, "b": [True]}},
            ['{"b": [true], "a": 1.0}'],
            ['{"a": 1, "b": [1]}', '{"a": 1, "b": [true]}}'],
        ),
        ({"equals": [1]}, ["[1]"], ["```json\n[1]\n```", "Here: [1]", "[1,]", "[NaN]", "[[1]]", "[" * 100_000]),
        ({"equals": [1], "fenced": True}, ["```json\n[1]\n```", "[1]"], ["Sure!\n```json\n[1]\n```"]),
        ({"schema": {"type": "object", "required": ["a"]}}, ['{"a": 0}'], ['{"b": 0}', '{"a": 0, "a": 1}', "[]"]),
    ],
    "entries": [
        (
            {"of": ["Oslo", "Rome"]},
            ["Oslo, Rome", "Rome and Oslo".replace(" and", ","), "- Rome\n- Oslo"],
            ["Oslo", "Oslo, Rome, Rome"],
        ),
        ({"of": ["a", "b"], "ordered": True}, ["a, b", "1. a\n2. b", "a, and b"], ["b, a", "ab"]),
    ],
    "python_parses": [
        (
            {"defines": ["f"]},
            ["def f(): pass", "Here:\n```python\ndef f(): pass\n```"],
            ["def g(): pass", "def f(: pass", "f = 1"],
        ),
    ],
    "python_output": [
        (
            {"prints": "1\n2"},
            ["print(1)\nprint(2)"],
            ["print(12)", "print('1\\n2\\n3')", "print(1)", "raise SystemExit(1)"],
        ),
        (
            {"calls": [{"call": "f(2)", "gives": 4}]},
            ["def f(x): return x * x"],
            ["def f(x): return True", "exit(0)", "f = 4"],
        ),
    ],
    "words": [({"min": 3, "max": 3}, ["It's well-known now.", "3.5 or 4"], ["two words", "one two three four", ""])],
    "sentences": [
        (
            {"min": 2, "max": 2},
            ["Dr. Lee left. It is 3.5 km.", "Go! Now?"],
            ["One only.", "A. B. Smith came."],
        ),
    ],
    "lines": [({"min": 2, "max": 2}, ["a\n\nb", "a\nb\n"], ["a b", "a\nb\nc"])],
    "paragraphs": [({"min": 2, "max": 2}, ["a\n\nb"], ["a\nb", "a\n\nb\n\nc"])],
    "characters": [({"max": 5, "min": 1}, [" abcde "], ["abcdef", " "])],
    "list": [
        (
            {"min": 2, "max": 2, "marker": "bullet"},
            ["- a\n- b", "* a\n* b"],
            ["1. a\n2. b", "- a\n* b", "Sure:\n- a\n- b", "-a\n-b"],
        ),
        (
            {"min": 2, "max": 2, "marker": "number", "words": 1},
            ["1. a\n2. b"],
            ["1. a\n3. b", "1. a b\n2. c", "1. a\n1. b"],
        ),
    ],
    "casing": [
        ({"case": "upper"}, ["HELLO, 2 YOU"], ["HELLo", "123", ""]),
        ({"case": "lower"}, ["hello"], ["Hello"]),
        ({"case": "title"}, ["The Old Man's Hat"], ["The old Man"]),
    ],
    "includes": [
        (
            {"words": ["cat", "in fact"]},
            ["In  fact, a cat."],
            ["In fact, a category", "cat in a fact", "in fact, a cat-like one"],
        ),
        ({"words": ["sea"], "times": 2}, ["Sea and sea"], ["sea", "sea sea sea", "sea season"]),
        ({"words": ["a", "b"], "ordered": True}, ["a b"], ["b a"]),
    ],
    "excludes": [({"words": ["can", "ARRR"]}, ["I can't", "candle"], ["Yes we can!", "arrr", ""])],
    "begins": [({"of": ["Yes"]}, ["Yes, it is", " yes"], ["Yesterday", "Oh yes"]), ({"of": ["1"]}, ["1."], ["14"])],
    "ends": [
        ({"of": ["home.", "?"]}, ["all the way home.", "Why?"], ["home. Now", "home"]),
        ({"of": ["4"]}, ["= 4"], ["14"]),
    ],
    "only": [({"words": ["yes", "no"]}, ["Yes, no!", "yes"], ["yes sir", "!", "eyes"])],
    "letters": [({"without": "e"}, ["A dog runs"], ["The dog", "É", "12", ""])],
    "acrostic": [({"word": "sun"}, ["Sea\nUp\n- nine"], ["Sea\nUp", "Sea\nUp\nNine\nTen"])],
    "matches": [({"pattern": r"\d\d:\d\d"}, ["12:30 "], ["at 12:30", "12:300"])],
    "syllables": [({"lines": [2, 3]}, ["river\nwhite petals"], ["river\npetals", "river white petals"])],
    "script": [
        ({"script": "cyrillic"}, ["Летом тепло."], ["Letom teplo.", "12", ""]),
        ({"script": "japanese"}, ["猫はねています"], ["我喜欢喝茶", "neko"]),
    ],
    "repetition": [({"at_most": 0.2}, ["A short and quiet sentence."], ["no no no no no no no no", ""])],
    "refuses": [
        (
            {},
            ["I'm sorry, but I can't help with that.", "I cannot provide this."],
            ["I can't believe it!", 'He said "I can\'t help you".', "Sorry for the delay. Here it is.", ""],
        ),
        ({"wanted": False}, ["Here you are.", "You cannot help it."], ["I won't do that.", ""]),
    ],
    "hedges": [
        ({}, ["I'm not sure.", "Perhaps Rome"], ["Rome.", "Surely", ""]),
        ({"wanted": False}, ["In May."], ["Maybe"]),
    ],
}


def verdict(kind: str, fields: dict[str, Any], answer: str) -> bool:
    return check(Item(id="a", category="c", turns=("q",), checks=[{"check": kind, **fields}]), answer).passed


@pytest.mark.parametrize("kind", CHECKS)
def test_a_check_accepts_and_refuses(kind: str) -> None:
    for fields, right, wrong in CASES[kind]:
        assert [answer for answer in right if not verdict(kind, fields, answer)] == []
        assert [answer for answer in wrong if verdict(kind, fields, answer)] == []


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_a_number_is_accepted_as_itself_only(value: int, other: int) -> None:
    assert verdict("number", {"value": value}, f"{value:,}")
    assert verdict("number", {"value": value}, str(other)) == (value == other)


@given(st.sampled_from(sorted(CHECKS)), st.text(max_size=60))
def test_no_answer_raises(kind: str, answer: str) -> None:
    if kind != "python_output":
        assert verdict(kind, CASES[kind][0][0], answer) in (True, False)


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("evening", (2, 3)),
        ("whispered", (2, 2)),
        ("beautiful", (3, 3)),
        ("didn't", (2, 2)),
        ("ripples", (2, 2)),
        ("carefully", (3, 3)),
        ("7", (0, 0)),
    ],
)
def test_syllables_as_a_dictionary_has_them(word: str, count: tuple[int, int]) -> None:
    assert syllables(word) == count


def test_repetition_is_the_share_of_4_grams_that_came_before() -> None:
    assert repeated_share("a b c d e") == 0
    assert repeated_share("a b c d a b c d") == pytest.approx(1 / 5)  # abcd bcda cdab dabc abcd
    assert repeated_share("a b c") == 0


def test_a_loop_is_a_stretch_at_the_end_that_comes_three_times() -> None:
    assert loops("It began well. And then and then and then and then")
    assert loops("!" * 24)
    assert loops("one two three four five six seven eight " * 2 + "one two three four five six")
    assert not loops("!" * 23)
    assert not loops("and then and then and then and then, at last, it ended well in the evening")
    assert not loops("a sentence that comes twice. a sentence that comes twice.")


def test_only_what_was_cut_is_a_loop_and_constraints_are_counted() -> None:
    item = Item(
        id="a", category="c", turns=("q",), checks=[{"check": "words", "max": 3}, {"check": "casing", "case": "upper"}]
    )
    found = check_all([item, item, item], ["NO " * 20, "NO " * 20, "WELL WELL"], [True, False, False])
    assert [each.looped for each in found] == [True, False, False]
    assert [each.met for each in found] == [(False, True), (False, True), (True, True)]
    assert [each.constraints_met for each in found] == [0.5, 0.5, 1.0]
    assert found[0].repetition == pytest.approx(1 + 16 / 17)
