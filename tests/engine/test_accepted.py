"""tests: exit codes, from verdicts and accepted grades."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from mi_atlas.engine.accepted import exit_code, load_accepted, save_accepted
from mi_atlas.engine.errors import MachineError


@dataclass
class Graded:
    grade: str


@pytest.mark.parametrize(
    ("now", "accepted", "code", "regressed"),
    [
        ({"a": "High", "b": "Refuted"}, {}, 0, []),  # nothing accepted yet, all decided
        ({"a": "High", "b": "Pending"}, {}, 2, []),
        ({"a": "High"}, {"a": "High"}, 0, []),
        ({"a": "Medium"}, {"a": "High"}, 1, ["a"]),
        ({"a": "High"}, {"a": "Medium"}, 1, []),  # better than accepted differs too
        ({"a": "Pending"}, {"a": "High"}, 2, ["a"]),
        ({"a": "Pending"}, {"a": "Pending"}, 0, []),
        ({"a": "Pending", "b": "Refuted"}, {"a": "High", "b": "High"}, 1, ["a", "b"]),
        ({"a": "Refuted"}, {"a": "Pending"}, 1, ["a"]),
        ({"a": "High"}, {"a": "High", "gone": "High"}, 0, []),
    ],
)
def test_exit_code(now: dict[str, str], accepted: dict[str, str], code: int, regressed: list[str]) -> None:
    verdicts = {name: Graded(grade) for name, grade in now.items()}
    blocks = {name: {"grade": grade} for name, grade in accepted.items()}
    assert exit_code(verdicts, blocks) == (code, regressed)


def test_the_file_round_trips_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.lock"
    assert load_accepted(path) == {}
    save_accepted(path, {"b/c": {"grade": "High"}, "a/b": {"grade": "Refuted"}})
    assert load_accepted(path) == {"a/b": {"grade": "Refuted"}, "b/c": {"grade": "High"}}
    path.write_text("{")
    with pytest.raises(MachineError, match=r"verdicts\.lock"):
        load_accepted(path)
