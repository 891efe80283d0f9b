"""specs: what every test of a malformed file checks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mi_atlas.specs.claim import ClaimAdapter
from mi_atlas.specs.errors import Fault
from mi_atlas.specs.load import MOST_FAULTS, validate
from mi_atlas.specs.yaml_document import parse

LIMIT = 2.0
"""Processor seconds for one file, however malformed (it takes milliseconds; machines differ)."""


def _faults_of(content: str | bytes) -> list[Fault]:
    """What is wrong with a claim file; checked to be quick, bounded, and located in lines the file has."""
    raw = content.encode() if isinstance(content, str) else content
    began = time.process_time()
    claim, faults = validate(parse(raw, Path("a/hub.yaml")), ClaimAdapter)
    assert time.process_time() - began < LIMIT
    assert (claim is None) == bool(faults)
    assert len(faults) <= MOST_FAULTS
    lines = raw.count(b"\n") + (not raw.endswith(b"\n"))
    for fault in faults:
        assert 1 <= fault.line <= max(lines, 1)
        assert fault.column >= 1
        assert str(fault).isprintable()
        assert str(fault).startswith(f"a/hub.yaml:{fault.line}:{fault.column}: ")
    return faults


@pytest.fixture(scope="session")
def faults_of() -> Callable[[str | bytes], list[Fault]]:
    """What is wrong with the content of a claim file, after checks that hold for any content."""
    return _faults_of
