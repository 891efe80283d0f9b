"""evaluators/planted: lookup: a table of 20 words, stored in the neurons of one MLP, one entry a neuron.

A neuron opens for its key alone and writes its value; the unembedding reads values. After any other word the
model says that word's fixed successor, by the direct path from embedding to unembedding.
Facts: `site`; `table`, key -> value; `successors`, word -> next word, which does not depend on the site.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...specs.sites import sites
from ..interventions import intervene, zero
from ..tasks.dice import Dice
from .body import Body, random_sizes
from .model import Planted, PlantedClaim, at_least, at_most, plant, top
from .prompts import Draft, Task, fill, frame, last_logits, words
from .proof import Measured, require

ENTRIES, OTHERS = 20, 16
WIDTHS = (64, 80, 96)

REST = 0.2
KEPT, LOST = 0.95, 0.25
"""Least accuracy with the site, largest without."""


def build(seed: int) -> Planted:
    """The layer, the table and the successors by seed; random weights of small gain elsewhere."""
    dice = Dice("lookup", seed)
    keys, values, others = words("key", ENTRIES), words("value", ENTRIES), words("w", OTHERS)
    vocabulary = (*keys, *values, *others)
    sizes = replace(random_sizes(dice, len(vocabulary) + 1), width=dice.pick(WIDTHS))
    body = Body(sizes, "lookup", seed)
    body.hush(REST)
    table = dict(zip(keys, dice.some(values, ENTRIES), strict=True))
    cycle = dice.some(others, OTHERS)
    successors = dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    (constant,), key, value, other = (body.directions(n) for n in (1, ENTRIES, ENTRIES, OTHERS))
    body.embedding[1:] = constant + torch.cat([key, 0 * value, other])
    body.unembedding.mul_(0.3)
    body.unembedding[1 + ENTRIES : 1 + 2 * ENTRIES] += value
    row = {word: i for i, word in enumerate(vocabulary, 1)}
    for word, after in successors.items():
        body.unembedding[row[after]] += other[others.index(word)]
    layer = dice.pick(range(sizes.layers))
    for i, word in enumerate(keys):
        _entry(body, layer, i, key[i], 3 * value[values.index(table[word])], constant)
    return plant(
        body,
        "lookup",
        seed,
        vocabulary,
        Task("lookup", _draft(table, others, seed)),
        f"The MLP of layer {layer} holds a table of {ENTRIES} words, and nothing else the model needs.",
        facts={"site": f"L{layer}.mlp", "table": table, "successors": successors},
        claims=_claims(layer, dice.pick([i for i in range(sizes.layers) if i != layer])),
    )


def _claims(layer: int, wrong: int) -> tuple[PlantedClaim, ...]:
    return (
        top(True, f"L{layer}"),
        top(True, f"L{layer}.mlp"),
        top(False, f"L{wrong}"),
        top(False, f"L{wrong}.mlp"),
        at_least(True, f"L{layer}.mlp", 0.5),
        at_most(False, f"L{layer}.mlp", 0.2),
        at_least(False, f"L{wrong}.mlp", 0.2),
        at_most(True, f"L{layer}.operator", 0.2),
    )


def prove(planted: Planted, measured: Measured) -> None:
    """Accuracy on the table and on the successors, with and without every MLP and operator."""
    facts = planted.truth.facts
    table, successors = facts["table"], facts["successors"]
    require(_accuracy(planted, table) >= KEPT, "the table is not known")
    require(_accuracy(planted, successors) >= KEPT, "the successors are not known")
    for site in sites(("operator", "mlp"), planted.truth.layers):
        with intervene(measured.anatomy, {site: zero}):
            known, unharmed = _accuracy(planted, table), _accuracy(planted, successors)
        require(unharmed >= KEPT, f"without {site.label} the successors are lost")
        if site.label == facts["site"]:
            require(known <= LOST, f"without {site.label} {known:.0%} of the table is still known")
        else:
            require(known >= KEPT, f"without {site.label} the table is lost")


def _accuracy(planted: Planted, table: Mapping[str, str]) -> float:
    """Share of a table's words after which the model says the right one, in five contexts each."""
    dice = Dice("contexts", planted.kind, planted.seed)
    contexts = [dice.some(list(planted.truth.facts["successors"]), 5) for _ in range(5)]
    prompts = [[planted.token(word) for word in (*context, key)] for context in contexts for key in table]
    said = last_logits(planted.module, prompts).argmax(-1)
    right = torch.tensor([planted.token(value) for _ in contexts for value in table.values()])
    return float((said == right).double().mean())


def _entry(body: Body, layer: int, neuron: int, key: Tensor, value: Tensor, constant: Tensor) -> None:
    """A neuron whose gate is silu(10) at its key and silu(-10) elsewhere, in a stream of norm sqrt 2."""
    gate, up, down = body.gated(layer)
    unit = (2 / body.sizes.width) ** 0.5
    gate[neuron], up[neuron], down[:, neuron] = unit * (20 * key - 10 * constant), unit * constant, value / 10


def _draft(table: Mapping[str, str], others: Sequence[str], seed: int) -> Callable[[int, Dice], Draft]:
    """Other words, then a key; the twin has another key."""

    def draft(template: int, dice: Dice) -> Draft:
        before = fill(frame(others, template, "lookup", seed), others, dice)
        key, twin = dice.some(list(table), 2)
        return Draft((*before, key), (*before, twin), (table[key], table[twin]))

    return draft
