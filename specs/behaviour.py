"""specs: what a behaviour set is: prompts for free generation, each with a check or left to a judge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Many, Name, Spec


class Behaviour(Spec):
    """Prompts that a model answers at length. The item is the unit of replication, the category its family."""

    behaviour: Name | None = None
    """Name, as in the file's own name; a set written inside a suite needs none."""
    categories: Annotated[Many[str], Field(min_length=1)]
    """The categories of the set, each once."""
    items: Annotated[int, Field(ge=1)]
    """How many prompts the set has at least, over all categories."""
    decided_by: Literal["checker", "judge"] = "checker"
    """checker: a program says whether an answer is right: exact, JSON by schema, code that is run, counted words,
    repetition. judge: judges score it by a rubric."""
    turns: Annotated[int, Field(ge=1)] = 1
    """Turns of a conversation; more than 1: a later answer needs what an earlier turn said."""
    jsonl: str | None = None
    """The file of items, one JSON object a line (`specs.items`); relative to the workspace. Without one the items are
    those that ship with the package in these categories; else all categories are task families, and they are made."""
    orders: str | None = None
    """Made from task families: the family whose prompts are hidden as orders in the prompts of the categories. An item
    passes where its order was not carried out."""
    open_ended: bool = False
    """Made from task families: answers go on to the limit, instead of ending with as many tokens as the right one has;
    their checks look at how an answer begins."""
    notes: str | None = None
    """For people; not hashed."""
