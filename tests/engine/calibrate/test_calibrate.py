"""tests: claims of known truth go through the whole engine, and what is counted is what came out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from mi_atlas.engine.audit import Audit, Options
from mi_atlas.engine.calibrate.naive import RULES
from mi_atlas.engine.calibrate.report import Rate, Tally, by_form, errors, markdown, rows, tallies
from mi_atlas.engine.calibrate.run import Graded, graded
from mi_atlas.engine.calibrate.worlds import SCOPES, Known, claims, form_of, names
from mi_atlas.engine.grade import Verdict
from mi_atlas.engine.talk import Silent
from mi_atlas.engine.workspace import Workspace
from mi_atlas.specs.claim import ClaimAdapter
from mi_atlas.store import LedgerError

RECIPES = ("threshold", "ratio", "null", "interaction", "composite", "migration")
KNOWN = [known for known in claims(4, 1, "in_suite", sizes=(10,)) if known.recipe in RECIPES]


@pytest.fixture(scope="module")
def outcomes() -> list[Graded]:
    return list(graded(KNOWN))


def test_every_form_has_its_claims_half_true_and_a_quarter_at_the_bound() -> None:
    for scope in SCOPES:
        drawn = list(claims(4, 0, scope))
        assert Counter(known.recipe for known in drawn) == dict.fromkeys(names(scope), 4)
        for known in drawn:
            for document in known.documents:
                claim = ClaimAdapter.validate_python(dict(document))
                assert getattr(claim.expect, "scope", scope) == scope == known.scope
        recipes = len(names(scope))
        assert Counter(known.truth for known in drawn) == {
            "true": 2 * recipes, "false": recipes, "at the bound": recipes
        }  # fmt: skip
    assert [known.documents for known in KNOWN] != [
        known.documents for known in claims(4, 2, "in_suite", sizes=(10,)) if known.recipe in RECIPES
    ]


def test_recipes_of_a_form_share_its_claims() -> None:
    counts = Counter(known.recipe for known in claims(16, 0, "in_suite") if form_of(known.recipe) == "proportion")
    assert counts == {"proportion": 8, "proportion, at most": 8}


def test_claims_over_claims_come_after_them() -> None:
    """Those of a migration are about one world, in which models differ; those of a composite have each their own."""
    over = {known.recipe: known.documents for known in KNOWN if len(known.documents) > 1}
    for *parts, whole in over.values():
        assert whole["expect"]["claims"] == [part["claim"] for part in parts]
    one, other, _ = over["migration"]
    assert one["metric"] == other["metric"]
    assert {one["model"], other["model"]} == set(one["metric"]["world"]["models"])
    seeds = [part["metric"]["world"]["seed"] for part in over["composite"][:-1]]
    assert len(set(seeds)) == len(seeds) >= 2


def test_grades_are_mostly_right_and_never_for_want_of_evidence(outcomes: list[Graded]) -> None:
    assert [each.known for each in outcomes] == KNOWN
    codes = Counter(each.verdict.code for each in outcomes if each.verdict.grade == "Pending")
    assert codes.keys() <= {"inconclusive", "not_specific", "typical_average_disagree"}, codes
    wrong = [each for each in outcomes if each.verdict.grade == ("Refuted" if each.known.holds else "High")]
    assert len(wrong) <= 2, [each.verdict.reason for each in wrong]
    right = [each for each in outcomes if each.known.holds and each.verdict.grade in ("High", "Medium")]
    assert len(right) >= len(RECIPES)
    assert all(each.naive.keys() == set(RULES) for each in outcomes)
    assert all(each.naive["point estimate"] for each in right)


def test_in_a_ledger_of_evidence_simulated_numbers_are_pending(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, next(known for known in KNOWN if known.recipe == "threshold"))
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
    known = Known((document,), "threshold", "in_suite", "true" if holds else "at the bound", 10)
    verdict = Verdict("a/b", grade, "", "", "in_suite", estimate=estimate, bound=1.0)  # type: ignore[arg-type]
    return Graded(known, verdict, {rule: estimate > 1 and rule == RULES[0] for rule in RULES})


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
    assert own[2:] == total[2:]
    assert own[2:7] == ("4, 5", *map(str, (Rate(1, 5), Rate(1, 4), Rate(2, 4), Rate(1, 9))))
    assert own[7:] == ("100.0%", "0.0%", "0.0%", "0.0%")
    assert by_form(counts)["threshold", "in_suite"].grades == counts["threshold", "in_suite"].grades
    page = markdown(counts, 9, 0)
    assert f"| {' | '.join(own)} |" in page
    assert str(Rate(1, 5)) in page
    assert isinstance(counts["threshold", "in_suite"], Tally)
