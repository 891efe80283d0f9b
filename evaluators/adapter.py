"""evaluators: adapter: what is lost when a trained adapter is taken out of some components, the base weights staying.

A component is a layer, an operator, an MLP, a module or a set of them, `L19+L20`. With p the base model, q the trained
one and r the one under intervention, per example:

    kl                 KL(q || r) of the next token at the answer position, nats
    kl_share           that, over KL(q || p): a ratio of means
    answer_loss_rise   the loss of r less that of q, nats a token of the target (`finetuning.scores`)
    exact_match_drop   1 where q gives the whole target, less the same of r
    adapter_norm       Frobenius norm of what the adapter adds to the component's weights, the same in each example
    parameters         numbers that were trained in the component, likewise

Under `remove_adapter` r is q with the scale of the component's adapter at 0. `remove_adapter|matched_norm_adapter`: r
is q with a random adapter beside it in each module of the component, of the same rank and norm, another in each draw.
`remove_adapter|shuffled_answers`: q itself is trained on answers dealt out anew. Where the training left a component
alone, nothing is taken out, and all but KL(q || p) is 0. LoRA: Hu et al. 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ..specs.metrics.adapter import RECIPE
from .cells import OF, Cell, CellResult, NotEvaluated, Values, attempt
from .finetuning.adapters import adapted, changed, norm, quick, size
from .finetuning.job import job_of
from .finetuning.scores import Base, Scores, kl, score
from .finetuning.turns import by_training, of_recipe, recipe_of
from .finetuning.workshop import Workshop
from .models.load import LoadedModel
from .proofs import prove
from .registry import Materials


class Adapter:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a training together.

        Raises:
            NotEvaluated: `proof_failed`; `no_adapter`, the recipe leaves none; `no_such_site`; what a training raises.
        """
        prove(model, materials.blocks[0].examples[:4])
        bench = Bench(model, materials)
        yield from by_training(cells, of_recipe(bench.recipe), bench.values)


class Bench:
    """One model, the trainings of its recipe, and the blocks of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        self.workshop, self.recipe = Workshop(model, materials), recipe_of(materials, RECIPE)
        self.blocks = {block.family: block for block in materials.blocks}
        self.base = Base(self.workshop.base(), materials.blocks)

    def values(self, cells: Sequence[Cell]) -> list[Values | NotEvaluated]:
        """Values of the cells of one training."""
        training = self.workshop.make(job_of(self.recipe, cells[0]))
        if training.kind != "adapter":
            raise NotEvaluated("no_adapter", f"a training `{self.recipe.training}` leaves no adapter to take out")
        for cell in cells:
            self.base(cell.family)
        found: list[Values | NotEvaluated] = []
        with self.workshop.trained(training) as trained, quick(trained.module):
            for family, mine in groupby(cells, lambda cell: cell.family):
                whole = score(trained, self.blocks[family].examples)
                found += [attempt(self._of_cell, cell, trained, whole) for cell in mine]
        return found

    def _of_cell(self, cell: Cell, trained: LoadedModel, whole: Scores) -> Values:
        layers = adapted(trained.module, cell.site)
        with changed(cell, layers):
            without = score(trained, self.blocks[cell.family].examples)
        moved, n = kl(whole, without), len(whole.loss)
        return {
            "kl": moved.tolist(),
            "kl_share": moved.tolist(),
            f"kl_share{OF}": kl(whole, self.base(cell.family)).tolist(),
            "answer_loss_rise": (without.loss - whole.loss).tolist(),
            "exact_match_drop": (whole.exact - without.exact).tolist(),
            "adapter_norm": [norm(layers)] * n,
            "parameters": [float(size(layers))] * n,
        }


EVALUATOR = Adapter
