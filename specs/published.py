"""specs: what was published, sentence by sentence, so that it can be seen which claim puts which to the test."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .base import Many, Name, Spec, Text


class Sentence(Spec):
    """One thing that a page says, in words of our own."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=80)]
    """What claims call it, in `published.sentences`."""
    page: str
    """Where it stands."""
    section: str
    """In which part of the page."""
    says: Text
    """What it says."""
    grade: str
    """The confidence that the page gives it."""


class PublishedPages(Spec):
    """The sentences of some pages."""

    published: Name | None = None
    """Name, as in the file's own name."""
    sentences: Annotated[Many[Sentence], Field(min_length=1)]
    """What the pages say, in their order."""
    notes: str | None = None
    """For people."""

    @model_validator(mode="after")
    def _distinct(self) -> PublishedPages:
        seen: set[str] = set()
        for index, sentence in enumerate(self.sentences):
            if sentence.id in seen:
                raise ValueError(f"sentences.{index}.id names a sentence that there is already")
            seen.add(sentence.id)
        return self
