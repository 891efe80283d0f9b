"""tests of store: what goes in comes out, once, whole, and bit for bit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.store import FinishedRun, Ledger, VerdictRow

Make = Callable[..., FinishedRun]


def verdict(claim: str, grade: str = "high") -> VerdictRow:
    return VerdictRow(claim, "hash", "evidence", grade, "all_bounds_clear", "every bound is clear", '{"n": 30}')


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("shared") / "ledger.duckdb")


def test_a_missing_file_is_an_empty_ledger_and_stays_missing(ledger: Ledger) -> None:
    with ledger.reading():
        assert ledger.hits(["a"]) == set()
        assert ledger.values(["a"]) == {}
        assert ledger.runs(["a"]) == {}
        assert ledger.attempts(["a"]) == {}
        assert ledger.explain_misses([{"site": "L1"}]) == [None]
        assert ledger.recall("file", "a") is None
        assert ledger.verdicts() == {}
        assert ledger.audits() == []
    ledger.commit([])
    ledger.record_verdicts(1, [])
    ledger.remember_many("file", {})
    assert not ledger.path.exists()


def test_the_first_write_makes_the_folder_and_leaves_one_file(tmp_path: Path, make_run: Make) -> None:
    ledger = Ledger(tmp_path / "deep" / "er" / "ledger.duckdb")
    ledger.commit([make_run("a")])
    assert [entry.name for entry in ledger.path.parent.iterdir()] == ["ledger.duckdb"]


def test_a_run_comes_back_as_it_was_committed(ledger: Ledger, make_run: Make) -> None:
    values = {"kl": [0.1, 0.2, 0.3], "logit_diff": [-1.0]}
    run = make_run("a", values, {"site": "L1", "weights": "w1"}, seconds=1.5)
    ledger.commit([run, make_run("b")])
    assert ledger.hits(["a", "b", "c"]) == {"a", "b"}
    stored = ledger.values(["a", "c"])
    assert {key: {q: v.tolist() for q, v in by.items()} for key, by in stored.items()} == {"a": values}
    assert stored["a"]["kl"].dtype == np.float64
    info = ledger.runs(["a", "c"])["a"]
    assert (info.key, info.parts, info.take) == ("a", {"site": "L1", "weights": "w1"}, 1)
    assert (info.measured_at, info.seconds, info.device) == (run.measured_at, 1.5, "cpu")
    assert info.versions == {"torch": "2.13"}
    assert ledger.dates(["a", "c"]) == {"a": run.measured_at}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=True, allow_subnormal=True), min_size=1, max_size=60))
def test_values_round_trip_bit_for_bit(shared: Ledger, make_run: Make, values: list[float]) -> None:
    key = f"bits-{np.array(values).tobytes().hex()}"
    shared.commit([make_run(key, {"kl": values})])
    assert shared.values([key])[key]["kl"].tobytes() == np.array(values).tobytes()


def test_every_bit_pattern_survives_compression_and_only_nan_payloads_are_lost(ledger: Ledger, make_run: Make) -> None:
    patterns = np.random.default_rng(0).integers(0, 2**64, 200_000, dtype=np.uint64)
    patterns[:4] = [0x7FF8000000000001, 0x7FF0000000000000, 0xFFF0000000000000, 0x8000000000000000]  # nan, ±inf, -0.0
    values = patterns.view(np.float64)
    ledger.commit([make_run("smooth", {"kl": np.linspace(0, 1, 200_000)}), make_run("a", {"kl": values})])
    back = ledger.values(["a"])["a"]["kl"]
    numbers = ~np.isnan(values)
    assert np.isnan(values).sum() > 50
    assert np.array_equal(np.isnan(back), np.isnan(values))
    assert np.array_equal(back[numbers].view(np.uint64), patterns[numbers])


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_order_grouping_and_repetition_of_commits_do_not_matter(make_run: Make, data: st.DataObject) -> None:
    pool = [make_run(f"k{i}", {"kl": [float(i), -float(i)]}) for i in range(8)]
    order = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=16))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=3)))
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.duckdb")
        for begin, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
            ledger.commit(order[begin:end])
        keys = {run.key for run in order}
        assert ledger.hits(run.key for run in pool) == keys
        assert {key: value["kl"].tolist() for key, value in ledger.values(keys).items()} == {
            run.key: list(run.values["kl"]) for run in order
        }
        assert {info.take for info in ledger.runs(keys).values()} == {1}


def test_the_first_commit_of_a_key_is_the_one_that_is_served(ledger: Ledger, make_run: Make) -> None:
    first = make_run("a", {"kl": [1.0]})
    ledger.commit([first, replace(first, values={"kl": [2.0]})])
    ledger.commit([replace(first, values={"kl": [3.0]})])
    assert ledger.values(["a"])["a"]["kl"].tolist() == [1.0]


def test_a_superseding_run_is_served_and_the_older_one_is_kept(ledger: Ledger, make_run: Make) -> None:
    import duckdb

    for value in (1.0, 2.0):
        ledger.commit([make_run("a", {"kl": [value]}), make_run(f"other-{value}")], supersede=True)
    ledger.commit([make_run("a", {"kl": [3.0]})])
    assert ledger.hits(["a"]) == {"a"}
    assert ledger.values(["a"])["a"]["kl"].tolist() == [2.0]
    assert ledger.runs(["a"])["a"].take == 2
    with duckdb.connect(str(ledger.path), read_only=True) as connection:
        assert connection.execute(
            "select take, value from measurement join run on run.id = run_id where key = 'a' order by take"
        ).fetchall() == [(1, 1.0), (2, 2.0)]


@pytest.mark.parametrize("values", [{}, {"kl": []}, {"kl": [[1.0], [2.0]]}])
def test_a_run_without_one_value_per_example_is_refused_and_so_is_its_group(
    ledger: Ledger, make_run: Make, values: dict[str, list[float]]
) -> None:
    bad = replace(make_run("bad"), values=values)
    with pytest.raises(ValueError, match="bad"):
        ledger.commit([make_run("good"), bad])
    assert ledger.hits(["good", "bad"]) == set()


def test_a_failed_attempt_is_kept_and_is_no_hit(ledger: Ledger, make_run: Make) -> None:
    ledger.attempt_failed("a", {"site": "L1"}, "out of memory")
    ledger.attempt_failed("a", {"site": "L1"}, "timeout")
    assert ledger.hits(["a"]) == set()
    assert ledger.values(["a"]) == {}
    assert ledger.explain_misses([{"site": "L1"}]) == [None]
    assert [(attempt.error, attempt.parts) for attempt in ledger.attempts(["a", "b"])["a"]] == [
        ("out of memory", {"site": "L1"}),
        ("timeout", {"site": "L1"}),
    ]
    ledger.commit([make_run("a")])
    assert ledger.hits(["a"]) == {"a"}


def test_misses_are_explained_by_the_nearest_run_part_by_part(ledger: Ledger, make_run: Make) -> None:
    ledger.commit(
        [
            make_run("a", parts={"weights": "w1", "examples": "e1", "site": "L1"}),
            make_run("b", parts={"weights": "w1", "examples": "e1", "site": "L2"}),
            make_run("c", parts={"weights": "w2", "examples": "e2", "site": "L2", "adapter": "x"}),
        ]
    )
    wanted = [
        {"weights": "w1", "examples": "e3", "site": "L2"},  # one part from b, two from a, three from c
        {"weights": "w2", "examples": "e2", "site": "L2"},  # c has a part more
        {"weights": "w1", "examples": "e1", "site": "L9"},  # one part from a and from b: b is newer
        {"weights": "w1", "examples": "e1", "site": "L1", "seed": "3"},  # a has a part less
        {"weights": "w1", "examples": "e1", "site": "L1"},  # a itself
    ]
    assert ledger.explain_misses(wanted) == [
        {"examples": ("e1", "e3")},
        {"adapter": ("x", None)},
        {"site": ("L2", "L9")},
        {"seed": (None, "3")},
        {},
    ]


part = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), min_size=1)


@settings(max_examples=20, deadline=None)
@given(st.lists(part, min_size=1, max_size=6), st.lists(part, min_size=1, max_size=4))
def test_no_stored_run_is_nearer_than_the_one_named(
    make_run: Make, stored: list[dict[str, str]], wanted: list[dict[str, str]]
) -> None:
    def distance(one: dict[str, str], other: dict[str, str]) -> int:
        return sum(one.get(name) != other.get(name) for name in "abcd")

    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.duckdb")
        ledger.commit([make_run(f"k{i}", parts=parts) for i, parts in enumerate(stored)])
        for parts, difference in zip(wanted, ledger.explain_misses(wanted), strict=True):
            assert difference is not None
            assert len(difference) == min(distance(parts, other) for other in stored)
            assert all(pair[1] == parts.get(name) for name, pair in difference.items())


def test_the_memo_keeps_the_newest_value_of_a_kind_and_key(ledger: Ledger) -> None:
    ledger.remember("file", "a", "1")
    ledger.remember("suite", "a", "2")
    ledger.remember_many("file", {"a": "3", "b": "4"})
    assert (ledger.recall("file", "a"), ledger.recall("suite", "a"), ledger.recall("suite", "b")) == ("3", "2", None)
    assert ledger.recall_many("file", ["a", "b", "c"]) == {"a": "3", "b": "4"}


def test_audits_and_verdicts_stay_and_the_latest_of_each_claim_is_found(ledger: Ledger) -> None:
    first = ledger.start_audit({"claims": ["*"]})
    ledger.record_verdicts(first, [verdict("x/b"), verdict("x/a")])
    ledger.finish_audit(first, 0)
    second = ledger.start_audit({"claims": ["x/a"]})
    ledger.record_verdicts(second, [verdict("x/a", "refuted")])
    assert (first, second) == (1, 2)
    latest = ledger.verdicts()
    assert list(latest) == ["x/a", "x/b"]
    assert [(row.grade, row.audit_id) for row in latest.values()] == [("refuted", 2), ("high", 1)]
    assert latest["x/b"].document == '{"n": 30}'
    assert {claim: row.grade for claim, row in ledger.verdicts(first).items()} == {"x/a": "high", "x/b": "high"}
    assert list(ledger.verdicts(second)) == ["x/a"]
    assert ledger.verdicts(3) == {}
    done, running = ledger.audits()
    assert (done.about, done.exit_code, done.finished_at is None) == ({"claims": ["*"]}, 0, False)
    assert (running.exit_code, running.finished_at) == (None, None)


def test_a_history_has_what_differs_from_the_verdict_before(ledger: Ledger) -> None:
    assert ledger.history() == {}
    told = [
        verdict("x/a"),
        verdict("x/a"),
        replace(verdict("x/a"), reason="in other words"),
        replace(verdict("x/a"), evidence_digest="other"),
        verdict("x/a"),
        verdict("x/a", "refuted"),
    ]
    for row in told:
        ledger.record_verdicts(ledger.start_audit({}), [row, verdict("x/b")])
    history = ledger.history()
    assert list(history) == ["x/a", "x/b"]
    assert [row.audit_id for row in history["x/a"]] == [1, 4, 5, 6]
    assert [row.grade for row in history["x/a"]] == ["high", "high", "high", "refuted"]
    assert [row.audit_id for row in history["x/b"]] == [1]


def test_a_recorded_verdict_can_be_recorded_again_by_the_next_audit(ledger: Ledger) -> None:
    ledger.record_verdicts(ledger.start_audit({}), [verdict("x/a")])
    ledger.record_verdicts(ledger.start_audit({}), list(ledger.verdicts().values()))
    assert ledger.verdicts()["x/a"].audit_id == 2


def test_what_is_written_together_is_kept_together_or_not_at_all(ledger: Ledger, make_run: Make) -> None:
    class Stop(Exception):
        pass

    def interrupted() -> None:
        with ledger.writing():
            ledger.commit([make_run("a")])
            assert ledger.hits(["a"]) == {"a"}
            raise Stop

    with pytest.raises(Stop):
        interrupted()
    assert ledger.hits(["a"]) == set()
    with ledger.writing():
        audit = ledger.start_audit({})
        ledger.commit([make_run("a")])
        ledger.record_verdicts(audit, [verdict("x/a")])
        ledger.finish_audit(audit, 0)
    assert (ledger.hits(["a"]), list(ledger.verdicts(audit))) == ({"a"}, ["x/a"])


def test_writing_while_reading_is_refused_at_once(ledger: Ledger, make_run: Make) -> None:
    ledger.commit([make_run("a")])
    with ledger.reading(), pytest.raises(RuntimeError, match="leave `reading"):
        ledger.commit([make_run("b")])
    ledger.commit([make_run("b")])


def test_threads_and_several_ledger_objects_take_turns(ledger: Ledger, make_run: Make) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(i: int) -> set[str]:
        own = Ledger(ledger.path)
        own.commit([make_run(f"k{i}"), make_run("shared")])
        return own.hits([f"k{i}", "shared"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(12))) == [{f"k{i}", "shared"} for i in range(12)]
    assert len(ledger.hits([f"k{i}" for i in range(12)])) == 12


def test_recall_all_gives_every_key_of_one_kind(ledger: Ledger) -> None:
    assert ledger.recall_all("file") == {}
    ledger.remember_many("file", {"a": "1", "b": "2"})
    ledger.remember("suite", "a", "3")
    assert ledger.recall_all("file") == {"a": "1", "b": "2"}
