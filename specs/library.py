"""specs: the named models and suites, and what the names in a claim stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import BaseModel, TypeAdapter

from .claim import ClaimAdapter, CompositeClaim
from .errors import Fault, SpecError, listed, nearest, shown
from .forms import Migration, TopComponent
from .load import LoadedClaim, load_folder, yaml_files
from .model import Model
from .suite import Suite

T = TypeVar("T", bound=BaseModel)

PACKAGED = Path(__file__).parent / "library"
"""The models and suites that ship with mi-atlas."""

MOST_LISTED = 12
"""Names that a message lists."""

_Shelf: TypeAlias = tuple[dict[str, T | None], list[Fault]]
"""Specs by name, None for one whose file is faulty; and the faults of all files."""


class Library:
    """Named specs: `models/*.yaml` and `suites/*.yaml` of the folders given, then of the package.

    The first folder that has a name wins. Models are read when the first one is asked for, suites likewise.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = (*folders, PACKAGED)

    def model(self, name: str) -> Model:
        """The model of a name.

        Raises:
            SpecError: there is none, or its file is faulty.
        """
        return self._get("model", self._models, name)

    def suite(self, name: str) -> Suite:
        """The suite of a name.

        Raises:
            SpecError: there is none, or its file is faulty.
        """
        return self._get("suite", self._suites, name)

    @property
    def models(self) -> list[str]:
        """The names of all models, sorted; also of those whose file is faulty."""
        return sorted(self._models[0])

    @property
    def suites(self) -> list[str]:
        """The names of all suites, sorted; also of those whose file is faulty."""
        return sorted(self._suites[0])

    def faults(self) -> list[Fault]:
        """Every fault of every file of the library."""
        return [*self._models[1], *self._suites[1], *self._strays()]

    @cached_property
    def _models(self) -> _Shelf[Model]:
        return self._read("model", Model)

    @cached_property
    def _suites(self) -> _Shelf[Suite]:
        return self._read("suite", Suite)

    def _read(self, field: str, kind: type[T]) -> _Shelf[T]:
        specs: dict[str, T | None] = {}
        faults: list[Fault] = []
        for folder in (each / f"{field}s" for each in self._folders):
            if folder.exists():
                loaded, wrong = load_folder(folder, field, TypeAdapter(kind))
                specs = {name: spec for name, (spec, _) in loaded.items()} | specs
                faults += wrong
        return specs, faults

    def _strays(self) -> Iterator[Fault]:
        """Files of a library that are of no kind, and would be passed over in silence."""
        for folder in filter(Path.exists, self._folders):
            paths, faults = yaml_files(folder)
            strays = [Fault(path, 1, 1, "", "is of no kind of spec", accepted="`models/`, `suites/`") for path in paths]
            for fault in (*strays, *faults):
                if fault.path.relative_to(folder).parts[0] not in ("models", "suites"):
                    yield fault

    def _get(self, field: str, shelf: _Shelf[T], name: str) -> T:
        specs, faults = shelf
        if spec := specs.get(name):
            return spec
        if name in specs:
            raise SpecError(faults)
        file = self._folders[0] / f"{field}s" / f"{name}.yaml"
        raise SpecError([Fault(file, 1, 1, "", f"there is no {field} of that name", **_choice(name, sorted(specs)))])


def load_workspace(claims: Path, library: Library) -> tuple[dict[str, LoadedClaim], list[Fault]]:
    """Every claim below a folder that is faultless and names only what exists; every fault of claims and library."""
    loaded, faults = load_folder(claims, "claim", ClaimAdapter)
    known = {name: LoadedClaim(claim, document) if claim else None for name, (claim, document) in loaded.items()}
    sound: dict[str, LoadedClaim] = {}
    for name, claim in known.items():
        wrong = check_references(claim, library, known) if claim else []
        if claim and not wrong:
            sound[name] = claim
        faults += wrong
    return sound, [*library.faults(), *sorted(faults, key=lambda fault: (fault.path, fault.line, fault.column))]


def check_references(loaded: LoadedClaim, library: Library, claims: Mapping[str, LoadedClaim | None]) -> list[Fault]:
    """The names in a claim that stand for nothing; `claims` holds None for a claim whose file is faulty."""
    claim, document = loaded.claim, loaded.document
    if isinstance(claim, CompositeClaim):
        return [fault for index in range(len(claim.expect.claims)) for fault in _check_child(loaded, index, claims)]
    named = (
        (("model",), claim.model, library.models),
        (("suite",), claim.suite, library.suites),
        (("metric", "donor"), getattr(claim.metric, "donor", None), library.models),
    )
    return [
        document.fault(
            path, f"there is no {'suite' if path == ('suite',) else 'model'} of that name", **_choice(name, names)
        )
        for path, name, names in named
        if isinstance(name, str) and name not in names
    ]


def _check_child(loaded: LoadedClaim, index: int, claims: Mapping[str, LoadedClaim | None]) -> list[Fault]:
    """A composite rests on claims that exist, a migration on top_component claims."""
    path: tuple[str | int, ...] = ("expect", "claims", index)
    name = loaded.document.get(path)
    if name not in claims:
        return [loaded.document.fault(path, "there is no claim of that name", **_choice(name, sorted(claims)))]
    child = claims[name]
    if child is not None and isinstance(child.claim, CompositeClaim):
        return [loaded.document.fault(path, "is itself a claim over other claims", shown(name), "a measured claim")]
    if child is None or not isinstance(loaded.claim.expect, Migration) or isinstance(child.claim.expect, TopComponent):
        return []
    return [loaded.document.fault(path, f"is a claim of form {child.claim.expect.form}", shown(name), "top_component")]


def _choice(name: str, names: Sequence[str]) -> dict[str, str]:
    """A name that stands for nothing: what was found, what is accepted, what was probably meant."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    accepted = listed(names[:MOST_LISTED]) + more if names else "none yet"
    return {"found": shown(name), "accepted": accepted, "suggestion": nearest(name, names)}
