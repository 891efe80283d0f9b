"""engine: form `correlation`: over conditions, a quantity rises (falls) with depth, or with another quantity.

Estimand: the correlation, over the conditions of the claim (components of the sweep), of x and y: y the typical effect
at a condition (mean over families of template means; of a KL the mean log), x its layer's number or the same of
another quantity; Pearson's of these, or Spearman's of their ranks. With `blocks` both are taken less their block's mean
(of ranks within the block), and conditions change places within blocks only: what the blocks stand for is given.
Unit: the condition. Minimum: 6, and as many orders as the alpha asks for: 6! = 720 show .005, while two blocks of three
have 36 and are Medium at most; ties make fewer. Default 20. Beyond the suite it is not offered: families that each show
an association are no sample of conditions.
High, Refuted: the share of orders with a correlation at least as high (at most as low), as in `permutation`. What is
shown is that x and y go together in conditions like these, not that one makes the other, and conditions that resemble
their neighbours are fewer than they look: where depth drives both, declare blocks. There is no bound on |r|: of "no
association" all orders are equally likely, of any other correlation they are not, and a limit by Fisher's z holds for
normal conditions only; it is shown, and decides nothing.
Another quantity of the same run shares that run's luck, which would be an association by itself: x is measured on every
other template of each family, y on the rest, and where trainings are repeated, in every other one. (Of worlds in which
two quantities share their noise and nothing else, 57 to 100 % were High on the same templates, .3 to .8 % on others.)
Control: the slope. What the draws of an ordinary control do at each condition is held against the same x, and must rise
less steeply by the control's factor; slopes are per standard deviation of x, in standard deviations of y, so that the
claim's is Pearson's r (with the ranks of x for Spearman's). It fails where noise of matched norm, or an untrained
model, shows the same profile over the depth. Its unit is the template: the conditions are the same ones. (Permuted
conditions would be the test itself once more, with twenty orders in place of all.)
Degenerate: nothing moves, all conditions alike, two that are one measurement, constants, x or y without spread, an x
that is y on another scale.
Source: Pitman 1937; Spearman 1904; Phipson & Smyth 2010 (p-values are never 0); Winkler et al. 2015 (blocks).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ....specs.forms.conditions import Correlation
from ....specs.sites import is_condition
from ..evidence import Ref
from ..question import Arm, Fault, Question, Scale
from ..sweeps import blocks_of, conditions_of, enough, said, series
from ..verdict import Condition
from ..words import number, probability
from . import Form, FormError, form
from .threshold import SURE_ALPHA

if TYPE_CHECKING:
    from ....specs.claim import MeasuredClaim
    from ..answer import Alphas, Answer
    from ..evidence import Floats
    from ..profile import Profile

LEAST_CONDITIONS = 6
ONE = 1 - 1e-9
"""Correlation over all cells at which two quantities are one."""


@form("correlation")
class CorrelationForm(Form):
    """Two numbers of each condition, over conditions."""

    UNIT = "conditions"

    def effects(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """Every condition."""
        labels, _ = _conditions(claim, sweep)
        if _expect(claim).x == "depth" and (nowhere := [label for label in labels if is_condition(label)]):
            raise FormError("no_depth", f"{nowhere[0]} is no component of a layer: it has no depth")
        return tuple(Ref(None, label) for label in labels)

    def controls(self, claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[Ref, ...]:
        """The same."""
        return self.effects(claim, sweep)

    def companions(self, claim: MeasuredClaim) -> tuple[str, ...]:
        """The quantity that x is."""
        return () if _expect(claim).x == "depth" else (_expect(claim).x,)

    def question(self, arm: Arm) -> Question:
        """The slope that the control is held against: its mean is the correlation, signed as claimed."""
        profile = _profile(arm)
        return Question(("",), profile.slopes(profile.units)[:, None], Scale(False, "", 0.0, 0.0))

    def answer(self, arm: Arm, beyond: bool, alphas: Alphas) -> Answer:
        """The correlation against those of every order of the conditions."""
        from ..permutation import association_answer

        profile = _profile(arm)
        return association_answer(profile.association, profile.sign, len(arm.table.layout.families), alphas)

    def conditions(self, arm: Arm, alphas: Alphas) -> Iterator[Condition]:
        """Enough conditions."""
        profile = _profile(arm)
        enough = profile.association.least < alphas.high
        yield Condition("number of conditions", enough, _few(profile, alphas.high))

    def control(self, arm: Arm, draws: Sequence[int]) -> tuple[Floats, Floats]:
        """The slope, and that of each draw's effects at the same conditions."""
        import numpy as np

        profile = _profile(arm)
        drawn = np.stack([arm.draws(Ref(None, label), draws) for label in profile.labels], axis=1)
        return profile.slopes(profile.units), profile.slopes(arm.typical(drawn) / profile.wholes)

    def degenerate(self, arm: Arm) -> Fault | None:
        """No-op, a cascade, conditions that are one, constants, no spread, x that is y."""
        from ..degenerate import cascade, no_op

        profile = _profile(arm)
        values = series(arm, profile.labels)
        return (
            no_op(arm.table, values)
            or cascade(values)
            or _clones(profile, values)
            or _in_noise(profile)
            or _no_other(profile, values)
            or _no_spread(profile)
        )

    def veto(self, arm: Arm, answer: Answer, alphas: Alphas) -> Fault | None:
        """Too few conditions for any grade."""
        profile = _profile(arm)
        if profile.association.least < alphas.medium:
            return None
        return Fault("too_few_conditions", _few(profile, alphas.medium))

    def finding(self, claim: MeasuredClaim, answer: Answer) -> str:
        """`over L*, Spearman's r of KL and depth is -0.93, p = .0002`: of the side on which it lies."""
        expect, r = _expect(claim), number(answer.shown(answer.value))
        given = f" within {len(expect.blocks)} blocks" if expect.blocks else ""
        y, x = ("KL" if name == "kl" else name.replace("_", " ") for name in (claim.metric.quantity, expect.x))
        p_value = probability(answer.p_for if answer.value > 0 else answer.p_against)
        where = f"over {said(expect.conditions)}{given}"
        return f"{where}, {expect.method.capitalize()}'s r of {y} and {x} is {r}, p {p_value}"


def _expect(claim: MeasuredClaim) -> Correlation:
    assert isinstance(claim.expect, Correlation)
    return claim.expect


def _conditions(claim: MeasuredClaim, sweep: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The conditions block by block, and how many each block has."""
    expect = _expect(claim)
    labels = enough(conditions_of(expect.conditions, sweep), LEAST_CONDITIONS, "at least")
    return blocks_of(expect.blocks, labels, sweep)


def _profile(arm: Arm) -> Profile:
    from ..profile import Profile

    return Profile(arm, _expect(arm.claim), *_conditions(arm.claim, arm.sweep))


def _clones(profile: Profile, values: Floats) -> Fault | None:
    """Conditions that are one measurement, and such as are a constant; counts of events may well agree."""
    import numpy as np

    from ..degenerate import constant
    from ..rates import distinct_counts
    from ..replicates import distinct

    labels, counts = profile.labels, bool(np.isin(values, (-1.0, 0.0, 1.0)).all())
    differ = distinct_counts if counts else distinct
    kept = differ(values)
    if gone := [i for i in range(len(labels)) if i not in kept]:
        first = next(i for i in kept if len(differ(values[[i, gone[0]]])) == 1)
        what = f"{labels[first]} and {labels[gone[0]]} are equal example by example: one measurement"
        return Fault("identical_arms", what)
    table = profile.arm.table
    return None if counts else next(filter(None, (constant(each, table) for each in values)), None)


def _in_noise(profile: Profile) -> Fault | None:
    """A share of something that is not clearly above zero."""
    import numpy as np

    from ..inference import Sample

    arm, table = profile.arm, profile.arm.table
    if arm.claim.metric.kind.scale != "share":
        return None
    wholes = [table.template_means(arm.denominators(Ref(None, label))) for label in profile.labels]
    sample = Sample(np.stack(wholes, axis=1), table.layout)
    unclear = np.flatnonzero(sample.within.below(0.0) >= SURE_ALPHA)
    if not unclear.size:
        return None
    what = f"{arm.claim.metric.quantity} at {profile.labels[int(unclear[0])]} is a share of a mean"
    return Fault("denominator_in_noise", f"{what} that is not clearly above zero: it is not evaluated")


def _no_other(profile: Profile, values: Floats) -> Fault | None:
    """Another quantity that is missing, or the claim's own."""
    import numpy as np

    name, y = profile.expect.x, profile.arm.claim.metric.quantity
    if name == "depth":
        return None
    try:
        other = profile.companion
    except KeyError:
        return Fault("not_measured", f"the runs of {profile.arm.own} have no {name}")
    if not np.isfinite(other).all():
        return Fault("not_finite", f"{name} holds values that are no numbers")
    means = other.mean(axis=0)
    if np.ptp(means) > 0 and abs(np.corrcoef(means.reshape(-1), values.reshape(-1))[0, 1]) > ONE:
        return Fault("identical_arms", f"{name} is {y} on another scale: one number")
    return None


def _no_spread(profile: Profile) -> Fault | None:
    import numpy as np

    from ..permutation import centred

    where = " within any block" if profile.expect.blocks else ""
    for name, numbers in zip((profile.expect.x, profile.arm.claim.metric.quantity), profile.numbers, strict=True):
        if not np.ptp(centred(numbers, profile.blocks)) > 0:
            return Fault("no_spread", f"{name.replace('_', ' ')} is the same at all conditions{where}")
    return None


def _few(profile: Profile, alpha: float) -> str:
    """`9 conditions can show p < .0001`, `6 conditions can show no less than p = .067; needs n = 7 conditions`."""
    found, blocks = profile.association, profile.blocks
    chance, size, count = found.least, max(blocks), found.conditions
    while chance >= alpha:
        size, count = size + 1, count + 1
        chance /= size
    given = f" in {len(blocks)} blocks" if len(blocks) > 1 else ""
    what = f"{found.conditions} conditions{given} can show"
    if count == found.conditions:
        return f"{what} p {probability(found.least)}"
    return f"{what} no less than p {probability(found.least)}; needs n = {count} conditions"
