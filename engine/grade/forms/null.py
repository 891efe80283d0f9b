"""engine: form `null`: something hardly ever happens: the rate of an event is at most eps.

"Never" is no claim, since no number of examples shows a rate of 0: eps is stated. Estimand, unit, minimum, limits,
control and sources are those of `proportion` with "at most"; all values may be 0. That the intervention acted at all
is shown by its proofs, and by the control: draws under which the event does happen.
Minimum for High at .995: 104 templates without an event for eps = .05 (.95^104 = .0048), 263 for .02; beyond the suite
32 families for .05. A template of several prompts has the event if any of its prompts has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import form
from .proportion import ProportionForm

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim


@form("null")
class NullForm(ProportionForm):
    """The rate of an event at a site against eps."""

    def negative(self, claim: MeasuredClaim) -> bool:
        """Always."""
        return True
