"""engine: the measurements of an audit's claims, read from the ledger once for all claims that share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..store import Ledger
from .gather import gather
from .grade.evidence import Evidence
from .grade.forms import find_form
from .needs import Resolved
from .registrations import Standing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from .grade.judged import Judging

MOST_RUNS = 20_000
"""Held at a time, at about a kilobyte each."""


class Shelf:
    """What was measured for some claims, which are asked for in this order, or for any other."""

    def __init__(self, ledger: Ledger, workspace: Path, claims: Sequence[Resolved] = ()) -> None:
        self._ledger, self._workspace, self._claims = ledger, workspace, claims
        self._places = {id(resolved): place for place, resolved in enumerate(claims)}
        self._held: set[str] = set()
        self._values: Mapping[str, Mapping[str, NDArray[np.float64]]] = {}
        self._dates: Mapping[str, str] = {}
        self._evidence: dict[tuple[object, ...], Evidence] = {}

    def values(self, resolved: Resolved) -> Mapping[str, Mapping[str, NDArray[np.float64]]]:
        """key -> quantity -> values in example order, of every run of the claim that was measured, and of others."""
        if not resolved.runs.keys() <= self._held:
            self._read(resolved)
        return self._values

    def measured_at(self, resolved: Resolved) -> str:
        """When the first run of the claim's main arm was measured."""
        self.values(resolved)
        return min(self._dates[key] for key in resolved.main_keys if key in self._dates)

    def evidence(self, resolved: Resolved, absent: Mapping[str, tuple[str, str]], standing: Standing) -> Evidence:
        """The evidence of a claim; the same arrays for all claims that rest on the same runs."""
        values, claim = self.values(resolved), resolved.claim
        companions = find_form(claim.expect.form).companions(claim)
        about: tuple[object, ...] = claim.metric.model_dump_json(), companions, resolved.sweep
        if resolved.rearranged:
            about += (claim.control.model_dump_json(), find_form(claim.expect.form).controls(claim, resolved.sweep))
        key = *about, *sorted(absent.items()), *resolved.series.items()
        if key not in self._evidence:
            self._evidence[key] = gather(resolved, values, absent, standing)
        found = replace(self._evidence[key], look=standing.look, registered_before_data=standing.before_data)
        return replace(found, judging=self._judging(resolved, values)) if claim.metric.panel else found

    def _judging(self, resolved: Resolved, values: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> Judging | None:
        from .judging.evidence import judging_of

        return judging_of(resolved, values, self._ledger, self._workspace)

    def _read(self, resolved: Resolved) -> None:
        """The runs of this claim, and of as many of those behind it as there is room for."""
        self._held, self._evidence = set(resolved.runs), {}
        for other in self._claims[self._places.get(id(resolved), len(self._claims)) + 1 :]:
            more = self._held | other.runs.keys()
            if len(more) > MOST_RUNS:
                break
            self._held = more
        with self._ledger.reading():
            self._values, self._dates = self._ledger.values(self._held), self._ledger.dates(self._held)
