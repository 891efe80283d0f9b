"""engine: the plan: what will run, in which groups, and why. What `plan` prints is what `audit` executes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..evaluators.finetuning.job import job_of
from .needs import Group, Resolved, Run

if TYPE_CHECKING:
    from ..evaluators.cells import Cell
    from ..store import Ledger


TOKENS_A_PASS = 4
"""Tokens written one by one, with what was computed kept, that take as long as the pass of a prompt."""


@dataclass(frozen=True)
class StaleCause:
    """Why some runs are not in the ledger: the part of the key in which the nearest stored run differs."""

    part: str
    """`model.weights`, `examples`, `site`, ...; `never measured` where nothing comes near."""
    runs: int
    stored: str | None = None
    wanted: str | None = None


@dataclass(frozen=True)
class GroupStep:
    """Load one model once and measure these runs."""

    group: Group
    runs: tuple[Run, ...]
    maps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of the group's inputs, read when they have been measured: component -> typical KL, nats."""

    @property
    def passes(self) -> int:
        """Prompts to be run through the model, one for each run and example; and those of trainings, thrice each.

        0 where answers are judged that another step writes.
        """
        if self.group.writing:
            return 0
        sizes = {block.family: len(block.examples) for block in self.group.blocks}
        trained = {training_of(self.group, run.cell) for run in self.runs}
        return sum(sizes[run.cell.family] * weight_of(run.cell.intervention) for run in self.runs) + sum(
            self.group.trainings[name].passes for name, *_ in trained if name in self.group.trainings
        )


def weight_of(intervention: str) -> int:
    """How many passes an example takes: of an answer one for every few tokens, since they are written one by one."""
    name, _, told = intervention.partition("(")
    tokens = re.match(r"\d+", told)
    return 1 + int(tokens[0]) // TOKENS_A_PASS if name == "generate" and tokens else 1


def training_of(group: Group, cell: Cell) -> tuple[str, int, int, int]:
    """Which training a cell rests on: condition, seed, and draws; it is measured where this was trained.

    Of a group without trainings it is the cell's family: families are measured each for itself.
    """
    if not group.trainings:
        return cell.family, 0, 0, 0
    condition = cell.site if cell.site in group.trainings else next(iter(group.trainings))
    return condition, *job_of(group.trainings[condition].recipe, cell).drawn


@dataclass(frozen=True)
class Plan:
    """Steps in the order of execution, and what the ledger already has."""

    steps: tuple[GroupStep, ...]
    hits: int
    """Distinct runs that are in the ledger."""

    @property
    def misses(self) -> int:
        """Distinct runs to be measured."""
        return sum(len(step.runs) for step in self.steps)


def make_plan(resolved: Iterable[Resolved], ledger: Ledger, rerun: bool = False) -> Plan:
    """Distinct runs of all claims, less those that are in the ledger; with `rerun` all of them."""
    runs: dict[str, Run] = {}
    for claim in resolved:
        runs.update(claim.runs)
    hits = set() if rerun else ledger.hits(runs)
    return plan_of((run for key, run in runs.items() if key not in hits), len(hits))


def plan_of(runs: Iterable[Run], hits: int) -> Plan:
    """Runs in steps, those of one group together."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.group.key, []).append(run)
    return Plan(tuple(GroupStep(members[0].group, tuple(members)) for members in groups.values()), hits)


def why_stale(runs: Sequence[Run], ledger: Ledger) -> list[StaleCause]:
    """The parts in which runs differ from their nearest stored ones, the commonest first."""
    causes: Counter[tuple[str, str | None, str | None]] = Counter()
    for difference in ledger.explain_misses([run.parts for run in runs]):
        causes.update(_parts(difference))
    return [StaleCause(part, n, stored, wanted) for (part, stored, wanted), n in causes.most_common()]


def _parts(difference: Mapping[str, tuple[str | None, str | None]] | None) -> list[tuple[str, str | None, str | None]]:
    if difference is None:
        return [("never measured", None, None)]
    return [(part, stored, wanted) for part, (stored, wanted) in sorted(difference.items())]
