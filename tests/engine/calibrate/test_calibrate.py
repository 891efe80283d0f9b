"""tests: claims of known truth go through the whole engine, and what is counted is what came out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from mi_atlas.engine.audit import Audit, Options, Silent
from mi_atlas.engine.calibrate.report import Rate, Tally, errors, markdown, rows, tallies
from mi_atlas.engine.calibrate.run import Graded, graded
from mi_atlas.engine.calibrate.worlds import SCOPES, Known, claims, names
from mi_atlas.engine.grade import Verdict
from mi_atlas.engine.workspace import Workspace
from mi_atlas.specs.claim import ClaimAdapter
from mi_atlas.store import LedgerError

KNOWN = list(claims(4, 1, "in_suite", sizes=(10,)))


@pytest.fixture(scope="module")
def outcomes() -> list[Graded]:
    return list(graded(KNOWN))


def test_every_recipe_draws_valid_claims_half_true_and_a_quarter_at_the_bound() -> None:
    for scope in SCOPES:
        drawn = list(claims(8, 0, scope))
        assert Counter(known.recipe for known in drawn) == dict.fromkeys(names(scope), 8)
        for known in drawn:
            claim = ClaimAdapter.validate_python(dict(known.document))
            assert claim.expect.scope == scope == known.scope  # type: ignore[union-attr]
        if scope == "in_suite":
            assert Counter(known.truth for known in drawn) == {
                "true": 4 * len(names(scope)), "false": 2 * len(names(scope)), "at the bound": 2 * len(names(scope))
            }  # fmt: skip
    assert list(claims(4, 1, "in_suite", sizes=(10,))) == KNOWN != list(claims(4, 2, "in_suite", sizes=(10,)))


def test_grades_are_mostly_right_and_never_for_want_of_evidence(outcomes: list[Graded]) -> None:
    assert [each.known for each in outcomes] == KNOWN
    codes = Counter(each.verdict.code for each in outcomes if each.verdict.grade == "Pending")
    assert codes.keys() <= {"inconclusive", "not_specific", "averages_disagree"}, codes
    wrong = [each for each in outcomes if each.verdict.grade == ("Refuted" if each.known.holds else "High")]
    assert len(wrong) <= 2, [each.verdict.reason for each in wrong]
    right = [each for each in outcomes if each.known.holds and each.verdict.grade in ("High", "Medium")]
    assert len(right) >= len(names("in_suite"))


def test_in_a_ledger_of_evidence_simulated_numbers_are_pending(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, KNOWN[0])
    (verdict,) = Audit(workspace, Options(), Silent()).run().verdicts.values()
    assert (verdict.grade, verdict.code) == ("Pending", "simulated_evidence")
    with pytest.raises(LedgerError, match="evidence"):
        Audit(workspace, Options(calibration=True), Silent()).run()


def _workspace(root: Path, known: Known) -> Workspace:
    for folder, name, document in (
        ("claims", known.document["claim"], known.document),
        ("specs/library/suites", "simulated-10", {"suite": "simulated-10", "families": ["copying"], "items": 30}),
    ):
        path = root / folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(dict(document)))
    return Workspace(root, root / "claims", root / "ledger.duckdb")


def test_rates_have_exact_intervals() -> None:
    """Of 10, none: 1 - .025^(1/10) = .3085 and, one-sided, 1 - .05^(1/10) = .2589. Of 2, one: a beta(1, 2) quantile."""
    none, one = Rate(0, 10), Rate(1, 2)
    assert none.interval == pytest.approx((0, 1 - 0.025**0.1))
    assert none.upper == pytest.approx(1 - 0.05**0.1)
    assert one.interval == pytest.approx((1 - 0.975**0.5, 0.975**0.5))
    assert Rate(3, 3).interval[1] == Rate(3, 3).upper == 1
    assert str(none) == "0.0% (0.0-30.8)"
    assert str(Rate(0, 0)) == "-"


def _graded(holds: bool, grade: str, estimate: float) -> Graded:
    document = {"expect": {"form": "threshold", "component": "L1", "at_least": 1.0}}
    known = Known(document, "threshold", "in_suite", "true" if holds else "at the bound", 10)
    return Graded(known, Verdict("a/b", grade, "", "", "in_suite", estimate=estimate, bound=1.0))  # type: ignore[arg-type]


def test_the_table_counts_what_is_wrong() -> None:
    some = [
        *(_graded(True, grade, 2.0) for grade in ("High", "High", "Medium", "Refuted")),
        *(_graded(False, grade, 1.5) for grade in ("High", "Pending", "Refuted", "Refuted", "Refuted")),
    ]
    told: list[int] = []
    counts = tallies(some, told.append)
    assert told == list(range(1, 10))
    high, refuted = errors(counts)
    assert (high.count, high.of, refuted.count, refuted.of) == (1, 5, 1, 4)
    own, total = rows(counts)
    assert own[2:] == total[2:] == (*map(str, (Rate(1, 5), Rate(1, 4), Rate(2, 4), Rate(1, 9), Rate(5, 5))),)
    page = markdown(counts, 9, 0)
    assert f"| {' | '.join(own)} |" in page
    assert str(Rate(1, 5)) in page
    assert isinstance(counts["threshold", "in_suite"], Tally)
