"""evaluators: what one run is, as data, and the key that identifies it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..specs.canonical import digest

POOLED = frozenset({"mean", "resample"})
"""Interventions whose value comes from the other prompts of the suite."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The smallest thing that is cached: one intervention at one site on one block of examples."""

    family: str
    """Which block of the suite's draw."""
    site: str
    """A component's label; `L*` for all layers at once; `-` for the clean pass."""
    intervention: str
    """none, zero, steer(4), ...: a word the evaluator knows; behind a `|` what a control makes of it."""
    seed: int = 0
    """Which random draw, for resample and matched_norm_noise."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """Per-example values of one cell, by quantity, in the order of the block's examples.

    A share has two: its numerator under its own name, its denominator under `<name>_of`. Where a component does not
    exist in every example, `applies` is 1 where it does.
    """

    cell: Cell
    values: Mapping[str, Sequence[float]]
    seconds: float


APPLIES = "applies"
"""1 for examples that have what the cell is about, 0 for those that do not count."""

OF = "_of"
"""Ending of the name under which a share's denominators are given."""


class NotEvaluated(Exception):
    """The model or machine cannot give this measurement; `code` is for machines, the text for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def cell_parts(
    cell: Cell,
    model_parts: Mapping[str, str],
    block_digest: str,
    pool_digest: str,
    evaluator: tuple[str, int],
    more: Mapping[str, str],
) -> dict[str, str]:
    """Everything that determines a cell's values, part by part; the key is the digest of these.

    `pool_digest` (all blocks of the draw) enters only where the intervention takes values from other prompts; `more`
    are the metric's settings, the discovery examples and the other model, where there are any.
    """
    return {
        **more,
        **{f"model.{name}": value for name, value in model_parts.items()},
        "examples": block_digest,
        "pool": pool_digest if cell.intervention.partition("|")[0] in POOLED else "-",
        "evaluator": f"{evaluator[0]}@{evaluator[1]}",
        "site": cell.site,
        "intervention": f"{cell.intervention}[{cell.seed}]",
    }


def cell_key(parts: Mapping[str, str]) -> str:
    """The key of a run: 64 hex digits."""
    return digest("cell", dict(parts))
