"""engine: which claims were registered when, and how often each was looked at.

`claims/registrations.lock` is tracked by version control and keyed by estimand and bound, never by file
name: neither deleting a ledger nor renaming a claim resets anything. Three facts are kept:

- `registered`: when a bound on an estimand was first written down;
- `looks`: each (bound, data) pair under which the estimand was graded, in order. A look's number k, by
  which alpha is spent, counts the looks of the same bound before it and all looks that were taken
  before this bound was written down: an edit after the data is another look, two claims that were both
  written before them are not. Grading the same bound on the same data again is no new look;
- `measured`: when data (model x examples x evaluator x granularity x intervention) were first measured.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..store import alone, seen, utc_now
from .errors import MachineError

VERSION = 1


@dataclass(frozen=True)
class Standing:
    """How a claim stands before its grade: which look this is, and whether it was registered before its data."""

    look: int
    before_data: bool


@dataclass
class Registrations:
    """The content of a registrations file; `changed` says whether it differs from what was read."""

    estimands: dict[str, dict[str, Any]] = field(default_factory=dict)
    measured: dict[str, str] = field(default_factory=dict)
    changed: bool = False

    def register(self, claim: str, estimand: str, bound: str) -> None:
        """Write a claim down; a bound that is known keeps its date, whatever the claim is called now."""
        entry = self.estimands.setdefault(estimand, {"claim": claim, "registered": {}, "looks": []})
        if bound not in entry["registered"]:
            entry["registered"][bound] = utc_now()
            self.changed = True

    def is_registered(self, estimand: str, bound: str) -> bool:
        """Whether a bound on an estimand was written down before."""
        return bound in self.estimands.get(estimand, {}).get("registered", {})

    def draw(self, estimand: str) -> int:
        """The latest verification draw the estimand was looked at on; 1 before any."""
        looks = self.estimands.get(estimand, {}).get("looks", [])
        return max((look["draw"] for look in looks), default=1)

    def look(self, estimand: str, bound: str, data: Iterable[str], draw: int, measured_at: str) -> Standing:
        """Count a look at an estimand's data under a bound, and say how the claim stands.

        The claim must have been registered; `measured_at` dates data that no earlier look has dated.
        """
        entry, items = self.estimands[estimand], sorted(data)
        for item in items:
            if item not in self.measured:
                self.measured[item] = measured_at
                self.changed = True
        known = _index(entry, bound, items, draw)
        if known is None:
            known = len(entry["looks"])
            entry["looks"].append({"bound": bound, "data": items, "draw": draw, "at": utc_now()})
            self.changed = True
        return self._standing(entry, known)

    def standing(self, estimand: str, bound: str, data: Iterable[str], draw: int) -> Standing | None:
        """How a claim stands if nothing about it is new; None if looking at it would change this file."""
        items = sorted(data)
        entry = self.estimands.get(estimand, {"registered": {}, "looks": []})
        if bound not in entry["registered"] or not all(item in self.measured for item in items):
            return None
        known = _index(entry, bound, items, draw)
        return None if known is None else self._standing(entry, known)

    def _standing(self, entry: dict[str, Any], index: int) -> Standing:
        look = entry["looks"][index]
        registered = entry["registered"][look["bound"]]
        seen = [e for e in entry["looks"][:index] if e["bound"] == look["bound"] or e["at"] <= registered]
        return Standing(len(seen) + 1, all(registered <= self.measured[item] for item in look["data"]))

    def merge(self, other: Registrations) -> None:
        """Take what another audit has written down meanwhile: the earliest date of each fact, every look once."""
        for estimand, theirs in other.estimands.items():
            own = self.estimands.setdefault(estimand, {"claim": theirs["claim"], "registered": {}, "looks": []})
            own["registered"] = _earliest(own["registered"], theirs["registered"])
            looks: dict[tuple[Any, ...], dict[str, Any]] = {}
            for look in sorted([*own["looks"], *theirs["looks"]], key=lambda look: str(look["at"])):
                looks.setdefault((look["bound"], look["draw"], *look["data"]), look)
            own["looks"] = list(looks.values())
        self.measured = _earliest(self.measured, other.measured)

    def dates(self) -> Iterator[str]:
        """Every date in the file."""
        yield from self.measured.values()
        for entry in self.estimands.values():
            yield from entry["registered"].values()
            yield from (look["at"] for look in entry["looks"])

    def text(self) -> str:
        """The file's content: sorted, one line a fact, so that version control shows what changed."""
        document = {"version": VERSION, "estimands": self.estimands, "measured": self.measured}
        return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _index(entry: dict[str, Any], bound: str, items: list[str], draw: int) -> int | None:
    """Which look at these data under this bound it was."""
    for index, look in enumerate(entry["looks"]):
        if look["bound"] == bound and look["draw"] == draw and look["data"] == items:
            return index
    return None


def _earliest(own: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
    return theirs | {name: min(at, theirs.get(name, at)) for name, at in own.items()}


def load_registrations(path: Path, shipped: Path | None = None) -> Registrations:
    """Read a registrations file; where it does not exist yet, start from the shipped one, or from nothing.

    Raises:
        MachineError: the file is damaged. It is never overwritten then.
    """
    source = path if path.exists() else shipped
    if source is None or not source.exists():
        return Registrations()
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise MachineError(f"{source}: version {document['version']}, this program reads version {VERSION}")
        found = Registrations(document["estimands"], document["measured"])
        seen(found.dates())
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineError(
            f"{source}: cannot be read as registrations ({error}); restore it from version control: "
            "without it no claim can show that it was registered before its data"
        ) from error


def save_registrations(registrations: Registrations, path: Path) -> None:
    """Write the file whole or not at all; nothing is written where nothing changed.

    What other audits, on other ledgers, have written to it meanwhile stays in it.

    Raises:
        MachineError: the folder cannot be written.
    """
    if not registrations.changed:
        return
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with alone(path):
            if path.exists():
                registrations.merge(load_registrations(path))
            temporary.write_text(registrations.text(), encoding="utf-8")
            temporary.replace(path)
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error}); no claim was graded on new data") from error
    registrations.changed = False
