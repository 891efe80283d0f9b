"""judges: where a judge is, from the environment, and what keeps its credentials out of everything that is written."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from ..specs.judge import Judge
from .errors import NotConfigured

SHORTEST_SECRET = 6
"""Characters; a shorter key (`none`, `EMPTY`) is a placeholder, and a word that texts may hold."""

TALKATIVE = ("httpx", "asyncio", *(f"httpcore.{name}" for name in ("connection", "http11", "http2", "proxy", "socks")))
"""Loggers of the HTTP library, which at DEBUG write whole headers of what a server sends."""


class Secrets:
    """Texts that are never written: a key, a user's name and password, in each form in which a server may echo them."""

    def __init__(self, texts: Collection[str], pair: str = "") -> None:
        forms = {form for text in texts if len(text) >= SHORTEST_SECRET for form in _forms(text)}
        if pair:
            forms.add(base64.b64encode(pair.encode()).decode())
        self._forms = sorted(forms, key=len, reverse=True)

    def __repr__(self) -> str:
        return "Secrets([redacted])"

    def clean(self, text: str) -> str:
        """The text without any of them."""
        for form in self._forms:
            text = text.replace(form, "[redacted]")
        return text

    def clean_bytes(self, data: bytes) -> bytes:
        """Bytes without any of them."""
        for form in self._forms:
            data = data.replace(form.encode(), b"[redacted]")
        return data

    @contextmanager
    def kept_from_logs(self) -> Iterator[None]:
        """While it lasts, no record of the HTTP library holds one, at whatever level it is written."""
        guard, loggers = _Guard(self), [logging.getLogger(name) for name in TALKATIVE]
        for logger in loggers:
            logger.addFilter(guard)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(guard)


class _Guard(logging.Filter):
    """Cleans records."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (clean := self._secrets.clean(message)) != message:
            record.msg, record.args = clean, ()
        return True


@dataclass(frozen=True)
class Endpoint:
    """A chat-completions server."""

    url: str
    """Of the call itself, without user or password."""
    headers: Mapping[str, str] = field(repr=False)
    """With the key, where there is one."""
    secrets: Secrets
    variable: str
    """That names the server; what messages call it, since an address may itself be private."""


def endpoint_of(judge: Judge, environ: Mapping[str, str]) -> Endpoint:
    """Where a judge is, by the environment variables that it names.

    An address ends before or after `/v1`, or with `/chat/completions`. The key is sent as a bearer token; without one,
    a user and password in the address are sent as Basic authentication; without both, nothing is.

    Raises:
        NotConfigured: there is no address, or it or the key cannot be used.
    """
    variable, address = judge.endpoint_env, environ.get(judge.endpoint_env, "").strip()
    if not address:
        raise NotConfigured(f"{variable} is not set: it holds the address of the server, such as http://host:8000/v1")
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise NotConfigured(f"{variable} holds no address of the form http://host:port or https://host/v1")
    if url.query or url.fragment:
        raise NotConfigured(f"{variable} holds an address with `?` or `#`; a credential belongs in {judge.api_key_env}")
    key = environ.get(judge.api_key_env, "").strip()
    if not all(" " < char <= "~" for char in key):
        raise NotConfigured(f"{judge.api_key_env} holds characters that a key cannot have: white space, or not ASCII")
    pair = f"{url.username}:{url.password}" if url.username or url.password else ""
    secrets = Secrets([key, url.username, url.password], pair)
    return Endpoint(_call(url), _headers(key, pair), secrets, variable)


def _call(url: httpx.URL) -> str:
    path = url.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        versioned = any(re.fullmatch(r"v\d+\w*", part) for part in path.split("/"))
        path += "/chat/completions" if versioned else "/v1/chat/completions"
    return str(url.copy_with(userinfo=b"", path=path))


def _headers(key: str, pair: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    elif pair:
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return headers


def _forms(text: str) -> set[str]:
    """As it is, in an address, in a JSON text, and in one that escapes slashes."""
    in_json = json.dumps(text)[1:-1]
    return {text, quote(text, safe=""), quote(text), in_json, in_json.replace("/", "\\/")}
