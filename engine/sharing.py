"""engine: evidence that was measured elsewhere: what `store export`, `store import` and `store merge` do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..store import Ledger
from .audit import Audit, Options
from .select import Selection
from .terminal import TerminalTalk
from .tolerance import agree

if TYPE_CHECKING:
    from ..store import Taken
    from .workspace import Workspace


def export(workspace: Workspace, selection: Selection, folder: Path) -> None:
    """Write the evidence of some claims, or all that the ledger holds, as Parquet files."""
    ledger = Ledger(workspace.ledger, on_wait=TerminalTalk().wait)
    keys = None
    if selection != Selection():
        audit = Audit(workspace, Options(selection), TerminalTalk())
        keys = {key for resolved in audit.resolved.values() for key in resolved.runs}
    rows = ledger.export(folder, keys)
    print(f"{rows['run']} runs, {rows['reply']} replies of judges and {rows['label']} labels are in {folder}")


def import_files(workspace: Workspace, folder: Path) -> int:
    """Add the evidence of exported files; the exit code is 2 where some of it is in conflict."""
    return _said(Ledger(workspace.ledger, on_wait=TerminalTalk().wait).take_files(folder, agree))


def merge(workspace: Workspace, other: Path) -> int:
    """Add the evidence of another ledger; the exit code is 2 where some of it is in conflict."""
    ledger = Ledger(workspace.ledger, on_wait=TerminalTalk().wait)
    return _said(ledger.take_ledger(Ledger(other, on_wait=TerminalTalk().wait), agree))


def _said(taken: Taken) -> int:
    print(f"{taken.runs} runs, {taken.replies} replies and {taken.labels} labels came in; {taken.known} runs were here")
    if taken.conflicts:
        what = f"{len(taken.conflicts)} runs differ from what is here by more than numerics; both results are kept"
        print(f"{what}, and the claims that rest on them are Pending until they are measured again (audit --rerun)")
    return 2 if taken.conflicts else 0
