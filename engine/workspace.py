"""engine: where a command works: the claims it is about, its ledger, its registrations."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import mi_atlas

PACKAGE = Path(mi_atlas.__file__).parent


@dataclass(frozen=True)
class Workspace:
    """A folder with `claims/`, found upwards from where the command is typed; else the packaged claims."""

    root: Path
    """Relative paths in specs start here; `.mi-atlas` is in it."""
    claims: Path
    """The folder of claim files."""
    ledger: Path
    """The DuckDB file."""

    @property
    def packaged(self) -> bool:
        """Whether the claims are the ones shipped with the package, installed outside a workspace."""
        return self.claims == PACKAGE / "claims" and self.root != PACKAGE

    @property
    def artefacts(self) -> Path:
        """The folder of trained weights."""
        return self.ledger.parent / "artifacts"

    @property
    def registrations(self) -> Path:
        """The tracked file of registrations; beside the ledger where the claims are the package's own."""
        return (self.ledger.parent if self.packaged else self.claims) / "registrations.lock"

    @property
    def accepted(self) -> Path:
        """The tracked file of accepted grades."""
        return (self.ledger.parent if self.packaged else self.claims) / "verdicts.lock"

    @property
    def libraries(self) -> tuple[Path, ...]:
        """The workspace's own named specs, which come before the packaged ones."""
        own = self.root / "specs" / "library"
        return (own,) if own.is_dir() and self.root != PACKAGE else ()


def find_workspace(start: Path, ledger: Path | None = None) -> Workspace:
    """The nearest folder from `start` upwards that has claims; `start` with the packaged claims if none has.

    The ledger is, in this order: the argument, `MI_ATLAS_LEDGER`, `.mi-atlas/ledger.duckdb` in the workspace.
    """
    start = start.resolve()
    root = next((folder for folder in (start, *start.parents) if _has_claims(folder / "claims")), None)
    claims = root / "claims" if root else PACKAGE / "claims"
    named = ledger or (Path(os.environ["MI_ATLAS_LEDGER"]) if os.environ.get("MI_ATLAS_LEDGER") else None)
    home = root or start
    return Workspace(home, claims, (named or home / ".mi-atlas" / "ledger.duckdb").absolute())


def _has_claims(folder: Path) -> bool:
    return folder.is_dir() and next(folder.rglob("*.y*ml"), None) is not None
