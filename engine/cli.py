"""engine: the command line. Each command imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .judging.app import judge_app
from .sharing_app import store_app
from .words import Claims, LedgerOption, Models, Tags, selection_of, workspace_of

app = typer.Typer(
    name="mi-atlas",
    help="Claims about small language models, re-graded from evidence: High, Medium, Refuted or Pending.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(no_args_is_help=True, help="The models claims can name.", rich_markup_mode=None)
app.add_typer(models_app, name="models")
app.add_typer(judge_app, name="judge")
app.add_typer(store_app, name="store")


class TableFormat(StrEnum):
    """Formats of the claims table."""

    text = "text"
    markdown = "markdown"
    csv = "csv"
    html = "html"
    latex = "latex"
    json = "json"


class DiffFormat(StrEnum):
    """Formats of a comparison of audits."""

    text = "text"
    json = "json"


class CoverageFormat(StrEnum):
    """Formats of the coverage table."""

    text = "text"
    markdown = "markdown"
    csv = "csv"


class Executor(StrEnum):
    """Where an audit's runs are measured."""

    local = "local"
    ray = "ray"


class TableOrder(StrEnum):
    """What the claims table may be sorted by."""

    claim = "claim"
    grade = "grade"
    model = "model"
    q = "q"


def main() -> None:
    """Entry point: errors that a person can act on end without a traceback, with the exit code they mean."""
    from .terminal import run

    sys.exit(run(app))


@app.command()
def audit(
    claims: Claims = None,
    tag: Tags = None,
    model: Models = None,
    rerun: Annotated[bool, typer.Option(help="Ignore the cache: measure everything again.")] = False,
    confirm: Annotated[
        bool, typer.Option(help="Measure on the next verification draw, never looked at before.")
    ] = False,
    twins: Annotated[
        bool, typer.Option("--twins", help="Also audit versions of the claims that must fail; one that is High counts.")
    ] = False,
    download: Annotated[bool, typer.Option(help="Fetch weights that are not here from the hub.")] = False,
    verify: Annotated[
        str | None, typer.Option(help="Measure this share of the cached runs again, such as 5%, and compare.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 ... (default: an accelerator if there is one).")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Measure small models in so many processes (default: one a core, if worth it)."),
    ] = None,
    executor: Annotated[
        Executor, typer.Option(help="Measure in processes of this machine, or on a Ray cluster.")
    ] = Executor.local,
    address: Annotated[
        str | None,
        typer.Option(help="With --executor ray: the cluster, `auto` or HOST:6379 (default: one started here)."),
    ] = None,
    judge_calls: Annotated[
        int | None, typer.Option(min=0, help="Ask judges at most so many questions; the next audit goes on.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print events, one JSON object a line, and not the claims table.")
    ] = False,
    recorded: Annotated[
        Path | None,
        typer.Option(help="Grade from the result files below this folder instead, as recorded; measure nothing."),
    ] = None,
    ledger: LedgerOption = None,
) -> None:
    """Re-verify claims: measure what is missing, grade, and print the claims table."""
    if recorded is not None:
        from .recorded.commands import audit_folder

        raise typer.Exit(audit_folder(workspace_of(ledger), selection_of(claims, tag, model), recorded))
    from . import commands
    from .audit import Options

    options = Options(selection_of(claims, tag, model), rerun, confirm, download, device, processes, twins, judge_calls)
    if address is not None or executor is Executor.ray:
        options = commands.on_cluster(options, executor is Executor.ray, address)
    if verify is not None:
        options = commands.verifying(options, verify)
    raise typer.Exit(commands.audit(workspace_of(ledger), options, json))


@app.command(name="import")
def import_(
    folder: Annotated[Path, typer.Argument(help="Folder of result files; maps say how they are read.")],
    every: Annotated[bool, typer.Option("--all", help="List every finding, not the first of each kind.")] = False,
    ledger: LedgerOption = None,
) -> None:
    """Read existing result files into the ledger: every number with its file, digest and path inside it."""
    from .recorded.commands import import_folder

    import_folder(workspace_of(ledger), folder, every)


@app.command()
def plan(
    claims: Claims = None, tag: Tags = None, model: Models = None, rerun: bool = False, ledger: LedgerOption = None
) -> None:
    """What an audit would run, why, and which claims would stay Pending. Nothing is measured."""
    from . import commands
    from .audit import Options

    commands.plan(workspace_of(ledger), Options(selection_of(claims, tag, model), rerun))


@app.command()
def table(
    claims: Claims = None,
    tag: Tags = None,
    model: Models = None,
    grade: Annotated[list[str] | None, typer.Option("--grade", help="Only claims of this grade.")] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only claims whose grade is not the published one.")
    ] = False,
    sort: Annotated[TableOrder, typer.Option("--sort", help="Order of the rows.")] = TableOrder.claim,
    format: Annotated[TableFormat, typer.Option("--format", "-f", help="Format of the table.")] = TableFormat.text,
    links: Annotated[
        str | None, typer.Option(help="Address of a report, to which details link (default: the claims' files).")
    ] = None,
    ledger: LedgerOption = None,
) -> None:
    """The claims table of the latest verdicts. Nothing is measured or graded."""
    from . import commands

    asked = commands.TableOptions(format.value, sort.value, tuple(grade or ()), changed, links)
    commands.table(workspace_of(ledger), selection_of(claims, tag, model), asked)


@app.command()
def report(
    claims: Claims = None,
    tag: Tags = None,
    model: Models = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to (default: report, beside the ledger).")] = None,
    ledger: LedgerOption = None,
) -> None:
    """Write the atlas as a static site: one page for all claims, one a claim, one a model. Nothing is measured."""
    from . import commands

    commands.report(workspace_of(ledger), selection_of(claims, tag, model), out)


@app.command()
def diff(
    first: Annotated[
        int | None, typer.Argument(help="Number of an audit (default: the one before the second).")
    ] = None,
    second: Annotated[int | None, typer.Argument(help="Number of an audit (default: the latest).")] = None,
    format: Annotated[DiffFormat, typer.Option("--format", "-f", help="Format.")] = DiffFormat.text,
    ledger: LedgerOption = None,
) -> None:
    """Which grades differ between two audits, and whether spec, code, model, data, judge or sampling changed them."""
    from . import commands

    commands.diff(workspace_of(ledger), first, second, format.value)


@app.command()
def explain(claim: Annotated[str, typer.Argument(help="A claim's id.")], ledger: LedgerOption = None) -> None:
    """Why a claim has its grade, in about ten lines."""
    from . import commands

    commands.explain(workspace_of(ledger), claim)


@app.command()
def accept(claims: Claims = None, tag: Tags = None, model: Models = None, ledger: LedgerOption = None) -> None:
    """Write the latest grades to claims/verdicts.lock; later audits are compared with them."""
    from . import commands

    commands.accept(workspace_of(ledger), selection_of(claims, tag, model))


@app.command()
def validate(
    path: Annotated[Path | None, typer.Argument(help="A claims folder (default: the workspace's).")] = None,
) -> None:
    """Check every claim and every named spec: all faults of all files, each with its place."""
    from . import commands

    commands.validate(workspace_of(None), path)


@app.command()
def coverage(
    format: Annotated[CoverageFormat, typer.Option("--format", "-f", help="Format.")] = CoverageFormat.text,
) -> None:
    """Which claims put which published sentence to the test; exit code 1 where one has none. Nothing is measured."""
    from . import commands

    raise typer.Exit(commands.coverage(workspace_of(None), format.value))


@app.command()
def schema(out: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("schema")) -> None:
    """Write the JSON Schemas of claims and of every kind of named spec, for editors."""
    from . import commands

    commands.schema(out)


@app.command()
def new(
    claim: Annotated[str, typer.Argument(help="Id of the new claim: folder/name.")],
    statement: Annotated[str | None, typer.Option(help="The claim, in one sentence.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of a model.")] = None,
    suite: Annotated[str | None, typer.Option(help="Name of a suite.")] = None,
    quantity: Annotated[str | None, typer.Option(help="Metric: kl, target_logprob_drop or logit_diff_drop.")] = None,
    counterfactual: Annotated[str | None, typer.Option(help="zero, mean or resample.")] = None,
    control: Annotated[str | None, typer.Option(help="matched_norm_noise or untrained_model.")] = None,
    component: Annotated[str | None, typer.Option(help="The site the claim is about: L0, L3.operator, L3.mlp.")] = None,
    at_least: Annotated[float | None, typer.Option(help="Form threshold: the effect is at least this.")] = None,
    at_most: Annotated[float | None, typer.Option(help="Form threshold: the effect is at most this.")] = None,
    high: Annotated[float | None, typer.Option(help="Confidence for High.")] = None,
) -> None:
    """Write a commented claim file that validates; what is not given is asked."""
    from . import commands

    answers = {
        "statement": statement,
        "model": model,
        "suite": suite,
        "quantity": quantity,
        "counterfactual": counterfactual,
        "control": control,
        "component": component,
        "high": high,
    }
    commands.new(workspace_of(None), claim, answers, at_least, at_most)


@app.command(name="map")
def map_(
    model: Annotated[str, typer.Argument(help="A model's name, a folder with its files, or its id on the hub.")],
    suite: Annotated[str, typer.Option(help="Name of a suite; its discovery split is used.")] = "main-12",
    kinds: Annotated[str, typer.Option(help="What is zeroed, with commas.")] = "layer,operator,mlp,head",
    templates: Annotated[
        int | None, typer.Option(min=1, max=10, help="Discovery templates a family (default: all).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to (default: maps/MODEL, beside the ledger).")
    ] = None,
    lora_config: Annotated[
        Path | None, typer.Option(help="Also write a PEFT LoRA configuration here, such as adapter_config.json.")
    ] = None,
    layers: Annotated[int, typer.Option(min=1, help="How many layers the LoRA configuration adapts.")] = 4,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 ... (default: an accelerator if there is one).")
    ] = None,
    ledger: LedgerOption = None,
) -> None:
    """Map what matters where in a model, on discovery examples, and draft claims to audit. The ledger is left alone."""
    from . import commands
    from .mapping.atlas import Asked

    chosen = tuple(kind.strip() for kind in kinds.split(","))
    commands.map_(workspace_of(ledger), Asked(model, suite, chosen, templates, out, lora_config, layers, device))


@app.command()
def doctor(
    model: Annotated[str | None, typer.Option(help="Prove this model's interventions at every kind of site.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Where to prove (default: an accelerator if there is one).")
    ] = None,
    ledger: LedgerOption = None,
) -> None:
    """What is here: versions, devices, the ledger, the models; or, of one model, every proof; and what is wrong."""
    from . import commands

    raise typer.Exit(commands.doctor(workspace_of(ledger), model, device))


@app.command()
def calibrate(
    claims: Annotated[int, typer.Option(min=4, help="Claims of each form and scope; half are true.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other claims.")] = 0,
    processes: Annotated[int | None, typer.Option(min=1, help="Side by side (default: one a core).")] = None,
    page: Annotated[Path | None, typer.Option(help="Also write the figures to this Markdown file.")] = None,
) -> None:
    """Grade simulated claims whose truth is known: how often is a false one High, a true one Refuted?"""
    from . import commands

    commands.calibrate(claims, seed, processes, page)


@models_app.command("list")
def models_list() -> None:
    """Every named model, and whether its weights are here."""
    from . import commands

    commands.models_list(workspace_of(None))


@models_app.command("build")
def models_build(
    name: Annotated[str, typer.Argument(help="A pocket model.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write to (default: .mi-atlas/models/NAME).")] = None,
) -> None:
    """Retrain a pocket model from scratch and say whether it matches the shipped one."""
    from . import commands

    raise typer.Exit(commands.models_build(workspace_of(None), name, out))
