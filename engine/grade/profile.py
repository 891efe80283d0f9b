"""engine: the two numbers of each condition that a correlation is about. Imported only when grading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...specs.sites import parse_component
from .evidence import Ref
from .permutation import Association, association, centred, ranks
from .sweeps import effects_of

if TYPE_CHECKING:
    from ...specs.forms.conditions import Correlation
    from .evidence import Floats
    from .question import Arm


@dataclass(frozen=True)
class Profile:
    """Conditions in an arm, block by block. Arrays run over the conditions."""

    arm: Arm
    expect: Correlation
    labels: tuple[str, ...]
    blocks: tuple[int, ...]
    """How many conditions each block has."""

    @property
    def sign(self) -> int:
        """As claimed."""
        return 1 if self.expect.sign == "positive" else -1

    @cached_property
    def wholes(self) -> Floats:
        """What each condition's share is a share of, (conditions, 1); 1 for other quantities."""
        if self.arm.claim.metric.kind.scale != "share":
            return np.ones((len(self.labels), 1))
        values = np.stack([self.arm.denominators(Ref(None, label)) for label in self.labels])
        return np.asarray(self.arm.table.family_means(values).mean(axis=1, keepdims=True))

    @cached_property
    def units(self) -> Floats:
        """Typical effects (conditions, templates)."""
        return np.asarray(self._effects.mean(axis=0) / self.wholes)

    @cached_property
    def companion(self) -> Floats:
        """Values of the other quantity (repetitions, conditions, n).

        Raises:
            KeyError: the evidence does not have it.
        """
        name, refs = self.expect.x, [Ref(None, label) for label in self.labels]
        values = [[one.table.companion(name, one.place(ref)) for ref in refs] for one in self.arm.each()]
        return np.array(values, dtype=float)

    @cached_property
    def association(self) -> Association:
        """Of the numbers."""
        return association(*self.numbers, self.blocks)

    @cached_property
    def numbers(self) -> tuple[Floats, Floats]:
        """x and y as they are correlated, y signed as claimed; where x has templates (and trainings), of others."""
        if self.expect.x == "depth":
            return self._ranked(self._depths), self.sign * self._ranked(self._mean(self.units, None))
        x, y, half = self._other, self._effects / self.wholes, self._every_other
        if len(y) > 1:
            x, y = x[::2], y[1::2]
        ours, theirs = self._mean(x.mean(axis=0), half), self._mean(y.mean(axis=0), 1 - half)
        return self._ranked(ours), self.sign * self._ranked(theirs)

    def slopes(self, units: Floats) -> Floats:
        """Effects (..., conditions, templates) -> slopes (..., templates), signed as claimed.

        A slope is per standard deviation of x, in standard deviations of this arm's own y.
        """
        x = self._depths if self.expect.x == "depth" else self._mean(self._other.mean(axis=0), None)
        x = centred(self._ranked(x), self.blocks)
        y = centred(self._mean(self.units, None), self.blocks)
        return np.asarray(np.einsum("c,...ct->...t", self.sign * x / np.sqrt((x @ x) * (y @ y)), units))

    @property
    def _every_other(self) -> Floats:
        """1 for every other template of each family, else 0 (templates,)."""
        return np.concatenate([1.0 - np.arange(size) % 2 for size in self.arm.table.layout.sizes.astype(int)])

    def _mean(self, units: Floats, some: Floats | None) -> Floats:
        """(conditions, templates) -> (conditions,): the mean over families of the means of some of their templates."""
        layout = self.arm.table.layout
        if some is None:
            return np.asarray(layout.means(units.T).mean(axis=0))
        share = layout.means(some)[:, None]
        return np.asarray((layout.means((units * some).T) / share).mean(axis=0))

    @cached_property
    def _effects(self) -> Floats:
        """(repetitions, conditions, templates); of a share the numerators."""
        return effects_of(self.arm, self.labels)

    @property
    def _depths(self) -> Floats:
        """Numbers of the layers; of several at once their mean."""
        layers = [[site.layer for site in parse_component(label).sites] for label in self.labels]
        return np.array([sum(each) / len(each) for each in layers])

    @property
    def _other(self) -> Floats:
        """Typical values of the other quantity (repetitions, conditions, templates)."""
        table, logarithmic = self.arm.table, self.arm.claim.metric.QUANTITIES[self.expect.x].scale == "log"
        return (table.logs if logarithmic else table.template_means)(self.companion)

    def _ranked(self, values: Floats) -> Floats:
        if self.expect.method == "pearson":
            return values
        return np.concatenate([ranks(part) for part in np.split(values, np.cumsum(self.blocks)[:-1])])
