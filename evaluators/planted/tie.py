"""evaluators/planted: tie: two layers with the same weights and nothing between them: skipping either is the same.

Without the first, the second gets the very numbers the first would have got, and does with them what the
first would have done. Where both have an operator only, or an MLP only, those sites tie too.
Facts: `tied`, pairs of sites whose zero ablations give equal results, bit by bit; `idle`, layers between the two.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ...specs.sites import Site, parse_site
from ..tasks.dice import Dice
from .body import PARTS, Body, random_sizes
from .model import Planted, at_least, plant, top
from .plain import plain_task
from .prompts import words
from .proof import Measured, require

TIED, REST = 1.2, 0.15


def build(seed: int) -> Planted:
    """Random weights; where the pair stands, how far apart, and which of its parts are there, by seed."""
    dice = Dice("tie", seed)
    vocabulary = words("w", dice.pick((40, 60)))
    sizes = random_sizes(dice, len(vocabulary) + 1)
    gap, parts = dice.pick((0, 0, 1)), dice.pick((PARTS, PARTS[:1], PARTS[1:]))
    first = dice.pick(range(sizes.layers - 1 - gap))
    second = first + 1 + gap
    mixers = list(sizes.mixers)
    mixers[second] = mixers[first]
    if "full_attention" not in mixers:
        mixers[first] = mixers[second] = "full_attention"
    body = Body(replace(sizes, mixers=tuple(mixers)), "tie", seed)
    idle = range(first + 1, second)
    for site in body.parts:
        inside = TIED if site.layer not in idle and site.granularity in parts else 0.0
        body.write(site).mul_(inside if first <= site.layer <= second else REST)
    body.unembedding.mul_(2)
    body.anatomy.layers[second].load_state_dict(body.anatomy.layers[first].state_dict())
    pairs = [(f"L{first}", f"L{second}")]
    if len(parts) == 1:
        pairs.append((f"L{first}.{parts[0]}", f"L{second}.{parts[0]}"))
    rest = dice.pick([i for i in range(sizes.layers) if not first <= i <= second])
    return plant(
        body,
        "tie",
        seed,
        vocabulary,
        plain_task("tie", vocabulary, seed),
        f"Layers {first} and {second} tie exactly: skipping either gives the same numbers.",
        facts={"tied": [list(pair) for pair in pairs], "idle": [f"L{layer}" for layer in idle]},
        claims=(
            *(top(False, label) for pair in pairs for label in pair),
            top(False, f"L{rest}"),
            *(at_least(True, label, 0.02) for label in pairs[0]),
        ),
    )


def prove(planted: Planted, measured: Measured) -> None:
    """Equal logits, bit by bit, and a tie at the top of the sweep: no other layer has a larger effect."""
    for one, other in planted.truth.facts["tied"]:
        logits = [measured.without(parse_site(label)) for label in (one, other)]
        require(torch.equal(*logits), f"{one} and {other} differ")
        require(measured.kl(one) == measured.kl(other), f"the effects of {one} and {other} differ")
    first, second = (parse_site(label) for label in planted.truth.facts["tied"][0])
    for layer in set(range(planted.truth.layers)) - {first.layer, second.layer}:
        require(measured.mean_kl(f"L{layer}") < measured.mean_kl(first.label), f"L{layer} is above the tie")
    both = measured.mean_kl_of(measured.without(first, Site(second.layer, "layer")))
    require(both > 0, "skipping both changes nothing")
