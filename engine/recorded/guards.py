"""engine: what makes recorded numbers less than they look: copies, ties, zeros, a lost sign, repeated prompts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from .files import Finding
from .rows import Row

LEAST_SIGNED = 3
"""So many pairs of strengths that agree show that the sign was lost."""

LEAST_CELLS = 3
"""Replicates with fewer cells that are not 0 cannot be told to be copies."""

FLOOR = 1e-6
"""Below it a value is arithmetic."""

COPY = "a copy of "
"""How the reason begins for which a copy does not count."""

Cell = tuple[str, ...]


def guarded(rows: Sequence[Row]) -> tuple[list[Row], list[Finding]]:
    """The rows that are evidence, and what is wrong with the others. A replicate that is a copy is marked as one."""
    kept: list[Row] = []
    findings: list[Finding] = []
    for source, group in groupby(rows, key=lambda row: row.source):
        of_source = list(group)
        for check in (_zeros, _sign_lost, _copies, _repeated_prompts):
            of_source, said = check(source, of_source)
            findings += said
        findings += _ties(source, of_source)
        kept += of_source
    return kept, findings


def cell(row: Row) -> Cell:
    """What a number is of, whichever replicate it is."""
    return (row.model, row.quantity, row.intervention, row.component, row.control, row.family, row.prompt, row.draw)


def _zeros(source: str, rows: list[Row]) -> tuple[list[Row], list[Finding]]:
    """A file in which nothing moves, at no component: nothing was intervened on. (A rate of 0 is a rate.)"""
    kept: list[Row] = []
    findings: list[Finding] = []
    for (file, intervention), group in _by(rows, lambda row: (row.file, row.intervention)).items():
        if (
            group[0].unit
            and len({row.component for row in group}) > 1
            and all(abs(row.value) <= FLOOR for row in group)
        ):
            said = f"{source}: all {len(group)} numbers of {intervention} are 0: taken as missing"
            findings.append(Finding("all_zero", file, said))
        else:
            kept += group
    return kept, findings


def _sign_lost(source: str, rows: list[Row]) -> tuple[list[Row], list[Finding]]:
    """Strengths s and -s that agree: the absolute value was used, and what is said of a sign is of none."""
    pairs: dict[tuple[str, ...], dict[float, float]] = defaultdict(dict)
    for row in rows:
        if row.strength:
            pairs[row.file, row.model, row.component, row.control, row.family, row.prompt][row.strength] = row.value
    both = [(values[s], values[-s]) for values in pairs.values() for s in values if s > 0 and -s in values]
    if len(both) < LEAST_SIGNED or not all(math.isclose(one, other, rel_tol=1e-6) for one, other in both):
        return rows, []
    said = (
        f"{source}: +s and -s give the same in all {len(both)} pairs: the sign was lost, negative strengths are missing"
    )
    return [row for row in rows if not row.strength or row.strength > 0], [Finding("sign_lost", source, said)]


def _copies(source: str, rows: list[Row]) -> tuple[list[Row], list[Finding]]:
    """Replicates (file, seed) of which 99 % of cells agree within 1e-4 with an earlier one are that one again."""
    import numpy as np

    from ..grade.replicates import distinct

    replicates = _by(rows, lambda row: (row.file, row.seed))
    tables = {key: {cell(row): row.value for row in each} for key, each in replicates.items()}
    alike = _by(tables.items(), lambda item: frozenset(item[1]))
    copies: dict[tuple[str, str], str] = {}
    findings: list[Finding] = []
    for cells, group in alike.items():
        order = sorted(cells)
        values = [[table[key] for key in order] for _, table in group]
        kept = set(distinct(np.array(values), LEAST_CELLS)) if len(group) > 1 else {0}
        if len(kept) < len(group):
            names = [f"{file} (seed {seed})" if seed else file for (file, seed), _ in group]
            copies |= {group[i][0]: names[min(kept)] for i in range(len(group)) if i not in kept}
            held = f"{len(kept)} measurement{'s' * (len(kept) > 1)}"
            said = f"{source}: {len(group)} replicates hold {held}: {', '.join(names)}"
            findings.append(Finding("copies", group[0][0][0], said))
    marked = {key: f"{COPY}{name}" for key, name in copies.items()}
    return [row._replace(void=marked.get((row.file, row.seed), row.void)) for row in rows], findings


def _repeated_prompts(source: str, rows: list[Row]) -> tuple[list[Row], list[Finding]]:
    """The same prompt twice in one cell of one replicate is one prompt: the first is kept."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for row in rows:
        key = (row.file, row.seed, *cell(row))
        if not row.prompt or key not in seen:
            kept.append(row)
        seen.add(key)
    gone = len(rows) - len(kept)
    said = f"{source}: {gone} of {len(rows)} numbers are of a prompt that was there before: counted once"
    return kept, [Finding("repeated_prompts", source, said)] if gone else []


def _ties(source: str, rows: list[Row]) -> Iterator[Finding]:
    """Components that share the largest value exactly: there is no first among them. One prompt's ties are ordinary."""
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for key, group in _by(
        (row for row in rows if not row.control and not row.void),
        lambda row: (row.model, row.quantity, row.intervention, row.seed, row.family, row.prompt),
    ).items():
        top = max(row.value for row in group)
        tied = {row.component for row in group if row.value == top}
        if len(tied) > 1 and not key[5]:
            found[len(tied), len({row.component for row in group})].append(key[4] or "all")
    for (many, of), units in sorted(found.items(), reverse=True):
        where = ", ".join(dict.fromkeys(units[:6])) + (" ..." if len(units) > 6 else "")
        yield Finding("tie", source, f"{source}: {many} of {of} components tie for the largest ({where})")


def _by(items: Iterable, key) -> Mapping:  # type: ignore[no-untyped-def,type-arg]
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
