"""engine: how the program speaks on a terminal: the end of a command, waits, what an audit is measuring."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .errors import EngineError, MachineError, UsageError

if TYPE_CHECKING:
    import typer
    from rich.progress import Progress, TaskID

    from .plan import GroupStep, Plan

INTERRUPTED = 130
"""What shells report of a program that was stopped by Ctrl-C, and what typer makes of it."""

TERMINATED = 143
"""The same of a program that was told to end (SIGTERM)."""


def run(app: typer.Typer, words: Sequence[str] | None = None) -> int:
    """Run the command line (`words`, or the process's own); returns the exit code.

    Usage errors are 3, as faults in specs are.
    """
    with _termination() as told:
        code = _run(app, words)
    return TERMINATED if told and code == INTERRUPTED else code


@contextmanager
def _termination() -> Iterator[list[int]]:
    """Inside, SIGTERM ends the program as Ctrl-C does: what is committed stays. Gives the signals that came."""
    told: list[int] = []

    def stop(number: int, frame: object) -> None:
        told.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(app: typer.Typer, words: Sequence[str] | None) -> int:
    import typer

    try:
        code = app(args=words, standalone_mode=False)
        if code == INTERRUPTED:
            return _said("interrupted; what was measured is kept", INTERRUPTED)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]
        return UsageError.exit_code
    except typer.Abort:
        return _said("nothing was done", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except EngineError as error:
        return _said(f"error: {error}", error.exit_code)
    except Exception as error:
        return _expected(error)


def _expected(error: Exception) -> int:
    """The exit code of an error that another room raised for a person to read; any other is ours and is shown whole."""
    from ..specs.errors import SpecError
    from ..store import LedgerError

    if isinstance(error, SpecError):
        faults = len(error.faults)
        return _said(f"{error}\n{faults} fault{'s' if faults != 1 else ''}", UsageError.exit_code)
    if isinstance(error, LedgerError | OSError):
        return _said(f"error: {error}", MachineError.exit_code)
    raise error


def _said(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


class TerminalTalk:
    """Waits and progress on standard error: a live view on a terminal, a line every few seconds elsewhere."""

    EVERY_S = 5.0

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._rows: dict[int, TaskID] = {}
        self._judges: dict[str, TaskID] = {}
        self._done: dict[int, int] = {}
        self._total = self._steps = 0
        self._start = self._last = time.monotonic()

    def wait(self, message: str) -> None:
        """Say what is waited for."""
        print(message, file=sys.stderr, flush=True)

    def begin(self, plan: Plan) -> None:
        """Show the plan's size; on a terminal a bar of all runs, and one of each step while it is measured."""
        self._total, self._steps = plan.misses, len(plan.steps)
        self._done, self._rows, self._judges = {}, {}, {}
        self._start = self._last = time.monotonic()
        print(f"measuring {plan.misses} runs ({plan.hits} cached)", file=sys.stderr, flush=True)
        if sys.stderr.isatty():
            self._progress = _bars()
            self._task = self._progress.add_task(f"0 of {self._steps} steps", total=plan.misses)
            self._progress.start()

    def progress(self, step: GroupStep, done: int) -> None:
        """So many runs of a step are finished."""
        if not self._done:
            self._start = time.monotonic()
        self._done[id(step)] = done
        finished = sum(self._done.values())
        if self._progress is not None:
            self._show(self._progress, step, done, finished)
        elif time.monotonic() - self._last >= self.EVERY_S:
            self._last = time.monotonic()
            print(f"  {finished}/{self._total} runs{self._left(finished)}", file=sys.stderr, flush=True)

    def _show(self, progress: Progress, step: GroupStep, done: int, finished: int) -> None:
        """A row of its own for each step that is measured, until it is finished."""
        from .events import model_of

        key = id(step)
        if key not in self._rows:
            what = f"  {model_of(step)}: {step.group.evaluator}"
            self._rows[key] = progress.add_task(what, total=len(step.runs))
        progress.update(self._rows[key], completed=done, visible=done < len(step.runs))
        ended = sum(not task.visible for task in progress.tasks)
        progress.update(self._task, completed=finished, description=f"{ended} of {self._steps} steps")

    def _left(self, finished: int) -> str:
        """Time left at the pace since the first run was finished: loading a model says nothing about the rest."""
        if finished < 2:
            return ""
        pace = (time.monotonic() - self._start) / (finished - 1)
        return f", about {pace * (self._total - finished):.0f} s left"

    def judged(self, model: str, replies: int, tokens: int) -> None:
        """What a judge's replies took so far."""
        said = f"  judge {model}: {replies} replies, {tokens} tokens"
        if self._progress is not None:
            if model not in self._judges:
                self._judges[model] = self._progress.add_task(said, total=None)
            self._progress.update(self._judges[model], description=said)
        elif time.monotonic() - self._last >= self.EVERY_S:
            self._last = time.monotonic()
            print(said, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(*columns, *times, console=Console(stderr=True), transient=True)
