"""evaluators/planted: norm_explosion: at one layer an MLP adds the same huge number to every position, in one channel.

What comes after reads around that channel, and in proportion to its size, so that the model works on
unharmed, as trained models do with their massive activations (Sun et al. 2024). Without the update all that
follows is read `ratio` times too large; with the update's mean nothing happens, for the update is a constant.
Facts: `layer`, `site`, `channel`; `ratio` of the stream's norm after the layer to before it, at every position within
`within` of it; `other_ratio`, which no other layer's exceeds; `loud`, the layer that matters most under mean ablation.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from ...specs.sites import Site
from ..tasks.dice import Dice
from .body import Body, random_sizes
from .model import Planted, at_least, plant, top
from .plain import plain_task
from .prompts import words
from .proof import Measured, require, stream

LOUD, REST = 1.0, 0.05
WITHIN, OTHER_RATIO = 0.25, 2.0


def build(seed: int) -> Planted:
    """Random weights around a direction that is constant in every embedding, and the channel that explodes."""
    dice = Dice("norm_explosion", seed)
    vocabulary = words("w", dice.pick((40, 60)))
    sizes = random_sizes(dice, len(vocabulary) + 1)
    body = Body(sizes, "norm_explosion", seed)
    layer = dice.pick(range(sizes.layers - 1))
    loud, ratio = dice.pick(range(layer + 1, sizes.layers)), float(dice.pick((20, 50, 100, 200)))
    huge = torch.eye(sizes.width)[dice.pick(range(sizes.width))]
    constant = _unit(body.directions(1)[0] * (1 - huge))
    around = torch.eye(sizes.width) - torch.outer(constant, constant) - torch.outer(huge, huge)
    for site in body.parts:
        for weight in body.reads(site):
            weight.copy_(weight @ around * (ratio if site.layer > layer else 1))
        body.write(site).copy_((LOUD if site.layer == loud else REST) * around @ body.write(site))
    rows = body.embedding[1:] @ around
    norm = sizes.width**0.5
    body.embedding[1:] = (norm**2 - 1) ** 0.5 * rows / rows.norm(dim=1, keepdim=True) + constant
    body.unembedding.copy_(2 * ratio * body.unembedding @ around)
    body.neuron(layer, 0, constant, (ratio**2 - 1) ** 0.5 * norm * huge, constant, norm)
    return plant(
        body,
        "norm_explosion",
        seed,
        vocabulary,
        plain_task("norm-explosion", vocabulary, seed),
        f"At layer {layer} the norm of the stream grows {ratio:.0f}-fold, by a constant that its MLP adds.",
        facts={
            "layer": f"L{layer}",
            "site": f"L{layer}.mlp",
            "channel": int(huge.argmax()),
            "ratio": ratio,
            "within": WITHIN,
            "other_ratio": OTHER_RATIO,
            "loud": f"L{loud}",
        },
        claims=(
            top(True, f"L{layer}"),
            top(True, f"L{layer}.mlp"),
            top(False, f"L{loud}"),
            at_least(True, f"L{layer}.mlp", 0.5),
            top(False, f"L{layer}", "mean"),
            top(True, f"L{loud}", "mean"),
        ),
    )


def _unit(direction: Tensor) -> Tensor:
    return torch.nn.functional.normalize(direction, dim=0)


def prove(planted: Planted, measured: Measured) -> None:
    """The ratios of norms, layer by layer and position by position."""
    facts = planted.truth.facts
    points = [point.norm(dim=-1) for point in stream(planted, measured.prompts)]
    for layer, (before, after) in enumerate(itertools.pairwise(points)):
        ratios = after / before
        if f"L{layer}" == facts["layer"]:
            off = float((ratios / facts["ratio"] - 1).abs().max())
            require(off <= facts["within"], f"the norm grows up to {off:.0%} off the stated {facts['ratio']}")
        else:
            worst = float(ratios.max())
            require(worst <= facts["other_ratio"], f"at L{layer} the norm grows {worst:.1f}-fold")
    mlp, mean = Site(int(facts["layer"][1:]), "mlp"), "mean"
    require(measured.mean_kl(mlp.label, mean) < 0.05 * measured.mean_kl(mlp.label), "the update is no constant")
