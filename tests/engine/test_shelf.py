"""tests: what is measured is read from the ledger once for all claims that share it, and graded as if read alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from mi_atlas.engine import gather as gathering
from mi_atlas.engine import shelf
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.gather import gather
from mi_atlas.engine.grade import grade
from mi_atlas.engine.shelf import Shelf
from mi_atlas.store import Ledger, connection

from .conftest import HUB, Desk, claim


def at_least(bound: float) -> dict[str, Any]:
    return claim(expect={"form": "threshold", "component": f"L{HUB}", "at_least": bound})


def test_claims_that_share_runs_share_their_evidence(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, document in {"a": claim(), "b": at_least(0.001), "c": at_least(50.0), "d": claim("L0")}.items():
        desk.write(f"small/{name}", document)
    verdicts = desk.audit().verdicts
    audit, read = Audit(desk.workspace, Options(), desk.said), Ledger.values
    reads: list[int] = []

    def values(ledger: Ledger, keys: Iterable[str]) -> Any:
        reads.append(len(found := read(ledger, keys)))
        return found

    monkeypatch.setattr(Ledger, "values", values)
    claims = list(audit.resolved.values())
    standings = [audit.standing(resolved) for resolved in claims]
    alone = [gather(r, read(audit.ledger, r.keys), {}, s) for r, s in zip(claims, standings, strict=True)]  # type: ignore[arg-type]
    for most, times in ((20_000, 1), (1, 2)):
        reads.clear()
        monkeypatch.setattr(shelf, "MOST_RUNS", most)
        held = Shelf(audit.ledger, audit.workspace.root, claims)
        found = [held.evidence(r, {}, s) for r, s in zip(claims, standings, strict=True)]  # type: ignore[arg-type]
        assert len(reads) == times
        for resolved, one, other in zip(claims, found, alone, strict=True):
            expected = verdicts[resolved.claim.claim].to_json()
            assert grade(resolved.claim, one).to_json() == grade(resolved.claim, other).to_json() == expected
        assert found[1].effects is found[2].effects, "b and c differ in their bound"
        assert found[0].control is not found[3].control, "a and d have controls at other layers"
    with pytest.raises(ValueError, match="read-only"):
        found[0].effects["zero", f"L{HUB}"][0] = 1.0


def test_claims_are_graded_in_as_many_statements_however_many_they_are(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, statements = connection.connect, []

    class Noted:
        """A connection that notes what it is told."""

        def __init__(self, opened: Any) -> None:
            self._opened = opened

        def __getattr__(self, name: str) -> Any:
            return getattr(self._opened, name)

        def execute(self, statement: str, *values: Any) -> Any:
            statements.append(statement)
            return self._opened.execute(statement, *values)

    monkeypatch.setattr(connection, "connect", lambda *how: Noted(connect(*how)))
    told = []
    for count in (1, 3):
        for number in range(count):
            desk.write(f"small/c{number}", at_least(0.001 * 2**number))
        desk.audit()
        for settled in (False, True):
            monkeypatch.setattr(gathering, "GRADER_VERSION", -count)
            statements.clear()
            assert desk.audit().measured == 0
            told.append((settled, len(statements)))
    assert told[:2] == told[2:]
    assert told[1][1] < told[0][1]
