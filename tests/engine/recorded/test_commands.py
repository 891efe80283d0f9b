"""tests: `mi-atlas import` and `mi-atlas audit --recorded` as they are typed, and what they leave in the ledger."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
from mi_atlas.store import Ledger, VerdictRow

from .conftest import Folder

Spread = Callable[..., list[list[float]]]
PROGRAM = (
    "import sys\n"
    "from mi_atlas.engine.cli import main\n"
    "sys.argv = ['mi-atlas', *sys.argv[1:]]\n"
    "try:\n    main()\nexcept SystemExit as end:\n    code = end.code or 0\n"
    "heavy = {'torch', 'transformers', 'peft'} & set(sys.modules)\n"
    "assert not heavy, heavy\n"
    "sys.exit(code)\n"
)


def run(folder: Folder, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which must not have loaded torch."""
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(command, cwd=folder.root, capture_output=True, text=True, timeout=300)


def test_import_keeps_every_number_once(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.claim()
    folder.matrix(spread(5.0, 9.0, 3.0))
    first = run(folder, "import", "files")
    assert first.returncode == 0, first.stderr
    assert "36 numbers in 1 files; 36 new in the ledger" in first.stdout
    assert run(folder, "import", "files").stdout.endswith("36 numbers in 1 files; 0 new in the ledger\n")
    digest = folder.record().digests["matrix_seed1.json"]
    kept = Ledger(folder.workspace.ledger).imported([digest])
    assert len(kept) == 36
    one = next(each for each in kept if each.pointer == "/m/1/2")
    assert (one.source, one.file, one.component, one.family, one.unit) == (
        *("matrix#0", "matrix_seed1.json", "L1", "json_schema", "nats"),
    )
    folder.matrix(spread(6.0, 9.0, 3.0))
    assert "36 new" in run(folder, "import", "files").stdout
    with duckdb.connect(str(folder.workspace.ledger), read_only=True) as connection:
        assert connection.execute("select count(*) from imported_value").fetchall() == [(72,)], "nothing is overwritten"


def test_import_says_what_is_wrong(folder: Folder) -> None:
    folder.map()
    folder.claim()
    folder.matrix([[3.0] * 12] * 4)
    folder.put("matrix_seed2.json", "{")
    said = run(folder, "import", "files")
    assert said.returncode == 0
    assert "not json:\n  matrix_seed2.json: is no JSON" in said.stdout
    assert "tie:\n  matrix#0: 4 of 4 components tie" in said.stdout
    assert run(folder, "import", "nowhere").returncode == 3


def test_a_faulty_map_is_located(folder: Folder) -> None:
    folder.map(files=["../x.json"])
    folder.claim()
    said = run(folder, "import", "files")
    assert said.returncode == 3
    assert "specs/library/recorded/matrix.yaml:" in said.stderr
    assert "stays below the folder" in said.stderr
    assert run(folder, "validate").returncode == 3


def test_audit_recorded_grades_records_and_explains(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.matrix(spread(5.0, 9.0, 3.0))
    folder.claim("a/one")
    folder.claim("a/two", model={"source": {"hub": "org/other"}})
    said = run(folder, "audit", "--recorded", "files")
    assert said.returncode == 0, said.stderr
    assert "Medium   a/one  (post hoc; as recorded)" in said.stdout
    assert "1 claim: 1 Medium, as recorded; 36 numbers in 1 files" in said.stdout
    assert "for High 1 of them lack a control" in said.stdout
    assert "the record says nothing about 1 more claim" in said.stdout
    assert "lacks for High: a control (matched_norm_noise, 0 of 20 draws)" in run(folder, "explain", "a/one").stdout
    table = run(folder, "table", "--format", "markdown").stdout
    assert "| Medium (post hoc; as recorded) |" in table
    assert run(folder, "table", "--format", "markdown").stdout == table


def test_the_same_record_gives_the_same_verdicts(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.matrix(spread(5.0, 9.0, 3.0))
    folder.claim()
    once, again = (folder.audit() for _ in range(2))
    assert once.verdicts["a/claim"].to_json() == again.verdicts["a/claim"].to_json()
    assert once.hashes == again.hashes
    folder.matrix(spread(5.5, 9.0, 3.0))
    changed = folder.audit().hashes["a/claim"]
    assert changed[0] == once.hashes["a/claim"][0]
    assert changed[1] != once.hashes["a/claim"][1]


def test_a_grade_from_measurements_stands(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.matrix(spread(5.0, 9.0, 3.0))
    said = folder.verdict()
    measured = said.to_json().replace('"as recorded", ', "").replace(', "as recorded"', "").replace("Medium", "High")
    ledger = Ledger(folder.workspace.ledger)
    audit = ledger.start_audit({})
    ledger.record_verdicts(audit, [VerdictRow("a/claim", "c", "e", "High", "holds", "measured", measured)])
    told = run(folder, "audit", "--recorded", "files")
    assert "these have a grade from measurements, which stands: a/claim" in told.stdout
    assert ledger.verdicts()["a/claim"].grade == "High"


def test_only_the_claims_asked_for(folder: Folder, spread: Spread, tmp_path: Path) -> None:
    folder.map()
    folder.matrix(spread(5.0, 9.0, 3.0))
    folder.claim("a/one")
    folder.claim("b/two", expect={"form": "top_component", "component": "L2"})
    said = run(folder, "audit", "--recorded", "files", "b/*")
    assert "a/one" not in said.stdout
    assert "b/two" in said.stdout
    assert run(folder, "audit", "--recorded", "files", "c/*").returncode == 3


def test_the_story_says_that_other_files_changed_a_grade(folder: Folder, spread: Spread) -> None:
    folder.map()
    folder.claim()
    folder.matrix(spread(5.0, 9.0, 3.0))
    run(folder, "audit", "--recorded", "files")
    folder.matrix(spread(5.0, 5.01, 3.0))
    run(folder, "audit", "--recorded", "files")
    told = run(folder, "diff", "1", "2")
    assert told.returncode == 0, told.stderr
    assert "Medium" in told.stdout
    assert "Pending" in told.stdout
    assert "data: matrix_seed1.json" in told.stdout
