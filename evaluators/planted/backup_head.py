"""evaluators/planted: backup_head: two heads copy a name; the later one does so only where the earlier one did not.

At `ask` the first head attends to the name, copies it into "what to say next" and leaves a mark. The backup
would do the same, but where it finds the mark it attends to `begin`, where there is nothing to copy (the
self-repair of Wang et al. 2022 and McGrath et al. 2023). An MLP elsewhere lifts all names over the other words.
Facts: `necessary` and `backup`, [layer, head]; `pair`, their operators; `alone`, which neither's single ablation
exceeds, and `together`, which ablating both exceeds (mean KL, nats); `lift`, the site that looks most important.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...specs.sites import parse_site
from ..tasks.dice import Dice
from .body import Architecture, Body, Head, Sizes
from .model import Planted, at_least, at_most, plant, top
from .prompts import Draft, Task, fill, frame, last_logits, words
from .proof import Measured, require, without_heads

HEAD_DIM = 32
NAME_PAIR, MARK_PAIR = HEAD_DIM // 2 - 1, HEAD_DIM // 2 - 2
"""The slowest rotary pairs: one asks for a name, the other for `begin`."""

SHARPNESS, SHY = 20.0, 60.0
"""Attention score of a name at `ask`, and of `begin` beside the mark."""

SAID, LIFT = 3.0, 2.0
"""Amplitudes that a head and the MLP write; the mark's is 1."""

REST = 0.2
ALONE, TOGETHER = 0.1, 1.0

ARCHITECTURES: tuple[Architecture, ...] = ("qwen2", "llama")


def build(seed: int) -> Planted:
    """The places of the two heads and of the MLP by seed, in Qwen2 or Llama."""
    dice = Dice("backup_head", seed)
    names, others = words("name", dice.pick(range(12, 21))), words("w", 16)
    vocabulary = ("begin", "ask", *names, *others)
    heads, kv_heads = dice.pick(((3, 1), (3, 3), (4, 1), (4, 2), (4, 4)))
    layers = dice.pick(range(4, 8))
    sizes = Sizes(dice.pick(ARCHITECTURES), len(vocabulary) + 1, layers, heads * HEAD_DIM, 64, heads, kv_heads)
    body = Body(sizes, "backup_head", seed)
    first, second = sorted(dice.some(range(layers - 1), 2))
    lift = dice.pick([i for i in range(layers) if i < first or i > second])
    necessary, backup = (first, dice.pick(range(heads))), (second, dice.pick(range(heads)))
    _set(body, len(names), len(others), necessary, backup, lift)
    pair = [f"L{first}.operator", f"L{second}.operator"]
    return plant(
        body,
        "backup_head",
        seed,
        vocabulary,
        Task("backup-head", _draft(names, others, seed)),
        f"Head {necessary[1]} of layer {first} is necessary, but head {backup[1]} of layer {second} does its "
        "work where it is missing: only ablating both shows it.",
        facts={
            "necessary": list(necessary),
            "backup": list(backup),
            "pair": pair,
            "alone": ALONE,
            "together": TOGETHER,
            "lift": f"L{lift}.mlp",
        },
        claims=(
            *(top(True, label) for label in (f"L{lift}", f"L{lift}.mlp")),
            *(top(False, label) for label in (f"L{first}", f"L{second}")),
            *(at_most(True, label, ALONE) for label in pair),
            *(at_least(False, label, ALONE) for label in pair),
        ),
    )


def prove(planted: Planted, measured: Measured) -> None:
    """Effects alone and together, at the operators and at the very heads; the backup works when it is needed only."""
    facts = planted.truth.facts
    pair = [parse_site(label) for label in facts["pair"]]
    require(measured.exact(measured.clean) >= 0.95, "the name is not copied")
    for site, head in zip(pair, (facts["necessary"], facts["backup"]), strict=True):
        with without_heads(planted, head):
            silent = last_logits(planted.module, measured.prompts)
        for logits in (measured.without(site), silent):
            require(measured.mean_kl_of(logits) <= facts["alone"], f"{site.label} alone matters")
            require(measured.exact(logits) >= 0.95, f"without {site.label} the name is not copied")
    with without_heads(planted, facts["necessary"], facts["backup"]):
        silent = last_logits(planted.module, measured.prompts)
    for logits in (measured.without(*pair), silent):
        require(measured.mean_kl_of(logits) >= facts["together"], "both together do not matter")
        require(measured.exact(logits) <= 0.4, "without both the name is still copied")
    require(_said(planted, measured, facts["backup"]) <= 0.25 * SAID, "the backup works beside the other")
    with without_heads(planted, facts["necessary"]):
        require(_said(planted, measured, facts["backup"]) >= 0.8 * SAID, "the backup does not stand in")


def _said(planted: Planted, measured: Measured, head: Sequence[int]) -> float:
    """Mean norm, at `ask`, of what a head writes."""
    written: list[Tensor] = []
    layer, place = head
    attention = measured.anatomy.operators[layer]
    columns = slice(place * HEAD_DIM, (place + 1) * HEAD_DIM)

    def read(module: Any, args: tuple[Tensor, ...]) -> None:
        written.append(args[0][..., columns] @ module.weight[:, columns].T)

    handle = attention.o_proj.register_forward_pre_hook(read)  # type: ignore[union-attr]
    try:
        last_logits(planted.module, measured.prompts)
    finally:
        handle.remove()
    last = [len(prompt) - 1 for prompt in measured.prompts]
    return float(written[0][torch.arange(len(last)), last].norm(dim=-1).mean())


def _set(body: Body, names: int, others: int, necessary: tuple[int, int], backup: tuple[int, int], lift: int) -> None:
    """Both heads and the MLP, and a vocabulary of `begin`, `ask`, names and others, among random weights."""
    body.hush(REST)
    constant, begin, ask, is_name, mark, lifted = body.directions(6)
    name, say, other = (body.directions(count) for count in (names, names, others))
    body.embedding[1:] = constant + torch.cat([torch.stack([begin, ask]), name + is_name, other])
    body.unembedding.mul_(0.2)
    body.unembedding[3:] += torch.cat([0.8 * say + lifted, 2.1 * constant.expand(others, -1)])
    _copier(body.head(*necessary), ask, is_name, name, SAID * say, mark)
    spare = body.head(*backup)
    _copier(spare, ask, is_name, name, SAID * say, 0 * mark)
    _look_away(spare, mark, begin)
    body.neuron(lift, 0, ask, LIFT * lifted, constant, math.sqrt(2 if lift < necessary[0] else 3 + SAID**2))


def _copier(head: Head, ask: Tensor, is_name: Tensor, name: Tensor, say: Tensor, mark: Tensor) -> None:
    """At `ask`, copy the name; streams of norm sqrt 2 at `ask` and sqrt 3 at names."""
    width, size = len(ask), math.sqrt(SHARPNESS * math.sqrt(HEAD_DIM))
    head.query[NAME_PAIR] = size * math.sqrt(2 / width) * ask
    head.key[NAME_PAIR] = size * math.sqrt(3 / width) * is_name
    head.value[: len(name) + 1] = math.sqrt(3 / width) * torch.cat([name, is_name[None]])
    head.out[:, : len(name) + 1] = torch.cat([say, mark[None]]).T


def _look_away(head: Head, mark: Tensor, begin: Tensor) -> None:
    """Where the mark is, attend to `begin`; streams of norm sqrt(3 + SAID^2) at the mark and sqrt 2 at `begin`."""
    width, size = len(mark), math.sqrt(SHY * math.sqrt(HEAD_DIM))
    head.query[MARK_PAIR] = size * math.sqrt((3 + SAID**2) / width) * mark
    head.key[MARK_PAIR] = size * math.sqrt(2 / width) * begin


def _draft(names: Sequence[str], others: Sequence[str], seed: int) -> Callable[[int, Dice], Draft]:
    """`begin`, other words with one name among them, `ask`; the twin has another name."""

    def draft(template: int, dice: Dice) -> Draft:
        around = fill(frame(others, template, "backup-head", seed), others, dice)
        place = template % (len(around) + 1)
        name, twin = dice.some(names, 2)
        prompts = [("begin", *around[:place], each, *around[place:], "ask") for each in (name, twin)]
        return Draft(prompts[0], prompts[1], (name, twin))

    return draft
