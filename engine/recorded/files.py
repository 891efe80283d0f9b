"""engine: the files of a folder that is imported: read only, bounded in size, never outside it."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from ...specs.recorded import RecordedMap
from ...specs.recorded_paths import SUFFIXES, Fields, matched
from ..errors import UsageError

LARGEST_FILE = 64_000_000
"""Bytes; a larger file is not read."""

MOST_FILES = 20_000
"""Below one folder; a folder with more is refused."""

VOLATILE = ("seed", "run_id", "timestamp")
"""Fields of a file that say which run it was, not what came out; and all whose name starts with `elapsed`."""


class Finding(NamedTuple):
    """Something about recorded numbers that a reader must know."""

    code: str
    """A slug: duplicate, tie, missing, not_a_number, small_denominator, ..."""
    where: str
    """The file, or the table of a map."""
    message: str


@dataclass(frozen=True)
class RecordedFile:
    """One file that a map reads."""

    path: str
    """Below the imported folder, with `/`."""
    digest: str
    """SHA-256 of its bytes (64 hex)."""
    payload: str
    """SHA-256 of what came out: the content without the fields in VOLATILE."""
    fields: Fields
    """What the file's name binds."""
    document: Any


def read_files(folder: Path, maps: Mapping[str, RecordedMap]) -> tuple[dict[str, list[RecordedFile]], list[Finding]]:
    """Map -> its files below a folder, in the order of their paths; and what was not read, and why.

    Raises:
        UsageError: there is no such folder, or it holds too many files.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    found: dict[str, list[RecordedFile]] = {name: [] for name in maps}
    findings: list[Finding] = []
    unknown = 0
    for path in _paths(folder, findings):
        wanted = _wanted(maps, path)
        unknown += not wanted
        content = _content(folder / path, path, findings) if wanted else None
        if content is not None:
            for name, fields in wanted.items():
                found[name].append(RecordedFile(path, fields=fields, **content))
    if unknown:
        findings.append(Finding("no_map", str(folder.name), f"{unknown} files are read by no map"))
    return {name: files for name, files in found.items() if files}, findings


def _paths(folder: Path, findings: list[Finding]) -> Iterator[str]:
    root, count = folder.resolve(), 0
    for here, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if not name.lower().endswith(SUFFIXES):
                continue
            path = Path(here) / name
            shown = path.relative_to(root).as_posix()
            count += 1
            if count > MOST_FILES:
                raise UsageError(f"{folder} holds more than {MOST_FILES} such files; import a part of it")
            if not path.is_file() or not path.resolve().is_relative_to(root):
                findings.append(Finding("outside", shown, "leads out of the folder, or is no regular file: not read"))
            else:
                yield shown


def _wanted(maps: Mapping[str, RecordedMap], path: str) -> dict[str, Fields]:
    wanted = {}
    for name, spec in maps.items():
        fields = next(filter(lambda found: found is not None, (matched(each, path) for each in spec.files)), None)
        if fields is not None:
            wanted[name] = fields
    return wanted


def _content(path: Path, shown: str, findings: list[Finding]) -> dict[str, Any] | None:
    """Digest, payload and document of a file; None where it cannot be read."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            findings.append(Finding("too_large", shown, f"is larger than {LARGEST_FILE} bytes: not read"))
            return None
        odd: list[str] = []
        document = _parse(raw.decode("utf-8-sig"), path.suffix.lower(), odd)
        content = {"digest": sha256(raw).hexdigest(), "payload": _payload(document), "document": document}
    except OSError as error:
        findings.append(Finding("unreadable", shown, f"cannot be read: {error.strerror}"))
        return None
    except (ValueError, RecursionError, csv.Error) as error:
        findings.append(Finding("not_json", shown, f"is no JSON: {error}"))
        return None
    for kind in sorted(set(odd)):
        findings.append(Finding("not_a_number", shown, f"{odd.count(kind)} times {kind}: taken as missing"))
    return content


def _parse(text: str, suffix: str, odd: list[str]) -> Any:
    """JSON, or a list of the rows of JSON lines or of a table; `odd` collects what standard JSON does not have."""

    def constant(name: str) -> float:
        odd.append(name)
        return math.nan

    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        whole = dict(pairs)
        if len(whole) < len(pairs):
            odd.append("a field twice in one mapping, of which the last is read, the first")
        return whole

    decoder = json.JSONDecoder(parse_constant=constant, object_pairs_hook=fields)
    if suffix == ".csv":
        return [{key: _cell(value) for key, value in row.items()} for row in csv.DictReader(text.splitlines())]
    if suffix == ".json":
        return decoder.decode(text)
    return [decoder.decode(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _cell(text: Any) -> Any:
    """A number, where a table's text is one."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return text


def _payload(document: Any) -> str:
    if isinstance(document, dict):
        document = {
            key: value for key, value in document.items() if key not in VOLATILE and not key.startswith("elapsed")
        }
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
