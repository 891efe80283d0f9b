"""evaluators: ablation: what changes at the answer position when one site's update is replaced.

Quantities per example: `kl` = KL(clean || ablated) of the next token in nats; `target_logprob_drop` =
clean minus ablated log p(target) in nats; `logit_diff_drop` = the same for logit(target) -
logit(wrong target). The clean pass gives `target_logprob`, `logit_diff`, `exact_match` (greedy, whole
target) and, as `kl`, the divergence from itself at another batch shape: the numeric floor.

Prompts are padded on the right: in a causal decoder nothing reads to its right, so no mask is needed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import ALL_LAYERS, Site, parse_site, sites
from .anatomy import Anatomy, dissect
from .cells import Cell, CellResult, NotEvaluated
from .exact_match import exact_matches
from .interventions import Edit, add_matched_norm, capture, constant, intervene, residual_zero, zero
from .models.load import LoadedModel
from .proofs import prove
from .quantities import kl_divergence, log_probability, logit_difference
from .tasks.example import Block, Example

TOKENS_PER_BATCH = 8192


@dataclass(frozen=True)
class Batch:
    """Some examples of one block, right-padded."""

    examples: tuple[Example, ...]
    ids: Tensor
    """[row, position]"""
    answer: Tensor
    """[row]: the position whose next token is the answer."""

    @property
    def target(self) -> Tensor:
        """First target tokens, [row]."""
        return self.ids.new_tensor([example.target_ids[0] for example in self.examples])

    @property
    def wrong(self) -> Tensor:
        """First wrong-target tokens, [row]."""
        return self.ids.new_tensor([example.wrong_target_ids[0] for example in self.examples])


class Ablation:
    """See the module's docstring; one forward pass for each cell and batch."""

    def measure(self, model: LoadedModel, blocks: Sequence[Block], cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, site by site, so that cells of a site share what was captured there."""
        prove(model, blocks[0].examples[:4])
        bench = Bench(model, blocks)
        for cell in sorted(cells, key=lambda cell: (cell.site, cell.intervention, cell.seed, cell.family)):
            start = time.perf_counter()
            values = bench.clean_values(cell.family) if cell.intervention == "none" else bench.ablated_values(cell)
            yield CellResult(cell, values, time.perf_counter() - start)


class Bench:
    """One model before the blocks of one draw: clean logits, pooled updates, ablated passes."""

    def __init__(self, model: LoadedModel, blocks: Sequence[Block]) -> None:
        self.model = model
        self.anatomy: Anatomy = dissect(model.module)
        self.device = model.device
        self.blocks = {block.family: block for block in blocks}
        self.batches = {block.family: self._batches(block.examples) for block in blocks}
        self._clean: dict[str, list[Tensor]] = {}
        self._pool: tuple[Site, Pool] | None = None

    def clean_values(self, family: str) -> dict[str, list[float]]:
        """The clean pass of a block, and how far it is from itself at other batch shapes."""
        rows: dict[str, list[Tensor]] = {"kl": [], "target_logprob": [], "logit_diff": []}
        for batch, clean in zip(self.batches[family], self.clean(family), strict=True):
            alone = [self._logits(b) for example in batch.examples for b in self._batches((example,))]
            rows["kl"].append(kl_divergence(clean, torch.cat(alone)))
            rows["target_logprob"].append(log_probability(clean, batch.target))
            rows["logit_diff"].append(logit_difference(clean, batch.target, batch.wrong))
        matches = exact_matches(self.model, self.blocks[family].examples)
        return {**_concatenate(rows), "exact_match": [float(match) for match in matches]}

    def ablated_values(self, cell: Cell) -> dict[str, list[float]]:
        """One intervened pass over a block, compared with the clean pass at the same batch shape."""
        rows: dict[str, list[Tensor]] = {"kl": [], "target_logprob_drop": [], "logit_diff_drop": []}
        generator = _generator("matched_norm_noise", cell.site, cell.family, cell.seed)
        for batch, clean in zip(self.batches[cell.family], self.clean(cell.family), strict=True):
            with intervene(self.anatomy, self._edits(cell, batch, generator)):
                ablated = self._logits(batch)
            target, wrong = batch.target, batch.wrong
            rows["kl"].append(kl_divergence(clean, ablated))
            rows["target_logprob_drop"].append(log_probability(clean, target) - log_probability(ablated, target))
            drop = logit_difference(clean, target, wrong) - logit_difference(ablated, target, wrong)
            rows["logit_diff_drop"].append(drop)
        return _concatenate(rows)

    def clean(self, family: str) -> list[Tensor]:
        """Clean logits at the answer position, [row, vocabulary] a batch; computed once."""
        if family not in self._clean:
            self._clean[family] = [self._logits(batch) for batch in self.batches[family]]
        return self._clean[family]

    def _edits(self, cell: Cell, batch: Batch, generator: torch.Generator) -> dict[Site, Edit]:
        if cell.site == ALL_LAYERS:
            if cell.intervention != "zero":
                raise NotEvaluated("no_such_intervention", f"{cell.intervention} at all layers is not defined")
            return dict.fromkeys(sites(("layer",), len(self.anatomy.layers)), zero)
        site = parse_site(cell.site)
        return {site: self._edit(cell, site, batch, generator)}

    def _edit(self, cell: Cell, site: Site, batch: Batch, generator: torch.Generator) -> Edit:
        match cell.intervention:
            case "zero":
                return zero
            case "residual_zero" if site.granularity == "layer":
                return residual_zero
            case "mean":
                return constant(self.pool(site).mean)
            case "resample":
                return constant(self.pool(site).donated(batch, cell.seed))
            case "matched_norm_noise":
                noise = torch.randn((*batch.ids.shape, self.anatomy.width), generator=generator)
                return add_matched_norm(noise.to(self.device))
        raise NotEvaluated("no_such_intervention", f"{cell.intervention} at {cell.site} is not defined")

    def pool(self, site: Site) -> Pool:
        """The site's clean updates on all prompts of the draw; the latest site's are kept."""
        if self._pool is None or self._pool[0] != site:
            updates: dict[str, Tensor] = {}
            for batches in self.batches.values():
                for batch in batches:
                    with capture(self.anatomy, (site,)) as seen:
                        self._hidden(batch.ids)
                    for row, example in enumerate(batch.examples):
                        updates[example.id] = seen[site][row, : len(example.clean_ids)].clone()
            self._pool = site, Pool(updates)
        return self._pool[1]

    def _batches(self, examples: Sequence[Example]) -> list[Batch]:
        longest = max(len(example.clean_ids) for example in examples)
        rows = max(1, TOKENS_PER_BATCH // longest)
        return [self._batch(tuple(examples[i : i + rows])) for i in range(0, len(examples), rows)]

    def _batch(self, examples: tuple[Example, ...]) -> Batch:
        width = max(len(example.clean_ids) for example in examples)
        rows = [example.clean_ids + (0,) * (width - len(example.clean_ids)) for example in examples]
        ids = torch.tensor(rows, device=self.device)
        answer = torch.tensor([example.answer_position for example in examples], device=self.device)
        return Batch(examples, ids, answer)

    def _hidden(self, ids: Tensor) -> Tensor:
        with torch.inference_mode():
            hidden: Tensor = self.anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return hidden

    def _logits(self, batch: Batch) -> Tensor:
        hidden = self._hidden(batch.ids)
        rows = torch.arange(len(batch.examples), device=self.device)
        with torch.inference_mode():
            logits: Tensor = self.anatomy.unembedding(hidden[rows, batch.answer]).float()
        return logits


class Pool:
    """The clean updates of one site on every prompt of the draw: example id -> [position, d_model]."""

    def __init__(self, updates: dict[str, Tensor]) -> None:
        self.updates = updates
        self.ids = sorted(updates)
        every = torch.cat([updates[i] for i in self.ids]).double()
        self.mean = every.mean(0).to(next(iter(updates.values())).dtype)
        """[d_model], over all positions of all prompts."""

    def donated(self, batch: Batch, seed: int) -> Tensor:
        """Another prompt's updates for each row, [row, position, d_model], aligned by position class."""
        width = batch.ids.shape[1]
        rows = [self._aligned(self._donor(example, seed), len(example.clean_ids), width) for example in batch.examples]
        return torch.stack(rows)

    def _donor(self, example: Example, seed: int) -> Tensor:
        choice = random.Random(digest("resample", {"seed": seed, "example": example.id}))
        others = [i for i in self.ids if i != example.id]
        return self.updates[choice.choice(others)]

    @staticmethod
    def _aligned(donor: Tensor, length: int, width: int) -> Tensor:
        """First to first, last to last, inner positions to inner ones counted from the end, round and round."""
        inner = len(donor) - 2
        index = [0] * width
        for position in range(1, length - 1):
            index[position] = inner - (length - 2 - position) % inner if inner > 0 else 0
        index[length - 1] = len(donor) - 1
        return donor[index]


def _generator(*what: str | int) -> torch.Generator:
    """A CPU generator seeded by names, so that draws are the same on every device."""
    return torch.Generator().manual_seed(int(digest("noise", list(what))[:15], 16))


def _concatenate(rows: dict[str, list[Tensor]]) -> dict[str, list[float]]:
    return {quantity: torch.cat(parts).double().cpu().tolist() for quantity, parts in rows.items()}
