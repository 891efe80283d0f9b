"""engine: what matters where: typical effects of ablations, component by family, from the runs of a model's claims.

A cell is what a claim's evidence would say of it: exp of the mean over templates of the floored log KL, in nats.
Imported only by `report`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ...specs.sites import granularity_of, parse_site
from ..grade.table import Table

if TYPE_CHECKING:
    from ..grade.evidence import Evidence

STEPS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""nats: where the shade of a cell changes; the same in every map, so that models can be compared."""

ORDER = ("zero", "mean", "resample", "noise")
"""Interventions of which a map is preferred."""

NAMES = {"layer": "Layers", "operator": "Attention and convolutions", "mlp": "MLPs", "head": "Heads"}

WIDE = 48
"""Columns beyond which heads are shown as a grid alone."""


@dataclass(frozen=True)
class HeatMap:
    """Typical KL in nats; None where it was not measured."""

    kind: str
    """layer, operator, mlp, head, positions, ..."""
    title: str
    suite: str
    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    """(rows, columns)."""

    @property
    def strongest(self) -> tuple[str, float]:
        """The column with the largest typical effect over all rows, and that effect."""
        sums = [
            (math.exp(sum(math.log(value) for value in column) / len(column)), name)
            for name, column in zip(self.columns, self._filled(), strict=True)
            if column
        ]
        value, name = max(sums, key=lambda pair: pair[0])
        return name, value

    def _filled(self) -> list[list[float]]:
        return [[value for value in column if value is not None] for column in zip(*self.values, strict=True)]


def shade(value: float) -> int:
    """Which of ten shades a typical effect has."""
    return sum(value >= step for step in STEPS)


@dataclass
class Atlas:
    """Cells of one model, as they are found in its claims' evidence."""

    cells: dict[tuple[str, str], dict[str, dict[str, float]]] = field(default_factory=dict)
    """(suite, intervention) -> component -> family -> typical KL."""
    uses: Counter[str] = field(default_factory=Counter)
    """Suite -> claims on it."""

    def add(self, suite: str, evidence: Evidence) -> None:
        """Take every ablated component of a claim's evidence; its values must be KL."""
        table = Table(evidence)
        self.uses[suite] += 1
        for intervention, site in evidence.effects:
            per_family = np.exp(table.layout.means(table.logs(table.series((intervention, site)))))
            found = dict(zip(table.layout.families, per_family.tolist(), strict=True))
            self.cells.setdefault((suite, intervention), {}).setdefault(site, {}).update(found)

    def maps(self) -> tuple[HeatMap, ...]:
        """One map a kind of component: of the suite and intervention that cover most, on which most claims are."""
        found = []
        for kind in dict.fromkeys(kind for sites in self.cells.values() for kind in map(_kind, sites) if kind):
            best = min(self.cells, key=lambda place: self._rank(place, kind))
            sites = {site: cells for site, cells in self.cells[best].items() if _kind(site) == kind}
            if len(sites) > 1:
                found += _drawn(kind, best, sites)
        order = ["layer", "operator", "mlp", "head grid", "head"]
        return tuple(sorted(found, key=lambda each: (_place(order, each.kind), each.kind, each.title)))

    def _rank(self, place: tuple[str, str], kind: str) -> tuple[int, int, int, int, str, str]:
        suite, intervention = place
        sites = [cells for site, cells in self.cells[place].items() if _kind(site) == kind]
        families = len({family for cells in sites for family in cells})
        preferred = _place(ORDER, intervention.partition("[")[0])
        return -len(sites), -families, -self.uses[suite], preferred, suite, intervention


def _kind(site: str) -> str | None:
    """`layer`, `head`, `positions`; None for several sites at once."""
    if "+" in site or "*" in site:
        return None
    return "positions" if "@" in site else granularity_of(site)


def _place(order: Iterable[str], name: str) -> int:
    known = list(order)
    return known.index(name) if name in known else len(known)


def _drawn(kind: str, place: tuple[str, str], sites: Mapping[str, Mapping[str, float]]) -> list[HeatMap]:
    suite, intervention = place
    columns = sorted(sites, key=_natural)
    families = sorted({family for cells in sites.values() for family in cells})
    values = tuple(tuple(sites[site].get(family) for site in columns) for family in families)
    name = NAMES.get(kind, "Tokens" if kind == "positions" else kind)
    word = "skipped" if (kind, intervention) == ("layer", "zero") else f"under {intervention}"
    whole = HeatMap(kind, f"{name} {word}", suite, "family", "component", tuple(families), tuple(columns), values)
    if kind != "head":
        return [whole]
    grid = _grid(f"{name} {word}, over all families", suite, sites)
    return [grid, whole] if len(columns) <= WIDE else [grid]


def _grid(title: str, suite: str, sites: Mapping[str, Mapping[str, float]]) -> HeatMap:
    """Layer by head: the typical effect over families."""
    found = {
        (parse_site(site).layer, parse_site(site).head or 0): math.exp(
            sum(math.log(value) for value in cells.values()) / len(cells)
        )
        for site, cells in sites.items()
    }
    layers = sorted({layer for layer, _ in found})
    heads = sorted({head for _, head in found})
    values = tuple(tuple(found.get((layer, head)) for head in heads) for layer in layers)
    rows, columns = tuple(f"L{layer}" for layer in layers), tuple(f"head {head}" for head in heads)
    return HeatMap("head grid", title, suite, "layer", "head", rows, columns, values)


def _natural(label: str) -> list[tuple[int, int | str]]:
    """L2 before L10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.findall(r"\d+|\D+", label)]
