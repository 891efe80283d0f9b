"""tests of store: a ledger in a temporary folder, runs to put into it, and processes that use it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from mi_atlas.store import FinishedRun, Ledger, utc_now


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


@pytest.fixture(scope="session")
def make_run() -> Callable[..., FinishedRun]:
    """A finished run for a key; parts and values are derived from nothing unless they are given."""

    def make(
        key: str,
        values: Mapping[str, Sequence[float]] | None = None,
        parts: Mapping[str, str] | None = None,
        seconds: float = 0.25,
    ) -> FinishedRun:
        parts = parts or {"weights": "w1", "site": key}
        return FinishedRun(key, parts, values or {"kl": [0.5, 0.25]}, utc_now(), seconds, "cpu", {"torch": "2.13"})

    return make


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python code in a process of its own; those still alive at the end are killed."""
    children: list[subprocess.Popen[str]] = []

    def begin(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        pipe = subprocess.PIPE
        children.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.communicate()
