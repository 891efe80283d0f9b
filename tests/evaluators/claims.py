"""tests: a claim about each evaluator, as a document that is valid until a test changes it."""

from __future__ import annotations

from typing import Any

from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim


def document(
    metric: dict[str, Any], interventions: tuple[Any, ...], control: str, component: str, **bound: float
) -> dict[str, Any]:
    """A claim of form threshold; of the interventions, words or documents, the first is the counterfactual."""
    words = [{"intervention": each} if isinstance(each, str) else each for each in interventions]
    return {
        "claim": "pocket-qwen/a-claim",
        "statement": "A claim.",
        "model": "pocket-qwen",
        "suite": "main-12",
        "metric": metric,
        "counterfactual": words[0],
        "robustness": words[1:],
        "control": {"kind": control},
        "expect": {"form": "threshold", "component": component, **bound},
        "threshold": {"high": 0.995, "medium": 0.95},
    }


def claim(document: dict[str, Any], metric: dict[str, Any] | None = None, **changes: Any) -> MeasuredClaim:
    """The claim of a document with some fields changed, of its metric and of itself.

    Raises:
        ValidationError: it is none.
    """
    made = ClaimAdapter.validate_python({**document, "metric": {**document["metric"], **(metric or {})}, **changes})
    assert isinstance(made, MeasuredClaim)
    return made
