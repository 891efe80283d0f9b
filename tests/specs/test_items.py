"""tests: items of behaviour sets, and what is said of a file of them that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mi_atlas.specs.errors import SpecError
from mi_atlas.specs.items import Item, asked, order_of, packaged_items, read_items

GOOD = '{"id": "a", "category": "c", "turns": ["Say hi."], "checks": [{"check": "exact", "of": ["hi"]}]}'
OTHER = GOOD.replace('"a"', '"b"')


def told(tmp_path: Path, *lines: str) -> list[str]:
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(SpecError) as error:
        read_items(path)
    return [str(fault).replace(f"{path}:", "") for fault in error.value.faults]


def test_a_file_is_read_in_its_order_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(f"\ufeff{GOOD}\n\n{OTHER}\n")
    first, second = read_items(path)
    assert (first.id, second.id, first.unit, first.turns) == ("a", "b", "a", ("Say hi.",))
    assert first.checks[0].of == ("hi",)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "2:2: is no JSON"),
        ('{"id": "b", "id": "c"}', "the key `id` stands twice in one object"),
        (GOOD, "2:1: id: is the id of line 1, too; found the text `a`"),
        ('{"id": "b", "category": "c"}', "2:1: turns: is missing"),
        (OTHER.replace("turns", "turn"), "did you mean `turns`?"),
        (
            OTHER.replace('"exact"', '"exakt"'),
            "checks[0].check: is no check; found the text `exakt`",
        ),
        (
            OTHER.replace('"of"', '"off"'),
            "checks[0].off: is no field here; accepted `case`, `check`, `of`",
        ),
        (OTHER.replace('"exact", "of": ["hi"]', '"words"'), "checks[0]: min or max is needed"),
        (
            OTHER.replace('"exact", "of": ["hi"]', '"matches", "pattern": "("'),
            "is no regular expression",
        ),
    ],
)
def test_faults_are_located(line: str, fault: str, tmp_path: Path) -> None:
    assert any(fault in each for each in told(tmp_path, GOOD, line)), told(tmp_path, GOOD, line)


def test_every_fault_of_a_file_is_told_and_a_missing_one_too(tmp_path: Path) -> None:
    assert [each.split(":")[0] for each in told(tmp_path, "{", GOOD, "[]")] == ["1", "3"]
    with pytest.raises(SpecError, match="cannot be read"):
        read_items(tmp_path / "none.jsonl")


def test_writing_depends_on_no_check() -> None:
    item = Item(id="a", category="c", turns=("q",), open="o", checks=[{"check": "words", "max": 3}])
    assert asked(item) == {"id": "a", "turns": ["q"], "open": "o", "plain": False}


@given(st.integers(0, 50), st.integers(1, 30))
def test_orders_are_permutations(draw: int, count: int) -> None:
    ids = [f"i{n}" for n in range(count)]
    assert sorted(order_of(draw, ids)) == list(range(count))
    assert order_of(draw, ids) == order_of(draw, list(ids))


def test_orders_differ_from_draw_to_draw() -> None:
    ids = [f"i{n}" for n in range(20)]
    assert len({order_of(draw, ids) for draw in range(10)}) == 10


def test_packaged_items_are_found_by_name() -> None:
    found = packaged_items("capability")
    assert found is not None
    assert found.name == "capability.jsonl"
    assert packaged_items("none") is None
