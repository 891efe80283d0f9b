"""evaluators: skipping: what changes at the answer when whole layers are left out.

A component is a set of layers, `L2+L3`. `skip` makes each the identity at every token, those to come included: the
residual stream passes, nothing is added. `early_exit` at `L3` sends the stream entering layer 3 through the model's own
final norm and unembedding. With n layers and h_i the stream entering layer i, a skipped layer has h_{i+1} = h_i, so

    early_exit(L3)  =  unembed(norm(h_3))  =  skip(L3+L4+...+L(n-1))

and is carried out as the latter. `mean` puts the mean update over all tokens of the suite's clean prompts in the place
of each layer's own; `matched_norm_noise` adds a random vector of the update's norm to it, at each layer of the set (of
an early exit: at the layer named).

Quantities per example: `kl` = KL(clean || skipped) of the next token, nats; `target_logprob_drop`, nats; `top5_loss`,
share of the clean top five lost; `top1_change`, 0 or 1; `exact_match`, 0 or 1, of the whole target under greedy
decoding; `exact_match_drop` = clean minus that. Greedy decoding gives the target exactly when each of its tokens is the
most likely one after those before it, so one pass over prompt and target decides; that decoding token by token with the
cache gives the same is tested. Early exit: Schuster et al. 2022 (CALM); layer skipping: Gromov et al. 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor

from ..specs.sites import Site, parse_component
from . import ablation
from .cells import Cell, CellResult, NotEvaluated, by_family, grouped, together
from .models.load import LoadedModel
from .proofs import prove
from .registry import Materials
from .replay.readout import Measured, Readout, kl, log_probability, top1, top5_overlap
from .replay.values import Intervention, Together, Zero
from .tasks.example import Example


class Skipping:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell.

        Raises:
            NotEvaluated: `proof_failed`; `no_such_site`, `no_such_intervention`, a set of something else than layers.
        """
        blocks = materials.blocks
        prove(model, blocks[0].examples[:4], ablation.kinds_of(cells))
        bench = Bench(model, blocks)
        yield from together(
            (mine, partial(bench.skipped_values, family))
            for some in bench.by_captures(sorted(cells, key=lambda cell: cell.site))
            for (family,), mine in grouped(some, by_family, 1)
        )


class Bench(ablation.Bench):
    """One model before the blocks of one draw; what of an update is pooled or random is ablation's."""

    def skipped_values(self, family: str, cells: Sequence[Cell]) -> list[dict[str, list[float]]]:
        """Values of some cells of one block, each compared with the same clean pass over prompts and targets."""
        examples = self.blocks[family].examples
        prompts = [example.clean_ids + example.target_ids[:-1] for example in examples]
        acting = [self._acting(cell, examples) for cell in cells]
        measured = self.replay.run(prompts, acting, _readout_of(examples))
        values = _values(measured, examples)
        return [{name: value[row].double().tolist() for name, value in values.items()} for row in range(len(cells))]

    def _acting(self, cell: Cell, examples: Sequence[Example]) -> Together:
        component = parse_component(cell.site)
        if component.positions or any(site.granularity != "layer" for site in component.sites):
            raise NotEvaluated("no_such_site", f"what is skipped is layers at every token, not {cell.site}")
        if cell.intervention == "early_exit":
            first, *others = (site.layer for site in component.sites)
            if others:
                raise NotEvaluated("no_such_intervention", f"early_exit is at one layer, not at {cell.site}")
            self.replay.anatomy.port(component.sites[0])
            exits = range(first, len(self.replay.anatomy.layers))
            return tuple(Intervention(Site(layer, "layer"), Zero()) for layer in exits)
        if cell.intervention not in ("skip", "mean", "matched_norm_noise"):
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} at {cell.site} is not defined")
        return super()._acting(replace(cell, intervention=cell.intervention.replace("skip", "zero")), examples)


def _readout_of(examples: Sequence[Example]) -> Readout:
    """After the prompt's last token and after each of the target's but the last."""
    positions = tuple(tuple(range(len(e.clean_ids) - 1, len(e.clean_ids) + len(e.target_ids) - 1)) for e in examples)
    chance = log_probability([example.target_ids[0] for example in examples])
    quantities = {"kl": kl, "target_logprob": chance, "top5": top5_overlap, "top1": top1}
    return Readout(quantities, positions)


def _values(measured: Measured, examples: Sequence[Example]) -> dict[str, Tensor]:
    """Each quantity, [set, example]; of the measured rows an example's first is behind its prompt."""
    firsts = list(accumulate((len(example.target_ids) for example in examples), initial=0))[:-1]
    answer = {name: value[:, firsts] for name, value in measured.values.items()}
    clean = {name: value[firsts] for name, value in measured.clean.items()}
    exact = _exact(measured.values["top1"], measured, examples)
    return {
        "kl": answer["kl"],
        "target_logprob_drop": clean["target_logprob"] - answer["target_logprob"],
        "top5_loss": 1 - answer["top5"],
        "top1_change": answer["top1"] != clean["top1"],
        "exact_match": exact,
        "exact_match_drop": _exact(measured.clean["top1"][None], measured, examples) - exact,
    }


def _exact(best: Tensor, measured: Measured, examples: Sequence[Example]) -> Tensor:
    """1 where every token of an example's target is the most likely one, [set, row] -> [set, example]."""
    targets = torch.tensor([token for example in examples for token in example.target_ids])
    misses = torch.zeros(len(best), len(examples), dtype=torch.float64)
    misses.index_add_(1, measured.prompt, (best != targets).double())
    return (misses == 0).double()


EVALUATOR = Skipping
