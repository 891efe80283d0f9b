"""engine: accepted grades, tracked by version control, and how an audit stands against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ..store import utc_now
from .errors import MachineError

VERSION = 1
ALL_AS_ACCEPTED, DIFFERS, ONLY_PENDING = 0, 1, 2
RANK = {"Refuted": 0, "Pending": 1, "Medium": 2, "High": 3}


class Graded(Protocol):
    """Anything with a grade."""

    @property
    def grade(self) -> str:
        """High, Medium, Refuted or Pending."""


def load_accepted(path: Path) -> dict[str, dict[str, Any]]:
    """claim -> {grade, claim, evidence, date}; empty where nothing was accepted yet.

    Raises:
        MachineError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise MachineError(f"{path}: version {document['version']}, this program reads version {VERSION}")
        return dict(document["accepted"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineError(
            f"{path}: cannot be read as accepted grades ({error}); restore it, or accept anew"
        ) from error


def save_accepted(path: Path, accepted: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the file whole or not at all: sorted, one block a claim."""
    temporary = path.with_name(f"{path.name}.tmp")
    text = json.dumps({"version": VERSION, "accepted": accepted}, indent=1, sort_keys=True) + "\n"
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise MachineError(f"{path}: cannot be written ({error})") from error


def acceptance(grade: str, claim_hash: str, evidence_digest: str) -> dict[str, str]:
    """One block of the file."""
    return {"grade": grade, "claim": claim_hash, "evidence": evidence_digest, "date": utc_now()}


def exit_code(verdicts: Mapping[str, Graded], accepted: Mapping[str, Mapping[str, Any]]) -> tuple[int, list[str]]:
    """The audit's exit code, and the claims that are graded lower than accepted.

    1: some grade that was decided differs from the accepted one, in either direction; 2: all that stands
    in the way is Pending; 0: all as accepted, or not accepted yet and decided.
    """
    differing = {
        name for name, verdict in verdicts.items() if name in accepted and verdict.grade != accepted[name]["grade"]
    }
    regressed = [name for name in sorted(differing) if RANK[verdicts[name].grade] < RANK[accepted[name]["grade"]]]
    if any(verdicts[name].grade != "Pending" for name in differing):
        return DIFFERS, regressed
    pending = [n for n, v in verdicts.items() if v.grade == "Pending" and accepted.get(n, {}).get("grade") != "Pending"]
    return (ONLY_PENDING if pending else ALL_AS_ACCEPTED), regressed
