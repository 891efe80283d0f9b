"""engine: an audit as a stream of events: one JSON object a line, for programs (`audit --json`) and for its log file.

Every event has `event` (begin, progress, step, judged, wait, failed, verdict, end, error) and `seconds` since the
start. What is told are names, counts, codes and reasons: no prompt, no answer, no key.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..store import utc_now

if TYPE_CHECKING:
    from .audit import Audit, AuditResult
    from .plan import GroupStep, Plan

Event = dict[str, Any]
Sink = Callable[[Event], None]


def on_stdout(event: Event) -> None:
    """A line on standard output, at once."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class Log:
    """The log file of an audit; its lines are events with their date. A disk that takes no line ends no audit."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"audit-running-{os.getpid()}.log"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self.path.write_text("", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        """Add a line."""
        with suppress(OSError), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"at": utc_now(), **event}) + "\n")

    def close(self, number: int | None) -> None:
        """Name the file after the audit's number; an audit without one leaves its file as it is."""
        if number is not None:
            target = self.path.with_name(f"audit-{number}.log")
            with suppress(OSError):
                self.path.replace(target)
                self.path = target


class Events:
    """Tells what an audit does to some sinks."""

    EVERY_S = 0.5
    """A step's progress is told at most this far apart."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks, self._start = sinks, time.monotonic()
        self._steps: dict[int, tuple[int, GroupStep]] = {}
        self._done: dict[int, int] = {}
        self._last = self._start

    def tell(self, event: str, **what: Any) -> None:
        """One event."""
        told = {"event": event, "seconds": round(time.monotonic() - self._start, 3), **what}
        for sink in self._sinks:
            sink(told)

    def wait(self, message: str) -> None:
        """Something is waited for."""
        self.tell("wait", message=message)

    def begin(self, plan: Plan) -> None:
        """What is about to be measured, step by step."""
        for step in plan.steps:
            self._steps[id(step)] = len(self._steps), step
        steps = [
            {
                "step": self._steps[id(step)][0],
                "model": model_of(step),
                "evaluator": step.group.evaluator,
                "runs": len(step.runs),
            }
            for step in plan.steps
        ]
        self.tell("begin", runs=plan.misses, cached=plan.hits, steps=steps)

    def progress(self, step: GroupStep, done: int) -> None:
        """How far a step is, now and then; and that it is finished."""
        number, now = self._steps[id(step)][0], time.monotonic()
        self._done[number] = done
        if done == len(step.runs):
            self.tell("step", step=number, runs=done)
        elif now - self._last >= self.EVERY_S:
            self._last = now
            self.tell("progress", step=number, done=done, of=len(step.runs), finished=sum(self._done.values()))

    def judged(self, model: str, replies: int, tokens: int) -> None:
        """What a judge's replies took so far, now and then; `end` has the sum."""
        if (now := time.monotonic()) - self._last >= self.EVERY_S:
            self._last = now
            self.tell("judged", judge=model, replies=replies, tokens=tokens)

    def end(self) -> None:
        """Nothing: `outcome` tells how it ended."""

    def outcome(self, audit: Audit, result: AuditResult) -> None:
        """What could not be measured and why, the verdicts, and what it took."""
        reasons = [(failure.code, failure.reason) for failure in audit.failures.values()]
        for code, reason in dict.fromkeys(reasons):
            self.tell("failed", code=code, reason=reason, runs=reasons.count((code, reason)))
        for name, verdict in result.verdicts.items():
            self.tell("verdict", claim=name, grade=verdict.grade, code=verdict.code, reason=verdict.reason)
        counts = {"measured": result.measured, "cached": result.cached, "regressed": result.regressed}
        again = {"verified": result.verified, "differing": result.differing} if audit.options.verify else {}
        self.tell("end", audit=audit.number, exit_code=result.exit_code, **counts, **again, judges=audit.judge_calls())


@contextmanager
def told(events: Events, log: Log, number: Callable[[], int | None]) -> Iterator[None]:
    """Tell of an error, or of Ctrl-C, that ends what is inside; the log is closed either way."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            events.tell("error", error=type(error).__name__, message=str(error))
        raise
    finally:
        log.close(number())


def model_of(step: GroupStep) -> str:
    """The name of the model that a step is about."""
    located = step.group.located
    name = located.spec.model or located.architecture
    return name if located.untrained is None else f"{name}, untrained {located.untrained}"
