"""engine: the commands about evidence that others measured. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .words import Claims, LedgerOption, Models, Tags, selection_of, workspace_of

store_app = typer.Typer(no_args_is_help=True, help="Evidence that others measured.", rich_markup_mode=None)


@store_app.command("export")
def store_export(
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")],
    claims: Claims = None,
    tag: Tags = None,
    model: Models = None,
    ledger: LedgerOption = None,
) -> None:
    """Write evidence as Parquet files: all that the ledger holds, or what some claims rest on."""
    from . import sharing

    sharing.export(workspace_of(ledger), selection_of(claims, tag, model), folder)


@store_app.command("import")
def store_import(
    folder: Annotated[Path, typer.Argument(help="Folder that `store export` wrote.")], ledger: LedgerOption = None
) -> None:
    """Add the evidence of exported files; digests are checked, nothing that is here is rewritten."""
    from . import sharing

    raise typer.Exit(sharing.import_files(workspace_of(ledger), folder))


@store_app.command("merge")
def store_merge(
    other: Annotated[Path, typer.Argument(help="Another ledger, a DuckDB file.")], ledger: LedgerOption = None
) -> None:
    """Add the evidence of another ledger; of conflicting results both are kept, and their claims are Pending."""
    from . import sharing

    raise typer.Exit(sharing.merge(workspace_of(ledger), other))
