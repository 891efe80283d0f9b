"""evaluators: trained_ablation: ablation of a model that was trained first, and what the training changed of it.

`kl`, `target_logprob_drop` and `logit_diff_drop` are those of `ablation`, with the trained model in the place of the
claim's own: the clean pass, the means and the donors are the trained model's. Per example, in nats,

    drop_change   the trained model's target_logprob_drop less the base model's under the same intervention

A cell's seed is that of the training, and where donors are drawn (`resample`) it is their draw too: each repetition
has its own donors, as it has its own training. Draws of a control (`matched_norm_noise`, `zero|shuffled_answers`) take
turns with the trainings. The base model is ablated once for all of them; every trained model has proofs of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..specs.metrics.adapter import RECIPE
from . import ablation
from .cells import Cell, CellResult, NotEvaluated, Values, by_family, grouped
from .finetuning.adapters import quick
from .finetuning.job import NOISE, SHUFFLED, job_of
from .finetuning.turns import by_training, of_recipe, recipe_of
from .finetuning.workshop import Workshop
from .models.load import LoadedModel
from .proofs import prove
from .registry import Materials
from .tasks.example import Block

RESAMPLE = "resample"
"""Where donors are drawn with a cell's seed, as the vectors of NOISE are."""

DROP = "target_logprob_drop"


class TrainedAblation:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a training together.

        Raises:
            NotEvaluated: `proof_failed`, of the base or a trained model; as `ablation`; what the training raises.
        """
        prove(model, materials.blocks[0].examples[:4], ablation.kinds_of(cells))
        bench = Bench(model, materials)
        yield from by_training(cells, of_recipe(bench.recipe), bench.values)


class Bench:
    """One model, the trainings of its recipe, and the blocks of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        self.workshop, self.recipe = Workshop(model, materials), recipe_of(materials, RECIPE)
        self.blocks = materials.blocks
        self._drops: dict[Cell, Sequence[float]] = {}

    def values(self, cells: Sequence[Cell]) -> list[Values | NotEvaluated]:
        """Values of the cells of one training."""
        training = self.workshop.make(job_of(self.recipe, cells[0]))
        plain = {cell: _plain(cell) for cell in cells}
        missing = dict.fromkeys(one for one in plain.values() if one not in self._drops)
        if missing:
            base = _ablated(self.workshop.base(), self.blocks, list(missing))
            self._drops |= {one: values[DROP] for one, values in base.items()}
        with self.workshop.trained(training) as trained, quick(trained.module):
            prove(trained, self.blocks[0].examples[:4], ablation.kinds_of(cells))
            found = _ablated(trained, self.blocks, list(dict.fromkeys(plain.values())))
        return [_with_change(found[plain[cell]], self._drops[plain[cell]]) for cell in cells]


def _plain(cell: Cell) -> Cell:
    """What ablation is asked for: nothing of the training; a seed where something is drawn with it."""
    what, _, control = cell.intervention.partition("|")
    if control not in ("", SHUFFLED):
        raise NotEvaluated("no_such_intervention", f"{cell.intervention} at {cell.site} is not defined")
    return Cell(cell.family, cell.site, what, cell.seed if what in (NOISE, RESAMPLE) else 0)


def _with_change(values: Values, base: Sequence[float]) -> Values:
    pairs = zip(values[DROP], base, strict=True)
    return {**values, "drop_change": [after - before for after, before in pairs]}


def _ablated(model: LoadedModel, blocks: Sequence[Block], cells: Sequence[Cell]) -> dict[Cell, Values]:
    """What ablation gives of cells of one model, a few sites at a time."""
    bench = ablation.Bench(model, blocks)
    found: dict[Cell, Values] = {}
    for some in bench.by_captures(sorted(cells, key=lambda cell: cell.site)):
        for (family,), mine in grouped(some, by_family, 1):
            found |= dict(zip(mine, bench.ablated_values(family, mine), strict=True))
    return found


EVALUATOR = TrainedAblation
