"""evaluators: training: what a model does on held-out examples after it is trained, beside what it did before.

A component is a condition, whose recipe is one training with each seed; `train|random_matched_layers` and
`train|shuffled_answers` are trainings too, of a draw. With p the base model and q the trained one, per example:

    exact_match     of q, 0 or 1 (`finetuning.scores`); exact_match_gain: that less p's
    answer_loss     of q, nats a token of the target; answer_loss_drop: p's less that
    kl_from_base    KL(p || q) of the next token at the answer position, nats
    preferred       1 where q finds the target likelier than the wrong target
    merge_gap       KL(q || q with the adapter merged into the weights), nats; 0 where there is none
    reward          of an answer sampled from q, as grpo rewards it, which is 1 for the target and 0 for any other: its
                    expectation, so the target's probability under q
    map_agreement   Spearman's correlation over the components of `map` of what zeroing them does to q, as
                    KL(q || q without), with what it does to the reference condition's q of the same seed. A draw of a
                    control is held against the reference as it is: does any training end with this map?

The others are one number a training, the same in each example: training_loss, duration, peak_memory, and the exact
counts `parameters` and `bytes`. A model that no step was taken of has no training_loss. Where peak_memory is asked for,
these are all there is, and a training that does not fit has the bytes that it takes at least, marked as `counted`.
A training is entered once for all families; the base model is scored once for all trainings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ..specs.metrics.base import Sites
from . import ablation
from .attribution import spearman
from .cells import COUNTED, Cell, CellResult, NotEvaluated, Values
from .finetuning.adapters import merged, quick
from .finetuning.job import RANDOM_LAYERS, SHUFFLED, Job, job_of
from .finetuning.scores import Base, Scores, kl, score
from .finetuning.turns import by_training, recipe_of
from .finetuning.workshop import Training as Trained
from .finetuning.workshop import Workshop
from .models.load import LoadedModel
from .proofs import prove
from .registry import Materials
from .tasks.example import Example

CONTROLS = ("", RANDOM_LAYERS, SHUFFLED)
"""What may stand behind the `|`."""


class Training:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a training together.

        Raises:
            NotEvaluated: `proof_failed`; what a recipe cannot be carried out for, after what others gave.
        """
        prove(model, materials.blocks[0].examples[:4])
        bench = Bench(model, materials)
        yield from by_training(cells, lambda cell: (cell.site, cell.intervention, cell.seed), bench.values)


class Bench:
    """One model, its trainings, and the blocks of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        self.workshop, self.materials = Workshop(model, materials), materials
        self.blocks = {block.family: block for block in materials.blocks}
        self.base = Base(self.workshop.base(), materials.blocks)
        swept = materials.settings.get("map")
        self._mapped = Sites.model_validate(swept).components(model.located.frame) if swept else ()
        self._maps: dict[tuple[str, str, int, str], Tensor] = {}

    def values(self, cells: Sequence[Cell]) -> list[Values | NotEvaluated]:
        """Values of the cells of one training."""
        job = self._job(cells[0])
        if self.materials.settings.get("also") == "peak_memory":
            whole = self._taken(job)
            return [self._in_each(cell, whole) for cell in cells]
        training = self.workshop.make(job)
        for cell in cells:
            self.base(cell.family)
        if self._mapped:
            reference = self.materials.settings["reference"]
            self._enter([Cell(cell.family, reference, "train", job.seed) for cell in cells])
        with self.workshop.trained(training) as trained:
            return [self._of_cell(cell, training, trained) for cell in cells]

    def _job(self, cell: Cell) -> Job:
        what, _, control = cell.intervention.partition("|")
        if what != "train" or control not in CONTROLS:
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} of {cell.site} is not defined")
        return job_of(recipe_of(self.materials, cell.site), cell)

    def _of_cell(self, cell: Cell, training: Trained, trained: LoadedModel) -> dict[str, list[float]]:
        examples = self.blocks[cell.family].examples
        before = self.base(cell.family)
        with quick(trained.module):
            after = score(trained, examples)
        each = {
            "exact_match": after.exact,
            "exact_match_gain": after.exact - before.exact,
            "answer_loss": after.loss,
            "answer_loss_drop": before.loss - after.loss,
            "kl_from_base": kl(before, after),
            "preferred": after.preferred,
            "reward": after.target.exp(),
        }
        if self.materials.settings.get("also") == "merge_gap":
            each["merge_gap"] = _merge_gap(trained, examples, after, training)
        if self._mapped:
            reference = self._maps[self.materials.settings["reference"], "train", self._job(cell).seed, cell.family]
            each["map_agreement"] = spearman(self._map(cell, trained), reference)
        return {name: value.double().tolist() for name, value in each.items()} | self._in_each(cell, _whole(training))

    def _in_each(self, cell: Cell, whole: Mapping[str, float]) -> dict[str, list[float]]:
        return {name: [float(value)] * len(self.blocks[cell.family].examples) for name, value in whole.items()}

    def _taken(self, job: Job) -> Mapping[str, float]:
        """What is one number of a training; of one that does not fit, what it takes at least."""
        try:
            return _whole(self.workshop.make(job))
        except NotEvaluated as error:
            if error.code != "out_of_memory":
                raise
            return {"peak_memory": self.workshop.bytes_needed(job), COUNTED: 1}

    def _enter(self, cells: Sequence[Cell]) -> None:
        """Take the maps of a training's cells, those that are not known yet."""
        missing = [cell for cell in cells if _key(cell) not in self._maps]
        if missing:
            training = self.workshop.make(self._job(missing[0]))
            with self.workshop.trained(training) as trained:
                for cell in missing:
                    self._map(cell, trained)

    def _map(self, cell: Cell, trained: LoadedModel) -> Tensor:
        """KL of zeroing each component of the map, nats, [component, example]."""
        if _key(cell) not in self._maps:
            block = self.blocks[cell.family]
            zeroed = [Cell(cell.family, label, "zero") for label in self._mapped]
            prove(trained, block.examples[:4], ablation.kinds_of(zeroed))
            values = ablation.Bench(trained, [block]).ablated_values(cell.family, zeroed)
            self._maps[_key(cell)] = torch.tensor([each["kl"] for each in values], dtype=torch.float64)
        return self._maps[_key(cell)]


def _key(cell: Cell) -> tuple[str, str, int, str]:
    return cell.site, cell.intervention, cell.seed, cell.family


def _whole(training: Trained) -> dict[str, float]:
    return {
        **({"training_loss": training.training_loss} if training.losses else {}),
        "duration": training.duration,
        "peak_memory": training.peak_memory,
        "parameters": training.parameters,
        "bytes": training.bytes,
    }


def _merge_gap(trained: LoadedModel, examples: Sequence[Example], live: Scores, training: Trained) -> Tensor:
    if training.kind != "adapter":
        return torch.zeros(len(examples))
    with merged(trained.module):
        return kl(live, score(trained, examples))


EVALUATOR = Training
