"""evaluators: knockout: a skill is taken from a model, by its direction or by its adapter, and what goes with it.

The skill is a family; its direction v at a site is the mean of what passes there at the last token of its discovery
prompts, less that of the other families' (`directions`), learnt in the model that is measured, which a recipe may have
trained first. `anti(s)` adds -s v at the component's tokens; `remove_adapter` takes away what the training added to the
component: to a module that, to a stream all that was added to the layers before it. With d = log p(target) before less
after, of the whole target, in nats, per example:

    skill_drop      d of the skill's prompts; other_drop: d of the other families'
    skill_failed    1 where the skill's prompt was answered exactly before and is not after
    selectivity     max(d, floor) / max(d', floor), d' of another family's prompt: the others take turns, in their order
    off_target_kl   KL(before || after) of the next token on the other families' prompts, nats

Cells of the skill's family have the values of its own quantities, those of the others theirs; what is not asked for
does not apply. Behind a `|`: what stands for the direction (`random_direction`, `shuffled_labels`, `wrong_task`), a
random adapter beside the component's (`matched_norm_adapter`), or a training on answers dealt out anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from ..specs.metrics.adapter import RECIPE
from ..specs.sites import Component, parse_component
from .ablation import kinds_of
from .answers import Answered, answered
from .cells import APPLIES, Cell, CellResult, NotEvaluated, Values, attempt
from .directions import Directions
from .finetuning.adapters import REMOVE, Adapted, adapted, changed
from .finetuning.job import SHUFFLED, job_of
from .finetuning.scores import Scores, kl, score
from .finetuning.turns import by_training, of_recipe
from .finetuning.workshop import Workshop
from .models.load import LoadedModel
from .positions import Places
from .proofs import prove
from .registry import Materials
from .replay import Add, Intervention, Replay
from .replay.values import Together
from .steering import Word
from .tasks.example import Example

NAMES = {"skill": ("skill_drop", "skill_failed", "selectivity"), "others": ("other_drop", "off_target_kl")}


class Knockout:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a training together.

        Raises:
            NotEvaluated: `proof_failed`, `no_such_family`, `one_family`, `no_adapter`, `no_such_site`,
                `no_such_intervention`; as `Directions`; what a training raises.
        """
        prove(model, materials.blocks[0].examples[:4], kinds_of(cells))
        bench = Bench(model, materials)
        yield from by_training(cells, of_recipe(bench.recipe), bench.values)


class Bench:
    """A model, the trainings of its recipe if there is one, and the blocks of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        settings = materials.settings
        self.model, self.materials = model, materials
        self.skill, self.floor, self.about = settings["skill"], settings["floor"], settings["about"]
        self.recipe = materials.recipes.get(RECIPE)
        self.workshop = Workshop(model, materials) if self.recipe else None
        self.blocks = {block.family: block.examples for block in materials.blocks}
        if self.skill not in self.blocks:
            known = ", ".join(self.blocks)
            raise NotEvaluated("no_such_family", f"the suite has no family {self.skill}: it has {known}")
        if len(self.blocks) < 2:
            raise NotEvaluated("one_family", "what should stay are the suite's other families, and there are none")

    def values(self, cells: Sequence[Cell]) -> list[Values | NotEvaluated]:
        """Values of the cells of one training, or of the model as it is."""
        if self.recipe is None or self.workshop is None:
            return self._of_model(self.model, cells, False)
        training = self.workshop.make(job_of(self.recipe, cells[0]))
        with self.workshop.trained(training) as trained:
            prove(trained, self.materials.blocks[0].examples[:4], kinds_of(cells))
            return self._of_model(trained, cells, training.kind == "adapter")

    def _of_model(self, model: LoadedModel, cells: Sequence[Cell], has_adapter: bool) -> list[Values | NotEvaluated]:
        subject = Subject(model, self.materials, cells, has_adapter)
        found: list[Values | NotEvaluated] = []
        for family, mine in groupby(cells, lambda cell: cell.family):
            found += self._of_family(subject, family, list(mine))
        return found

    def _of_family(self, subject: Subject, family: str, cells: Sequence[Cell]) -> list[Values | NotEvaluated]:
        own = self.blocks[family]
        if (family == self.skill) != (self.about == "skill"):
            zeros = [0.0] * len(own)
            return [dict.fromkeys((*NAMES[self.about], APPLIES), zeros) for _ in cells]
        asked = [*own, *self._others(len(own))] if self.about == "skill" else list(own)
        return [
            each if isinstance(each, NotEvaluated) else self._read(subject, cell, each, own)
            for cell, each in zip(cells, subject.changes(asked, cells), strict=True)
        ]

    def _others(self, count: int) -> list[Example]:
        """So many examples of other families, which take turns."""
        others = [examples for name, examples in self.blocks.items() if name != self.skill]
        turns = (divmod(i, len(others)) for i in range(count))
        return [others[which][number % len(others[which])] for number, which in turns]

    def _read(self, subject: Subject, cell: Cell, change: Change, own: Sequence[Example]) -> Values:
        n, drop = len(own), change.before.target - change.after.target
        values = {"other_drop": drop, "off_target_kl": change.after.kl}
        if self.about == "skill":
            failed = change.before.exact * (1 - change.after.exact)
            kept = drop.clamp_min(self.floor)
            values = {"skill_drop": drop[:n], "skill_failed": failed[:n], "selectivity": kept[:n] / kept[n:]}
        at = parse_component(cell.site).positions
        applies = {APPLIES: subject.places.apply(own, at) if at else [1.0] * n}
        return {name: value.tolist() for name, value in values.items()} | applies


class Change:
    """What a model makes of some examples before and after."""

    def __init__(self, before: Answered, after: Answered) -> None:
        self.before, self.after = before, after


class Subject:
    """One model whose skill is taken away."""

    def __init__(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell], has_adapter: bool) -> None:
        self.model, self._has_adapter, self.skill = model, has_adapter, materials.settings["skill"]
        self.replay, self.places = Replay(model.module), Places(model.tokenizer)
        sites = {site for cell in cells for site in parse_component(cell.site).sites}
        learnt = Materials(
            materials.blocks, {"contrast": "family", "towards": self.skill}, discovery=materials.discovery
        )
        self.directions = Directions(model, self.replay, learnt, sorted(sites))

    def changes(self, examples: Sequence[Example], cells: Sequence[Cell]) -> list[Change | NotEvaluated]:
        """What each cell does to some examples, or why it does nothing."""
        steered = [cell for cell in cells if not cell.intervention.startswith(REMOVE)]
        sets = {cell: attempt(self._added, cell, examples) for cell in steered}
        able = {cell: one for cell, one in sets.items() if not isinstance(one, NotEvaluated)}
        before, after = answered(self.replay, examples, list(able.values())) if able else (None, ())
        done: dict[Cell, Change | NotEvaluated] = {
            cell: each for cell, each in sets.items() if isinstance(each, NotEvaluated)
        }
        if before is not None:
            done |= {cell: Change(before, each) for cell, each in zip(able, after, strict=True)}
        removing = [cell for cell in cells if cell not in done]
        if removing:
            whole = score(self.model, examples)
            done |= {cell: attempt(self._without, cell, examples, whole) for cell in removing}
        return [done[cell] for cell in cells]

    def _added(self, cell: Cell, examples: Sequence[Example]) -> Together:
        component, word = parse_component(cell.site), Word.of(cell)
        at = component.positions
        positions = tuple(self.places(example, at) for example in examples) if at else None
        return tuple(
            Intervention(site, Add(self._vector(site, word, cell.seed)), positions) for site in component.sites
        )

    def _vector(self, site: Any, word: Word, draw: int) -> Tensor:
        twist = "" if word.twist == SHUFFLED else word.twist
        vector = self.directions.vector(self.skill, site, twist, draw)
        return word.strength * (self.directions.scaled(self.skill, site, vector) if word.residual else vector)

    def _without(self, cell: Cell, examples: Sequence[Example], whole: Scores) -> Change:
        if not self._has_adapter:
            raise NotEvaluated("no_adapter", "there is no adapter to take out: no recipe, or one that trains weights")
        with changed(cell, self._parts(parse_component(cell.site))):
            after = score(self.model, examples)
        nothing = torch.zeros(len(examples), dtype=torch.float64)
        return Change(
            Answered(whole.target, whole.exact, nothing), Answered(after.target, after.exact, kl(whole, after))
        )

    def _parts(self, component: Component) -> Adapted:
        """The adapted modules of a component; of a stream those of all layers before it."""
        if component.positions:
            raise NotEvaluated("no_such_site", f"an adapter acts at every token: {component.label} is no part of one")
        module: Any = self.model.module
        found: dict[str, Any] = {}
        for site in component.sites:
            stream = site.granularity == "residual"
            for label in [f"L{layer}" for layer in range(site.layer)] if stream else [site.label]:
                found |= adapted(module, label)
        return found


EVALUATOR = Knockout
