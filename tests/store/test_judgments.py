"""tests: what models wrote, what judges replied and what people said come back as they went in."""

from __future__ import annotations

from pathlib import Path

from mi_atlas.store import FinishedRun, JudgeReply, Label, Ledger


def run(key: str, texts: tuple[str, ...]) -> FinishedRun:
    """A run that wrote."""
    return FinishedRun(key, {"site": key}, {"cut": [0.0] * len(texts)}, "2026-01-01", 0.1, "cpu", {}, texts)


def test_texts_come_back_in_order_and_of_the_newest_take(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.duckdb")
    odd = ("", "two\nlines", "\x00 and 'quotes' ; drop table run", "ø漢字")
    ledger.commit([run("a" * 64, odd), run("b" * 64, ("x",))])
    assert ledger.texts(["a" * 64, "b" * 64, "c" * 64]) == {"a" * 64: odd, "b" * 64: ("x",)}
    ledger.commit([run("b" * 64, ("y", "z"))], supersede=True)
    assert ledger.texts(["b" * 64]) == {"b" * 64: ("y", "z")}


def test_a_reply_is_kept_byte_for_byte_and_the_newest_is_served(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.duckdb")
    raw = bytes(range(256))
    ledger.keep_replies([JudgeReply("q1", "j", raw, 0.5, 10, 2, 1), JudgeReply("q2", "j", b"", 0.1, None, None, 3)])
    ledger.keep_replies([JudgeReply("q1", "j", b"later", 0.5, 5, 1, 1)])
    assert ledger.replies(["q1", "q2", "q3"]) == {"q1": b"later", "q2": b""}
    assert ledger.spent() == {"j": (3, 15, 3)}


def test_the_newest_label_of_an_answer_is_served_by_rubric_and_dimension(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.duckdb")
    assert ledger.labels(["a"], "r", "overall") == {}
    first = [Label("a", 0, "r", "overall", 3), Label("a", 7, "r", "overall", 4), Label("a", 0, "r", "tone", 1)]
    ledger.keep_labels(first)
    ledger.keep_labels([Label("a", 0, "r", "overall", 5)])
    assert ledger.labels(["a", "b"], "r", "overall") == {"a": {0: 5.0, 7: 4.0}}
    assert ledger.labels(["a"], "another", "overall") == {}
