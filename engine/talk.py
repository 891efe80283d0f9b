"""engine: how an audit speaks to whoever started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .plan import GroupStep, Plan


class Talk(Protocol):
    """How an audit speaks to whoever started it."""

    def wait(self, message: str) -> None:
        """Something is waited for; the message names the holder."""

    def begin(self, plan: Plan) -> None:
        """This plan is about to be executed."""

    def progress(self, step: GroupStep, done: int) -> None:
        """So many runs of the step are finished."""

    def judged(self, model: str, replies: int, tokens: int) -> None:
        """A judge has given so many replies in this audit, for so many tokens, sent and received."""

    def end(self) -> None:
        """Execution is over."""


class Silent:
    """A listener that says nothing."""

    def wait(self, message: str) -> None:
        """Nothing."""

    def begin(self, plan: Plan) -> None:
        """Nothing."""

    def progress(self, step: GroupStep, done: int) -> None:
        """Nothing."""

    def judged(self, model: str, replies: int, tokens: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class Talks:
    """Several listeners of one audit."""

    def __init__(self, *talks: Talk) -> None:
        self._talks = talks

    def wait(self, message: str) -> None:
        """To each."""
        for talk in self._talks:
            talk.wait(message)

    def begin(self, plan: Plan) -> None:
        """To each."""
        for talk in self._talks:
            talk.begin(plan)

    def progress(self, step: GroupStep, done: int) -> None:
        """To each."""
        for talk in self._talks:
            talk.progress(step, done)

    def judged(self, model: str, replies: int, tokens: int) -> None:
        """To each."""
        for talk in self._talks:
            talk.judged(model, replies, tokens)

    def end(self) -> None:
        """To each."""
        for talk in self._talks:
            talk.end()
