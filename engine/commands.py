"""engine: what each command does, between the words typed and the text printed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import MachineError, UsageError
from .select import Selection, load, select
from .terminal import TerminalTalk
from .workspace import Workspace

if TYPE_CHECKING:
    from .audit import AuditResult, Options
    from .grade import Verdict
    from .mapping.atlas import Asked


@dataclass(frozen=True)
class TableOptions:
    """How a claims table is printed."""

    format: str = "text"
    sort: str = "claim"
    grades: tuple[str, ...] = ()
    changed: bool = False
    """Only claims whose grade is not the published one."""
    links: str | None = None
    """Address or folder of a report that details link to; None: to the claims' files."""


def audit(workspace: Workspace, options: Options, as_json: bool = False) -> int:
    """Audit, and print the table and what it took, or events; returns the exit code. Events are in the log, too."""
    from .audit import Audit
    from .events import Events, Log, on_stdout, told
    from .talk import Talks

    log = Log(workspace.ledger.parent / "logs")
    events = Events(log, on_stdout) if as_json else Events(log)
    state: Audit | None = None
    with told(events, log, lambda: state.number if state else None):
        state = Audit(workspace, options, events if as_json else Talks(events, TerminalTalk()))
        result = state.run()
        events.outcome(state, result)
    if not as_json:
        _print_result(workspace, options, result, state.judge_calls())
    return result.exit_code


def _print_result(
    workspace: Workspace, options: Options, result: AuditResult, spent: Mapping[str, Sequence[int]]
) -> None:
    from .console import print_table
    from .findings import summary as twins
    from .report import rows, summary

    table = rows(result.claims, result.verdicts)
    print_table(table)
    print(f"\n{summary(table)}; {result.measured} runs measured, {result.cached} cached")
    for judge, (replies, sent, received) in spent.items():
        print(f"judge {judge}: {replies} replies, {sent} tokens sent, {received} received")
    if options.verify:
        print(
            f"{result.verified} cached runs measured again: {result.differing or 'none'} differ by more than numerics"
        )
    if options.twins:
        print(twins(result.verdicts, result.found))
    if result.regressed:
        print(f"graded lower than accepted: {', '.join(result.regressed)}")
    print("`mi-atlas explain CLAIM` says why; ledger:", _short(workspace.ledger))


def verifying(options: Options, share: str) -> Options:
    """The same with a share of the cached runs to verify, as it is typed: `5%`.

    Raises:
        UsageError: it is no share.
    """
    from dataclasses import replace

    try:
        part = float(share.removesuffix("%")) / 100
    except ValueError:
        part = 0.0
    if not 0 < part <= 1:
        raise UsageError(f"--verify takes a share of the cached runs such as 5%, not `{share}`")
    return replace(options, verify=part)


def on_cluster(options: Options, ray: bool, address: str | None) -> Options:
    """The same on a Ray cluster.

    Raises:
        UsageError: Ray is not installed, or an address is given without it.
    """
    from dataclasses import replace

    from .cluster import Cluster

    if not ray:
        raise UsageError("--address is that of a Ray cluster; say --executor ray, too")
    cluster = Cluster(address)
    cluster.check(options.device)
    return replace(options, cluster=cluster)


def plan(workspace: Workspace, options: Options) -> None:
    """Print what an audit would run, group by group, and why."""
    from .audit import Audit
    from .console import print_plan

    state = Audit(workspace, options, TerminalTalk())
    print_plan(state.preview(), state)


def table(workspace: Workspace, selection: Selection, asked: TableOptions) -> None:
    """Print the table of the latest verdicts."""
    from . import formats, report
    from .console import print_table

    claims, verdicts = _latest(workspace, selection)
    links = report.file_links(claims, workspace.root) if asked.links is None else report.page_links(asked.links)
    rows = report.narrowed(report.rows(claims, verdicts, links), asked.grades, asked.changed)
    rows.sort(key=report.ORDERS[asked.sort])
    if asked.format == "text":
        print_table(rows)
        print(f"\n{report.summary(rows)}")
    elif asked.format == "json":
        sys.stdout.write(formats.json_text(rows, verdicts))
    else:
        written = {
            "markdown": formats.markdown,
            "csv": formats.csv_text,
            "html": formats.html,
            "latex": formats.latex,
        }
        sys.stdout.write(written[asked.format](rows))


def report(workspace: Workspace, selection: Selection, out: Path | None) -> None:
    """Write the atlas as a static site."""
    from .audit import Audit, Options
    from .site.material import material
    from .site.pages import write_site

    state = Audit(workspace, Options(selection, graded_only=True), TerminalTalk())
    found = material(state)
    state.memo.save(state.ledger)
    folder = out or workspace.ledger.parent / "report"
    pages = write_site(found, folder)
    count = len(found.claims)
    what = f"{len(pages)} pages about {count} claim{'s' if count != 1 else ''}"
    print(f"{what}: {_short(folder.absolute() / 'index.html')}")


def diff(workspace: Workspace, first: int | None, second: int | None, format: str) -> None:
    """Print which grades differ between two audits, and what caused it."""
    from ..store import Ledger
    from .console import print_comparison
    from .history import Histories

    found = Histories(Ledger(workspace.ledger, on_wait=TerminalTalk().wait)).compare(first, second)
    if format == "json":
        sys.stdout.write(found.to_json())
    else:
        print_comparison(found)


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

    from ..specs.errors import SpecError

    if folder is not None:
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}")
        workspace = replace(workspace, claims=folder.resolve())
    claims, library = load(workspace)
    if faults := library.faults():
        raise SpecError(faults)
    maps = len(library.maps)
    counts = f"{len(claims)} claims, {len(library.models)} models, {len(library.suites)} suites and {maps} maps"
    print(f"{counts} are valid")


def coverage(workspace: Workspace, format: str) -> int:
    """Print the coverage of published sentences, and what is missing; the exit code is 1 where something is."""
    from . import coverage as covered

    claims, library = load(workspace)
    rows, holes = covered.rows(library, claims), covered.holes(library, claims)
    written = {"text": covered.text, "markdown": covered.markdown, "csv": covered.csv_text}
    sys.stdout.write(written[format](rows))
    print(covered.summary(rows), file=sys.stderr)
    for hole in holes:
        print(f"hole: {hole}", file=sys.stderr)
    return 1 if holes else 0


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


def map_(workspace: Workspace, asked: Asked) -> None:
    """Map a model, and print what was written and how to go on."""
    from .mapping.atlas import map_model

    def say(text: str) -> None:
        print(text, flush=True)

    written = map_model(workspace, asked, say)
    for path in written:
        print(_short(path.absolute()))
    if drafts := [path for path in written if path.suffix == ".yaml"]:
        folder = drafts[0].parent
        if not folder.resolve().is_relative_to(workspace.claims):
            print(f"put {_short(folder.absolute())} into the claims folder;", end=" ")
        print(f"`mi-atlas audit '{folder.name}/draft-*'` tries these drafts on the verification split")


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
