"""engine: tables and explanations as text on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from .plan import why_stale
from .report import Row, shown_q

if TYPE_CHECKING:
    from ..specs.load import LoadedClaim
    from .audit import Audit
    from .grade import Verdict
    from .history import Change, Comparison
    from .plan import GroupStep, Plan

COLOURS = {"High": "green", "Medium": "cyan", "Refuted": "red", "Pending": "yellow"}


def console() -> Console:
    """Standard output; long lines are left to the terminal, so that one line stays one line in a file or a pipe."""
    return Console(highlight=False, soft_wrap=True)


def print_table(rows: Sequence[Row]) -> None:
    """Grade, claim, qualifiers and q; below it what is claimed and the reason of the grade, a line each."""
    out = console()
    for row in rows:
        grade, _, qualifiers = row.grade.partition(" ")
        beside = [qualifiers, f"q {shown_q(row.q)}" if row.q is not None else ""]
        notes = "".join(f"  {note}" for note in beside if note)
        out.print(Text.assemble((f"{grade:<9}", COLOURS.get(grade, "")), (row.claim, "bold"), notes))
        out.print(Text(f"         {row.statement}", "dim"))
        out.print(Text(f"         {row.evidence}"))


def print_explanation(loaded: LoadedClaim, verdict: Verdict) -> None:
    """The ten lines, and what the claim's author wrote about it."""
    out = console()
    claim = loaded.claim
    out.print(Text(f"{claim.claim}: {claim.statement}", "bold"))
    out.print(Text(verdict.grade, COLOURS[verdict.grade]), Text(verdict.reason))
    for line in verdict.explanation:
        out.print(Text(f"  {line}"))
    if claim.published:
        out.print(Text(f"  published as {claim.published.grade} ({claim.published.source})"))
    for threat in claim.threats:
        out.print(Text(f"  threat: {threat}"))


def print_plan(plan: Plan, state: Audit) -> None:
    """Steps, causes and what stays Pending."""
    out = console()
    out.print(f"{plan.misses} runs to measure in {len(plan.steps)} groups, {plan.hits} in the ledger")
    for steps in _alike(plan.steps):
        out.print(Text(f"  {_title(steps)}"))
        for cause in why_stale([run for step in steps for run in step.runs], state.ledger)[:6]:
            what = cause.part if cause.stored is None and cause.wanted is None else f"{cause.part} differs"
            change = f": {_brief(cause.stored)} -> {_brief(cause.wanted)}" if cause.stored or cause.wanted else ""
            out.print(Text(f"    {cause.runs} runs: {what}{change}"))
    for name, resolved in state.resolved.items():
        for arm, (code, reason) in resolved.absent.items():
            out.print(Text(f"  {name} stays Pending ({code}): {arm}: {reason}", "yellow"))


def _alike(steps: Sequence[GroupStep]) -> list[list[GroupStep]]:
    """Steps that differ in the seed of an untrained model only, together."""
    together: dict[tuple[str, str, bool], list[GroupStep]] = {}
    for step in steps:
        located = step.group.located
        key = (str(located.folder), step.group.pool, located.untrained is not None)
        together.setdefault(key, []).append(step)
    return list(together.values())


def _title(steps: Sequence[GroupStep]) -> str:
    group = steps[0].group
    name = group.located.spec.model or group.located.architecture
    if group.located.untrained is not None:
        name = f"{len(steps)} untrained {name}"
    suite = group.suite.suite or "inline suite"
    runs, passes = sum(len(step.runs) for step in steps), sum(step.passes for step in steps)
    return f"{name} on {suite}, draw {group.draw}: {runs} runs, {passes} prompts through the model"


def _brief(value: str | None) -> str:
    if value is None:
        return "none"
    return f"{value[:8]}..." if len(value) == 64 else value


def print_rates(rows: Sequence[tuple[str, ...]]) -> None:
    """How often grades are wrong, by kind of claim and scope."""
    from .calibrate.report import COLUMNS

    lines = [COLUMNS, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_comparison(found: Comparison) -> None:
    """Every changed grade, what caused it, and both reasons; then what else is different."""
    out = console()
    ends = [f"audit {audit.id} of {audit.started_at[:16].replace('T', ' ')}" for audit in (found.first, found.second)]
    count = len(found.changed)
    out.print(Text(f"{ends[0]} -> {ends[1]}: {count} grade{'s' if count != 1 else ''} changed, {found.same} did not"))
    for change in found.changed:
        _print_change(change, f"{change.before} to {change.after}")
    for change in found.new:
        _print_change(change, f"new: {change.after}")
    if found.rest_differently:
        said = ", ".join(f"{category} {claims}" for category, claims in found.rest_differently.items())
        out.print(Text(f"claims of the same grade of which something else changed: {said}"))


def _print_change(change: Change, grades: str) -> None:
    out = console()
    out.print(Text.assemble((f"{grades:<20}", COLOURS.get(change.after, "")), (change.claim, "bold")))
    for cause in change.causes:
        out.print(Text(f"    {cause.text}"))
    if change.before:
        out.print(Text(f"    then: {change.reason_before}", "dim"))
    out.print(Text(f"    now:  {change.reason}"))
