"""tests: evidence goes from workspace to workspace by the command; what differs, or was tampered with, leaves claims
Pending until it is measured again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.commands import verifying
from mi_atlas.engine.errors import UsageError
from mi_atlas.engine.tolerance import FLOORS, LOW_PRECISION, agree
from mi_atlas.store import FinishedRun, Ledger

from .conftest import Desk, claim, furnished

Furnish = Callable[[str], Desk]


@pytest.fixture
def furnish(tmp_path: Path, thin_folder: Path) -> Furnish:
    def made(name: str) -> Desk:
        return furnished(tmp_path / name, thin_folder)

    return made


@pytest.fixture
def one(furnish: Furnish) -> Desk:
    """A workspace in which two claims are audited that share no run."""
    desk = furnish("one")
    desk.write_suite("second", seed=7)
    desk.write("small/hub", claim("L1"))
    desk.write("small/second", claim("L1", suite="second"))
    desk.audit()
    return desk


def clone(desk: Desk, furnish: Furnish, name: str = "two") -> Desk:
    """Another workspace with the same tracked files: claims, registrations, named specs; no ledger."""
    other = furnish(name)
    for folder in ("claims", "specs"):
        shutil.copytree(desk.root / folder, other.root / folder, dirs_exist_ok=True)
    return other


def runs_of(desk: Desk, name: str) -> list[str]:
    """Keys of the runs of a claim that measure an effect."""
    resolved = Audit(desk.workspace, Options(), desk.said).resolved[name]
    return [key for address, keys in resolved.series.items() if address.role == "effect" for key in keys]


def changed(ledger: Ledger, key: str) -> FinishedRun:
    """A run as the ledger has it, of which every KL is a nat larger."""
    info, values = ledger.runs([key])[key], ledger.values([key])[key]
    larger = {name: [float(value) + 1.0 for value in series] for name, series in values.items()}
    return FinishedRun(key, info.parts, larger, info.measured_at, info.seconds, info.device, info.versions)


def shortened(ledger: Ledger, key: str) -> FinishedRun:
    """A run as the ledger has it, without its last example."""
    info, values = ledger.runs([key])[key], ledger.values([key])[key]
    shorter = {name: list(map(float, series[:-1])) for name, series in values.items()}
    return FinishedRun(key, info.parts, shorter, info.measured_at, info.seconds, info.device, info.versions)


def tamper(desk: Desk, key: str) -> None:
    with duckdb.connect(str(desk.workspace.ledger)) as connection:
        where = "position = 0 and run_id = (select max(id) from run where key = $1)"
        connection.execute(f"update measurement set value = value + 0.01 where {where}", [key])


@pytest.mark.parametrize("by", ["files", "ledger"])
def test_what_one_workspace_measured_another_grades_alike_without_measuring(
    one: Desk, furnish: Furnish, by: str
) -> None:
    two = clone(one, furnish)
    if by == "files":
        code, out, err = one.type("store", "export", "../out")
        assert code == 0, err
        assert "replies of judges and 0 labels are in ../out" in out
        code, out, err = two.type("store", "import", "../out")
    else:
        code, out, err = two.type("store", "merge", str(one.workspace.ledger))
    assert code == 0, err
    assert ", 0 replies and 0 labels came in; 0 runs were here" in out
    result = two.audit()
    assert result.measured == 0
    assert result.cached > 0
    assert two.documents() == one.documents()
    assert {verdict.grade for verdict in result.verdicts.values()} <= {"High", "Medium"}


def test_a_run_of_too_few_examples_leaves_its_claim_pending_until_it_is_measured_again(
    one: Desk, furnish: Furnish
) -> None:
    two = clone(one, furnish)
    key, ledger = runs_of(one, "small/hub")[0], Ledger(one.workspace.ledger)
    ledger.commit([shortened(ledger, key)], supersede=True)
    assert two.type("store", "merge", str(one.workspace.ledger))[0] == 0
    verdicts = two.audit().verdicts
    assert verdicts["small/second"].grade in ("High", "Medium")
    assert verdicts["small/hub"].grade == "Pending"
    assert f"run {key[:12]}... has 29 values for 30 examples" in verdicts["small/hub"].reason
    assert two.audit("small/hub", rerun=True).verdicts["small/hub"].grade == verdicts["small/second"].grade


def test_without_the_registrations_evidence_that_comes_in_is_older_than_the_claim(one: Desk, furnish: Furnish) -> None:
    two = clone(one, furnish)
    two.workspace.registrations.unlink()
    two.type("store", "merge", str(one.workspace.ledger))
    verdicts = two.audit().verdicts
    assert "registered after its data" in verdicts["small/hub"].to_json()
    assert "registered after its data" not in one.documents()["small/hub"]


def test_a_selection_is_exported_alone(one: Desk, furnish: Furnish) -> None:
    two = clone(one, furnish)
    code, _, err = one.type("store", "export", "../out", "small/hub")
    assert code == 0, err
    assert two.type("store", "import", "../out")[0] == 0
    assert two.audit("small/hub").measured == 0
    assert two.audit("small/second").measured > 0


def test_a_conflict_leaves_the_claims_that_rest_on_it_pending_until_it_is_measured_again(
    one: Desk, furnish: Furnish
) -> None:
    two = clone(one, furnish)
    two.type("store", "merge", str(one.workspace.ledger))
    key = runs_of(one, "small/hub")[0]
    ledger = Ledger(one.workspace.ledger)
    ledger.commit([changed(ledger, key)], supersede=True)
    code, out, err = two.type("store", "merge", str(one.workspace.ledger))
    assert code == 2, err
    assert "1 runs differ from what is here by more than numerics; both results are kept" in out
    code, out, err = two.type("audit")
    assert code == 2, err
    result = two.audit()
    verdict = result.verdicts["small/hub"]
    assert (verdict.grade, verdict.code, result.exit_code) == ("Pending", "conflicting_results", 2)
    assert "two results of it differ by more than numerics (merged from ledger.duckdb)" in verdict.reason
    assert "--rerun" in verdict.reason
    assert result.verdicts["small/second"].to_json() == one.documents()["small/second"]
    settled = two.audit(rerun=True)
    assert settled.verdicts["small/hub"].to_json() == one.documents()["small/hub"]
    assert two.audit().verdicts == settled.verdicts
    assert Ledger(two.workspace.ledger).conflicts() == {}


@pytest.mark.parametrize("share", ["5%", "100%"])
def test_verifying_a_clean_ledger_finds_nothing(one: Desk, share: str) -> None:
    before = one.documents()
    code, out, err = one.type("audit", "--verify", share)
    assert code in (0, 2), err
    number = 100 if share == "100%" else 5
    cached = len(Ledger(one.workspace.ledger).hits(all_runs(one)))
    assert f"{-(-number * cached // 100)} cached runs measured again: none differ by more than numerics" in out
    assert one.documents() == before


def all_runs(desk: Desk) -> set[str]:
    return {key for resolved in Audit(desk.workspace, Options(), desk.said).resolved.values() for key in resolved.runs}


def test_verifying_finds_one_stored_value_that_was_tampered_with(one: Desk) -> None:
    before, key = one.documents(), runs_of(one, "small/hub")[0]
    tamper(one, key)
    assert one.audit().verdicts["small/hub"].grade != "Pending", "nobody looks at what is settled"
    code, out, err = one.type("audit", "--verify", "100%")
    assert code == 2, err
    assert ": 1 differ by more than numerics" in out
    assert "Pending" in out
    assert set(Ledger(one.workspace.ledger).conflicts()) == {key}
    result = one.audit()
    verdict = result.verdicts["small/hub"]
    assert (verdict.grade, verdict.code) == ("Pending", "conflicting_results")
    assert "measured again by audit --verify" in verdict.reason
    assert result.verdicts["small/second"].to_json() == before["small/second"]
    assert one.audit(rerun=True).verdicts["small/hub"].to_json() == before["small/hub"]


@pytest.mark.parametrize("share", ["0%", "101%", "-5%", "some", "nan", "inf", "%", ""])
def test_a_share_that_is_none_is_a_usage_error(share: str) -> None:
    with pytest.raises(UsageError, match="takes a share of the cached runs such as 5%"):
        verifying(Options(), share)


def test_the_command_says_so_with_exit_code_3(desk: Desk) -> None:
    code, _, err = desk.type("audit", "--verify", "some")
    assert code == 3
    assert "not `some`" in err


def parts(**more: str) -> Mapping[str, str]:
    return {"evaluator": "ablation@1", "model.dtype": "float32", "model.quantization": "none", **more}


def test_what_numerics_alone_may_do_is_no_difference() -> None:
    import numpy as np

    here = {"kl": np.array([0.5, 1e-7, np.nan])}
    floor = FLOORS["float32"]
    within = {"kl": here["kl"] + 0.9 * (floor.absolute + floor.relative * 0.5) * np.array([1.0, 0.0, 1.0])}
    beyond = {"kl": here["kl"] + 1.1 * (floor.absolute + floor.relative * 0.5) * np.array([1.0, 0.0, 1.0])}
    assert agree(parts(), here, within)
    assert not agree(parts(), here, beyond)
    assert agree(parts(**{"model.dtype": "bfloat16"}), here, {"kl": here["kl"] + LOW_PRECISION.absolute})
    assert agree(parts(**{"model.quantization": "nf4"}), here, {"kl": here["kl"] + LOW_PRECISION.absolute})
    assert not agree(parts(), here, {"kl": here["kl"][:2]})
    assert not agree(parts(), here, {"kl": np.array([0.5, 1e-7, 0.0])})
    assert not agree(parts(), here, {"logit_diff": here["kl"]})
    flipped = {"won": np.array([0.0] * 199 + [1.0])}
    assert agree(parts(), {"won": np.zeros(200)}, flipped)
    assert not agree(parts(), {"won": np.zeros(50)}, {"won": np.array([0.0] * 49 + [1.0])})
    assert agree(parts(evaluator="ablation@1"), {"duration": np.ones(2)}, {"duration": np.zeros(2)})


def test_runs_from_elsewhere_are_told_by_their_keys_alone(one: Desk, furnish: Furnish) -> None:
    """A run whose key was made for another run's parts is not taken, and nothing beside it is."""
    two, ledger = clone(one, furnish), Ledger(one.workspace.ledger)
    first, second = runs_of(one, "small/hub")[:2]
    forged = replace(changed(ledger, first), key=second)
    ledger.commit([forged], supersede=True)
    code, _, err = two.type("store", "merge", str(one.workspace.ledger))
    assert code == 4
    assert "parts make another key" in err
    assert "Traceback" not in err
    assert Ledger(two.workspace.ledger).hits([first, second]) == set()
