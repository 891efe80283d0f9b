"""specs: whatever becomes of a claim file, it is a claim or it has located faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mi_atlas.specs import schema
from mi_atlas.specs.errors import Fault
from mi_atlas.specs.yaml_document import parse

FaultsOf = Callable[[str | bytes], list[Fault]]

CLAIM = (Path(schema.__file__).parent / "examples" / "valid" / "claim-top-component.yaml").read_text()

PIECES = (
    *("\0", "\t", "\n", "\r", " ", "  ", "- ", ": ", ":", "?", "[", "]", "{", "}", ",", "#", "&a ", "*a", "<<: "),
    *("!", "!!int ", "|", ">", "'", '"', "%", "@", "`", "~", "\\", "no", "1e-3", ".nan", "0o8", "99", "L1", "claim: "),
    *("---\n", "...\n", "\ufeff", "\u2028", "é"),
)
"""Pieces of YAML and of claims that change what stands around them."""


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """The valid claim after a few random edits of bytes, pieces and lines."""
    raw = CLAIM.encode()
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(raw)))
        stop = min(len(raw), start + draw(st.integers(0, 12)))
        new = draw(
            st.one_of(st.binary(max_size=3), st.sampled_from(PIECES).map(str.encode), st.just(raw[start:stop] * 2))
        )
        lines = raw.splitlines(keepends=True)
        kind = draw(st.sampled_from(("replace", "replace", "drop line", "swap lines", "double line")))
        if kind == "replace" or len(lines) < 2:
            raw = raw[:start] + new + raw[stop:]
            continue
        at = draw(st.integers(0, len(lines) - 2))
        lines[at : at + 2] = {
            "drop line": [lines[at]],
            "swap lines": [lines[at + 1], lines[at]],
            "double line": [lines[at], lines[at], lines[at + 1]],
        }[kind]
        raw = b"".join(lines)
    return raw


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoilt())
def test_spoilt_claims_are_valid_or_have_located_faults(faults_of: FaultsOf, raw: bytes) -> None:
    faults_of(raw)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_have_located_faults(faults_of: FaultsOf, raw: bytes) -> None:
    assert faults_of(raw)


WORDS = st.sampled_from(
    ("claim", "model", "expect", "form", "ratio", "threshold", "kind", "intervention", "numerator", "str")
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | WORDS
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)
DOCUMENT = parse(CLAIM, Path("a/hub.yaml")).data or {}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(DOCUMENT)), TREES)
def test_any_value_in_any_field_is_valid_or_has_located_faults(faults_of: FaultsOf, field: str, value: object) -> None:
    """JSON is YAML: one field of a claim is replaced by an arbitrary JSON value."""
    faults_of(json.dumps({**DOCUMENT, field: value}, indent=1))
