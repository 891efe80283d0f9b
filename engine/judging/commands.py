"""engine/judging: what `judge check` does: put a judge to the gate, or read what it said there before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...judges.gate import sets_of
from ...judges.reading import Unscored, Verdict
from ...specs.library import Library
from ...specs.references import inlined
from ...store import Ledger
from ..errors import MachineError, UsageError
from ..terminal import TerminalTalk
from .answers import rubric_of
from .panel import Budget, Panel, comparing

if TYPE_CHECKING:
    from ...specs.judge import Judge
    from ..workspace import Workspace


def check(workspace: Workspace, name: str, dimension: str | None, pairwise: bool, calls: int | None) -> int:
    """Print the gate of a judge, dimension by dimension; the exit code is 2 where one fails.

    Raises:
        MachineError: questions got no reply; those that did are kept.
    """
    from ..grade.gate import gate

    judge = find_judge(workspace, name)
    names = [each.name for each in rubric_of(judge).dimensions]
    if dimension is not None and dimension not in names:
        raise UsageError(f"the rubric of {name} has no dimension `{dimension}`, only {', '.join(names)}")
    ledger = Ledger(workspace.ledger, on_wait=TerminalTalk().wait)
    panel = Panel([judge], dimension or names[0], pairwise, workspace.root, ledger, Budget(calls))
    panel.ask(["1"], [])
    if why := panel.unanswered(panel.gate_keys("1")):
        raise MachineError(f"{name}: {why.reason}")
    _, texts = panel.gate_says("1")
    judge = comparing(judge) if pairwise else judge
    gates = [
        gate(judge, each, verdicts_of(texts), sets_of(judge, workspace.root))
        for each in (dimension and [dimension]) or names
    ]
    for found in gates:
        print(f"{found.dimension}:")
        for line in found.lines:
            print(f"  {line}")
    for model, (replies, sent, received) in sorted(ledger.spent().items()):
        if model == judge.model:
            print(f"{replies} replies of {model} in the ledger; {sent} tokens sent, {received} received")
    return 2 if any(found.level == "failed" for found in gates) else 0


def find_judge(workspace: Workspace, name: str) -> Judge:
    """A judge by name, with its rubric written out.

    Raises:
        UsageError: there is no such judge.
    """
    library = Library(workspace.libraries)
    if not library.has("judge", name):
        raise UsageError(f"there is no judge `{name}`; there are {', '.join(library.names('judge'))}")
    judge: Judge = inlined(library.find("judge", name), library.find)
    return judge


def verdicts_of(texts: tuple[str, ...]) -> dict[str, Verdict | Unscored]:
    """Name of a question -> what was read out of its reply, from what a run of the gate keeps."""
    return {name: _verdict(said) for name, said in map(json.loads, texts)}


def _verdict(said: dict[str, Any]) -> Verdict | Unscored:
    return Unscored(**said) if "code" in said else Verdict(**said)
