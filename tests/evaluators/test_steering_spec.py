"""tests: what a claim about steering may say, and what of it decides the numbers."""

from __future__ import annotations

from typing import Any

import pytest
from mi_atlas.specs.metrics.steering import Anti, Steer
from mi_atlas.specs.sites import Frame
from pydantic import ValidationError

from .claims import claim, document

CLAIM = document(
    {"evaluator": "steering", "quantity": "slope", "contrast": "answer", "positive": ["Yes"], "negative": ["No"]},
    ({"intervention": "steer", "strength": 1}, {"intervention": "anti", "strength": 0.5, "unit": "residual"}),
    "random_direction",
    "L2.residual",
    at_least=0.5,
)


def test_settings_hold_what_decides_numbers() -> None:
    assert claim(CLAIM).metric.settings() == {
        "contrast": "answer",
        "positive": ["Yes"],
        "negative": ["No"],
        "about": "slope",
    }
    assert claim(CLAIM, {"quantity": "anti_steerable"}).metric.settings() == claim(CLAIM).metric.settings()
    assert claim(CLAIM, {"quantity": "kl"}).metric.settings()["about"] == "steered"
    mapped = claim(CLAIM, {"donor": "pocket-llama", "map": "procrustes", "donor_site": "L1.residual"}).metric.settings()
    assert mapped["map"] == "procrustes"
    assert mapped["donor_site"] == "L1.residual"
    assert "donor" not in mapped
    assert claim(CLAIM).metric.sweep(Frame(2)) == ("L0.residual", "L1.residual", "L2.residual")


def test_words_say_what_decides_numbers() -> None:
    assert claim(CLAIM).counterfactual.word == "steer(1)"
    assert claim(CLAIM).robustness[0].word == "anti(0.5,residual)"
    assert Steer(intervention="steer", strength=-0.25).word == "steer(-0.25)"
    assert Steer(intervention="steer", strength=1e-7).word == "steer(1e-07)"
    assert Anti(intervention="anti", strength=2.0).word == "anti(2)"
    for wrong in ({"strength": 0.0}, {"strength": float("inf")}, {}):
        with pytest.raises(ValidationError):
            Steer(intervention="steer", **wrong)
    with pytest.raises(ValidationError):
        Anti(intervention="anti", strength=-1.0)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ({"positive": None}, "needs positive"),
        ({"towards": "copying"}, "does not belong"),
        ({"contrast": "family", "positive": None, "negative": None}, "needs towards"),
        ({"contrast": "clean_corrupt"}, "positive does not belong"),
        ({"negative": ["Yes"]}, "both positive and negative"),
        ({"donor": "pocket-llama"}, "go together"),
        ({"map": "identity"}, "go together"),
        ({"donor_site": "L1.residual"}, "there is none"),
        ({"donor": "pocket-llama", "map": "identity", "donor_site": "L1+L2"}, "one site"),
        ({"donor": "pocket-llama", "map": "identity", "donor_site": "L1@last"}, "one site"),
        (
            {
                "contrast": "family",
                "positive": None,
                "negative": None,
                "towards": "copying",
                "quantity": "off_target_kl",
            },
            "none is off target",
        ),
    ],
)
def test_fields_of_a_contrast_belong_together(metric: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        claim(CLAIM, metric)
