"""engine: a claim's evidence after deduplication, as templates within families. Imported only when grading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import numpy as np

from .evidence import Evidence
from .inference import Layout
from .remember import remembered
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

MOST_TABLES = 256
"""That are remembered."""

T = TypeVar("T", bound="Table")


class Table:
    """Distinct examples, sorted by family, template and id, so that their order in the evidence is of no matter.

    Series of values are (n,) or (draws, n) over these examples; units are over templates.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.n_raw, self.left_out = len(evidence.examples), evidence.left_out
        self._kept = self._distinct_examples()
        self._read: dict[tuple[Any, ...], Floats] = {}
        self._starts, self._sizes, self.layout = _units(
            tuple(evidence.families[i] for i in self._kept), tuple(evidence.templates[i] for i in self._kept)
        )
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
        return self._once(place, lambda: self._evidence.effects[place][self._kept])

    def denominators(self, place: tuple[str, str]) -> Floats:
        """What a share's series is a share of (n,).

        Raises:
            KeyError: the evidence does not have it.
        """
        return np.asarray(self._evidence.denominators[place][self._kept])

    def companion(self, name: str, place: tuple[str, str]) -> Floats:
        """Another number of the runs of a series (n,).

        Raises:
            KeyError: the evidence does not have it.
        """
        return np.asarray(self._evidence.companions[(name, *place)][self._kept])

    def draws(self, place: tuple[str, str], numbers: Iterable[int]) -> Floats:
        """Values of control draws that stand in for a series, (draws, n)."""
        control, numbers = self._evidence.control, tuple(numbers)
        return self._once((*place, numbers), lambda: np.stack([control[(*place, i)][self._kept] for i in numbers]))

    def draw_marks(self, numbers: Iterable[int]) -> list[str]:
        """Digests of all that was measured in control draws, where the evidence has them."""
        marks = self._evidence.draw_marks
        return [marks.get(number, str(number)) for number in numbers] if marks else []

    def _once(self, about: tuple[Any, ...], read: Callable[[], Floats]) -> Floats:
        """Values that claims on the same evidence share, which nobody may write to."""
        if about not in self._read:
            self._read[about] = read()
            self._read[about].flags.writeable = False
        return self._read[about]

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

    @remembered(1024)
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
        cells, named = self._named_examples()
        if self._evidence.origin == "recorded":  # the means of two families may agree: they are two
            return named
        return np.asarray(named[distinct(cells[named], LEAST_CELLS)], dtype=int)

    def _named_examples(self) -> tuple[Floats, Floats]:
        """All that was measured (n_raw, series), and the places of examples of different ids, sorted."""
        evidence = self._evidence
        series = [*evidence.effects.values(), *evidence.control.values(), evidence.positive]
        series += evidence.companions.values()
        cells = np.stack([values for values in series if usable(values)], axis=1)
        names = evidence.families, evidence.templates, evidence.examples
        if len(set(evidence.examples)) == self.n_raw:
            return cells, np.array(_sorted(*names), dtype=int)
        rows = list(zip(*names, cells.tolist(), strict=True))
        first: dict[str, int] = {}
        for i in sorted(range(self.n_raw), key=rows.__getitem__):
            first.setdefault(evidence.examples[i], i)
        return cells, np.array(list(first.values()), dtype=int)


def table_of(kind: type[T], evidence: Evidence) -> T:
    """The table of this evidence; the same one for claims whose evidence is the same objects but for their look.

    Only evidence that cannot be written to is remembered.
    """
    key = kind, *(id(getattr(evidence, name)) for name in _MEASURED)
    if key not in _tables:
        series = (*evidence.effects.values(), *evidence.control.values(), evidence.positive, evidence.noise)
        if any(values is not None and values.flags.writeable for values in series):
            return kind(evidence)
        while len(_tables) >= MOST_TABLES:
            del _tables[next(iter(_tables))]
        _tables[key] = kind(evidence), evidence
    return _tables[key][0]  # type: ignore[return-value]


_MEASURED = tuple(field.name for field in fields(Evidence) if field.name not in ("look", "registered_before_data"))

_tables: dict[tuple[Any, ...], tuple[Table, Evidence]] = {}
"""Kept with their evidence, so that no identity is given to another object."""


def usable(values: Floats | None) -> TypeGuard[Floats]:
    """Whether a series is there and holds numbers."""
    return values is not None and bool(np.isfinite(values).all())


@lru_cache(maxsize=64)
def _sorted(*names: tuple[str, ...]) -> tuple[int, ...]:
    """Places in the order of their names."""
    rows = list(zip(*names, strict=True))
    return tuple(sorted(range(len(rows)), key=rows.__getitem__))


@lru_cache(maxsize=64)
def _units(families: tuple[str, ...], templates: tuple[str, ...]) -> tuple[Any, Any, Layout]:
    """Of sorted examples: where each template starts, how many it has, and the families of templates."""
    keys = list(zip(families, templates, strict=True))
    firsts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    of_templates = Counter(families[i] for i in firsts)
    sizes = np.array(list(of_templates.values()), dtype=float)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    return np.array(firsts), np.diff([*firsts, len(keys)]), Layout(tuple(of_templates), tuple(starts.tolist()), sizes)
