"""tests: naive rules say what the arithmetic that they stand for says, of the evidence of the verdict."""

from __future__ import annotations

import numpy as np
from mi_atlas.engine.calibrate.naive import RULES, judge, judge_all
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from scipy.stats import ttest_1samp

from ..grade.worlds import Grid, at_least, at_most, evidence

GRID = Grid(2, 15, 4)
CLAIM = at_least(1.0)


def judged(logs: np.ndarray, draw: float, claim: MeasuredClaim = CLAIM) -> dict[str, bool]:
    random = np.random.default_rng(4)
    effects = {(value, "L0"): np.exp(logs) for value in ("zero", "mean")}
    control = {("zero", "L0", n): draw * np.exp(0.1 * random.standard_normal(GRID.n)) for n in range(20)}
    return judge(claim, evidence(GRID, effects, control))


def test_each_rule_against_scipy() -> None:
    """The typical effect is just above its bound: t of 30 templates is far from .005, t of copies need not be."""
    random, verdicts = np.random.default_rng(3), []
    for shift in np.linspace(-0.2, 1.2, 15):
        logs = shift + GRID.spread(random, within=1.0, item=0.3)
        logs += shift - logs.mean()
        means = logs.reshape(30, 4).mean(axis=1)
        found = judged(logs, 0.1)
        assert found["point estimate"] == found["one control draw"] == (shift > 0)
        assert found["ten equal seeds"] == (ttest_1samp(np.tile(means, 10), 0, alternative="greater").pvalue < 0.005)
        assert found["clones"] == (ttest_1samp(logs, 0, alternative="greater").pvalue < 0.005)
        honest = ttest_1samp(means, 0, alternative="greater").pvalue < 0.005
        verdicts.append((found["ten equal seeds"], found["clones"], honest))
    assert any(seeds and clones and not honest for seeds, clones, honest in verdicts)


def test_one_draw_must_stay_below_the_margin() -> None:
    logs = 1.0 + 0.5 * GRID.spread(np.random.default_rng(5), within=0.1, item=0.1)
    assert judged(logs, draw=np.exp(1.0) / 2)["one control draw"]
    assert not judged(logs, draw=np.exp(1.0))["one control draw"]
    assert judged(-logs, draw=1.0, claim=at_most(1.0)) == dict.fromkeys(RULES, True)


def test_over_claims_all_must_hold_or_the_share_that_is_asked_for() -> None:
    parts = [dict.fromkeys(RULES, True)] * 3 + [dict.fromkeys(RULES, False)]
    names = [f"a/b{number}" for number in range(4)]
    for expect, says in (
        ({"form": "composite"}, False), ({"form": "stability", "at_least": 0.75}, True),
        ({"form": "stability", "at_least": 0.8}, False),
    ):  # fmt: skip
        document = {"claim": "a/b", "statement": "x", "expect": {**expect, "claims": names}}
        claim = ClaimAdapter.validate_python(document)
        assert judge_all(claim, parts) == dict.fromkeys(RULES, says)  # type: ignore[arg-type]
