"""specs: throughput: how fast a model runs, and in how much memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ..base import Many, Spec
from ..controls import DrawnControl
from ..interventions import Intervention
from ..kinds import kind
from ..model import Model, NamedModel
from ..references import Refers
from ..sites import ConditionName
from .base import ConditionMetric, Quantity, Repeated

LEAST_SESSIONS = 12

RATE = Quantity("tokens/s", "log")


class Timed(Spec):
    """What is timed."""

    model: Annotated[NamedModel | None, Refers("model")] = None
    """A model's name, or the model; the claim's own if left out."""
    prompt_tokens: Annotated[int, Field(ge=1)] = 32
    """Length of the prompt: those of the suite, repeated or cut."""
    new_tokens: Annotated[int, Field(ge=1)] = 100
    """Tokens that are generated, greedily, whatever they are."""
    batch: Annotated[int, Field(ge=1)] = 1
    """Prompts at once."""
    skip: Annotated[Many[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    """Layers that are left out."""


@kind("metric")
class ThroughputMetric(ConditionMetric):
    """Time and memory of generation, by the clock. In each session, a fresh process, the conditions take turns.

    Each is run once to warm up, then several times; what counts is the median of these. The order is drawn by the
    session. Layers that are left out are taken out of the model, so that nothing of them is computed.
    """

    QUANTITIES: ClassVar = {
        "decode_rate": RATE,
        "prefill_rate": RATE,
        "latency": Quantity("ms", "log"),
        "peak_memory": Quantity("bytes", "log"),
    }
    INTERVENTIONS = ("time",)
    CONTROLS = ("relabelled_sessions", "doubled_work")
    FORMS = ("speed", "ratio", "threshold", "top_component", "monotone")
    EXACT = ("bytes",)
    WHOLE = ("decode_rate", "prefill_rate", "latency", "peak_memory")
    OF_MACHINE = ("peak_memory",)

    evaluator: Literal["throughput"]
    """throughput"""
    quantity: Literal["decode_rate", "prefill_rate", "latency", "peak_memory"]
    """decode_rate: generated tokens after the first over the time they took, tokens/s. prefill_rate: prompt tokens over
    the time to the first generated one, tokens/s. latency: from prompt to last token, ms. peak_memory: the most memory
    that was held, weights included, bytes: what torch's allocator had handed out for the condition; the program and its
    libraries are not counted. bytes, the exact size: of the weights as they are held."""
    timed: Annotated[dict[ConditionName, Timed], Field(min_length=1)]
    """Condition -> what is timed."""
    sessions: Annotated[int, Field(ge=1, le=100)] = 12
    """Fresh processes; 12 are the least that are graded."""

    @model_validator(mode="after")
    def _distinct(self) -> ThroughputMetric:
        seen = [each.model_dump_json() for each in self.timed.values()]
        if len(set(seen)) < len(seen):
            raise ValueError("two conditions time the same thing")
        short = [name for name, each in self.timed.items() if each.new_tokens == 1]
        if self.quantity == "decode_rate" and short:
            raise ValueError(f"timed.{short[0]}.new_tokens is 1: a decode rate is that of the tokens after the first")
        return self

    @property
    def conditions(self) -> tuple[str, ...]:
        """What is timed."""
        return tuple(self.timed)

    @property
    def variants_of(self) -> Mapping[str, str | Model]:
        """The conditions that are other models than the claim's."""
        return {name: each.model for name, each in self.timed.items() if each.model is not None}

    @property
    def repeated(self) -> Repeated:
        """The sessions."""
        return Repeated("sessions", self.sessions, LEAST_SESSIONS)


@kind("intervention")
class Time(Intervention):
    """The clock runs while the condition generates."""

    intervention: Literal["time"]
    """time"""


@kind("control")
class RelabelledSessions(DrawnControl):
    """In every session it is dealt anew which condition a time belongs to: what differs without a cause."""

    REARRANGED = True
    kind: Literal["relabelled_sessions"]
    """relabelled_sessions"""


@kind("control")
class DoubledWork(DrawnControl):
    """The condition's work is done twice, side by side, and counted once: a clock that misses it measures no work.

    For bounds, which no relabelling of conditions can test: half the rate, twice the time, twice the memory. Two copies
    of the model generate side by side, token by token; the draws take turns with the sessions.
    """

    TWISTED = True
    kind: Literal["doubled_work"]
    """doubled_work"""
