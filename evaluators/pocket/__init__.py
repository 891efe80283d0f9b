"""evaluators/pocket: the tiny trained models that ship with this package, and how they are made. No torch here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).parent / "weights"


def shipped() -> list[str]:
    """Names of the pocket models in this package."""
    return sorted(folder.name for folder in WEIGHTS.iterdir() if (folder / "card.json").is_file())


def packaged(name: str) -> Path | None:
    """Folder of a shipped pocket model; None where there is none of that name."""
    return WEIGHTS / name if name in shipped() else None


def card(name: str) -> dict[str, Any]:
    """What is known of a shipped pocket model: architecture, recipe, held-out scores, digests, versions.

    Raises:
        LookupError: no such model ships.
    """
    folder = packaged(name)
    if folder is None:
        raise LookupError(f"no pocket model is called `{name}`; there are {', '.join(shipped())}")
    found: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return found
