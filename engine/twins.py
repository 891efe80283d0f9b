"""engine: adversarial twins: versions of a claim that must fail if the claim says something of its own component.

    wrong-layer        a component of the same kind in another layer takes the claim's place
    random-component   any other component of the sweep does
    shuffled-labels    what the evaluator learns is learnt from shuffled labels
    untrained-model    random weights take the place of the trained ones

Which twins a claim has follows from the claim alone, so that every audit asks for the same. What comes of them, and
what it means for the claim, is in `findings`. Nothing here imports numpy.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..specs.canonical import digest
from ..specs.claim import MeasuredClaim
from ..specs.forms import Interaction, Monotone, Side
from ..specs.interventions import Intervention, word
from ..specs.sites import Component, Site, parse_component
from .controls import elsewhere
from .grade.forms import find_form
from .needs import Resolved

UNTRAINED, SHUFFLE = 0, 0
"""Seeds of a twin's random weights and of its shuffled labels."""

NONE = {
    "equality": "that two effects are the same may be true of others",
    "non_inferiority": "that one effect is no less than another may be true of others",
    "efficiency": "that one effect is no less than another may be true of others",
    "speed": "that something is fast may be true of others",
    "rank_stability": "it is about the order of all components",
}
"""Form -> why its claims have no twins."""


@dataclass(frozen=True)
class Twin:
    """A version of a claim that must fail."""

    name: str
    """wrong-layer, ..."""
    change: str
    """`L3 in place of L2`."""
    claim: MeasuredClaim
    weights: int | None = None
    """Seed of the random weights it is measured on; None: the claim's own model."""


class Shuffled(Intervention):
    """An intervention with what the evaluator learns for it learnt from shuffled labels."""

    intervention: str
    told: str
    """What the evaluator is told: `steer(4)|shuffled_labels`."""
    seed: int = SHUFFLE

    @property
    def word(self) -> str:
        """The same."""
        return self.told


def twins_of(resolved: Resolved) -> tuple[tuple[Twin, ...], str]:
    """A claim's twins; or none, and why."""
    claim = resolved.claim
    if why := _has_none(claim):
        return (), why
    twins = (*_components(resolved), *_shuffled(claim), *_untrained(claim))
    return twins, "" if twins else "nothing in it can be exchanged for what must fail"


def _has_none(claim: MeasuredClaim) -> str:
    expect = claim.expect
    if expect.form in NONE:
        return NONE[expect.form]
    if find_form(expect.form).negative(claim) or getattr(expect, "at_most", None) is not None:
        return "an upper bound may hold elsewhere too"
    if _is_ratio(expect) and expect.numerator.component == expect.denominator.component:
        return "it compares interventions at one component, which may be alike elsewhere"
    return ""


def _components(resolved: Resolved) -> Iterator[Twin]:
    """Of the forms that name a component; a rank names one of several that are meant to be up there."""
    claim, own = resolved.claim, _named(resolved.claim.expect)
    if own is None or not _is_label(own):
        return
    others = {
        other: expect
        for other in resolved.sweep
        if _is_label(other) and (expect := _renamed(claim.expect, own, other, resolved.sweep)) is not None
    }
    wrong = _chosen(resolved, "wrong-layer", elsewhere(own, tuple(others)))
    free = _chosen(resolved, "random-component", [other for other in others if other != wrong])
    for name, other in (("wrong-layer", wrong), ("random-component", free)):
        if other is not None:
            yield _twin(
                claim, name, f"{_about(others[other])} in place of {_about(claim.expect)}", expect=others[other]
            )


def _chosen(resolved: Resolved, kind: str, among: Sequence[str]) -> str | None:
    own = _named(resolved.claim.expect)
    return random.Random(digest("twin", [kind, resolved.estimand, own])).choice(among) if among else None


def _shuffled(claim: MeasuredClaim) -> Iterator[Twin]:
    """Where the evaluator has a control that shuffles labels, which is not the claim's own."""
    kind = next((kind for kind in claim.metric.CONTROLS or () if kind.startswith("shuffled_")), None)
    if kind is None or claim.control.kind.startswith("shuffled_") or isinstance(claim.expect, Monotone):
        return

    def shuffled(value: Any) -> Shuffled:
        return Shuffled(intervention=value.intervention, told=f"{word(value)}|{kind}")

    robustness = tuple(shuffled(value) for value in claim.robustness)
    change = f"{kind.replace('_', ' ')}, draw {SHUFFLE}"
    yield _twin(claim, "shuffled-labels", change, counterfactual=shuffled(claim.counterfactual), robustness=robustness)


def _untrained(claim: MeasuredClaim) -> Iterator[Twin]:
    """Where the evaluator knows untrained models, and they are not the claim's own control."""
    known = claim.metric.CONTROLS
    if (known is None or "untrained_model" in known) and claim.control.kind != "untrained_model":
        twin = _twin(claim, "untrained-model", f"random weights, seed {UNTRAINED}")
        yield replace(twin, weights=UNTRAINED)


def _twin(claim: MeasuredClaim, name: str, change: str, **changes: Any) -> Twin:
    return Twin(name, change, claim.model_copy(update={"claim": f"{claim.claim}~{name}", **changes}))


def _named(expect: Any) -> str | None:
    """The component that a claim is about; None where there is not one, or where others are meant to be like it."""
    if _is_ratio(expect):
        return str(expect.numerator.component)
    if isinstance(expect, Interaction):
        return str(expect.components[0])
    if isinstance(expect, Monotone):
        return expect.site
    named = None if expect.form == "rank" else getattr(expect, "component", None)
    return named if isinstance(named, str) else None


def _about(expect: Any) -> str:
    """`L3`; of a ratio `L3.mlp against L3.operator`."""
    beside = f" against {expect.denominator.component}" if _is_ratio(expect) else ""
    return f"{_named(expect)}{beside}"


def _renamed(expect: Any, own: str, other: str, sweep: Sequence[str]) -> Any:
    """The expectation about another component; None where that has a part in the claim already."""
    if not _apart(own, other):
        return None
    if _is_ratio(expect):
        beside = _moved(expect.denominator.component, own, other)
        if ("*" not in beside and beside not in sweep) or not _apart(beside, other):
            return None
        sides = {"numerator": (expect.numerator, other), "denominator": (expect.denominator, beside)}
        return expect.model_copy(
            update={name: side.model_copy(update={"component": at}) for name, (side, at) in sides.items()}
        )
    if isinstance(expect, Interaction):
        rest = expect.components[1:]
        apart = all(_apart(other, each) for each in rest)
        return expect.model_copy(update={"components": (other, *rest)}) if apart else None
    return expect.model_copy(update={"site" if isinstance(expect, Monotone) else "component": other})


def _moved(beside: str, own: str, other: str) -> str:
    """What a ratio compares with: where it stands in the layer of the numerator, it moves with it to another layer."""
    if not _is_label(beside):
        return beside
    old, new, read = parse_component(own), parse_component(other), parse_component(beside)
    kinds = [[site.granularity for site in sites] for sites in (old.sites, new.sites)]
    layers: Mapping[int, int] = dict(
        zip((site.layer for site in old.sites), (site.layer for site in new.sites), strict=False)
    )
    if kinds[0] != kinds[1] or not all(site.layer in layers for site in read.sites):
        return beside
    return Component(tuple(site._replace(layer=layers[site.layer]) for site in read.sites), read.positions).label


def _apart(one: str, other: str) -> bool:
    """Whether no site of one component is, or is a part of, a site of the other, at the same tokens."""
    if not (_is_label(one) and _is_label(other)):
        return one != other
    first, second = parse_component(one), parse_component(other)
    if first.positions and second.positions and first.positions != second.positions:
        return True
    pairs = [(x, y) for x in first.sites for y in second.sites]
    return not any(_holds(x, y) or _holds(y, x) for x, y in pairs)


def _holds(whole: Site, part: Site) -> bool:
    if whole == part:
        return True
    if whole.layer != part.layer:
        return False
    of_mlp = part.granularity in ("gate_proj", "up_proj", "down_proj")
    inside = {
        "layer": part.granularity not in ("layer", "residual"),
        "operator": part.granularity not in ("layer", "residual", "operator", "mlp") and not of_mlp,
        "mlp": of_mlp,
    }
    return inside.get(whole.granularity, False)


def _is_ratio(expect: Any) -> bool:
    return isinstance(getattr(expect, "numerator", None), Side)


def _is_label(component: str) -> bool:
    try:
        parse_component(component)
    except ValueError:
        return False
    return True
