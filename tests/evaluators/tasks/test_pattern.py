"""tests: what a text with slots says, on tables small enough to check by hand."""

from __future__ import annotations

import pytest
from mi_atlas.evaluators.tasks.dice import Dice
from mi_atlas.evaluators.tasks.pattern import Pattern, Tables

TABLES: Tables = {
    "word": ("cat", "dog", "sun"),
    "letter": ("A", "B"),
    "a b sum": [("1", "2", "3"), ("1", "3", "4"), ("2", "3", "5"), ("4", "5", "9")],
    "land continent": [("France", "Europe"), ("Spain", "Europe"), ("Japan", "Asia")],
}


def pairs(text: str, count: int = 200) -> list[tuple[str, str, str, str]]:
    """(clean, target, corrupt, wrong target)."""
    dice = Dice("test")
    made = []
    for _ in range(count):
        draft = Pattern(text, TABLES).draft(dice)
        made.append((draft.clean, draft.target, *draft.twin(dice)))
    return made


def test_the_row_of_the_answer_is_replaced() -> None:
    orders = ("cat dog sun", "cat sun dog", "dog cat sun", "dog sun cat", "sun cat dog", "sun dog cat")
    expected = {(f"{a} {b} {a}", f" {b}", f"{a} {c} {a}", f" {c}") for a, b, c in map(str.split, orders)}
    assert set(pairs("$word1 $word2 $word1| $word2")) == expected


def test_a_question_asks_about_another_thing() -> None:
    for clean, target, corrupt, wrong in pairs("$letter1 $word1, $letter2 $word2. $?letter| $?word"):
        facts, asked = clean.split(". ")
        known = dict(fact.split() for fact in facts.split(", "))
        other = "B" if asked == "A" else "A"
        assert (target, corrupt, wrong) == (f" {known[asked]}", f"{facts}. {other}", f" {known[other]}")


def test_another_answer_changes_as_little_as_it_can() -> None:
    """By hand: 1+2 and 1+3 and 2+3 have neighbours that differ in one summand; 4+5 has none."""
    made = {(clean, corrupt) for clean, _, corrupt, _ in pairs("$a+$b=|$sum")}
    assert {pair for pair in made if pair[0] != "4+5="} == {
        ("1+2=", "1+3="),
        ("1+3=", "1+2="),
        ("1+3=", "2+3="),
        ("2+3=", "1+3="),
    }
    assert {pair[1] for pair in made if pair[0] == "4+5="} <= {"1+2=", "1+3=", "2+3="}


def test_another_answer_is_another_answer() -> None:
    made = {(clean, corrupt) for clean, _, corrupt, _ in pairs("$land is in| $continent")}
    assert made == {
        ("France is in", "Japan is in"),
        ("Spain is in", "Japan is in"),
        ("Japan is in", "France is in"),
        ("Japan is in", "Spain is in"),
    }


def test_braces_and_line_breaks_are_text() -> None:
    assert {clean for clean, *_ in pairs('{"$letter1":{}}\n{"|$letter1')} == {'{"A":{}}\n{"', '{"B":{}}\n{"'}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no bar $word1", "prompt|continuation"),
        ("two | bars | $word1", "prompt|continuation"),
        ("$word1| no slot", "with a slot in its continuation"),
        ("$wrod1| $word1", "no table has a column 'wrod'"),
        ("$word1 $?word| $?word", "two things to ask about"),
        ("$letter1 $word2 $?letter| $?word", "two things to ask about"),
        ("$word1 $word2 $word3 $word4| $word1", "4 different rows of 'word' are asked, there are 3"),
    ],
)
def test_texts_that_say_nothing_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        Pattern(text, TABLES)


def test_a_row_has_all_columns() -> None:
    with pytest.raises(ValueError, match="another number of columns"):
        Pattern("$a| $b", {"a b": [("1", "2"), ("3",)]})
