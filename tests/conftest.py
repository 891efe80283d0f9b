"""tests: what all of them share: one thread a process, no model cache of this machine, the same numbers each time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

NO_MODELS = tempfile.TemporaryDirectory()
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HOME": NO_MODELS.name}

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may write everywhere: be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
