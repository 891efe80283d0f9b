"""specs: how a fault reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from mi_atlas.specs.errors import Fault, SpecError, dotted, nearest, shown

FAULT = Fault(Path("claims/a.yaml"), 7, 13, "metric.quantity", "is wrong", "`x`", "`kl`, `y`", "kl")


def test_a_fault_reads_as_one_line() -> None:
    assert (
        str(FAULT) == "claims/a.yaml:7:13: metric.quantity: is wrong; found `x`; accepted `kl`, `y`; did you mean `kl`?"
    )
    assert str(Fault(Path("a.yaml"), 1, 1, "", "is empty")) == "a.yaml:1:1: is empty"


def test_an_error_holds_and_prints_all_faults() -> None:
    error = SpecError([FAULT, FAULT])
    assert error.faults == (FAULT, FAULT)
    assert str(error) == f"{FAULT}\n{FAULT}"


@pytest.mark.parametrize("name", ["new\nline.yaml", "esc\x1b[31m.yaml", "latin\udce4.yaml"])
def test_odd_file_names_stay_on_the_line_and_can_be_printed(name: str) -> None:
    told = str(Fault(Path(name), 1, 1, "", "is odd"))
    assert told.isprintable()
    assert told.encode()


def test_a_path_reads_as_people_write_it() -> None:
    assert dotted(()) == ""
    assert dotted(("robustness", 0, "intervention")) == "robustness[0].intervention"
    assert dotted((0, "a")) == "[0].a"


@pytest.mark.parametrize(
    ("word", "accepted", "meant"),
    [
        ("top_componnet", ["ratio", "top_component"], "top_component"),
        ("KL", ["kl", "logit_diff_drop"], "kl"),
        ("entropy", ["kl", "logit_diff_drop"], "kl"),
        ("entropy", ["entropies", "logit_diff_drop"], "entropies"),
        ("zebra", ["kl", "logit_diff_drop"], ""),
        ("", ["kl"], ""),
        ("k" * 10_000, ["kl"], ""),
    ],
)
def test_the_nearest_spelling_is_suggested_or_none(word: str, accepted: list[str], meant: str) -> None:
    assert nearest(word, accepted) == meant


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "`true`"),
        (0.5, "the number `0.5`"),
        ("x", "the text `x`"),
        ("", "an empty text"),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "a mapping"),
        ("y" * 100, f"the text `{'y' * 57}...`"),
    ],
)
def test_what_was_found_is_told_in_a_few_words(value: object, words: str) -> None:
    assert shown(value) == words
