"""tests: what is a verdict is read exactly, and what is none is unscored, with the reason."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mi_atlas.judges.reading import Unscored, Verdict, read
from mi_atlas.specs.judge import Dimension, Rubric

from .server import completion

NAMES = ("overall", "correctness")
DIMENSIONS = tuple(Dimension(name=name, asks="How good?") for name in NAMES)
SCORED, COMPARED = Rubric(dimensions=DIMENSIONS), Rubric(mode="pairwise", dimensions=DIMENSIONS)


def said(overall: object = 4, correctness: object = 2, **beside: object) -> str:
    return json.dumps({**beside, "scores": {"overall": overall, "correctness": correctness}})


FOUR_TWO = Verdict(scores={"overall": 4.0, "correctness": 2.0})


@pytest.mark.parametrize(
    "content",
    [
        said(),
        said(reasoning="Fine.", confidence=0.9),
        said(4.0, 2.0),
        "Let me think. {not json} { \n```json\n" + said() + "\n```\nThat is all.",
        said(1, 1) + "\nOn reflection:\n" + said(),
        'The answer holds {"scores": {"overall": 5, "correctness": 5}} itself. ' + said(),
        said("as", "drafted") + said(),
        said() + ' {"note": "no verdict", "note": "twice"}',
        "I'm sorry to be so strict. " + said(),
        '{"scores": {"overall": 4, "overall": 4, "correctness": 2}}',
        "{" * 5000 + said(),
    ],
)
def test_the_last_complete_verdict_counts(content: str) -> None:
    assert read(SCORED, completion(content)) == FOUR_TWO
    assert read(SCORED, completion(content, finish=None)) == FOUR_TWO


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (said("4"), "off_menu"),
        (said(4.5), "off_menu"),
        (said(6), "off_menu"),
        (said(0), "off_menu"),
        (said(True), "off_menu"),
        (said(None), "off_menu"),
        (said([4]), "off_menu"),
        (said(float("nan")), "off_menu"),
        ('{"scores": {"overall": 1e999, "correctness": 2}}', "off_menu"),
        ('{"scores": {"overall": 4, "correctness": 2, "style": 3}}', "off_menu"),
        ('{"scores": [4, 2]}', "off_menu"),
        ('{"scores": {"overall": 4}}', "missing"),
        ('{"scores": {"Overall": 4, "correctness": 2}}', "missing"),
        ('{"scores": {}}', "missing"),
        (said() + '{"scores": {"overall": 4}}', "missing"),
        ('{"scores": {"overall": 4, "overall": 5, "correctness": 2}}', "contradictory"),
        ('{"scores": {"overall": 4, "overall": 4.5, "correctness": 2}}', "contradictory"),
        (said()[:-1] + ', "scores": {"overall": 1, "correctness": 2}}', "contradictory"),
        ('{"winners": {"overall": "first", "correctness": "tie"}}', "no_verdict"),
        ("overall: 4, correctness: 2", "no_verdict"),
        (said()[:-1], "no_verdict"),
        ('{"overall": 4, "correctness": 2}', "no_verdict"),
        ('{"a":' * 5000, "no_verdict"),
        ('{"scores": {"overall": ' + "9" * 5000 + "}}", "no_verdict"),
        ("I'm sorry, but I can't judge that.", "refused"),
        ("I can’t assist with this request.", "refused"),
        ("As an AI, I do not grade.", "refused"),
        ("", "empty"),
        (" \n", "empty"),
    ],
)
def test_what_is_no_verdict_is_unscored(content: str, code: str) -> None:
    found = read(SCORED, completion(content))
    assert isinstance(found, Unscored)
    assert found.code == code
    assert found.reason
    assert found.reason.isprintable()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (completion(said()[:20], finish="length"), "cut"),
        (completion("Thinking, and thinking", finish="length"), "cut"),
        (completion(None, finish="length"), "cut"),
        (completion(said(1, 1) + ' but rather {"scores": {"overall"', finish="length"), "cut"),
        (completion(None, refusal="I won't."), "refused"),
        (completion(said(), refusal="I won't."), "refused"),
        (completion(said(), finish="content_filter"), "refused"),
        (completion(said())[:-5], "not_a_completion"),
        (completion(None, finish=None), "not_a_completion"),
        (b"", "not_a_completion"),
        (b"<html>", "not_a_completion"),
        (b"[]", "not_a_completion"),
        (b'{"choices": []}', "not_a_completion"),
        (b'{"choices": [{"message": {"content": ["text"]}, "finish_reason": "stop"}]}', "not_a_completion"),
        (b'{"choices": [{"message": "text"}]}', "not_a_completion"),
        (completion(said()).replace(b"assistant", b"\xff"), "not_a_completion"),
        (b'{"error": {"message": "away"}}', "not_a_completion"),
        (b"[" * 100_000, "not_a_completion"),
    ],
)
def test_a_reply_that_ends_otherwise_is_unscored(raw: bytes, code: str) -> None:
    found = read(SCORED, raw)
    assert isinstance(found, Unscored)
    assert found.code == code


def test_a_verdict_that_was_complete_before_the_cut_counts() -> None:
    assert read(SCORED, completion(said() + "\nIn other words", finish="length")) == FOUR_TWO


def test_winners_of_a_comparison() -> None:
    both = {"overall": "first", "correctness": "tie"}
    assert read(COMPARED, completion(json.dumps({"winners": both}))) == Verdict(winners=both)
    for wrong in ({"overall": "A", "correctness": "tie"}, {"overall": 1, "correctness": "tie"}):
        found = read(COMPARED, completion(json.dumps({"winners": wrong})))
        assert isinstance(found, Unscored)
        assert found.code == "off_menu"
    assert isinstance(read(COMPARED, completion(said())), Unscored)


@given(st.text(max_size=200), st.integers(1, 5), st.integers(1, 5))
def test_whatever_stands_before_a_verdict_it_is_read(before: str, one: int, two: int) -> None:
    found = read(SCORED, completion(before.replace("{", "(") + said(one, two)))
    assert found == Verdict(scores={"overall": float(one), "correctness": float(two)})


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: completion(text))))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    assert isinstance(read(SCORED, raw), Verdict | Unscored)


def test_a_thousand_replies_are_reread_in_half_a_second() -> None:
    """In seconds of this process, the best of three."""
    four = Rubric(dimensions=tuple(Dimension(name=f"d{n}", asks="How good?") for n in range(4)))
    text = json.dumps({"reasoning": "word " * 60, "scores": {f"d{n}": 1 + n for n in range(4)}})
    replies = [completion(text) + b" " * n for n in range(1000)]
    spent = []
    for _ in range(3):
        began = time.process_time()
        assert all(isinstance(read(four, raw), Verdict) for raw in replies)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.5, spent
