"""engine: what a claim needs, as data: groups of runs that are measured together, and which place each run fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ..evaluators.cells import Cell, cell_key, cell_parts
from ..evaluators.models.locate import Absent, Located
from ..specs.canonical import canonical, digest
from ..specs.claim import MeasuredClaim
from ..specs.sites import granularity_of, is_condition
from ..specs.suite import Suite
from .memo import BlockInfo

if TYPE_CHECKING:
    from ..evaluators.tasks.example import Split
    from ..specs.judge import Judge
    from .trainings import MapRuns, Training


DONOR = "donor"
"""Name of the one other model that some metrics have."""


@dataclass(frozen=True)
class Group:
    """What is loaded together: one model before the blocks of one draw of one suite, for one evaluator."""

    located: Located
    suite: Suite
    draw: int
    blocks: tuple[BlockInfo, ...]
    evaluator: str
    version: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the metric says beside components, interventions and quantity."""
    discovery: tuple[BlockInfo, ...] = ()
    """The examples that the evaluator learns from."""
    donor: Located | None = None
    """Another model, where the metric names one."""
    variants: Mapping[str, Located] = field(default_factory=dict)
    """Condition -> another model, where the metric compares several."""
    trainings: Mapping[str, Training] = field(default_factory=dict)
    """Condition -> how the model is trained first, and what that needs."""
    split: Split = "verification"
    """Which of the suite's examples the blocks are."""
    writing: Group | None = None
    """In which the answers are written that are judged here; None: nothing is judged."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Who judges, and what they are asked."""
    judges: tuple[Judge, ...] = ()
    """The same, with where they are to be found, which is no part of a key."""
    machine: str = ""
    """Digest of the machine, of times and memory."""

    @property
    def others(self) -> Mapping[str, Located]:
        """All models beside the group's own, by name."""
        return {**({DONOR: self.donor} if self.donor else {}), **self.variants}

    @cached_property
    def inputs(self) -> Mapping[str, MapRuns]:
        """Maps that must have been measured before, by name."""
        return {name: found for each in self.trainings.values() for name, found in each.maps.items()}

    @cached_property
    def key(self) -> str:
        """Groups with equal keys are the same group (64 hex digits)."""
        blocks = [block.digest for block in self.blocks]
        parts = {"model": self.located.parts, "blocks": blocks, "evaluator": self.evaluator, "more": self.more}
        return digest("group", {**parts, "writing": self.writing.key} if self.writing else parts)

    @cached_property
    def more(self) -> Mapping[str, str]:
        """Parts of a cell's key that not every evaluator has."""
        parts = {
            f"{which}.{name}": value for which, other in self.others.items() for name, value in other.parts.items()
        }
        if self.trainings:
            parts["trainings"] = digest("trainings", {name: each.parts for name, each in self.trainings.items()})
        if self.settings:
            parts["settings"] = canonical(self.settings)
        if self.machine:
            parts["machine"] = self.machine
        if self.asked:
            parts["judges"] = canonical(self.asked)
        if self.discovery:
            parts["discovery"] = digest("discovery", [block.digest for block in self.discovery])
        return parts

    def more_at(self, site: str) -> Mapping[str, str]:
        """The same of a cell, whose numbers rest on the training of its own condition, where it is of one."""
        if site not in self.trainings or "reference" in self.settings:
            return self.more
        return {**self.more, "trainings": digest("trainings", {site: self.trainings[site].parts})}

    @cached_property
    def pool(self) -> str:
        """Digest of all blocks, of which mean and resample take their values."""
        return digest("pool", [block.digest for block in self.blocks])


@dataclass(frozen=True)
class Run:
    """One cell with its key and the parts it was made of."""

    key: str
    parts: Mapping[str, str]
    cell: Cell
    group: Group
    reads: tuple[str, ...] = ()
    """Keys of the runs whose answers it judges."""

    @classmethod
    def of(cls, group: Group, cell: Cell, block: BlockInfo, reads: tuple[str, ...] = ()) -> Run:
        """The run of a cell on one of the group's blocks."""
        evaluator = (group.evaluator, group.version)
        parts = cell_parts(cell, group.located.parts, block.digest, group.pool, evaluator, group.more_at(cell.site))
        if reads:
            parts |= {"answers": digest("answers", list(reads)), "checks": block.checks}
        return cls(cell_key(parts), parts, cell, group, reads)


class Runs(dict[str, Run]):
    """Runs by key; one object for all claims that need the same ones."""

    @cached_property
    def evaluators(self) -> list[tuple[str, int]]:
        """Names and versions, sorted."""
        return sorted({(run.group.evaluator, run.group.version) for run in self.values()})

    @cached_property
    def cells(self) -> str:
        """Digest of what is measured, in whatever family; empty where nothing is."""
        cells = {(run.cell.site, run.cell.intervention, run.cell.seed) for run in self.values()}
        return digest("cells", sorted(cells)) if cells else ""


class Address(NamedTuple):
    """Which place of a claim's evidence a series of cells (one a block) fills."""

    role: str
    """effect, control, positive_control, clean."""
    arm: str
    """main, robustness.mean, control, positive_control, clean: what is Pending if the series cannot be had."""
    intervention: str
    site: str
    draw: int


@dataclass
class Resolved:
    """A claim, the runs it needs, and what is missing."""

    claim: MeasuredClaim
    estimand: str
    bound: str
    draw: int
    located: Located | Absent
    sweep: tuple[str, ...] = ()
    """Labels of the components that the claim compares."""
    blocks: tuple[BlockInfo, ...] = ()
    series: dict[Address, tuple[str, ...]] = field(default_factory=dict)
    """Address -> keys of its runs, one a block, in the order of the blocks."""
    runs: Runs = field(default_factory=Runs)
    absent: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Arm -> (code, reason)."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Parts of the runs' keys that not every evaluator has."""
    data: tuple[str, ...] = ()
    """What the main arm looks at, as registrations name it; the evaluator's version is no part of it."""
    labels: str = ""
    """Digest of what people say of the answers that are judged; empty where nobody said anything."""

    @property
    def rearranged(self) -> bool:
        """Whether the control's draws are made of the effects' own numbers."""
        return bool(self.claim.control.REARRANGED)

    @property
    def keys(self) -> frozenset[str]:
        """Keys of all runs."""
        return frozenset(self.runs)

    @property
    def main_keys(self) -> frozenset[str]:
        """Keys of the runs of the main arm, and of those in which what they judge was written."""
        keys = [key for address, keys in self.series.items() if address.arm == "main" for key in keys]
        return frozenset((*keys, *(each for key in keys for each in self.runs[key].reads)))


def _kind(component: str) -> str:
    """`layer`, `head@last`: what of a model a component is, and at which tokens; of a condition its name."""
    if is_condition(component):
        return component
    _, at, positions = component.partition("@")
    return granularity_of(component) + at + positions


def data_of(resolved: Resolved) -> tuple[str, ...]:
    """What the main arm looks at, as registrations name it, sorted."""
    located = resolved.located
    if isinstance(located, Absent) or not resolved.series:
        return ()
    blocks = [block.digest for block in resolved.blocks]
    evaluator = resolved.claim.metric.evaluator
    items = {
        digest(
            "data",
            {
                "model": located.parts,
                "blocks": blocks,
                "evaluator": evaluator,
                "granularity": _kind(address.site),
                "intervention": address.intervention,
                **resolved.more,
            },
        )
        for address in resolved.series
        if address.arm == "main"
    }
    return tuple(sorted(items))
