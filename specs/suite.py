"""specs: what a suite is: the task families, and how many templates and examples of each."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from .base import Many, Name, Spec


class Suite(Spec):
    """What a model is measured on: generated task families, or the rows of a JSONL file."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [k]} for k in ("families", "jsonl")]})

    suite: Name | None = None
    """Name, as in the file's own name; a suite written inside a claim needs none."""
    families: Annotated[Many[str], Field(min_length=1)] | None = None
    """Task families, each once; third parties may add theirs."""
    templates: Annotated[int, Field(ge=1, le=30)] = 30
    """Templates a family (the unit of replication); discovery uses at most the 10 it has."""
    items: Annotated[int, Field(ge=1, le=100_000)] = 120
    """Unique examples a family, spread evenly over its templates."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Another seed gives other templates and other examples of the same draw."""
    jsonl: str | None = None
    """File of examples, one JSON object a line, instead of families; relative to the workspace."""
    notes: str | None = None
    """For people; not hashed."""

    @model_validator(mode="after")
    def _families_or_rows(self) -> Suite:
        if (self.families is None) == (self.jsonl is None):
            raise ValueError("a suite names exactly one of families and jsonl")
        if self.families is None:
            if sizes := sorted({"templates", "items", "seed"} & self.model_fields_set):
                raise ValueError(f"{' and '.join(sizes)} cannot be set with jsonl: every row of the file is used")
        elif len(set(self.families)) < len(self.families):
            raise ValueError("each family is named once")
        if self.items < self.templates:
            raise ValueError(f"items ({self.items}) must be at least templates ({self.templates})")
        return self
