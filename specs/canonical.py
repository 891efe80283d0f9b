"""specs: the one canonical serialiser, so that everything that is hashed is hashed the same way.

Every pre-image carries a tag that says what kind of thing was hashed, so that two things of
different kinds never share a digest by accident.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def plain(value: Any) -> Any:
    """Reduce a value to JSON types; anything that has no canonical form is a TypeError.

    Raises:
        TypeError: for a type without a canonical form, or a mapping whose keys are not strings.
        ValueError: for NaN and infinities, which compare equal to nothing.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be hashed: it has no canonical form")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json", exclude_none=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a mapping that is hashed needs string keys")
        return {key: each if type(each := value[key]) is str else plain(each) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [item if type(item) is str else plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be hashed: it has no canonical form")


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no white space, UTF-8; `1.0` and `1` are the same number."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_bytes(tag: str, data: bytes) -> str:
    """sha256 (64 hex digits) of bytes, under a tag."""
    return hashlib.sha256(tag.encode() + b"\0" + data).hexdigest()


def digest(tag: str, value: Any) -> str:
    """sha256 (64 hex digits) of a value's canonical form, under a tag."""
    return digest_bytes(tag, canonical(value).encode())


def digest_file(path: Path) -> str:
    """Plain sha256 of a file's bytes, as `sha256sum` prints it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
