"""specs: open families of spec classes (forms, evaluators, interventions, controls), told apart by a tag.

A kind is one class that registers itself; other packages add theirs by the entry point group
`mi_atlas.specs`, whose modules are imported before the claim's own class is built.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Annotated, Any, Union, get_args

from pydantic import BaseModel, Field

ENTRY_POINTS = "mi_atlas.specs"

FAMILIES = {
    "metric": "evaluator",
    "intervention": "intervention",
    "control": "kind",
    "positive_control": "kind",
    "expect": "form",
    "composite": "form",
}
"""Family of kinds -> the field whose literal value is the tag."""

_registered: dict[str, dict[str, type[BaseModel]]] = {family: {} for family in FAMILIES}


def kind(family: str) -> Callable[[type[BaseModel]], type[BaseModel]]:
    """Class decorator: register a spec class under the literal value(s) of its tag field.

    Raises:
        ValueError: the tag is taken by another class.
    """

    def register(spec: type[BaseModel]) -> type[BaseModel]:
        for tag in get_args(spec.model_fields[FAMILIES[family]].annotation):
            if tag in _registered[family]:
                raise ValueError(f"{family} `{tag}` is registered twice: {_registered[family][tag]} and {spec}")
            _registered[family][tag] = spec
        return spec

    return register


def load_plugins(group: str) -> None:
    """Import the modules that other packages registered under an entry point group."""
    for point in entry_points(group=group):
        point.load()


def tags(family: str) -> tuple[str, ...]:
    """The tags registered in a family so far."""
    return tuple(_registered[family])


def one_of(family: str) -> Any:
    """The tagged union of all classes registered in a family so far."""
    classes = tuple(dict.fromkeys(_registered[family].values()))
    if len(classes) == 1:
        return classes[0]
    return Annotated[Union[classes], Field(discriminator=FAMILIES[family])]  # noqa: UP007
