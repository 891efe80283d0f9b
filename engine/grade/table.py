"""engine: a claim's evidence after deduplication, as templates within families. Imported only when grading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from .evidence import Evidence
from .inference import Layout
from .replicates import distinct

if TYPE_CHECKING:
    from .evidence import Floats

LOG_FLOOR = 1e-4
"""nats: the log of an effect is taken no lower."""

NUMERIC_FLOORS = {"float32": 1e-6, "float64": 1e-6}
"""Quantity below which a value is arithmetic, not effect."""

HALF_FLOOR = 1e-3
"""The same for half precision: bf16 moves a KL by this much."""

LEAST_CELLS = 8
"""Examples with fewer non-zero cells cannot be told to be clones by their values; only by their id."""


class Table:
    """Distinct examples, sorted by family, template and id, so that their order in the evidence is of no matter.

    Series of values are (n,) or (draws, n) over these examples; units are over templates.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.n_raw, self.left_out = len(evidence.examples), evidence.left_out
        self._kept = self._distinct_examples()
        keys = [(evidence.families[i], evidence.templates[i]) for i in self._kept]
        firsts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
        self._starts = np.array(firsts)
        self._sizes = np.diff([*firsts, len(keys)])
        self.layout = _layout([keys[i][0] for i in firsts])
        noise = 10 * float(np.quantile(evidence.noise, 0.99)) if usable(evidence.noise) else 0.0
        self.numeric_floor = max(NUMERIC_FLOORS.get(evidence.dtype, HALF_FLOOR), noise)
        self.log_floor = max(LOG_FLOOR, noise)
        self.full_precision = evidence.dtype in NUMERIC_FLOORS

    @property
    def n(self) -> int:
        """Distinct examples."""
        return len(self._kept)

    @property
    def n_templates(self) -> int:
        """Templates with at least one distinct example."""
        return len(self._starts)

    def series(self, place: tuple[str, str]) -> Floats:
        """Values of a main-arm series (n,); its place is an intervention label and a site.

        Raises:
            KeyError: the evidence has no such series.
        """
        values = self._evidence.effects[place]
        return np.asarray(values[self._kept])

    def denominators(self, place: tuple[str, str]) -> Floats:
        """What a share's series is a share of (n,).

        Raises:
            KeyError: the evidence does not have it.
        """
        return np.asarray(self._evidence.denominators[place][self._kept])

    def draws(self, place: tuple[str, str], numbers: Iterable[int]) -> Floats:
        """Values of control draws that stand in for a series, (draws, n)."""
        return np.stack([self._evidence.control[(*place, number)][self._kept] for number in numbers])

    @property
    def positive(self) -> Floats:
        """KL under the positive control (n,)."""
        assert self._evidence.positive is not None
        return np.asarray(self._evidence.positive[self._kept])

    def moved_by_control(self, site: str) -> bool:
        """Whether some control draw changes anything at a site."""
        return any(
            key[1] == site and bool((np.abs(values) > self.numeric_floor).any())
            for key, values in self._evidence.control.items()
        )

    def logs(self, values: Floats) -> Floats:
        """Template means of the logs, floored: (..., n) -> (..., templates)."""
        return self.template_means(np.log(np.maximum(values, self.log_floor)))

    def template_means(self, values: Floats) -> Floats:
        """(..., n) -> (..., templates)."""
        return np.asarray(np.add.reduceat(values, self._starts, axis=-1) / self._sizes)

    def family_means(self, values: Floats) -> Floats:
        """Means of template means, (..., n) -> (..., families)."""
        return self.layout.means(self.template_means(values).T).T

    def _distinct_examples(self) -> Floats:
        evidence = self._evidence
        series = [*evidence.effects.values(), *evidence.control.values(), evidence.positive]
        cells = np.stack([values for values in series if usable(values)], axis=1)
        rows = cells.tolist()
        order = sorted(
            range(self.n_raw),
            key=lambda i: (evidence.families[i], evidence.templates[i], evidence.examples[i], rows[i]),
        )
        seen: set[str] = set()
        named = [i for i in order if not (evidence.examples[i] in seen or seen.add(evidence.examples[i]))]  # type: ignore[func-returns-value]
        kept = distinct(cells[named], LEAST_CELLS)
        return np.array([named[i] for i in kept], dtype=int)


def usable(values: Floats | None) -> TypeGuard[Floats]:
    """Whether a series is there and holds numbers."""
    return values is not None and bool(np.isfinite(values).all())


def _layout(families: list[str]) -> Layout:
    names = tuple(dict.fromkeys(families))
    sizes = np.array([families.count(name) for name in names], dtype=float)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    return Layout(names, tuple(starts.tolist()), sizes)
