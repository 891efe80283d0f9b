"""evaluators/planted: steering_direction: a direction that decides between two words when it is added at one layer.

The last word of a prompt is of one of two classes. The MLP of `layer` moves its class onto the direction, and
takes away what stood there before; the next MLP moves the direction onto the answer. So the direction
added earlier is taken away, and added later it is not read.
Facts: `layer`; `direction`, a unit vector, added to the stream after the layer at every position times
`strength`; `pair`, two words: over clean and corrupt prompts, the mean of logit(first) - logit(second) moves by
at least `shift`, with the sign of the vector; at other layers by at most `elsewhere`; along random directions
by at most `random`, root mean square, and never by `shift`;
`cosine`, at least, between the direction and the difference of the classes' mean streams there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...specs.sites import Site
from ..interventions import Edit, intervene
from ..tasks.dice import Dice
from .body import Body, random_sizes
from .model import Planted, PlantedClaim, at_least, at_most, plant, top
from .prompts import Draft, Task, fill, frame, last_logits, words
from .proof import Measured, require, stream

WIDTHS = (96, 112, 128)
STRENGTH, SHIFT, ELSEWHERE, RANDOM, COSINE = 2.0, 3.5, 1.2, 1.0, 0.9
SAID = 3.0
"""Amplitude of the answer beside 1 of the class."""

BEFORE, AFTER, STEERED = 2.5, 2.5, 6.5
"""Squared norms of the stream at the last word: before the layer, after it, before it with the direction added."""

REST = 0.12
RANDOMS = 20


def build(seed: int) -> Planted:
    """The layer and the directions by seed; random weights of small gain elsewhere."""
    dice = Dice("steering_direction", seed)
    good, bad, others = words("good", 10), words("bad", 10), words("w", 16)
    vocabulary = ("yes", "no", *good, *bad, *others)
    sizes = replace(random_sizes(dice, len(vocabulary) + 1), width=dice.pick(WIDTHS))
    body = Body(sizes, "steering_direction", seed)
    body.hush(REST)
    layer = dice.pick(range(sizes.layers - 1))
    constant, is_good, direction, answer = body.directions(4)
    own = body.directions(len(vocabulary) - 2)
    body.embedding[1:3] = constant
    body.embedding[3:] = constant + own
    body.embedding[3:23] += -0.3 * own[:20] + torch.cat([is_good.expand(10, -1), -is_good.expand(10, -1)])
    body.unembedding.mul_(0.2)
    body.unembedding.sub_(body.unembedding @ torch.outer(direction, direction))
    body.unembedding[1:3] += 0.6 * constant + 0.3 * torch.stack([answer, -answer])
    body.neuron(layer, 0, is_good, direction - is_good, constant, BEFORE**0.5)
    body.neuron(layer, 1, direction, -direction, constant, STEERED**0.5)
    body.neuron(layer + 1, 0, direction, SAID * answer - direction, constant, AFTER**0.5)
    return plant(
        body,
        "steering_direction",
        seed,
        vocabulary,
        Task("steering-direction", _draft(good, bad, others, seed)),
        f"Adding one direction after layer {layer}, and nowhere else, moves the answer from no to yes.",
        facts={
            "layer": f"L{layer}",
            "direction": direction.tolist(),
            "strength": STRENGTH,
            "pair": ["yes", "no"],
            "shift": SHIFT,
            "elsewhere": ELSEWHERE,
            "random": RANDOM,
            "cosine": COSINE,
        },
        claims=_claims(layer, dice.pick([i for i in range(sizes.layers) if i not in (layer, layer + 1)])),
    )


def _claims(layer: int, other: int) -> tuple[PlantedClaim, ...]:
    return (
        *(at_least(True, f"L{i}.mlp", 0.2) for i in (layer, layer + 1)),
        *(at_most(False, f"L{i}", 0.1) for i in (layer, layer + 1)),
        top(False, f"L{other}"),
        top(False, f"L{other}.mlp"),
        at_least(False, f"L{other}", 0.2),
    )


def prove(planted: Planted, measured: Measured) -> None:
    """What the direction does at its layer and at others, what random ones do, and how the classes differ along it."""
    facts = planted.truth.facts
    layer, direction = int(facts["layer"][1:]), torch.tensor(facts["direction"])
    clean = _margin(planted, measured, {})

    def shift(at: int, unit: Tensor) -> float:
        added = facts["strength"] * unit
        return _margin(planted, measured, {Site(at, "layer"): lambda update, before: update + added}) - clean

    for sign in (1, -1):
        moved = sign * shift(layer, sign * direction)
        require(moved >= facts["shift"], f"{sign:+d} direction moves the pair by {moved:.2f}")
    for at in set(range(planted.truth.layers)) - {layer}:
        moved = shift(at, direction)
        require(abs(moved) <= facts["elsewhere"], f"the direction moves the pair by {moved:.2f} at L{at} too")
    vectors = torch.randn(RANDOMS, len(direction), generator=torch.Generator().manual_seed(planted.seed))
    moves = torch.tensor([shift(layer, vector / vector.norm()) for vector in vectors])
    require(float(moves.square().mean().sqrt()) <= facts["random"], "random directions move the pair")
    require(float(moves.abs().max()) < facts["shift"], "a random direction moves the pair as far as the planted one")
    require(_cosine(planted, measured, layer, direction) >= facts["cosine"], "the classes do not differ along it")


def _margin(planted: Planted, measured: Measured, edits: Mapping[Site, Edit]) -> float:
    """Mean of logit(first) - logit(second) of the pair, over clean and corrupt prompts, under some edits."""
    prompts = [ids for example in measured.block.examples for ids in (example.clean_ids, example.corrupt_ids)]
    first, second = (planted.token(word) for word in planted.truth.facts["pair"])
    with intervene(measured.anatomy, edits):
        logits = last_logits(planted.module, prompts)
    return float((logits[:, first] - logits[:, second]).mean())


def _cosine(planted: Planted, measured: Measured, layer: int, direction: Tensor) -> float:
    """Between the direction and the difference of mean streams at the last word, class from class."""
    yes = planted.token("yes")
    means = []
    for is_yes in (True, False):
        some = [e.clean_ids for e in measured.block.examples if (e.target_ids[0] == yes) == is_yes]
        ends = torch.tensor([len(ids) for ids in some]).cumsum(0) - 1
        means.append(stream(planted, some)[layer + 1][ends].mean(0))
    return float(torch.cosine_similarity(means[0] - means[1], direction, dim=0))


def _draft(good: Sequence[str], bad: Sequence[str], others: Sequence[str], seed: int) -> Callable[[int, Dice], Draft]:
    """Other words, then one of a class; the twin ends with one of the other class."""

    def draft(template: int, dice: Dice) -> Draft:
        before = fill(frame(others, template, "steering-direction", seed), others, dice)
        ends = [(dice.pick(good), "yes"), (dice.pick(bad), "no")]
        (word, said), (twin, other) = dice.some(ends, 2)
        return Draft((*before, word), (*before, twin), (said, other))

    return draft
