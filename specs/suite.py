"""specs: what a suite is: the task families, and how many templates and examples of each."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from .base import Many, Name, Spec
from .behaviour import Behaviour
from .references import Refers, name_or_inline

SOURCES = ("families", "jsonl", "dataset", "behaviour")
"""Where examples come from; a suite names one."""


class Dataset(Spec):
    """Rows of a dataset on the Hugging Face hub, read from the local cache with the library `datasets`."""

    hub: Annotated[str, Field(pattern=r"^[\w-][\w.-]*/[\w-][\w.-]*$")]
    """Hugging Face id, such as user/prompts."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The commit, 40 hex digits: it identifies the content."""
    subset: str | None = None
    """Name of a configuration, where the dataset has several."""
    split: str = "test"
    """Which of the dataset's splits; a row's own `split` column says discovery or verification."""
    columns: Annotated[dict[str, str], Field(default_factory=dict)]
    """Field of a row (clean, corrupt, target, wrong_target, family, template, split, draw) -> the dataset's column."""


NamedBehaviour = Annotated[
    Annotated[str, Tag("name")] | Annotated[Behaviour, Tag("inline")], Discriminator(name_or_inline)
]


class Suite(Spec):
    """What a model is measured on: generated task families, or rows of one's own in a JSONL file or a dataset."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [k]} for k in SOURCES]})

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
    dataset: Dataset | None = None
    """Rows of a dataset, instead of families."""
    behaviour: Annotated[NamedBehaviour | None, Refers("behaviour")] = None
    """Prompts that are answered at length, instead of families: a name in specs/library/behaviours, or a set."""
    notes: str | None = None
    """For people; not hashed."""

    @model_validator(mode="after")
    def _families_or_rows(self) -> Suite:
        given = [source for source in SOURCES if getattr(self, source) is not None]
        if len(given) != 1:
            raise ValueError("a suite names exactly one of families, jsonl, dataset and behaviour")
        if self.families is None:
            if sizes := sorted({"templates", "items", "seed"} & self.model_fields_set):
                raise ValueError(f"{' and '.join(sizes)} cannot be set with {given[0]}: every row is used")
        elif len(set(self.families)) < len(self.families):
            raise ValueError("each family is named once")
        if self.items < self.templates:
            raise ValueError(f"items ({self.items}) must be at least templates ({self.templates})")
        return self
