"""evaluators: cross_model: a model's activations after training in the model before it, and back, on the same prompt.

`trained_into_base`: the base model runs with what passes the component in the trained model, and `base_into_trained`
the other way round: the one asks whether what training changed there is sufficient, the other whether it is necessary.
With p the log-probability of the target's first token at the answer position, nats, per example,

    recovery    p(patched) - p(base)  (trained_into_base)      p(trained) - p(patched)  (base_into_trained)
                as a share of p(trained) - p(base): a ratio of means over examples
    increment   p(patched) - p(patched before), where the component adds a step (trained_into_base), or the same taken
                away: of a stream both are patched at that stream alone, here and where it enters the layer before; of
                anything else at all components like it up to this one, with it and without; of whole layers that is
                the streams behind this one and before it. The step before the first is the unpatched run, so that the
                increments of all layers add up to p(trained) - p(base)
    kl          KL(unpatched || patched) of the run that is patched, nats

The stream behind the last layer is the other run's: its recovery is 1 by construction, and refused; its increment is
what the layers before left to it. What a control draws stands behind a `|`: `wrong_donor` takes the activations of
another example, `matched_norm_patch` moves them as far in a random direction, and of `shuffled_answers` the other model
was trained on answers dealt out anew.
Sources: Meng et al., arXiv 2202.05262 (patching); Prakash et al., arXiv 2402.14811 (between a model and its training).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.metrics.adapter import RECIPE
from ..specs.sites import Component, Site, parse_component
from .ablation import aligned, kinds_of
from .cells import APPLIES, OF, Cell, CellResult, NotEvaluated, Values, attempt
from .finetuning.job import job_of
from .finetuning.turns import by_training, of_recipe, recipe_of
from .finetuning.workshop import Workshop
from .models.load import LoadedModel
from .patching import AsFar
from .positions import Places
from .proofs import prove
from .registry import Materials
from .replay import Donor, Intervention, Readout, Replay, Value, kl, log_probability
from .replay.prompts import Positions
from .replay.values import Together
from .tasks.example import Example

INTO_BASE, INTO_TRAINED = "trained_into_base", "base_into_trained"


class CrossModel:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a training together.

        Raises:
            NotEvaluated: `proof_failed`, of the base or a trained model; `recovers_by_construction`; `no_such_site`;
                `no_such_intervention`; `no_other_example`; what a training raises.
        """
        prove(model, materials.blocks[0].examples[:4], kinds_of(cells))
        bench = Bench(model, materials)
        yield from by_training(cells, of_recipe(bench.recipe), bench.values)


class Bench:
    """One model, the trainings of its recipe, and the blocks of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        self.workshop, self.recipe = Workshop(model, materials), recipe_of(materials, RECIPE)
        self.blocks = {block.family: block.examples for block in materials.blocks}
        self.steps = materials.settings["about"] == "increment"
        self.places = Places(model.tokenizer)

    def values(self, cells: Sequence[Cell]) -> list[Values | NotEvaluated]:
        """Values of the cells of one training."""
        training = self.workshop.make(job_of(self.recipe, cells[0]))
        found: dict[Cell, Values | NotEvaluated] = {}
        for family, some in groupby(cells, lambda cell: cell.family):
            mine = list(some)
            into_trained = [cell for cell in mine if _way(cell) == INTO_TRAINED]
            pair = Pair(self.blocks[family], self.places, self.steps)
            base = pair.seen(self.workshop.base(), into_trained)
            with self.workshop.trained(training) as trained:
                prove(trained, self.blocks[family][:4], kinds_of(cells))
                into_base = [cell for cell in mine if cell not in into_trained]
                other = pair.seen(trained, into_base)
                found |= pair.patched(trained, base, into_trained)
            found |= pair.patched(self.workshop.base(), other, into_base)
        return [found[cell] for cell in cells]


class Seen:
    """What was seen of the model that gives: the target's log-probability [example], and what passed some sites."""

    def __init__(self, target: Tensor, passed: dict[Site, Tensor]) -> None:
        self.target, self.passed = target, passed


class Pair:
    """The examples of one block, before a model and what training made of it."""

    def __init__(self, examples: Sequence[Example], places: Places, steps: bool) -> None:
        self.examples, self.places, self._steps = examples, places, steps
        self.prompts = [example.clean_ids for example in examples]
        self._starts = list(accumulate(map(len, self.prompts), initial=0))
        self._target = log_probability([example.target_ids[0] for example in examples])

    def seen(self, giving: LoadedModel, cells: Sequence[Cell]) -> Seen:
        """What cells take from the giving model; what it has no site for is left to them."""
        replay = Replay(giving.module)
        target = replay.run(self.prompts, [], Readout({"target": self._target})).clean["target"]
        taken: set[Site] = set()
        for cell in cells:
            sets = attempt(self._sets, replay, cell)
            taken |= set() if isinstance(sets, NotEvaluated) else {site for one in sets for site in one}
        return Seen(target, replay.captures(self.prompts, sorted(taken)) if taken else {})

    def patched(self, receiving: LoadedModel, given: Seen, cells: Sequence[Cell]) -> dict[Cell, Values | NotEvaluated]:
        """Values of cells, whose interventions are run once where several have the same."""
        replay = Replay(receiving.module)
        found: dict[Cell, Values | NotEvaluated] = {}
        wanted: dict[Cell, list[int]] = {}
        numbers: dict[tuple[object, ...], int] = {}
        runs: list[Together] = []
        for cell in cells:
            sets = attempt(self._acting, replay, cell, given)
            if isinstance(sets, NotEvaluated):
                found[cell] = sets
                continue
            for sites, acting in sets:
                key = sites, parse_component(cell.site).positions, cell.intervention, cell.seed
                if key not in numbers:
                    numbers[key] = len(runs)
                    runs.append(acting)
                wanted.setdefault(cell, []).append(numbers[key])
        if not wanted:
            return found
        measured = replay.run(self.prompts, runs, Readout({"target": self._target, "kl": kl}))
        sign = 1 if _way(cells[0]) == INTO_BASE else -1
        for cell, which in wanted.items():
            target = measured.values["target"][which]
            if self._steps:
                before = target[1] if len(which) > 1 else measured.clean["target"]
                values = {"increment": sign * (target[0] - before)}
            else:
                change = sign * (target[0] - measured.clean["target"])
                whole = sign * (given.target - measured.clean["target"])
                values = {"recovery": change, f"recovery{OF}": whole, "kl": measured.values["kl"][which[0]]}
            found[cell] = {name: value.tolist() for name, value in values.items()} | self._applies(cell)
        return found

    def _acting(self, replay: Replay, cell: Cell, given: Seen) -> list[tuple[tuple[Site, ...], Together]]:
        """Sites and interventions of a cell's sets."""
        positions = self._positions(parse_component(cell.site))
        return [
            (sites, tuple(Intervention(site, self._value(cell, site, given), positions) for site in sites))
            for sites in self._sets(replay, cell)
        ]

    def _sets(self, replay: Replay, cell: Cell) -> list[tuple[Site, ...]]:
        """Where a cell patches; and, of a step that is not the first, where the step before does.

        Raises:
            NotEvaluated: `recovers_by_construction`, `no_such_site`.
        """
        component, depth = parse_component(cell.site), len(replay.anatomy.layers)
        for site in component.sites:
            replay.anatomy.port(site)
            if not self._steps and site.granularity == "residual" and site.layer == depth:
                what = f"behind the last layer, at {cell.site}, the stream is the other model's: it recovers all"
                raise NotEvaluated("recovers_by_construction", f"{what}, by construction")
        if not self._steps:
            return [component.sites]
        (site,) = component.sites
        if site.granularity == "layer" and component.positions is None:
            site = Site(site.layer + 1, "residual")
        every = replay.anatomy.sites((site.granularity,))
        number = every.index(site)
        steps = [every[: number + 1], every[:number]]
        if site.granularity == "residual":
            steps = [every[number : number + 1], every[max(0, number - 1) : number]]
        return [step for step in steps if step]

    def _value(self, cell: Cell, site: Site, given: Seen) -> Value:
        """What takes the place of the receiving model's tensor.

        Raises:
            NotEvaluated: `no_such_intervention`, `no_other_example`.
        """
        own = Donor(given.passed[site], torch.arange(self._starts[-1]))
        match cell.intervention.partition("|")[2]:
            case "" | "shuffled_answers":
                return own
            case "matched_norm_patch":
                return AsFar(own, int(digest("cross-model", [site.label, cell.family, cell.seed])[:12], 16))
            case "wrong_donor":
                return Donor(given.passed[site], torch.tensor(self._of_others(cell.seed)))
        raise NotEvaluated("no_such_intervention", f"{cell.intervention} is not defined")

    def _of_others(self, draw: int) -> list[int]:
        """For each token the token of another example that gives in its place."""
        if len(self.examples) < 2:
            raise NotEvaluated("no_other_example", "a wrong donor needs two examples of a family")
        tokens: list[int] = []
        for i, prompt in enumerate(self.prompts):
            dice = random.Random(digest("wrong-donor", {"seed": draw, "example": self.examples[i].id}))
            other = (i + dice.randrange(1, len(self.examples))) % len(self.examples)
            tokens += [self._starts[other] + place for place in aligned(len(self.prompts[other]), len(prompt))]
        return tokens

    def _positions(self, component: Component) -> Positions | None:
        at = component.positions
        return None if at is None else tuple(self.places(example, at) for example in self.examples)

    def _applies(self, cell: Cell) -> dict[str, list[float]]:
        at = parse_component(cell.site).positions
        return {} if at is None else {APPLIES: self.places.apply(self.examples, at)}


def _way(cell: Cell) -> str:
    """Which model gives.

    Raises:
        NotEvaluated: `no_such_intervention`.
    """
    way = cell.intervention.partition("|")[0]
    if way not in (INTO_BASE, INTO_TRAINED):
        raise NotEvaluated("no_such_intervention", f"{cell.intervention} at {cell.site} is not defined")
    return way


EVALUATOR = CrossModel
