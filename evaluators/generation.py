"""evaluators: generation: what models write to the items of a behaviour set. What it is worth, others decide.

A component is a condition: the claim's own model, another one, or one that a recipe made. `generate(256)` is greedy, at
most 256 tokens; `generate(256,0.7,4)` four draws at temperature 0.7 (`writing.decoding`). Items are put as
`writing.prompts` says, together as `writing.ways` has proven to change nothing; an item may have its own, smaller limit
(`most`). In a conversation the model answers every turn, and its own answers stand between the turns; the last one is
the text. In draw k of `generate(256)|open_order` the items of a family are dealt anew (`specs.items.order_of`): in the
place of item i stands the answer to the `open` prompt of item pi_k(i).

The texts of a cell are the draws of the first item, then those of the second, ... Beside them

    tokens         of the last answer, one a text; the token that ends it is not counted
    cut            1 where the limit or a full context ended it, one a text
    answer_loss    nats a token of the item's reference, with what ends its turn, after the item's last prompt, of the
                   first draw; one an item; only where every item of the family has one
    training_loss  of the condition's training, nats, one an item, the same in each
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from ..specs.items import order_of
from ..specs.metrics.generation import OWN
from .cells import Cell, CellResult, NotEvaluated, attempt, by_family, grouped
from .finetuning.job import job_of
from .finetuning.workshop import Training, Workshop
from .models.load import LoadedModel
from .registry import Materials
from .variants import as_untrained
from .writing.decoding import Answer, Prompt, Way, write
from .writing.prompts import Speaker
from .writing.ways import way_of

if TYPE_CHECKING:
    from ..specs.items import Item

OPEN_ORDER = "open_order"

NOTHING = Answer((), cut=False)

WORD = re.compile(r"generate\((\d+)(?:,([\d.e-]+),(\d+))?\)(?:\|(open_order))?")


@dataclass(frozen=True)
class Word:
    """What an intervention asks for."""

    tokens: int
    temperature: float = 0.0
    draws: int = 1
    opened: bool = False

    @classmethod
    def of(cls, cell: Cell) -> Word:
        """Read a cell's intervention.

        Raises:
            NotEvaluated: `no_such_intervention`.
        """
        found = WORD.fullmatch(cell.intervention)
        if found is None:
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} of {cell.site} is not defined")
        tokens, temperature, draws, opened = found.groups()
        return cls(int(tokens), float(temperature or 0), int(draws or 1), opened is not None)


class Generation:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell, those of a training together.

        Raises:
            NotEvaluated: `no_items`, `no_such_condition`, `no_such_intervention`, `no_open_order`, `too_long`,
                `chat_template`, `not_finite`, `proof_failed`; what a recipe cannot be carried out for; after what
                others gave.
        """
        bench, failed = Bench(model, materials), []
        for _, mine in grouped(cells, bench.order, 1):
            found = attempt(bench.results, mine)
            results, errors = ((), [found]) if isinstance(found, NotEvaluated) else found
            yield from results
            failed += errors
        if failed:
            raise failed[0]


class Bench:
    """A model, what it is compared with, and the items of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials) -> None:
        if not materials.items:
            raise NotEvaluated("no_items", "answers are written to the items of a behaviour set; this suite is none")
        self.model, self.materials = model, materials
        self.items = {block.family: block.items for block in materials.items}

    def order(self, cell: Cell) -> tuple[Any, ...]:
        """Cells of one training stand together; of what is not trained those of one family."""
        if cell.site in self.materials.recipes:
            return (cell.site, *job_of(self.materials.recipes[cell.site], cell).drawn), by_family(cell)
        return (cell.site, cell.family), by_family(cell)

    def results(self, cells: Sequence[Cell]) -> tuple[list[CellResult], list[NotEvaluated]]:
        """What cells of one model give, and why others give nothing."""
        start, written, failed = time.perf_counter(), [], []
        with self._speaking(cells[0]) as (model, training):
            speaker, way = Speaker.of(model), way_of(model)
            for cell in cells:
                found = attempt(self._written, speaker, way, cell)
                if isinstance(found, NotEvaluated):
                    failed.append(found)
                else:
                    written.append((cell, *found))
        seconds = (time.perf_counter() - start) / max(1, len(written))
        if training is not None and training.losses:
            for cell, values, _ in written:
                values["training_loss"] = [training.training_loss] * len(self.items[cell.family])
        return [CellResult(cell, values, seconds, texts) for cell, values, texts in written], failed

    def _written(self, speaker: Speaker, way: Way, cell: Cell) -> tuple[dict[str, list[float]], tuple[str, ...]]:
        word, items = Word.of(cell), self.items[cell.family]
        items = _opened(items, cell.seed) if word.opened else items
        asked = [Asked(item, f"{cell.seed} {item.id} {draw}") for item in items for draw in range(word.draws)]
        converse(speaker, way, asked, word)
        last = [each.last for each in asked]
        values = {"tokens": [float(len(each.ids)) for each in last], "cut": [float(each.cut) for each in last]}
        if not word.opened and (losses := _losses(speaker, asked[:: word.draws])):
            values["answer_loss"] = losses
        return values, tuple(each.said[-1] for each in asked)

    @contextmanager
    def _speaking(self, cell: Cell) -> Iterator[tuple[LoadedModel, Training | None]]:
        recipes, variants = self.materials.recipes, self.materials.variants
        if cell.site in recipes:
            training = self._workshop.make(job_of(recipes[cell.site], cell))
            with self._workshop.trained(training) as trained:
                yield trained, training
        elif cell.site in variants:
            yield self._variant(variants[cell.site]), None
        elif cell.site == OWN:
            yield self.model, None
        else:
            known = ", ".join((OWN, *variants, *recipes))
            raise NotEvaluated("no_such_condition", f"there is no condition `{cell.site}`; there are {known}")

    @cached_property
    def _workshop(self) -> Workshop:
        return Workshop(self.model, self.materials)

    def _variant(self, given: LoadedModel) -> LoadedModel:
        """Another model; with random weights where the claim's has them."""
        seed = self.model.located.untrained
        if seed is None or given.located.untrained is not None:
            return given
        return replace(as_untrained(given, seed), proven=self.model.proven)


@dataclass
class Asked:
    """An item that is put once, and what was answered so far."""

    item: Item
    dice: str
    said: tuple[str, ...] = ()
    last: Answer = NOTHING


def converse(speaker: Speaker, way: Way, asked: Sequence[Asked], word: Word) -> None:
    """Let a model answer every turn of every item.

    Raises:
        NotEvaluated: as `Speaker.prompt`, `Speaker.room` and `write`.
    """
    for turn in range(max(len(each.item.turns) for each in asked)):
        some = [each for each in asked if turn < len(each.item.turns)]
        prompts = []
        for each in some:
            ids, most = speaker.prompt(each.item, each.said), min(word.tokens, each.item.most or word.tokens)
            prompts.append(Prompt(ids, speaker.room(ids, most), f"{each.dice} {turn}"))
        answers = write(speaker.model, prompts, speaker.ends, word.temperature, way)
        for each, answer in zip(some, answers, strict=True):
            each.last, each.said = answer, (*each.said, speaker.text(answer.ids))


def _opened(items: Sequence[Item], draw: int) -> tuple[Item, ...]:
    """In the place of each item the one that a draw deals to it, asked for its order openly."""
    if missing := [item.id for item in items if item.open is None]:
        raise NotEvaluated("no_open_order", f"item {missing[0]} has no `open` prompt, in which its order is plain")
    order = order_of(draw, [item.id for item in items])
    return tuple(items[i].model_copy(update={"turns": (items[i].open,)}) for i in order)


@torch.inference_mode()
def _losses(speaker: Speaker, asked: Sequence[Asked]) -> list[float]:
    """Of each item's reference, nats a token, each in a pass of its own; none where an item has none."""
    module: Any = speaker.model.module
    losses = []
    for each in asked:
        found = each.item.reference and speaker.reference(each.item, each.said[:-1])
        if not found:
            return []
        prompt, target = found
        ids = torch.tensor([(*prompt, *target[:-1])], device=speaker.model.device)
        logits = module(input_ids=ids, use_cache=False, logits_to_keep=len(target)).logits[0]
        chosen = torch.tensor(target, device=logits.device)[:, None]
        losses.append(-float(logits.double().log_softmax(-1).gather(-1, chosen).mean()))
    return losses


EVALUATOR = Generation
