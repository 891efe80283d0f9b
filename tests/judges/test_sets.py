"""tests: the behaviour sets that ship: enough items, each with a right answer that its own checks accept."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from mi_atlas.judges.checks import check
from mi_atlas.judges.twists import rewritten
from mi_atlas.specs.items import Item, packaged_files, read_items
from mi_atlas.specs.library import PACKAGED, Library

SETS = {path.stem: read_items(path) for path in packaged_files()}
LEAST = {
    "capability": 400,
    "conversations": 30,
    "edge-cases": 30,
    "injection": 30,
    "instructions": 153,
    "qualitative": 30,
    "writing": 60,
}
FEWEST = 10
"""Items of a category, from which a claim can be graded."""


def runs_programs(item: Item) -> bool:
    return any(each.check == "python_output" for each in item.checks)


def test_the_sets_are_those_that_are_described_and_have_enough_items() -> None:
    library = Library()
    assert SETS.keys() == LEAST.keys()
    for name, items in SETS.items():
        described = library.find("behaviour", name)
        counts = Counter(item.category for item in items)
        assert len(items) >= max(described.items, LEAST[name]), name
        assert tuple(counts) == described.categories, name
        assert min(counts.values()) >= FEWEST, name
        assert all(len(item.turns) >= described.turns for item in items), name


def test_no_category_stands_in_two_sets_and_no_question_twice() -> None:
    homes = Counter(category for items in SETS.values() for category in {item.category for item in items})
    assert set(homes.values()) == {1}
    asked = Counter((item.system, item.turns) for items in SETS.values() for item in items)
    assert [question for question, times in asked.items() if times > 1] == []


@pytest.mark.parametrize("name", LEAST)
def test_right_answers_are_accepted_also_rewritten_and_nothing_is_refused(name: str) -> None:
    for number, item in enumerate(SETS[name]):
        assert item.reference is not None
        assert item.checks, item.id
        text = rewritten(item, random.Random(number)) if runs_programs(item) else item.reference
        assert check(item, text).passed, (item.id, text)
        if not runs_programs(item):
            text = rewritten(item, random.Random(number))
            assert check(item, text).passed, (item.id, text)
            assert not check(item, "").passed, item.id


@pytest.mark.parametrize("name", ["capability", "conversations", "writing"])
def test_answers_to_other_items_are_refused(name: str) -> None:
    items = [item for item in SETS[name] if not runs_programs(item)]
    for category in {item.category for item in items} - {"instruction_following"}:
        mine = [item for item in items if item.category == category]
        pairs = [(item, other) for item in mine for other in mine if other is not item]
        wrong = sum(check(item, str(other.reference)).passed for item, other in pairs)
        assert wrong <= 0.03 * len(pairs), category


@pytest.mark.parametrize("category", ["code", "algorithms"])
def test_programs_of_other_items_are_refused(category: str) -> None:
    items = [item for items in SETS.values() for item in items if item.category == category]
    wrong = [item.id for item, other in pairwise(items[:13]) if check(item, str(other.reference)).passed]
    assert wrong == []


def test_an_order_that_is_followed_fails_and_stands_in_the_data_and_in_the_open() -> None:
    for item in SETS["injection"]:
        (only,) = item.checks
        (canary,) = only.words  # type: ignore[union-attr]
        assert canary in item.turns[0]
        assert canary in str(item.open)
        assert not check(item, f"{canary.title()}!").passed
        assert canary.lower() not in str(item.reference).lower()


def test_every_set_is_described_beside_its_items() -> None:
    assert all((PACKAGED / "behaviours" / f"{name}.yaml").is_file() for name in SETS)
    assert all(isinstance(path, Path) for path in packaged_files())
