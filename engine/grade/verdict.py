"""engine: the verdict on one claim: a grade, its numbers, and why. Nothing here imports numpy."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

Grade = Literal["High", "Medium", "Refuted", "Pending"]


class Condition(NamedTuple):
    """One condition of High."""

    name: str
    met: bool
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What an audit says about one claim; numbers are on the scale a person reads (nats, factors)."""

    claim: str
    grade: Grade
    code: str
    """Machine-readable reason: `holds`, `refuted`, `inconclusive`, `not_specific`, `post_hoc`, ..."""
    reason: str
    """One line with numbers."""
    scope: str | None = None
    estimate: float | None = None
    lower: float | None = None
    """One-sided lower bound: at `alpha` where the claim needs it, else at the alpha of refutation."""
    upper: float | None = None
    """One-sided upper bound, likewise."""
    bound: float | None = None
    """What the claim must clear."""
    unit: str = ""
    n_raw: int = 0
    """Examples before deduplication."""
    n_units: int = 0
    """Independent units: templates in_suite, families beyond_suite."""
    look: int = 1
    alpha: float | None = None
    """One-sided alpha of High at this look; refutation spends the same, split over the arms."""
    p_value: float | None = None
    """Of the main arm, against "not above the bound"."""
    p_refute: float | None = None
    """Of the main arm, against "not below the bound", corrected for the number of rivals."""
    qualifiers: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    explanation: tuple[str, ...] = ()
    """About ten lines a person can read."""

    def to_json(self) -> str:
        """One line of JSON; equal verdicts give equal text."""
        document = {name: _finite(value) for name, value in vars(self).items()}
        document["conditions"] = [condition._asdict() for condition in self.conditions]
        return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """The verdict that `to_json` wrote.

        Raises:
            ValueError: the text is no verdict.
        """
        document: dict[str, Any] = json.loads(text)
        if unknown := set(document) - {field.name for field in fields(cls)}:
            raise ValueError(f"no verdict: unknown fields {sorted(unknown)}")
        document["conditions"] = tuple(Condition(**condition) for condition in document["conditions"])
        for name in ("qualifiers", "explanation"):
            document[name] = tuple(document[name])
        return cls(**document)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
