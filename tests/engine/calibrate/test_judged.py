"""tests of engine/calibrate: judged claims of known truth, where the judge favours length."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from mi_atlas.engine.calibrate.judged import CONDITION, LABEL, LONGER, WORLDS, World, audits, evidence, outcomes

EQUAL = WORLDS[0]


def test_the_judges_bias_is_the_stated_one() -> None:
    """Of equal answers the longer one wins three of four times, and 64 % are the longer ones: .5 + .25 (2 .637 - 1)."""
    found, people = evidence(World("large", items=60_000), np.random.default_rng(0))
    said = found.effects[LABEL, CONDITION]
    longer = found.companions["length", LABEL, CONDITION] > found.companions["length", LABEL, "theirs"]
    assert longer.mean() == pytest.approx(LONGER, abs=0.006)
    assert said[longer].mean() == pytest.approx(0.75, abs=0.008)
    assert said[~longer].mean() == pytest.approx(0.25, abs=0.01)
    assert said.mean() == pytest.approx(0.5685, abs=0.008)
    assert people.mean() == pytest.approx(0.5, abs=0.008)


def test_labels_keep_a_judge_that_favours_length_from_high() -> None:
    """The judge alone shows the false claim in about two of five audits; `python -m benchmarks.judge_bias` has 300."""
    found = outcomes(EQUAL, 60, seed=11)
    assert 0.2 <= found.judge_alone / 60 <= 0.6
    assert found.uncorrected["High"] == 0
    assert found.uncorrected["Pending"] >= 50
    assert found.corrected["High"] + found.corrected["Refuted"] <= 2
    assert found.covered >= 52


def test_true_claims_are_shown() -> None:
    found = outcomes(World("won three in four", wins=0.75), 12, seed=5)
    assert found.corrected["High"] >= 11
    assert found.uncorrected["High"] == 0


def test_an_audit_depends_on_its_number_only() -> None:
    first = [(one.to_json(), other.to_json(), covers) for one, other, covers in audits(EQUAL, 2, seed=3)]
    again = [(one.to_json(), other.to_json(), covers) for one, other, covers in islice(audits(EQUAL, 9, seed=3), 2)]
    assert first == again
    assert first[0] != first[1]
