"""evaluators/tasks: what a task family is, and the registry that finds families by name.

A family is one file in `families/` that calls `register(Family.of(name, patterns))`. A third party's
is a module of its own, named by an entry point of the group `mi_atlas.families`.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from ...specs.errors import listed, nearest, shortened
from . import families
from .dice import Dice
from .errors import TaskError
from .example import Draft, Split

ENTRY_POINTS = "mi_atlas.families"


class Source(Protocol):
    """What makes a template's prompts; usually a `Pattern`."""

    def draft(self, dice: Dice) -> Draft:
        """One prompt, by the dice and nothing else."""


@dataclass(frozen=True, slots=True)
class Template:
    """One way to put a family's question: the unit of replication."""

    name: str
    """`copying/t07`."""
    source: Source


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of task, asked in many templates."""

    name: str
    templates: tuple[Template, ...]

    @classmethod
    def of(cls, name: str, sources: Iterable[Source]) -> Family:
        """A family whose templates are numbered in the order given."""
        return cls(name, tuple(Template(f"{name}/t{number:02d}", source) for number, source in enumerate(sources)))

    def split(self, split: Split) -> tuple[Template, ...]:
        """The templates of a split: every fourth of the first forty is for discovery, all others for verification."""
        discovery = self.templates[:40:4]
        return discovery if split == "discovery" else tuple(t for t in self.templates if t not in discovery)


_FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Make a family known by its name.

    Raises:
        ValueError: where another family has the name.
    """
    if _FAMILIES.setdefault(family.name, family) is not family:
        raise ValueError(f"two families are called {family.name!r}")
    return family


def family_modules() -> list[str]:
    """The modules that register families: those of this package, then third parties' entry points."""
    from importlib.metadata import entry_points

    own = [module.name for module in pkgutil.walk_packages(families.__path__, f"{families.__name__}.")]
    return sorted(own) + sorted({point.module for point in entry_points(group=ENTRY_POINTS)})


@functools.cache
def _load() -> None:
    for module in family_modules():
        importlib.import_module(module)


def family_names() -> list[str]:
    """The names of all families."""
    _load()
    return sorted(_FAMILIES)


def find_registered(name: str) -> Family:
    """The family of this name among those imported so far.

    Raises:
        KeyError: there is none.
    """
    return _FAMILIES[name]


def find_family(name: str) -> Family:
    """The family of this name.

    Raises:
        TaskError: with the nearest spelling, where there is none.
    """
    names = family_names()
    if name in _FAMILIES:
        return _FAMILIES[name]
    close = nearest(name, names)
    hint = f"did you mean `{close}`?" if close else f"there are {listed(names)}"
    raise TaskError(f"no task family is called `{shortened(name)}`; {hint}")
