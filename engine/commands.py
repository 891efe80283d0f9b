"""engine: what each command does, between the words typed and the text printed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import MachineError, UsageError
from .select import Selection, load, select
from .terminal import TerminalTalk
from .workspace import Workspace

if TYPE_CHECKING:
    from .audit import Options
    from .grade import Verdict


def audit(workspace: Workspace, options: Options) -> int:
    """Audit, print the table and what it took; returns the exit code."""
    from .audit import Audit
    from .console import print_table
    from .report import rows, summary

    result = Audit(workspace, options, TerminalTalk()).run()
    table = rows(result.claims, result.verdicts)
    print_table(table)
    print(f"\n{summary(table)}; {result.measured} runs measured, {result.cached} cached")
    if result.regressed:
        print(f"graded lower than accepted: {', '.join(result.regressed)}")
    print("`mi-atlas explain CLAIM` says why; ledger:", _short(workspace.ledger))
    return result.exit_code


def plan(workspace: Workspace, options: Options) -> None:
    """Print what an audit would run, group by group, and why."""
    from .audit import Audit
    from .console import print_plan

    state = Audit(workspace, options, TerminalTalk())
    print_plan(state.preview(), state)


def table(workspace: Workspace, selection: Selection, format: str) -> None:
    """Print the table of the latest verdicts."""
    from . import report
    from .console import print_table

    claims, verdicts = _latest(workspace, selection)
    rows = report.rows(claims, verdicts)
    if format == "text":
        print_table(rows)
        print(f"\n{report.summary(rows)}")
    elif format == "json":
        sys.stdout.write(report.json_text(rows, verdicts))
    else:
        sys.stdout.write(report.markdown(rows) if format == "markdown" else report.csv_text(rows))


def explain(workspace: Workspace, claim: str) -> None:
    """Print why a claim has its grade."""
    from .console import print_explanation

    claims, verdicts = _latest(workspace, Selection((claim,)))
    for name, loaded in claims.items():
        if name not in verdicts:
            raise UsageError(f"{name} was not audited yet; run `mi-atlas audit {name}`")
        print_explanation(loaded, verdicts[name])


def accept(workspace: Workspace, selection: Selection) -> None:
    """Write the latest grades to the tracked file."""
    from ..store import Ledger
    from .accepted import acceptance, load_accepted, save_accepted

    claims, _ = load(workspace)
    stored = Ledger(workspace.ledger, on_wait=TerminalTalk().wait).verdicts()
    chosen = [name for name in select(claims, selection) if name in stored]
    if not chosen:
        raise UsageError("none of these claims was audited yet; run `mi-atlas audit` first")
    accepted = load_accepted(workspace.accepted)
    for name in chosen:
        row = stored[name]
        block = acceptance(row.grade, row.claim_hash, row.evidence_digest)
        if {**accepted.get(name, {}), "date": ""} != {**block, "date": ""}:
            accepted[name] = block
    save_accepted(workspace.accepted, accepted)
    print(f"{len(chosen)} grades accepted in {_short(workspace.accepted)}")


def validate(workspace: Workspace, folder: Path | None) -> None:
    """Check all claims and named specs; every fault is an error."""
    from dataclasses import replace

    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}")
        workspace = replace(workspace, claims=folder.resolve())
    claims, library = load(workspace)
    print(f"{len(claims)} claims, {len(library.models)} models and {len(library.suites)} suites are valid")


def schema(folder: Path) -> None:
    """Write the JSON Schemas."""
    from ..specs.schema import write

    for path in write(folder):
        print(path)


def new(
    workspace: Workspace, claim: str, answers: Mapping[str, Any], at_least: float | None, at_most: float | None
) -> None:
    """Write a claim file, asking for what is not given."""
    from .scaffold import complete, write_claim

    path = write_claim(workspace, claim, complete(workspace, claim, answers, at_least, at_most))
    print(f"{path} is written and valid; `mi-atlas audit {claim}` grades it")


def doctor(workspace: Workspace, model: str | None, device: str | None) -> int:
    """Print what is here, or the proofs of a model; the exit code is 4 where something is wrong."""
    from .audit import pick_device
    from .doctor import examine, examine_model

    fine = True
    for finding in examine_model(workspace, model, pick_device(device)) if model else examine(workspace):
        print(f"{'ok   ' if finding.fine else 'WRONG'} {finding.what}: {finding.detail}", flush=True)
        fine &= finding.fine
    return 0 if fine else 4


def models_list(workspace: Workspace) -> None:
    """Print every named model, and whether it is here."""
    from ..evaluators.models.locate import Absent, locate
    from ..specs.library import Library

    library = Library(workspace.libraries)
    for name in library.models:
        located = locate(library.model(name), workspace.root)
        if isinstance(located, Absent):
            print(f"{name:24} not here: {located.message}" + (f"; `{located.command}`" if located.command else ""))
        else:
            print(f"{name:24} {located.architecture}, {located.layers} layers, {located.bytes / 1e6:.1f} MB")


def models_build(workspace: Workspace, name: str, out: Path | None) -> int:
    """Retrain a pocket model; the exit code is 4 where neither digest nor score matches the shipped one."""
    from ..evaluators.pocket.build import build
    from ..evaluators.pocket.train import TrainingError

    def progress(step: int, steps: int, loss: float) -> None:
        if step % 100 == 0 or step == steps:
            print(f"  step {step}/{steps}, loss {loss:.3f}", file=sys.stderr, flush=True)

    try:
        report = build(name, out or workspace.ledger.parent / "models" / name, progress)
    except LookupError as error:
        raise UsageError(str(error)) from error
    except TrainingError as error:
        raise MachineError(str(error)) from error
    print(report)
    return 0 if report.matches else 4


def _latest(workspace: Workspace, selection: Selection) -> tuple[Mapping[str, Any], dict[str, Verdict]]:
    from ..store import Ledger
    from .grade import Verdict

    claims, _ = load(workspace)
    chosen = select(claims, selection)
    stored = Ledger(workspace.ledger, on_wait=TerminalTalk().wait).verdicts()
    return chosen, {name: Verdict.from_json(stored[name].document) for name in chosen if name in stored}


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def calibrate(count: int, seed: int, processes: int | None, page: Path | None) -> None:
    """Print, and write if asked, how often grades are wrong on claims of known truth."""
    from .calibrate.report import errors, markdown, rows, tallies
    from .calibrate.run import graded
    from .calibrate.worlds import SCOPES, claims
    from .console import print_rates
    from .measure import cores

    known = [each for scope in SCOPES for each in claims(count, seed, scope)]

    def told(done: int) -> None:
        if done % 60 == 0 or done == len(known):
            print(f"  {done}/{len(known)} claims", file=sys.stderr, flush=True)

    counts = tallies(graded(known, processes or cores()), told)
    print_rates(rows(counts))
    high, refuted = errors(counts)
    print(f"\nfalse High {high}, at most {100 * high.upper:.1f}% (95%); ", end="")
    print(f"false Refuted {refuted}, at most {100 * refuted.upper:.1f}%")
    if page:
        page.write_text(markdown(counts, count, seed), encoding="utf-8")
