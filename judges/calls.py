"""judges: one HTTP call: a request in, the bytes of a complete chat completion or a CallFailed out."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator

import httpx

from .completion import Completion, NotCompletion, completion, said
from .endpoint import Endpoint
from .errors import CallFailed, Crowded, Failed, Redirected, Refused, Rejected, TooLong, Unreachable
from .pace import retry_after

REDIRECTS = 3
"""How often a call is sent on within its own server."""

ERROR_BYTES = 65_536
"""Of an error's body, which only explains it."""

CROWDED = (429, 503, 529)
"""Too many requests; unavailable; overloaded."""


class Calls:
    """Calls of one server over one pool of connections."""

    def __init__(
        self, client: httpx.AsyncClient, endpoint: Endpoint, timeout_s: float, max_bytes: int, longest_pause_s: float
    ):
        self._client, self._endpoint, self._url = client, endpoint, httpx.URL(endpoint.url)
        self._timeout_s, self._max_bytes, self._longest_pause_s = timeout_s, max_bytes, longest_pause_s

    async def post(self, body: bytes) -> tuple[bytes, Completion]:
        """The reply's bytes, less any credential that the server repeats, and what is in them.

        A redirect (307, 308) is followed within the same scheme, host and port only: elsewhere the key, and what is
        judged, would go to a place that nobody named.

        Raises:
            CallFailed: of the kind that says what may be done about it.
        """
        with self._mapped():
            async with asyncio.timeout(self._timeout_s):
                url = self._url
                for _ in range(1 + REDIRECTS):
                    request = self._client.build_request("POST", url, content=body, headers=self._endpoint.headers)
                    response = await self._client.send(request, stream=True)
                    try:
                        if not response.has_redirect_location:
                            return await self._read(response)
                        url = self._next(response)
                    finally:
                        await response.aclose()
        raise Redirected(f"the server sent the call on more than {REDIRECTS} times")

    async def _read(self, response: httpx.Response) -> tuple[bytes, Completion]:
        if response.status_code != 200:
            raise self._failure(response, await self._error(response))
        raw = self._endpoint.secrets.clean_bytes(await self._body(response))
        try:
            return raw, completion(raw)
        except NotCompletion as error:
            raise Failed(self._clean(f"the server replied 200 with {error}")) from None

    async def _body(self, response: httpx.Response) -> bytes:
        """All of the body, as long as it is no longer than allowed."""
        too_long = TooLong(f"the reply has more than {self._max_bytes} bytes")
        declared = response.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:18]) > self._max_bytes:
            raise too_long
        found = bytearray()
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) > self._max_bytes:
                raise too_long
        return bytes(found)

    async def _error(self, response: httpx.Response) -> str:
        """What a server says beside a status that is not 200, cleaned; the start of it, where it is long."""
        found = bytearray()
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) > ERROR_BYTES:
                break
        text = bytes(found[:ERROR_BYTES]).decode("utf-8", "replace")
        return self._endpoint.secrets.clean(text)

    def _failure(self, response: httpx.Response, text: str) -> CallFailed:
        status = response.status_code
        message = ""
        with contextlib.suppress(ValueError, RecursionError):
            message = said(json.loads(text))
        reason = f"the server replied {status}" + (f": {message}" if message else "")
        if status in (401, 403):
            # What is said here is left out: servers repeat parts of a wrong key.
            return Refused(f"the server replied {status}: it does not accept the key, or wants one")
        if status in CROWDED:
            return Crowded(reason, retry_after(response.headers.get("retry-after"), self._longest_pause_s))
        if status in (408, 409, 425) or not 400 <= status < 500:
            return Failed(reason)
        return Rejected(reason, text, shared=status in (404, 405))

    def _next(self, response: httpx.Response) -> httpx.URL:
        status, here = response.status_code, response.request.url
        try:
            there = here.join(response.headers["location"]).copy_with(userinfo=b"")
        except (httpx.InvalidURL, ValueError):
            raise Redirected(f"the server replied {status} with a place that is no address") from None
        if _origin(there) != _origin(here):
            where = self._clean(f"{there.scheme}://{there.netloc.decode('ascii', 'replace')}")
            raise Redirected(
                f"the server replied {status} and sends the call to {where}, which is not followed: "
                f"{self._endpoint.variable} has to hold the address itself"
            )
        if status not in (307, 308):
            raise Redirected(f"the server replied {status}, which does not let a POST be sent on")
        return there

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        """The HTTP library's errors become ours, without their texts where these may hold an address."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise Unreachable(
                self._clean(
                    f"the server that {self._endpoint.variable} names cannot be reached: {error or 'no answer'}"
                )
            ) from None
        except (TimeoutError, httpx.TimeoutException):
            raise Crowded(f"no complete reply within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise Failed(f"the connection broke: {type(error).__name__}") from None

    def _clean(self, text: str) -> str:
        return self._endpoint.secrets.clean(text)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
