"""engine/judging: the commands about judges. Each imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..words import LedgerOption, workspace_of

judge_app = typer.Typer(no_args_is_help=True, help="Judges over HTTP, and labels by people.", rich_markup_mode=None)


@judge_app.command("check")
def judge_check(
    name: Annotated[str, typer.Argument(help="A judge's name.")],
    dimension: Annotated[str | None, typer.Option(help="Of its rubric (default: each).")] = None,
    pairwise: Annotated[bool, typer.Option("--pairwise", help="As a judge that compares two answers.")] = False,
    calls: Annotated[int | None, typer.Option(min=0, help="Ask at most so many questions; go on later.")] = None,
    ledger: LedgerOption = None,
) -> None:
    """Put a judge to the gate that its scores have to pass before they count; replies are kept."""
    from .commands import check

    raise typer.Exit(check(workspace_of(ledger), name, dimension, pairwise, calls))


@judge_app.command("label")
def judge_label(
    claim: Annotated[str, typer.Argument(help="A claim whose answers are judged.")],
    count: Annotated[int, typer.Option(min=1, help="How many answers of each condition.")] = 100,
    export: Annotated[Path | None, typer.Option(help="Write a sheet (CSV) to fill in, instead of asking here.")] = None,
    sheet: Annotated[Path | None, typer.Option("--import", help="Read a sheet that was filled in.")] = None,
    ledger: LedgerOption = None,
) -> None:
    """Label a claim's own answers, blind and shuffled: the gold by which judged estimates are corrected."""
    from .labels import label

    label(workspace_of(ledger), claim, count, export, sheet)
