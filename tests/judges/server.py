"""tests: a chat-completions server on loopback that answers well, or in one of the ways in which servers do not."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from typing import Any

import uvicorn

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = {"content-type": "application/json"}
NO_KEY = "Incorrect API key provided"


@dataclass
class Heard:
    """One call that reached the server."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    client: int
    """The port it came from: calls over one connection share it."""
    way: str
    """How it was answered."""


@dataclass
class Fake:
    """The server: `way_of` says how to answer the n-th call, `latency` how long that takes."""

    way_of: Callable[[int, dict[str, Any]], str] = lambda number, body: "well"
    latency: float = 0.0
    heard: list[Heard] = field(default_factory=list)
    busiest: int = 0
    """Most calls at once."""
    _busy: int = 0
    _server: uvicorn.Server | None = None
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        asked = json.loads(body)
        way = self.way_of(len(self.heard), asked)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.heard.append(Heard(scope["path"], headers, asked, scope["client"][1], way))
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            await self._answer(way, asked, headers, scope, send)
        finally:
            self._busy -= 1

    async def _answer(self, way: str, asked: dict[str, Any], headers: dict[str, str], scope: Any, send: Send) -> None:
        if latency := 1.0 if way == "slowly" else self.latency:
            await asyncio.sleep(latency)
        if way == "drop":
            self._drop(scope["client"])
            return
        status, extra, body = self._reply(way, asked, headers)
        declared = len(body) * (2 if way == "half" else 1)
        told = {**JSON, "content-length": str(declared), **extra}
        start = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": body, "more_body": way == "half"})
        if way == "half":
            self._drop(scope["client"])

    def _reply(self, way: str, asked: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        good = completion(verdict(asked))
        if way.startswith("4") or way.startswith("5"):
            code, _, after = way.partition(" ")
            extra = {"retry-after": formatdate(time() + 1, usegmt=True) if after == "date" else after} if after else {}
            return int(code), extra, json.dumps({"error": {"message": f"no ({code})"}}).encode()
        if way.startswith("redirect"):
            code, place = [*way.split(" "), "302", "http://elsewhere.invalid/v1"][1:3]
            return int(code), {"location": place}, b""
        ways: dict[str, tuple[int, dict[str, str], bytes]] = {
            "well": (200, {}, good),
            "slowly": (200, {}, good),
            "half": (200, {}, good),
            "truncated": (200, {}, good[:-9]),
            "html": (200, {"content-type": "text/html"}, b"<!doctype html><p>Welcome to the proxy"),
            "two": (200, {}, completion('At first {"scores": {"overall": 1}}, but no:\n' + verdict(asked))),
            "scale": (200, {}, completion('{"scores": {"overall": 50}}')),
            "refusal": (200, {}, completion("I'm sorry, but I can't judge that.")),
            "huge": (200, {}, good + b" " * 300_000),
            "error": (200, {}, b'{"error": {"message": "upstream is away", "code": 502}}'),
            "echo": (418, {"x-echo": headers.get("authorization", "")}, json.dumps({"error": headers}).encode()),
            "echo-well": (200, {"x-echo": headers.get("authorization", "")}, completion(json.dumps(headers))),
            "unauthorised": (401, {}, json.dumps({"error": {"message": f"{NO_KEY}: {headers}"}}).encode()),
            "plain-only": (422, {}, b'{"detail": "Unexpected fields in the request: {\'response_format\'}"}'),
            "new-names": (400, {}, b'{"error": {"message": "Use \'max_completion_tokens\', not \'max_tokens\'."}}'),
        }
        return ways[way]

    def _drop(self, client: tuple[str, int]) -> None:
        assert self._server is not None
        for connection in list(self._server.server_state.connections):
            if connection.client == client:  # type: ignore[union-attr]
                connection.transport.close() if connection.transport.get_write_buffer_size() else None
                connection.transport.abort()

    @contextmanager
    def running(self) -> Iterator[Fake]:
        """Serves in a thread, on a port of its own."""
        config = uvicorn.Config(self, port=0, log_config=None, lifespan="off", http="h11", ws="none", access_log=False)
        self._server = uvicorn.Server(config)
        thread = threading.Thread(target=self._server.run, daemon=True)
        thread.start()
        while not self._server.started:
            assert thread.is_alive()
            threading.Event().wait(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.should_exit = self._server.force_exit = True
            thread.join(10)


def verdict(asked: dict[str, Any]) -> str:
    """What a competent judge says of an answer that states its own quality, as `quality 3`."""
    found = re.search(r"quality (\d)", asked["messages"][-1]["content"])
    return json.dumps({"reasoning": "It says so.", "scores": {"overall": int(found[1]) if found else 1}})


def completion(content: str | None, finish: str | None = "stop", **message: Any) -> bytes:
    """A chat completion."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode()


if __name__ == "__main__":
    with Fake(latency=float(sys.argv[1])).running() as fake:
        print(fake.port, flush=True)
        sys.stdin.read()
