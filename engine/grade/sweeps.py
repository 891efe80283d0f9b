"""engine: the components of a sweep that are the conditions of a claim, and their typical effects.

Nothing here imports numpy, so that claims are resolved without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...specs.forms.conditions import patterns
from ...specs.sites import matches
from .evidence import Ref
from .forms import FormError, require_component
from .words import component, several

if TYPE_CHECKING:
    from .evidence import Floats
    from .question import Arm

MOST_NAMED = 4
"""Conditions whose names are all written out."""


def conditions_of(named: str | tuple[str, ...], sweep: tuple[str, ...]) -> tuple[str, ...]:
    """The labels of conditions, in the order of the claim; those of a pattern in the order of the sweep.

    Raises:
        FormError: the model does not have one of them, or two are one.
    """
    found: list[str] = []
    for pattern in patterns(named):
        if "*" not in pattern:
            require_component(pattern, sweep)
        own = [label for label in sweep if matches(pattern, label)]
        if not own:
            raise FormError("no_such_component", f"no component of the sweep is one of {pattern}")
        if twice := [label for label in own if label in found]:
            raise FormError("repeated_condition", f"{twice[0]} is named twice: it is one condition")
        found += own
    return tuple(found)


def blocks_of(
    blocks: tuple[str | tuple[str, ...], ...] | None, labels: tuple[str, ...], sweep: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The conditions block by block, and how many each block has; without blocks all of them are one.

    Raises:
        FormError: a condition stands in no block, or in two.
    """
    if blocks is None:
        return labels, (len(labels),)
    each = [conditions_of(block, sweep) for block in blocks]
    every = tuple(label for block in each for label in block)
    if sorted(every) != sorted(labels):
        wrong = sorted(set(every) ^ set(labels)) or [label for label in every if every.count(label) > 1]
        raise FormError("blocks_do_not_fit", f"each condition stands in exactly one block; {wrong[0]} does not")
    return every, tuple(map(len, each))


def enough(labels: tuple[str, ...], least: int, what: str) -> tuple[str, ...]:
    """The labels, if they are enough.

    Raises:
        FormError: they are not.
    """
    if len(labels) < least:
        raise FormError("too_few_conditions", f"needs n = {least} conditions {what}; has {len(labels)}")
    return labels


def series(arm: Arm, labels: tuple[str, ...]) -> Floats:
    """Values of conditions (conditions, n)."""
    import numpy as np

    return np.stack([arm.series(Ref(None, label)) for label in labels])


def effects_of(arm: Arm, labels: tuple[str, ...]) -> Floats:
    """Typical effects (repetitions, conditions, templates); one repetition where nothing is repeated.

    Those of a share are its numerators'.
    """
    import numpy as np

    return np.stack([one.typical(series(one, labels)) for one in arm.each()])


def said(named: str | tuple[str, ...]) -> str:
    """`L*.mlp`, `L0, L1 and L2`, `9 conditions from L0 to L8`."""
    names = [component(pattern) for pattern in patterns(named)]
    return several(names) if len(names) <= MOST_NAMED else f"{len(names)} conditions from {names[0]} to {names[-1]}"
