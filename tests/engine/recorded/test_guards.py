"""tests: what is refused or counted once when recorded files are read: each guard on files that need it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import pytest
from mi_atlas.engine.errors import UsageError
from mi_atlas.engine.recorded import files
from mi_atlas.engine.recorded.files import VOLATILE

from .conftest import FAMILIES, Folder

Spread = Callable[..., list[list[float]]]


def test_every_number_has_file_digest_and_pointer(folder: Folder) -> None:
    folder.map()
    folder.matrix([[1.0] * 12, [2.0] * 12])
    record = folder.record()
    row = next(row for row in record.rows if (row.component, row.family) == ("L1", "json_schema"))
    assert (row.file, row.pointer, row.value) == ("matrix_seed1.json", "/m/1/2", 2.0)
    assert (row.source, row.unit, row.intervention, row.n, row.seed) == ("matrix#0", "nats", "zero", 1, "1")
    assert row.digest == record.digests["matrix_seed1.json"]
    assert len(row.digest) == 64
    assert len(record.rows) == 24


def test_a_seed_that_changes_nothing_is_one_replicate(folder: Folder, spread: Spread) -> None:
    folder.map()
    rows = spread(5.0, 9.0, 3.0)
    folder.matrix(rows, seed=42)
    folder.matrix([[value * (1 + 1e-6) for value in row] for row in rows], seed=137, elapsed_seconds=3)
    folder.matrix([[value * 1.3 for value in row] for row in rows], seed=256)
    record = folder.record()
    assert {row.seed for row in record.rows if row.void} == {"42"}, "the file that comes first by name counts"
    (finding,) = [finding for finding in record.findings if finding.code == "copies"]
    assert "3 replicates hold 2 measurements" in finding.message
    assert "matrix_seed42.json (seed 42)" in finding.message


def test_what_tells_runs_apart_is_no_payload(folder: Folder) -> None:
    folder.map()
    for seed in (1, 2):
        folder.matrix([[1.0] * 12], seed, run_id=f"r{seed}", timestamp=f"t{seed}", elapsed_seconds=seed)
    read, _ = files.read_files(folder.files, {"matrix": _map(folder)})
    assert VOLATILE == ("seed", "run_id", "timestamp")
    assert len({file.payload for file in read["matrix"]}) == 1
    assert len({file.digest for file in read["matrix"]}) == 2


def _map(folder: Folder):  # type: ignore[no-untyped-def]
    from mi_atlas.specs.library import Library

    return Library([folder.root / "specs" / "library"]).maps["matrix"]


def test_ties_for_the_largest_are_told(folder: Folder) -> None:
    folder.map()
    folder.matrix([[3.2] * 12] * 4)
    messages = [finding.message for finding in folder.record().findings if finding.code == "tie"]
    assert messages
    assert "4 of 4 components tie for the largest" in messages[0]


def test_zeros_everywhere_are_missing(folder: Folder) -> None:
    folder.map()
    folder.matrix([[0.0] * 12, [1e-9] * 12])
    record = folder.record()
    assert record.rows == []
    assert {finding.code for finding in record.findings} == {"all_zero"}


def test_a_rate_of_zero_is_a_rate(folder: Folder) -> None:
    folder.map(table={"unit": "", "quantity": "exact_match"})
    folder.matrix([[0.0] * 12, [0.0] * 12])
    assert len(folder.record().rows) == 24


@pytest.mark.parametrize("content", [{"families": [], "m": {}}, {"families": FAMILIES, "m": []}, {}])
def test_empty_files_are_missing(folder: Folder, content: object) -> None:
    folder.map()
    folder.put("matrix_seed1.json", content)
    assert folder.codes() == {"empty"}


def test_not_a_number_is_missing_and_counted(folder: Folder) -> None:
    folder.map()
    folder.put("matrix_seed1.json", '{"families": ["copying", "arithmetic"], "m": [[Infinity, 1], [NaN, 1e999]]}')
    record = folder.record()
    assert [(row.component, row.value) for row in record.rows] == [("L0", 1.0)]
    assert all(math.isfinite(row.value) for row in record.rows)
    told = {finding.message for finding in record.findings}
    assert "1 times Infinity: taken as missing" in told
    assert "1 times NaN: taken as missing" in told
    assert "matrix#0: 3 of 4 left out: no number" in told


def test_a_field_twice_is_told(folder: Folder) -> None:
    folder.map()
    folder.put("matrix_seed1.json", '{"families": ["copying"], "m": [[1]], "m": [[2]]}')
    assert "not_a_number" in folder.codes()


def test_a_ratio_over_next_to_nothing_does_not_count(folder: Folder) -> None:
    table = {
        "values": "m/{layer}/ratio",
        "fields": {},
        "unit": "",
        "denominator": {"at": "m/{layer}/below", "floor": 0.001},
    }
    folder.map(table=table)
    cells = [(11654.0, 1e-6), (2.0, 0.01), (-3.0, 0.01), (3.0, -0.01), (5.0, None)]
    folder.put("matrix_seed1.json", {"m": [{"ratio": ratio, "below": below} for ratio, below in cells]})
    record = folder.record()
    assert [row.component for row in record.rows if not row.void] == ["L1"]
    assert {finding.code for finding in record.findings} == {"no_ratio"}


def test_where_plus_and_minus_agree_the_sign_was_lost(folder: Folder) -> None:
    table = {
        "values": "m/{layer}/{strength}",
        "fields": {},
        "intervention": "steer({strength})",
        "signed": "strength",
    }
    folder.map(table=table)
    lost = {"-2": 1.5, "2": 1.5, "-1": 0.5, "1": 0.5, "-4": 4.0, "4": 4.0}
    folder.put("matrix_seed1.json", {"m": [lost]})
    assert {row.strength for row in folder.record().rows} == {1.0, 2.0, 4.0}
    assert "sign_lost" in folder.codes()
    folder.put("matrix_seed1.json", {"m": [{**lost, "-4": 4.1}]})
    assert "sign_lost" not in folder.codes()
    assert len(folder.record().rows) == 6


def test_a_prompt_twice_is_one_prompt(folder: Folder) -> None:
    folder.map(table={"values": "m/{i}/kl", "fields": {"prompt": "m/{i}/text"}, "component": "L0"})
    folder.put("matrix_seed1.json", {"m": [{"text": "a", "kl": 1}, {"text": "b", "kl": 2}, {"text": "a", "kl": 1}]})
    record = folder.record()
    assert [row.prompt for row in record.rows] == ["a", "b"]
    assert "repeated_prompts" in {finding.code for finding in record.findings}


def test_only_what_the_map_asks_for_is_read_and_what_is_missing_is_counted(folder: Folder) -> None:
    folder.map(
        files=["scores_seed{seed}.jsonl"],
        table={
            "values": "{i}/score",
            "fields": {"prompt": "{i}/id", "source": "{i}/judge_source"},
            "only": {"source": ["api"]},
            "component": "flat",
            "expected": 4,
        },
    )
    rows = [{"id": f"q{i}", "judge_source": "mock" if i == 2 else "api", "score": i} for i in range(3)]
    folder.put("scores_seed1.jsonl", [*rows, {"id": "q3", "judge_source": "api", "score": None}])
    record = folder.record()
    assert [row.prompt for row in record.rows] == ["q0", "q1"]
    messages = {finding.code: finding.message for finding in record.findings}
    assert "1 of 3 left out: not asked for by the map" in messages["other"]
    assert "2 of 4 are missing at flat" in messages["incomplete"]


def test_a_rate_counts_its_items(folder: Folder) -> None:
    folder.map(table={"values": "score", "fields": {}, "component": "as_is", "n": "total", "rate": True, "unit": ""})
    folder.put("matrix_seed1.json", {"score": 0.7333, "total": 15})
    rows = folder.record().rows
    assert (len(rows), sum(row.value for row in rows)) == (15, 11)
    folder.put("matrix_seed1.json", {"score": 0.70, "total": 15})
    assert [row.void for row in folder.record().rows] == ["it is no count of its items"]


def test_files_outside_the_folder_are_not_read(folder: Folder) -> None:
    folder.map()
    secret = folder.root / "matrix_seed9.json"
    secret.write_text('{"families": ["copying"], "m": [[1]]}')
    os.symlink(secret, folder.files / "matrix_seed9.json")
    os.symlink(folder.root, folder.files / "up")
    record = folder.record()
    assert record.rows == []
    assert {finding.code for finding in record.findings} == {"outside"}


def test_too_large_and_unreadable_files_are_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.map()
    folder.matrix([[1.0] * 12])
    folder.put("matrix_seed2.json", "{")
    folder.put("matrix_seed3.json", "[" * 100_000)
    folder.put("matrix_seed4.json", "\x00\xff")
    monkeypatch.setattr(files, "LARGEST_FILE", 200_000)
    assert folder.codes() == {"not_json"}
    monkeypatch.setattr(files, "LARGEST_FILE", 10)
    assert folder.codes() == {"not_json", "too_large"}
    assert folder.record().rows == []


def test_folders_of_too_many_files_and_missing_folders_are_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.map()
    folder.matrix([[1.0] * 12])
    folder.put("other.json", {})
    assert "no_map" in folder.codes()
    monkeypatch.setattr(files, "MOST_FILES", 1)
    with pytest.raises(UsageError, match="more than 1"):
        folder.record()
    folder.files = folder.root / "nowhere"
    with pytest.raises(UsageError, match="there is no folder"):
        folder.record()


def test_foreign_text_cannot_steer_a_terminal_and_long_prompts_stay_apart(folder: Folder) -> None:
    folder.map(table={"values": "m/{i}/kl", "fields": {"prompt": "m/{i}/text"}, "component": "L0"})
    texts = ["\x1b[2Jgone", "a" * 1000 + "b", "a" * 1000 + "c"]
    folder.put("matrix_seed1.json", {"m": [{"text": text, "kl": 1} for text in texts]})
    prompts = [row.prompt for row in folder.record().rows]
    assert prompts[0] == "\\x1b[2Jgone"
    assert len(set(prompts)) == 3
    assert max(map(len, prompts)) < 200


@pytest.mark.parametrize("depth", [200, 900, 5_000])
def test_deep_files_end_in_a_finding_or_are_read(folder: Folder, depth: int) -> None:
    folder.map()
    nest = '{"a":' * depth + "1" + "}" * depth
    folder.put("matrix_seed1.json", f'{{"families": ["copying"], "m": [[1.5]], "x": {nest}}}')
    record = folder.record()
    assert [row.value for row in record.rows] == [1.5] or "not_json" in {each.code for each in record.findings}
