"""tests: judges are asked over HTTP on this machine, never through a proxy that the environment names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mi_atlas.specs.judge import Dimension, Judge, Rubric

from .server import Fake


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def rubric() -> Rubric:
    return Rubric(dimensions=(Dimension(name="overall", asks="How good is the answer?"),))


@pytest.fixture(scope="session")
def judge(rubric: Rubric) -> Judge:
    return Judge(model="wise", family="wise", rubric=rubric)


@pytest.fixture
def server() -> Iterator[Fake]:
    with Fake().running() as fake:
        yield fake
