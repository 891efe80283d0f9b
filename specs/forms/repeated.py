"""specs: the forms of claims on trainings and on time, of which each number is a whole repetition."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ..base import Spec
from ..kinds import kind
from .paired import Paired, Side


@kind("expect")
class Efficiency(Paired):
    """One way has at most a share of another's parameters, and falls short of its quality by less than a margin."""

    form: Literal["efficiency"]
    """efficiency"""
    size: str = "parameters"
    """Which exact number of the metric the sizes are: parameters, bytes."""
    at_most: Annotated[float, Field(gt=0, lt=1)]
    """The largest share of the reference's size that the test has. It is counted, not estimated."""
    larger: Literal["better", "worse"] = "better"
    """Whether a larger value of the quantity is better (exact_match) or worse (loss)."""


@kind("expect")
class Speed(Spec):
    """One way is at least k times as fast as another, both timed in each of a number of sessions."""

    form: Literal["speed"]
    """speed"""
    test: Side
    """The faster one."""
    reference: Side
    """What it is compared with, in the same session."""
    at_least: Annotated[float, Field(gt=0)]
    """k: the least factor between reference and test in seconds, or test and reference in tokens a second."""
    larger: Literal["faster", "slower"] = "slower"
    """Whether a larger value of the quantity is faster (tokens a second) or slower (seconds)."""
    scope: Literal["in_suite"] = "in_suite"
    """How far the claim reaches: new sessions on machines like this."""

    @model_validator(mode="after")
    def _two(self) -> Speed:
        if self.test == self.reference:
            raise ValueError("test and reference are the same")
        return self
