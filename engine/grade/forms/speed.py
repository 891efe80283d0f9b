"""engine: form `speed`: one way is at least k times as fast as another.

Estimand: the mean over sessions, and over families and templates, of the log ratio of the reference's time to the
test's (of rates, the other way round), both timed in the same session; shown as a factor. Unit: the session, a fresh
process in which the two take turns: within one, all timings share its clock rate, its memory and its neighbours.
Minimum: what the metric says, 12 by default. High: t over sessions, with the spread over templates added.
Control: the same ratio on draws that must be no faster. Degenerate: as for `ratio`.
Source: Kalibera & Jones 2013 (repetition at the level that varies); Mytkowicz et al. 2009.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....specs.forms import Speed
from ..words import quantity
from . import form
from .ratio import RatioForm, name_of

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Answer


@form("speed")
class SpeedForm(RatioForm):
    """One time against a multiple of another, session by session."""

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`L3 is 1.4x as fast as L4`."""
        assert isinstance(claim.expect, Speed)
        test, reference = name_of(claim.expect.test), name_of(claim.expect.reference)
        return f"{test} is {quantity(answer.shown(answer.value), 'x')} as fast as {reference}"
