"""tests: no bytes that others may give end in a traceback or take long; `benchmarks/fuzz.py` tries for hours."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .fuzzing import CORPUS, TARGETS, mutated, seeds

LONGEST_S = 2.0
EXAMPLES = {"claim": 150, "judge": 300, "recorded": 60, "parquet": 15}

edits = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 10_000), st.integers(0, 10_000)), min_size=1, max_size=8)


def check(target: str, data: bytes) -> None:
    """In seconds of this process."""
    start = time.process_time()
    TARGETS[target](data)
    assert time.process_time() - start < LONGEST_S


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_right_is_read(target: str) -> None:
    for data in seeds(target):
        check(target, data)


@pytest.mark.parametrize("target", TARGETS)
def test_no_bytes_end_in_a_traceback(target: str) -> None:
    @settings(max_examples=EXAMPLES[target], deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(seeds(target)), edits)
    def tried(seed: bytes, changes: list[tuple[int, int, int]]) -> None:
        check(target, mutated(seed, changes))

    tried()


FOUND = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))


@pytest.mark.parametrize("name", FOUND or [pytest.param("", marks=pytest.mark.skip(reason="nothing was found so far"))])
def test_what_was_found_stays_mended(name: str) -> None:
    check(name.partition("/")[0], (CORPUS / name).read_bytes())
