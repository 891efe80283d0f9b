"""specs: what every spec has in common."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=80)]
"""A spec's name: lower case, digits, `-` and `.`, as in its file's name."""

ClaimId = Annotated[str, Field(pattern=r"^[a-z0-9]+([./-][a-z0-9]+)*$", max_length=120)]
"""folder/name, as in the claim file's own path below claims/."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]
"""Prose for people; never hashed."""

Many = Annotated[tuple[T, ...], Field(strict=False)]
"""A YAML list; kept as a tuple, so that specs stay immutable."""


class Spec(BaseModel):
    """A frozen document: unknown fields are refused, values are not coerced.

    The docstring below a field becomes its description in the JSON Schema, when that is written: reading every class's
    source would double the time that a command takes to start. A class is compiled when something of it is read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
