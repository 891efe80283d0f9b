"""specs: what a judge is: a model behind a chat-completions server, what it is asked, and how it is sampled."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from .base import Many, Name, Spec, Text
from .references import Refers, name_or_inline


class Dimension(Spec):
    """What is scored, and which way is good."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """overall, correctness, ..."""
    asks: Text
    """The question that the judge is asked about an answer."""
    better: Literal["higher", "lower"] = "higher"
    """Whether a larger score is better; the judge is told the same."""


class Rubric(Spec):
    """What judges are asked to say of an answer."""

    rubric: Name | None = None
    """Name, as in the file's own name; a rubric written inside a judge needs none."""
    mode: Literal["pointwise", "pairwise", "reference"] = "pointwise"
    """pointwise: a score of one answer. pairwise: which of two is better, always asked in both orders. reference: a
    score of one answer beside a known good one."""
    scale: Annotated[Many[int], Field(min_length=2, max_length=2)] = (1, 5)
    """Least and largest score."""
    dimensions: Annotated[Many[Dimension], Field(min_length=1)]
    """What is scored, each by itself."""
    gold: str | None = None
    """A file of at least 100 labelled answers by which judges are tried, one JSON object a line (prompt, answer,
    labels), relative to the workspace. Left out: ours, for overall, correctness, follows_instructions and invented."""
    notes: str | None = None
    """For people; not hashed."""

    @model_validator(mode="after")
    def _sound(self) -> Rubric:
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale runs from the least to the largest score, not from {self.scale[0]}")
        names = [dimension.name for dimension in self.dimensions]
        if len(set(names)) < len(names):
            raise ValueError("dimensions names one twice")
        return self


class Sampling(Spec):
    """How a model's answer is drawn."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0: the likeliest token each time."""
    draws: Annotated[int, Field(ge=1, le=20)] = 3
    """Fresh calls for each item; they show how far the judge agrees with itself."""
    max_tokens: Annotated[int, Field(ge=1, le=8192)] = 512
    """Longest answer; a longer one is cut."""


class Judge(Spec):
    """A judge over HTTP: any server that speaks the OpenAI chat-completions protocol."""

    judge: Name | None = None
    """Name, as in the file's own name."""
    endpoint_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] = "MI_ATLAS_JUDGE_URL"
    """Environment variable that holds the server's address."""
    model: str
    """What the server calls the model."""
    family: str
    """Model family: a panel has two of them, and none judges its own kin."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] = "MI_ATLAS_JUDGE_KEY"
    """Environment variable that holds the key; a key itself is never written into a file."""
    rubric: Annotated[
        Annotated[Annotated[str, Tag("name")] | Annotated[Rubric, Tag("inline")], Discriminator(name_or_inline)],
        Refers("rubric"),
    ]
    """A name in specs/library/rubrics, or an inline rubric."""
    sampling: Sampling = Sampling()
    """How verdicts are drawn."""
    structured: Literal["where_offered", "never"] = "where_offered"
    """Whether the server is asked to hold the model to the JSON Schema of a verdict; where it rejects that, it is asked
    without. Verdicts are read strictly either way."""
    mock: bool = False
    """Whether it only stands in for a judge: its scores are never evidence."""
    notes: str | None = None
    """For people; not hashed."""


NamedJudge = Annotated[Annotated[str, Tag("name")] | Annotated[Judge, Tag("inline")], Discriminator(name_or_inline)]
"""A name in specs/library/judges, or a judge written out."""
