"""engine: form `efficiency`: as good as another way but for a margin, with at most a stated share of its parameters.

Estimand: two in one. The share of sizes (trainable parameters, bytes) is counted exactly: it is compared, not tested.
The quality is that of `non_inferiority`, over independent trainings and items. High: both hold. Refuted: the count says
so, or the shortfall is above the margin. Unit, minimum, guard and control: as there.
Degenerate: as there; a size that is not one and the same in every example and training, or 0.
Source: ICH E9 (non-inferiority); an exact identity is decided by computation, not by a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ....specs.forms import Efficiency, Side
from ..question import Arm, Fault
from ..verdict import Condition
from ..words import number
from . import form
from .equality import expect_of
from .non_inferiority import NonInferiorityForm
from .ratio import name_of, refs_of

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas


class Sizes(NamedTuple):
    """Of both sides, counted."""

    test: float
    reference: float

    @property
    def share(self) -> float:
        """What the test has of the reference's."""
        return self.test / self.reference


@form("efficiency")
class EfficiencyForm(NonInferiorityForm):
    """The paired shortfall against a margin, and the share of sizes against a bound."""

    def companions(self, claim: MeasuredClaim) -> tuple[str, ...]:
        """The size."""
        return (_expect(claim).size,)

    def counted_out(self, arm: Arm) -> str | None:
        """A larger share than is claimed."""
        return None if _sizes(arm).share <= _expect(arm.claim).at_most else counted(arm.claim, _sizes(arm))

    def conditions(self, arm: Arm, alphas: Alphas) -> Iterator[Condition]:
        """The share of sizes."""
        yield Condition("size", _sizes(arm).share <= _expect(arm.claim).at_most, counted(arm.claim, _sizes(arm)))

    def degenerate(self, arm: Arm) -> Fault | None:
        """That of the quality; sizes that are no exact numbers."""
        import numpy as np

        expect = _expect(arm.claim)
        for ref in self.effects(arm.claim, arm.sweep):
            each = arm.companion(expect.size, ref)
            if np.ptp(each) > 0 or not each[0] > 0:
                return Fault(
                    "size_not_exact", f"{expect.size} of {ref.site} is not one positive number in all examples"
                )
        return super().degenerate(arm)


def _expect(claim: MeasuredClaim) -> Efficiency:
    assert isinstance(claim.expect, Efficiency)
    return claim.expect


def _sizes(arm: Arm) -> Sizes:
    """Raises KeyError: the evidence has no sizes."""

    def size(side: Side) -> float:
        return sum(float(arm.companion(_expect(arm.claim).size, ref)[0]) for ref in refs_of(side, arm.sweep))

    return Sizes(size(expect_of(arm.claim).test), size(expect_of(arm.claim).reference))


def counted(claim: MeasuredClaim, sizes: Sizes) -> str:
    """`A has 0.25x the parameters of B (1,024 of 4,096; at most 0.3x is claimed)`."""
    expect = _expect(claim)
    test, reference = name_of(expect.test), name_of(expect.reference)
    counts = f"{sizes.test:,.0f} of {sizes.reference:,.0f}; at most {number(expect.at_most)}x is claimed"
    return f"{test} has {number(sizes.share, 4)}x the {expect.size} of {reference} ({counts})"
