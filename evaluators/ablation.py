"""evaluators: ablation: what changes at the answer position when a component's update is replaced.

A component is a site, or several sites at once, at every token or at those of one class (`specs.sites`).
Quantities per example: `kl` = KL(clean || ablated) of the next token in nats; `target_logprob_drop` =
clean minus ablated log p(target) in nats; `logit_diff_drop` = the same for logit(target) -
logit(wrong target). The clean pass gives `target_logprob`, `logit_diff`, `exact_match` (greedy, whole
target) and, as `kl`, the divergence from each prompt's pass by itself: the numeric floor.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, groupby

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import ALL_LAYERS, GRANULARITIES, SITE_KINDS, Component, Site, SiteKind, parse_component, sites
from .cells import APPLIES, POOLED, Cell, CellResult, NotEvaluated, by_family, grouped, one_by_one, together
from .exact_match import exact_matches
from .models.load import LoadedModel
from .positions import Places
from .proofs import prove
from .quantities import kl_divergence
from .registry import Materials
from .replay.engine import Replay
from .replay.prompts import Positions
from .replay.readout import Readout, kl, log_probability, logit_difference, logits
from .replay.values import (
    Constant,
    Donor,
    Intervention,
    MatchedNormNoise,
    Noise,
    ResidualZero,
    Together,
    Value,
    Zero,
)
from .tasks.example import Block, Example

POOL_BYTES = 256 * 2**20
"""Of clean updates that are held for means and donors."""


class Ablation:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell; cells of a few sites at a time, so that they share what was captured there."""
        blocks = materials.blocks
        prove(model, blocks[0].examples[:4], kinds_of(cells))
        bench = Bench(model, blocks)
        clean = [cell for cell in cells if cell.intervention == "none"]
        yield from one_by_one([(clean, lambda cell: bench.clean_values(cell.family))])
        ablated = sorted((cell for cell in cells if cell.intervention != "none"), key=lambda cell: cell.site)
        yield from together(
            (mine, partial(bench.ablated_values, family))
            for some in bench.by_captures(ablated)
            for (family,), mine in grouped(some, by_family, 1)
        )


class Bench:
    """One model before the blocks of one draw."""

    def __init__(self, model: LoadedModel, blocks: Sequence[Block]) -> None:
        self.model = model
        self.replay = Replay(model.module)
        self.blocks = {block.family: block for block in blocks}
        self.donors = Donors([example for block in blocks for example in block.examples])
        self.places = Places(model.tokenizer)
        self._captured: dict[Site, Tensor] = {}

    def clean_values(self, family: str) -> dict[str, list[float]]:
        """The clean pass of a block, and how far it is from each prompt's pass by itself."""
        examples, anatomy = self.blocks[family].examples, self.replay.anatomy
        measured = self.replay.run(_prompts(examples), [], self._readout(examples, {"logits": logits}))
        with torch.inference_mode():
            rows = [torch.tensor([example.clean_ids], device=self.model.device) for example in examples]
            streams = [anatomy.decoder(input_ids=row, use_cache=False).last_hidden_state[:, -1] for row in rows]
            alone = torch.cat([anatomy.unembedding(stream).float() for stream in streams]).cpu()
        return {
            "kl": kl_divergence(measured.clean["logits"].float(), alone).tolist(),
            "target_logprob": measured.clean["target_logprob"].tolist(),
            "logit_diff": measured.clean["logit_diff"].tolist(),
            "exact_match": [float(match) for match in exact_matches(self.model, examples)],
        }

    def ablated_values(self, family: str, cells: Sequence[Cell]) -> list[dict[str, list[float]]]:
        """Values of some cells of one block, each compared with the same clean pass."""
        examples = self.blocks[family].examples
        acting = [self._acting(cell, examples) for cell in cells]
        measured = self.replay.run(_prompts(examples), acting, self._readout(examples, {"kl": kl}))
        drops = {
            f"{name}_drop": measured.clean[name] - measured.values[name] for name in ("target_logprob", "logit_diff")
        }
        values = {"kl": measured.values["kl"], **drops}
        return [
            {name: value[row].double().tolist() for name, value in values.items()} | self._applies(cell, examples)
            for row, cell in enumerate(cells)
        ]

    def _applies(self, cell: Cell, examples: Sequence[Example]) -> dict[str, list[float]]:
        """Which examples have tokens of the component's class; nothing where it acts at every token."""
        if cell.site == ALL_LAYERS or (at := parse_component(cell.site).positions) is None:
            return {}
        return {APPLIES: self.places.apply(examples, at)}

    def by_captures(self, cells: Sequence[Cell]) -> Iterator[list[Cell]]:
        """Cells, sorted by site, in groups for whose sites everything that they take from other prompts can be held."""
        width = self.replay.anatomy.width * 4
        room = max(1, POOL_BYTES // (self.donors.tokens * width))
        groups = [list(mine) for _, mine in groupby(cells, lambda cell: cell.site)]
        for first in range(0, len(groups), room):
            some = [cell for group in groups[first : first + room] for cell in group]
            pooled = {cell.site for cell in some if cell.intervention in POOLED}
            self._capture(sorted({site for label in pooled for site in parse_component(label).sites}))
            yield some

    def _capture(self, wanted: Sequence[Site]) -> None:
        """Hold the clean updates of these sites on every prompt of the draw, and of no other."""
        self._captured = self.replay.captures(_prompts(self.donors.examples), wanted) if wanted else {}

    def _updates(self, site: Site) -> Tensor:
        if site not in self._captured:
            self._capture([site])
        return self._captured[site]

    @staticmethod
    def _readout(examples: Sequence[Example], more: Mapping[str, object]) -> Readout:
        targets = [example.target_ids[0] for example in examples]
        wrong = [example.wrong_target_ids[0] for example in examples]
        own = {"target_logprob": log_probability(targets), "logit_diff": logit_difference(targets, wrong)}
        return Readout({**more, **own})  # type: ignore[dict-item]

    def _acting(self, cell: Cell, examples: Sequence[Example]) -> Together:
        if cell.site == ALL_LAYERS:
            if cell.intervention != "zero":
                raise NotEvaluated("no_such_intervention", f"{cell.intervention} at all layers is not defined")
            every = sites(("layer",), len(self.replay.anatomy.layers))
            return tuple(Intervention(site, Zero()) for site in every)
        component = parse_component(cell.site)
        positions = self._positions(component, examples)
        return tuple(Intervention(site, self._value(cell, site, examples), positions) for site in component.sites)

    def _positions(self, component: Component, examples: Sequence[Example]) -> Positions | None:
        at = component.positions
        return None if at is None else tuple(self.places(example, at) for example in examples)

    def _value(self, cell: Cell, site: Site, examples: Sequence[Example]) -> Value:
        match cell.intervention:
            case "zero":
                return Zero()
            case "residual_zero":
                return ResidualZero()
            case "mean":
                updates = self._updates(site)
                return Constant(updates.double().mean(0).to(updates.dtype))
            case "resample":
                return Donor(self._updates(site), torch.tensor(self.donors.tokens_for(examples, cell.seed)))
            case "matched_norm_noise" | "noise":
                seed = int(digest("noise", [cell.site, cell.family, cell.seed])[:12], 16)
                return MatchedNormNoise(seed) if cell.intervention == "matched_norm_noise" else Noise(seed)
        raise NotEvaluated("no_such_intervention", f"{cell.intervention} at {cell.site} is not defined")


def kinds_of(cells: Sequence[Cell]) -> tuple[SiteKind, ...]:
    """The kinds of sites that cells are about, and those that every layer has: what proofs are asked for."""
    labels = {cell.site for cell in cells} - {ALL_LAYERS, "-"}
    kinds = {site.granularity for label in labels for site in parse_component(label).sites}
    return tuple(kind for kind in SITE_KINDS if kind in kinds or kind in GRANULARITIES)


class Donors:
    """All prompts of a draw, one behind the other, of which each can take another's place."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples
        lengths = [len(example.clean_ids) for example in examples]
        self._starts = dict(zip((e.id for e in examples), accumulate(lengths, initial=0), strict=False))
        self._lengths = dict(zip((e.id for e in examples), lengths, strict=True))
        self._ids = sorted(self._lengths)
        self.tokens = sum(lengths)

    def tokens_for(self, examples: Sequence[Example], seed: int) -> list[int]:
        """For each token of some prompts, one behind the other, the token of all prompts that takes its place."""
        tokens: list[int] = []
        for example in examples:
            donor = self.donor(example, seed)
            start = self._starts[donor]
            tokens += [start + place for place in aligned(self._lengths[donor], len(example.clean_ids))]
        return tokens

    def donor(self, example: Example, seed: int) -> str:
        """Id of another example."""
        own = example.id
        choice = random.Random(digest("resample", {"seed": seed, "example": own}))
        return choice.choice([i for i in self._ids if i != own])


def aligned(donor: int, length: int) -> list[int]:
    """Position in a donor of so many tokens for each position of a prompt.

    First to first, last to last, inner positions to inner ones counted from the end, round and round.
    """
    inner = donor - 2
    index = [0] * length
    for position in range(1, length - 1):
        index[position] = inner - (length - 2 - position) % inner if inner > 0 else 0
    index[length - 1] = donor - 1
    return index


def _prompts(examples: Sequence[Example]) -> list[tuple[int, ...]]:
    return [example.clean_ids for example in examples]


EVALUATOR = Ablation
