"""tests: the claims that ship: complete, valid, registered, and about what is there."""

from __future__ import annotations

from pathlib import Path

import mi_atlas
import pytest
from mi_atlas.engine.memo import Memo
from mi_atlas.engine.registrations import load_registrations
from mi_atlas.engine.resolve import Resolver
from mi_atlas.engine.select import load
from mi_atlas.engine.workspace import PACKAGE, Workspace
from mi_atlas.specs.claim import MeasuredClaim
from mi_atlas.specs.load import LoadedClaim

WORKSPACE = Workspace(PACKAGE, PACKAGE / "claims", PACKAGE / ".mi-atlas" / "ledger.duckdb")
CLAIMS, LIBRARY = load(WORKSPACE)
BOOK, RESOLVER = load_registrations(WORKSPACE.registrations), Resolver(LIBRARY, Memo({}, {}, PACKAGE), PACKAGE)
MEASURED = [loaded for loaded in CLAIMS.values() if isinstance(loaded.claim, MeasuredClaim)]


def test_there_are_at_least_eight_core_claims_on_pocket_qwen() -> None:
    core = [c.claim for c in MEASURED if "core" in c.claim.tags and c.claim.model == "pocket-qwen"]
    assert len(core) >= 8


@pytest.mark.parametrize("loaded", CLAIMS.values(), ids=lambda loaded: loaded.claim.claim)
def test_every_claim_is_core_or_extended_and_names_a_threat(loaded: LoadedClaim) -> None:
    assert {"core", "extended"} & set(loaded.claim.tags)
    assert loaded.claim.threats


@pytest.mark.parametrize("loaded", MEASURED, ids=lambda loaded: loaded.claim.claim)
def test_every_claim_was_registered_before_its_latest_data(loaded: LoadedClaim) -> None:
    """What was post hoc on one draw of examples is confirmed on the next."""
    assert isinstance(loaded.claim, MeasuredClaim)
    estimand, bound = loaded.claim.estimand_hash(*RESOLVER.specs(loaded.claim)), loaded.claim.bound_hash
    assert BOOK.is_registered(estimand, bound), "run `mi-atlas audit` and commit registrations.lock"
    entry = BOOK.estimands[estimand]
    looks = [look for look in entry["looks"] if look["bound"] == bound]
    if looks:
        assert all(entry["registered"][bound] <= BOOK.measured[item] for item in looks[-1]["data"])


def test_no_file_of_the_package_is_large() -> None:
    root = Path(mi_atlas.__file__).parent
    for room in ("claims", "specs", "evaluators", "engine", "store"):
        for path in (root / room).rglob("*"):
            assert not path.is_file() or path.stat().st_size < 3_000_000, path
