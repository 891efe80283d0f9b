"""evaluators/planted: dead_layer: a layer whose output projections are zero, in a model where another layer matters.

Facts: `dead` and `live`, two layers; `irrelevant`, the sites where every ablation changes nothing, not one bit.
"""

from __future__ import annotations

from ...specs.sites import Site
from ..tasks.dice import Dice
from .body import Body, random_sizes
from .model import Planted, at_most, plant, top
from .plain import plain_task
from .prompts import words
from .proof import Measured, require

LIVE, REST = 1.2, 0.25
"""Gains of the layer that matters, and of the others."""

VALUES = ("zero", "mean", "resample", "matched_norm_noise")


def build(seed: int) -> Planted:
    """Random weights; the dead layer's place, and the live one's, by seed."""
    dice = Dice("dead_layer", seed)
    vocabulary = words("w", dice.pick((40, 60)))
    sizes = random_sizes(dice, len(vocabulary) + 1)
    body = Body(sizes, "dead_layer", seed)
    live, dead = dice.some(range(sizes.layers), 2)
    for site in body.parts:
        body.write(site).mul_({live: LIVE, dead: 0.0}.get(site.layer, REST))
    body.unembedding.mul_(2)
    irrelevant = [f"L{dead}", f"L{dead}.operator", f"L{dead}.mlp"]
    return plant(
        body,
        "dead_layer",
        seed,
        vocabulary,
        plain_task("dead-layer", vocabulary, seed),
        f"Layer {dead} is exactly irrelevant: its output projections are zero; layer {live} matters most.",
        facts={"dead": f"L{dead}", "live": f"L{live}", "irrelevant": irrelevant},
        claims=(
            top(True, f"L{live}"),
            *(top(False, label) for label in irrelevant),
            *(at_most(True, label, 0.001) for label in irrelevant),
        ),
    )


def prove(planted: Planted, measured: Measured) -> None:
    """Every ablation of the dead sites gives exactly 0.0; the live layer is not so."""
    for label in planted.truth.facts["irrelevant"]:
        for value in VALUES:
            require(set(measured.kl(label, value)) == {0.0}, f"{value} at {label} changes something")
    live = int(planted.truth.facts["live"][1:])
    together = measured.mean_kl_of(measured.without(Site(live, "operator"), Site(live, "mlp")))
    require(together > 0.02, "the live layer does not matter")
