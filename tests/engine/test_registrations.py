"""tests: registrations: what counts as a look, and what was registered before its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mi_atlas.engine.errors import MachineError
from mi_atlas.engine.registrations import Registrations, Standing, load_registrations, save_registrations
from mi_atlas.store import utc_now


def test_a_claim_registered_before_its_data_is_its_first_look() -> None:
    book = Registrations()
    book.register("a/b", "estimand", "bound")
    assert book.look("estimand", "bound", ["data"], 1, utc_now()) == Standing(1, True)


def test_remeasuring_the_same_examples_is_no_look() -> None:
    book = Registrations()
    book.register("a/b", "estimand", "bound")
    book.look("estimand", "bound", ["data"], 1, utc_now())
    assert book.look("estimand", "bound", ["data"], 1, utc_now()) == Standing(1, True)
    assert len(book.estimands["estimand"]["looks"]) == 1


def test_a_new_bound_after_the_data_is_a_second_look_and_post_hoc() -> None:
    book = Registrations()
    book.register("a/b", "estimand", "bound")
    book.look("estimand", "bound", ["data"], 1, utc_now())
    book.register("a/b", "estimand", "other bound")
    assert book.look("estimand", "other bound", ["data"], 1, utc_now()) == Standing(2, False)
    # The first bound keeps the alpha it was given: going back to it is not another look.
    assert book.look("estimand", "bound", ["data"], 1, utc_now()) == Standing(1, True)


def test_a_post_hoc_bound_can_be_confirmed_on_the_next_draw() -> None:
    book = Registrations()
    book.register("a/b", "estimand", "bound")
    book.look("estimand", "bound", ["data"], 1, utc_now())
    book.register("a/b", "estimand", "other bound")
    book.look("estimand", "other bound", ["data"], 1, utc_now())
    assert book.look("estimand", "other bound", ["data of draw 2"], 2, utc_now()) == Standing(3, True)
    assert book.draw("estimand") == 2


def test_data_measured_for_another_claim_makes_a_later_claim_post_hoc() -> None:
    book = Registrations()
    book.register("a/b", "estimand", "bound")
    book.look("estimand", "bound", ["shared", "own"], 1, utc_now())
    book.register("a/c", "other estimand", "bound")
    assert book.look("other estimand", "bound", ["shared", "new"], 1, utc_now()) == Standing(1, False)


def test_renaming_a_claim_resets_nothing() -> None:
    book = Registrations()
    book.register("a/b", "estimand", "bound")
    book.look("estimand", "bound", ["data"], 1, utc_now())
    book.register("a/renamed", "estimand", "third bound")
    assert book.look("estimand", "third bound", ["data"], 1, utc_now()).look == 2


def test_standing_reads_what_look_wrote_and_changes_nothing() -> None:
    book = Registrations()
    assert book.standing("estimand", "bound", ["data"], 1) is None
    book.register("a/b", "estimand", "bound")
    look = book.look("estimand", "bound", ["b", "a"], 1, utc_now())
    book.changed = False
    assert book.standing("estimand", "bound", ["a", "b"], 1) == look
    assert book.standing("estimand", "bound", ["a"], 1) is None
    assert not book.changed


bounds = st.sampled_from(["one", "two", "three"])
data = st.sampled_from(["d1", "d2"])


def test_bounds_that_were_all_written_before_the_data_are_claims_of_their_own() -> None:
    book = Registrations()
    for bound in ("L0", "L1", "L2"):
        book.register("a/b", "estimand", bound)
    looks = [book.look("estimand", bound, ["data"], 1, utc_now()) for bound in ("L0", "L1", "L2")]
    assert looks == [Standing(1, True)] * 3


@given(st.lists(st.tuples(bounds, data), max_size=12))
def test_a_look_keeps_its_number_and_edits_count_every_look_before_them(steps: list[tuple[str, str]]) -> None:
    book, numbers, registered_after = Registrations(), {}, {}
    for bound, item in steps:
        book.register("a/b", "estimand", bound)
        registered_after.setdefault(bound, len(numbers))
        look = book.look("estimand", bound, [item], 1, utc_now()).look
        own = sum(other == bound for other, _ in list(numbers)[registered_after[bound] :])
        expected = 1 + registered_after[bound] + own
        assert numbers.setdefault((bound, item), expected) == look


def test_the_file_survives_a_round_trip_and_is_sorted(tmp_path: Path) -> None:
    path, book = tmp_path / "claims" / "registrations.lock", Registrations()
    book.register("a/b", "zebra", "bound")
    book.register("a/c", "ant", "bound")
    book.look("zebra", "bound", ["data"], 1, utc_now())
    save_registrations(book, path)
    again = load_registrations(path)
    assert (again.estimands, again.measured) == (book.estimands, book.measured)
    assert list(json.loads(path.read_text())["estimands"]) == ["ant", "zebra"]
    before = path.stat().st_mtime_ns
    save_registrations(again, path)
    assert path.stat().st_mtime_ns == before


def test_two_audits_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path, first = tmp_path / "registrations.lock", Registrations()
    first.register("a/b", "shared", "bound")
    save_registrations(first, path)
    second = load_registrations(path)
    first.look("shared", "bound", ["early"], 1, "2026-01-01")
    first.register("a/c", "only first", "bound")
    second.look("shared", "bound", ["early"], 1, "2026-01-02")
    second.look("shared", "bound", ["late"], 2, "2026-01-03")
    save_registrations(first, path)
    save_registrations(second, path)
    both = load_registrations(path)
    assert both.is_registered("only first", "bound")
    assert [look["data"] for look in both.estimands["shared"]["looks"]] == [["early"], ["late"]]
    assert both.measured == {"early": "2026-01-01", "late": "2026-01-03"}
    before = both.text()
    both.merge(first)
    both.merge(second)
    assert both.text() == before


def test_the_shipped_file_is_the_start_where_there_is_no_own(tmp_path: Path) -> None:
    shipped, book = tmp_path / "shipped.lock", Registrations()
    book.register("a/b", "estimand", "bound")
    save_registrations(book, shipped)
    assert load_registrations(tmp_path / "own.lock", shipped).is_registered("estimand", "bound")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "estimands": {}, "measured": {}}', '{"version": 1}'])
def test_a_damaged_file_is_named_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "registrations.lock"
    path.write_text(text)
    with pytest.raises(MachineError, match=r"registrations\.lock"):
        load_registrations(path)
    assert path.read_text() == text
