"""judges: ask a judge many questions over HTTP, and give every question exactly one outcome.

What ends a call's tries: a reply, a failure that the same call would meet again, `attempts` failures, the deadline, or
the budget. When several questions in a row get nothing for a reason that the next would meet, too, the rest are not
asked. A question without a reply can be asked again by a later call; one with a reply never needs to be.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import random
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from ..specs.judge import Judge
from .calls import Calls
from .completion import Completion
from .endpoint import Endpoint, endpoint_of
from .errors import BUDGET, DEADLINE, CallFailed, Crowded, NotConfigured, Rejected
from .pace import Pace, wait_before
from .prompts import Question

IN_A_ROW = 5
"""Questions without a reply, for a reason that is the server's, after which the rest are not asked."""

BYTES_PER_TOKEN = 4
"""For the budget, where a server does not count."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a server is asked, and what that may cost."""

    concurrency: int = 8
    """Calls at once, at most; fewer while the server has too much to do."""
    attempts: int = 6
    """Failed calls after which a question is given up."""
    timeout_s: float = 60.0
    """For one call, from its connection to the last byte."""
    deadline_s: float | None = None
    """For all questions together."""
    max_bytes: int = 1_000_000
    """Of one reply."""
    max_calls: int | None = None
    """Of the server, tries included; exact."""
    max_tokens: int | None = None
    """Sent and received, as the server counts; no call begins after that, but those that run are ended."""
    backoff_s: float = 1.0
    """Longest wait after a question's first failure; doubled with each further one."""
    longest_pause_s: float = 60.0
    """Most of a Retry-After that is heeded."""

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.attempts < 1:
            raise ValueError("concurrency and attempts are at least 1")


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete chat completion; whether it holds a verdict is for `reading` to say."""

    key: str
    """Of the question."""
    raw: bytes = field(repr=False)
    """As it came; a credential that the server repeats is replaced by `[redacted]`."""
    seconds: float
    """That the call took which was answered."""
    tokens_in: int | None
    """None: the server does not count."""
    tokens_out: int | None
    attempts: int
    """Calls that were made for it."""


@dataclass(frozen=True, slots=True)
class NoReply:
    """A question that got none."""

    key: str
    code: str
    """For programs: see `errors`, and judge_deadline, judge_budget."""
    reason: str
    """For people."""
    attempts: int
    """Calls that were made for it; 0: it was not asked."""


def ask(
    judge: Judge,
    questions: Iterable[Question],
    limits: Limits = DEFAULT,
    environ: Mapping[str, str] = os.environ,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Generator[Reply | NoReply, None, None]:
    """Ask, and give outcomes as they come, in any order: one for each distinct key.

    The calls run in a thread of their own, so that this works inside a running event loop, and while its outcomes are
    dealt with; closing the generator ends them. Proxies and certificates are as httpx finds them in the environment;
    `transport` stands in for the network.
    """
    waiting = list({question.key: question for question in questions}.values())
    try:
        endpoint = endpoint_of(judge, environ)
    except NotConfigured as error:
        yield from (NoReply(question.key, error.code, error.reason, 0) for question in waiting)
        return
    outcomes: queue.SimpleQueue[Reply | NoReply | BaseException | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(_Asking(waiting, limits, endpoint, transport, outcomes).all())
    thread = threading.Thread(target=_run, args=(loop, task, outcomes), name="judge", daemon=True)
    with endpoint.secrets.kept_from_logs():
        thread.start()
        try:
            while (outcome := outcomes.get()) is not None:
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            with suppress(RuntimeError):  # the loop is closed: all is done
                loop.call_soon_threadsafe(task.cancel)
            thread.join()


def _run(
    loop: asyncio.AbstractEventLoop,
    task: asyncio.Task[None],
    outcomes: queue.SimpleQueue[Reply | NoReply | BaseException | None],
) -> None:
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass
    except BaseException as error:
        outcomes.put(error)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        outcomes.put(None)


class _NotAsked(Exception):
    """No call was made, since none may be any more."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass
class _Tries:
    """What was done about one question."""

    calls: int = 0
    failures: int = 0
    sent: frozenset[str] = frozenset()
    """Fields of the last request."""
    last: CallFailed | None = None


class _Asking:
    """One run of `ask`."""

    def __init__(
        self,
        questions: list[Question],
        limits: Limits,
        endpoint: Endpoint,
        transport: httpx.AsyncBaseTransport | None,
        outcomes: queue.SimpleQueue[Reply | NoReply | BaseException | None],
    ) -> None:
        self._left, self._limits, self._outcomes = iter(questions), limits, outcomes
        self._endpoint, self._transport = endpoint, transport
        self._workers = min(limits.concurrency, len(questions))
        self._pace, self._draw = Pace(limits.concurrency), random.Random()
        self._calls = self._tokens = self._in_a_row = 0
        self._closed: tuple[str, str] | None = None
        self._renamed: dict[str, str | None] = {}
        """Field of a request -> what this server calls it; None: it does not know it."""

    async def all(self) -> None:
        """Every question, by as many workers as calls may run at once, over one pool of connections."""
        limits = self._limits
        self._ends = None if limits.deadline_s is None else asyncio.get_running_loop().time() + limits.deadline_s
        pool = httpx.Limits(max_connections=limits.concurrency, max_keepalive_connections=limits.concurrency)
        timeout = httpx.Timeout(limits.timeout_s, pool=None)
        async with httpx.AsyncClient(transport=self._transport, limits=pool, timeout=timeout) as client:
            self._server = Calls(client, self._endpoint, limits.timeout_s, limits.max_bytes, limits.longest_pause_s)
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())

    async def _work(self) -> None:
        for question in self._left:
            tries = _Tries()
            try:
                async with asyncio.timeout_at(self._ends):
                    outcome = await self._outcome(question, tries)
            except TimeoutError:
                outcome = self._none(question, tries, DEADLINE, f"no reply within {self._limits.deadline_s:g} s in all")
            except _NotAsked as end:
                outcome = self._none(question, tries, end.code, end.reason)
            self._outcomes.put(outcome)

    async def _outcome(self, question: Question, tries: _Tries) -> Reply | NoReply:
        while True:
            try:
                reply = await self._call(question, tries)
            except CallFailed as failure:
                tries.last = failure
                if self._adapted(failure, tries):
                    continue
                tries.failures += 1
                if not failure.again or tries.failures >= self._limits.attempts:
                    return self._gave_up(question, tries, failure)
                await self._wait(wait_before(tries.failures, self._limits.backoff_s, self._draw))
            else:
                self._in_a_row = 0
                return reply

    async def _call(self, question: Question, tries: _Tries) -> Reply:
        async with self._pace.turn() as began:
            self._may_call()
            self._calls, tries.calls = self._calls + 1, tries.calls + 1
            body = self._body(question)
            tries.sent = frozenset(body)
            try:
                raw, found = await self._server.post(json.dumps(body).encode())
            except Crowded as failure:
                self._pace.crowded(began, failure.pause)
                raise
            self._pace.went_well()
            self._tokens += _cost(question, raw, found)
            return Reply(question.key, raw, time.monotonic() - began, found.tokens_in, found.tokens_out, tries.calls)

    def _may_call(self) -> None:
        limits = self._limits
        if self._closed:
            raise _NotAsked(*self._closed)
        if limits.max_calls is not None and self._calls >= limits.max_calls:
            raise _NotAsked(BUDGET, f"the budget of {limits.max_calls} calls is used up")
        if limits.max_tokens is not None and self._tokens >= limits.max_tokens:
            raise _NotAsked(BUDGET, f"the budget of {limits.max_tokens} tokens is used up")

    def _body(self, question: Question) -> dict[str, Any]:
        names = ((self._renamed.get(name, name), value) for name, value in question.body.items())
        return {name: value for name, value in names if name is not None}

    def _adapted(self, failure: CallFailed, tries: _Tries) -> bool:
        """Whether the server rejected a field by its name that it can be asked without, or by another name."""
        if not isinstance(failure, Rejected):
            return False
        if "response_format" in tries.sent and any(w in failure.said for w in ("response_format", "json_schema")):
            self._renamed["response_format"] = None
        elif "max_tokens" in tries.sent and "max_completion_tokens" in failure.said:
            self._renamed["max_tokens"] = "max_completion_tokens"
        else:
            return False
        return True

    def _gave_up(self, question: Question, tries: _Tries, failure: CallFailed) -> NoReply:
        if failure.shared:
            self._in_a_row += 1
            if self._in_a_row >= IN_A_ROW and not self._closed:
                reason = f"not asked: {IN_A_ROW} questions in a row got no reply, the last one because {failure.reason}"
                self._closed = failure.code, reason
        return NoReply(question.key, failure.code, f"{failure.reason} ({_times(tries.calls)})", tries.calls)

    def _none(self, question: Question, tries: _Tries, code: str, reason: str) -> NoReply:
        before = f" ({_times(tries.calls)}; before that, {tries.last.reason})" if tries.last else ""
        return NoReply(question.key, code, reason + before, tries.calls)

    async def _wait(self, seconds: float) -> None:
        """Raises TimeoutError at once where the deadline comes first."""
        if self._ends is not None and asyncio.get_running_loop().time() + seconds >= self._ends:
            raise TimeoutError
        await asyncio.sleep(seconds)


def _times(calls: int) -> str:
    return f"asked {calls} time{'s' * (calls != 1)}"


def _cost(question: Question, raw: bytes, found: Completion) -> int:
    """Tokens sent and received, as counted, or else by length."""
    if found.tokens_in is None or found.tokens_out is None:
        return (len(json.dumps(question.body)) + len(raw)) // BYTES_PER_TOKEN
    return found.tokens_in + found.tokens_out
