"""specs: files to specs, with every fault of every file."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError

from .claim import Claim, ClaimAdapter
from .errors import Fault, listed, printable, shown
from .located import located
from .shapes import Shapes
from .yaml_document import Document, read

T = TypeVar("T")

Folder: TypeAlias = dict[str, tuple[T | None, Document]]
"""Specs by their path below a folder, without the suffix; None for one that is faulty."""

MOST_FAULTS = 100
"""Of one file; the rest is counted."""

SUFFIXES = (".yaml", ".yml")
"""How a spec's file ends, in either case."""

_LOOKS_LIKE_YAML = re.compile(r"\.ya?ml", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LoadedClaim:
    """A claim and the document it was read from."""

    claim: Claim
    document: Document

    @property
    def path(self) -> Path:
        """The claim's file."""
        return self.document.path


def load_spec(path: Path, kind: type[T]) -> tuple[T | None, list[Fault]]:
    """The spec in a file, or None and everything that is wrong with it, from top to bottom."""
    return validate(read(path), TypeAdapter(kind))


def validate(document: Document, kind: TypeAdapter[T]) -> tuple[T | None, list[Fault]]:
    """The spec that a document holds, or None and everything that is wrong with it, from top to bottom."""
    spec: T | None = None
    faults = list(document.faults)
    if document.data is not None:
        try:
            spec = kind.validate_python(document.data)
        except ValidationError as error:
            known = {(fault.line, fault.column) for fault in faults}
            more = located(error, document, Shapes(kind.core_schema))
            faults += [fault for fault in more if (fault.line, fault.column) not in known]
    return (None, _bounded(faults)) if faults else (spec, [])


def load_claims(folder: Path) -> tuple[dict[str, LoadedClaim], list[Fault]]:
    """Every faultless claim below a folder, by id, and every fault of every file."""
    loaded, faults = load_folder(folder, "claim", ClaimAdapter)
    return {name: LoadedClaim(claim, document) for name, (claim, document) in loaded.items() if claim}, faults


def load_folder(folder: Path, field: str, kind: TypeAdapter[T]) -> tuple[Folder[T], list[Fault]]:
    """Every spec below a folder, and every fault of every file.

    `field` holds a spec's name, which must be its path below the folder: so no name is given twice.
    """
    paths, faults = yaml_files(folder)
    loaded: Folder[T] = {}
    for path in paths:
        document, name = read(path), path.relative_to(folder).with_suffix("").as_posix()
        checked = validate(document, kind)
        spec, wrong = checked
        given = document.get((field,))
        if spec is not None and given is None:
            wrong.append(document.fault((field,), "is missing", accepted=f"`{printable(name)}`, as in the file's path"))
        elif isinstance(given, str) and given != name:
            accepted = f"`{printable(name)}`, or a file of that name"
            wrong.append(document.fault((field,), "differs from the file's path", shown(given), accepted))
        if name in loaded:
            problem = f"is the name of {printable(str(loaded[name][1].path))}, too"
            wrong.append(document.fault((field,), problem, shown(given), "a name of its own"))
        loaded.setdefault(name, (None if wrong else spec, document))
        faults += sorted(wrong, key=lambda fault: (fault.line, fault.column))
    return loaded, faults


def yaml_files(folder: Path) -> tuple[list[Path], list[Fault]]:
    """Every YAML file below a folder, sorted, and what looks like one and is not read.

    A YAML file ends in `.yaml` or `.yml`, in either case; hidden ones and links to files are as good as
    others. A file that only looks like one (`a.yaml~`, `a.yaml.bak`), a folder named like one and a linked
    folder are faults, so that nothing is passed over in silence.
    """
    paths: list[Path] = []
    faults: list[Fault] = []

    def unreadable(error: OSError) -> None:
        faults.append(_fault(Path(error.filename), f"cannot be read: {error.strerror}", "a folder"))

    for here, folders, files in os.walk(folder, onerror=unreadable):
        for name in sorted(folders):
            if (Path(here) / name).is_symlink():
                faults.append(_fault(Path(here) / name, "is a linked folder, which is not followed", "a folder"))
            elif name.lower().endswith(SUFFIXES):
                faults.append(_fault(Path(here) / name, "is a folder with the name of a YAML file", "a file"))
        for name in files:
            if name.lower().endswith(SUFFIXES):
                paths.append(Path(here) / name)
            elif _LOOKS_LIKE_YAML.search(name):
                faults.append(_fault(Path(here) / name, "looks like YAML, and is not read", listed(SUFFIXES)))
    return sorted(paths), sorted(faults, key=lambda fault: fault.path)


def _fault(path: Path, problem: str, accepted: str) -> Fault:
    return Fault(path, 1, 1, "", problem, accepted=accepted)


def _bounded(faults: list[Fault]) -> list[Fault]:
    faults = sorted(faults, key=lambda fault: (fault.line, fault.column))
    if len(faults) <= MOST_FAULTS:
        return faults
    last = faults[MOST_FAULTS - 1]
    more = f"is the first of {len(faults) - MOST_FAULTS + 1} more faults in this file"
    return [*faults[: MOST_FAULTS - 1], dataclasses.replace(last, problem=more, found="", accepted="", suggestion="")]
