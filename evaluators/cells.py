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
    """A site label; `L*` for all layers at once; `-` for the clean pass."""
    intervention: str
    """none, zero, mean, resample, matched_norm_noise, residual_zero."""
    seed: int = 0
    """Which random draw, for resample and matched_norm_noise."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """Per-example values of one cell, by quantity, in the order of the block's examples."""

    cell: Cell
    values: Mapping[str, Sequence[float]]
    seconds: float


class NotEvaluated(Exception):
    """The model or machine cannot give this measurement; `code` is for machines, the text for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def cell_parts(
    cell: Cell, model_parts: Mapping[str, str], block_digest: str, pool_digest: str, evaluator: tuple[str, int]
) -> dict[str, str]:
    """Everything that determines a cell's values, part by part; the key is the digest of these.

    `pool_digest` (all blocks of the draw) enters only where the intervention takes values from other prompts.
    """
    return {
        **{f"model.{name}": value for name, value in model_parts.items()},
        "examples": block_digest,
        "pool": pool_digest if cell.intervention in POOLED else "-",
        "evaluator": f"{evaluator[0]}@{evaluator[1]}",
        "site": cell.site,
        "intervention": f"{cell.intervention}[{cell.seed}]",
    }


def cell_key(parts: Mapping[str, str]) -> str:
    """The key of a run: 64 hex digits."""
    return digest("cell", dict(parts))
