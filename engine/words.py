"""engine: arguments and options that several commands have, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .select import Selection
    from .workspace import Workspace

LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", help="The DuckDB file (default: .mi-atlas/ledger.duckdb).")
]
Claims = Annotated[list[str] | None, typer.Argument(help="Ids or globs such as 'pocket-qwen/*'; all by default.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only claims with this tag.")]
Models = Annotated[list[str] | None, typer.Option("--model", help="Only claims about this model.")]


def workspace_of(ledger: Path | None) -> Workspace:
    """The workspace of the current folder."""
    from .workspace import find_workspace

    return find_workspace(Path.cwd(), ledger)


def selection_of(claims: list[str] | None, tags: list[str] | None, models: list[str] | None) -> Selection:
    """Which claims were asked for."""
    from .select import Selection

    return Selection(tuple(claims or ()), tuple(tags or ()), tuple(models or ()))
