"""evaluators/planted: single_hub: for one family of prompts every layer is near-identity, except one part of one layer.

The family's words, all other words, and what layers write have a third of the stream each. The hub reads the
family's third, the other layers read that of the other words (and a leak of the family's), so that elsewhere
they are busy. Facts: `layer` and `hub` (the site); `largest_other_update` and `least_hub_update`, bounds on
mean |update| / |stream| for the family; `busy_elsewhere`, the bound that every other layer exceeds on other words.
"""

from __future__ import annotations

from dataclasses import replace

from ...specs.sites import Site, parse_site
from ..tasks.dice import Dice
from .body import PARTS, Body, random_sizes
from .model import Planted, PlantedClaim, at_least, at_most, plant, top
from .plain import plain_task
from .prompts import words
from .proof import Measured, require, update_sizes

HUB, LEAK = 1.5, 0.05
QUIET, LOUD, BUSY = 0.075, 0.2, 0.1


def build(seed: int) -> Planted:
    """Random weights within thirds of the stream; the hub's layer and part by seed."""
    dice = Dice("single_hub", seed)
    family, others = words("w", dice.pick((30, 40))), words("other", 30)
    sizes = random_sizes(dice, len(family) + len(others) + 1)
    body = Body(sizes, "single_hub", seed)
    layer, part = dice.pick(range(sizes.layers)), dice.pick(PARTS)
    hub = Site(layer, part)
    third = sizes.width // 3
    own, other, written = (body.directions(third) for _ in range(3))
    in_own, in_other, in_written = (basis.T @ basis for basis in (own, other, written))
    body.embedding[1 : len(family) + 1] @= 3**0.5 * in_own
    body.embedding[len(family) + 1 :] @= 3**0.5 * in_other
    for site in body.parts:
        leak = LEAK ** (1 / _factors(body, site))
        for weight in body.reads(site):
            weight.copy_(weight @ (in_own if site == hub else in_other + leak * in_own))
        gain = HUB if site == hub else LEAK if site.layer == layer else 1.0
        body.write(site).copy_(gain * 3**0.5 * in_written @ body.write(site))
    body.unembedding.copy_(body.unembedding @ (in_own + in_other + 2 * in_written))
    return plant(
        body,
        "single_hub",
        seed,
        family + others,
        plain_task("single-hub", family, seed),
        f"For its family of prompts {hub.label} alone matters; every other layer is near-identity.",
        facts={
            "layer": f"L{layer}",
            "hub": hub.label,
            "largest_other_update": QUIET,
            "least_hub_update": LOUD,
            "busy_elsewhere": BUSY,
        },
        claims=_claims(hub, (layer + dice.pick(range(1, sizes.layers))) % sizes.layers),
        elsewhere=plain_task("elsewhere", others, seed),
    )


def _claims(hub: Site, wrong: int) -> tuple[PlantedClaim, ...]:
    return (
        top(True, f"L{hub.layer}"),
        top(True, hub.label),
        top(False, f"L{wrong}"),
        top(False, f"L{wrong}.{hub.granularity}"),
        at_least(True, hub.label, 0.05),
        at_least(False, f"L{wrong}", 0.05),
        at_most(True, f"L{wrong}", 0.05),
    )


def _factors(body: Body, site: Site) -> int:
    """How many readings of the stream are multiplied in an update: gate and up; a convolution's three; values."""
    return 2 if site.granularity == "mlp" else 3 if hasattr(body.anatomy.module(site), "in_proj") else 1


def prove(planted: Planted, measured: Measured) -> None:
    """The sizes of the updates, for the family and elsewhere."""
    facts = planted.truth.facts
    hub = parse_site(facts["hub"])
    sizes = update_sizes(planted, measured.prompts)
    elsewhere = update_sizes(planted, Measured(replace(planted, task=planted.extras["elsewhere"])).prompts)
    for site, size in sizes.items():
        if site == hub:
            require(size >= facts["least_hub_update"], f"the hub adds only {size:.3f} of the stream")
        else:
            require(size <= facts["largest_other_update"], f"{site.label} adds {size:.3f} of the stream")
            if site.layer != hub.layer:
                busy = max(elsewhere[Site(site.layer, part)] for part in PARTS)
                require(busy >= facts["busy_elsewhere"], f"L{site.layer} is idle elsewhere too: {busy:.3f}")
