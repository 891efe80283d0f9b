"""tests: controls that twist only what is judged."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mi_atlas.judges.twists import twisted
from mi_atlas.specs.items import Item


def items(count: int) -> list[Item]:
    return [Item(id=f"i{n}", category="c", turns=("q",), reference=f"Answer {n}") for n in range(count)]


@given(st.integers(2, 12), st.integers(1, 3), st.integers(0, 20))
def test_mismatched_answers_are_a_derangement(count: int, each: int, draw: int) -> None:
    answers = [f"{item}/{place}" for item in range(count) for place in range(each)]
    found = twisted("mismatched_outputs", items(count), answers, draw)
    assert sorted(found) == sorted(answers)
    for number, text in enumerate(found):
        item, place = map(int, text.split("/"))
        assert item != number // each
        assert place == number % each


@pytest.mark.parametrize("word", ["mismatched_outputs", "reference_outputs", "shuffled_tokens"])
def test_draws_differ_and_come_again(word: str) -> None:
    asked, answers = items(8), [f"one two three four {n}" for n in range(8)]
    draws = [twisted(word, asked, answers, draw) for draw in range(1, 6)]
    assert len(set(draws)) == 5
    assert draws == [twisted(word, asked, answers, draw) for draw in range(1, 6)]


def test_shuffled_answers_have_the_same_words() -> None:
    (found,) = twisted("shuffled_tokens", items(1), ["a b b  c\nd"], 3)
    assert Counter(found.split()) == Counter("a b b c d".split())  # noqa: SIM905


def test_references_are_rewritten_only_where_that_changes_nothing() -> None:
    cased = Item(
        id="a", category="c", turns=("q",), reference="Ab", checks=[{"check": "exact", "of": ["Ab"], "case": True}]
    )
    free = Item(id="b", category="c", turns=("q",), reference="Ab", checks=[{"check": "exact", "of": ["Ab"]}])
    data = Item(id="c", category="c", turns=("q",), reference='{"x": 1, "y": 2}', checks=[{"check": "json"}])
    found = [twisted("reference_outputs", [cased, free, data], ["", "", ""], draw) for draw in range(40)]
    assert {text.strip() for text, _, _ in found} == {"Ab"}
    assert {text.strip() for _, text, _ in found} == {"Ab", "AB", "ab"}
    assert {tuple(json.loads(text)) for *_, text in found} == {("x", "y"), ("y", "x")}
    assert all(json.loads(text) == {"x": 1, "y": 2} for *_, text in found)


def test_what_cannot_be_twisted_is_said() -> None:
    bare = Item(id="a", category="c", turns=("q",))
    for word, some, answers, problem in (
        ("mismatched_outputs", [bare], ["x"], "a category of one item"),
        ("reference_outputs", [bare], ["x"], "item a has no reference"),
        ("upside_down", [bare], ["x"], "no control `upside_down`"),
        ("shuffled_tokens", [bare, bare], ["x"], "1 answers cannot belong to 2 items"),
    ):
        with pytest.raises(ValueError, match=problem):
            twisted(word, some, answers, 1)
