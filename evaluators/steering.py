"""evaluators: steering: what changes at the answer when a learnt direction is added to what passes a component.

`steer(s)` adds s v, `steer(s,residual)` s R v / |v|, with v the direction (`directions`) and R the mean norm of the
stream entering the layer, at the last tokens of the discovery prompts of v; `anti(s)` is `steer(-s)`. Steered are
negative prompts where s > 0, positive ones where s < 0; each is pushed to the answer of the other side. With
D = logit(the answer it is pushed to) - logit(its own right answer), first tokens, after the last token:

    logit_diff_change   D steered - D clean, logits
    flipped             1 where D steered > 0 >= D clean
    kl                  KL(clean || steered) of the next token, nats
    slope               sum_t t P(t) / sum_t t^2 over strengths t = -s, -s/2, 0, s/2, s on one prompt, with
                        P = logit(positive answer) - logit(negative answer): least squares, logits per unit of strength
                        (Tan et al. 2407.12404)
    anti_steerable      1 where the slope is negative
    off_target_kl       KL(clean || steered) of an example's clean prompt under other families' directions, their mean

Of a task vector (contrast `family`) the negative prompts are other families' clean ones, for either sign, and the
positive answer is any of those that the family has in discovery, but for the prompt's own: ln sum exp of their logits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..specs.sites import Site, parse_component
from .ablation import kinds_of
from .cells import APPLIES, Cell, CellResult, NotEvaluated, attempt, grouped, together
from .directions import Directions, read_by
from .models.load import LoadedModel
from .positions import Places
from .proofs import prove
from .registry import Materials
from .replay import Add, Contrast, Intervention, Measured, Quantity, Readout, Replay, kl, logit_difference
from .replay.values import Together
from .sides import positive_first, turned
from .tasks.example import Example

AT_ONCE = 32
"""Cells that are measured, and so committed, together."""

POINTS = (-1.0, -0.5, 0.5, 1.0)
"""Of the strength, where a slope is taken; the clean pass is the point between."""

_STEER = re.compile(r"(steer|anti)\((-?[0-9][0-9.e+-]*)(,residual)?\)(?:\|(\w+))?")

NAMES = {
    "steered": ("logit_diff_change", "flipped", "kl"),
    "slope": ("slope", "anti_steerable"),
    "off_target": ("off_target_kl",),
}

Values = dict[str, list[float]]


@dataclass(frozen=True)
class Word:
    """What a cell's intervention says."""

    strength: float
    residual: bool
    """Whether strengths are in norms of the stream."""
    twist: str
    """Which control puts something in the direction's place; empty for none."""

    @classmethod
    def of(cls, cell: Cell) -> Word:
        """Read a cell.

        Raises:
            NotEvaluated: `no_such_intervention`.
        """
        if (match := _STEER.fullmatch(cell.intervention)) is None:
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} at {cell.site} steers nothing")
        strength = float(match[2])
        return cls(-strength if match[1] == "anti" else strength, match[3] is not None, match[4] or "")


class Steering:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell; a cell that has no value is an error only after all others were given.

        Raises:
            NotEvaluated: as `Directions`; `no_such_intervention`, `no_such_site`; `one_family`, `no_examples`: nothing
                to steer.
        """
        bench = Bench(model, materials, cells)
        groups = ((mine, partial(bench.values, *key)) for key, mine in grouped(cells, _order, 2))
        yield from together(groups, AT_ONCE)


class Bench:
    """One model, and another where directions are learnt there, before the blocks of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> None:
        self.settings, self.about = materials.settings, materials.settings["about"]
        self.blocks = {block.family: block for block in materials.blocks}
        self.replay, self.places = Replay(model.module), Places(model.tokenizer)
        few = materials.blocks[0].examples[:4]
        prove(model, few, kinds_of(cells))
        if materials.donor is not None:
            there = self.settings.get("donor_site")
            asked = [Cell("", there, "")] if there else cells
            prove(materials.donor, [read_by(materials.donor, model, example) for example in few], kinds_of(asked))
        self.directions = Directions(model, self.replay, materials, _sites(cells))
        self.answers = self._answers(materials)
        self._check()

    def values(self, family: str, forward: bool, cells: Sequence[Cell]) -> list[Values | NotEvaluated]:
        """What cells of one family and one sign give, or why a cell has no value."""
        steered = self._steered(family, forward)
        examples = [example for _, example in steered]
        sets = [attempt(self._sets, cell, examples) for cell in cells]
        flat = [each for mine in sets if not isinstance(mine, NotEvaluated) for each in mine]
        if not examples or not flat:
            return [mine if isinstance(mine, NotEvaluated) else self._nothing(family) for mine in sets]
        prompts = [example.clean_ids for example in examples]
        measured = self.replay.run(prompts, flat, Readout(self._quantities(examples, forward)))
        results, first = list[Values | NotEvaluated](), 0
        for cell, mine in zip(cells, sets, strict=True):
            if isinstance(mine, NotEvaluated):
                results.append(mine)
                continue
            values = self._read(cell, measured, slice(first, first + len(mine)))
            results.append(self._placed(cell, steered, values))
            first += len(mine)
        return results

    def _check(self) -> None:
        """That something is steered somewhere."""
        if self.about == "off_target" and len(self.blocks) < 2:
            raise NotEvaluated("one_family", "off target are the suite's other families, and there are none")
        if not any(self._steered(family, True) for family in self.blocks):
            what = f"{self.settings['contrast']}: no family has positive and negative prompts in discovery and here"
            raise NotEvaluated("no_examples", what)

    def _names(self, family: str) -> list[str]:
        """Whose directions are added to a family's prompts."""
        if self.settings["contrast"] == "family":
            return [self.settings["towards"]] if family != self.settings["towards"] else []
        applied = [name for name in self.directions.sides if name in self.settings.get("families", self.blocks)]
        return [name for name in applied if (name == family) != (self.about == "off_target")]

    def _steered(self, family: str, forward: bool) -> list[tuple[int, Example]]:
        """(number in the block, the example with the steered prompt as its clean one), of those that count."""
        examples = list(enumerate(self.blocks[family].examples))
        if not self._names(family):
            return []
        if self.about == "off_target":
            return examples
        if self.settings["contrast"] == "family":
            return [(i, e) for i, e in examples if {*self.answers} - {e.target_ids[0]}]
        found = [(i, positive_first(example, self.settings)) for i, example in examples]
        return [(i, turned(way) if forward else way) for i, way in found if way is not None]

    def _answers(self, materials: Materials) -> list[int]:
        """First tokens of the answers that a task vector pushes to."""
        towards = self.settings.get("towards")
        examples = [example for block in materials.discovery if block.family == towards for example in block.examples]
        return sorted({example.target_ids[0] for example in examples})

    def _sets(self, cell: Cell, examples: Sequence[Example]) -> list[Together]:
        """What is run for a cell: one set of interventions a strength, or a direction."""
        word, component, names = Word.of(cell), parse_component(cell.site), self._names(cell.family)
        if word.twist == "wrong_task" and self.about == "off_target":
            raise NotEvaluated("no_such_control", "off target every direction is of a wrong task: no wrong_task")
        at = component.positions
        positions = None if at is None else tuple(self.places(example, at) for example in examples)
        sets = []
        for name in names:
            added = {site: self._added(name, site, word, cell.seed) for site in component.sites}
            for point in POINTS if self.about == "slope" else (1.0,):
                sets.append(tuple(Intervention(site, Add(point * v), positions) for site, v in added.items()))
        return sets

    def _added(self, name: str, site: Site, word: Word, draw: int) -> Tensor:
        """What the whole strength adds, [width]: nothing where the sides do not differ."""
        vector = self.directions.vector(name, site, word.twist, draw)
        return word.strength * (self.directions.scaled(name, site, vector) if word.residual else vector)

    def _quantities(self, examples: Sequence[Example], forward: bool) -> dict[str, Quantity]:
        if self.about == "off_target":
            return {"kl": kl}
        own = [example.target_ids[0] for example in examples]
        if self.settings["contrast"] == "family":
            return {"kl": kl, "lead": answers_lead(self.answers, own, 1 if forward else -1)}
        return {"kl": kl, "lead": logit_difference([example.wrong_target_ids[0] for example in examples], own)}

    def _read(self, cell: Cell, measured: Measured, mine: slice) -> dict[str, Tensor]:
        """The quantities, [example] each, of the sets of a cell."""
        if self.about == "off_target":
            return {"off_target_kl": measured.values["kl"][mine].double().mean(0)}
        lead, before = measured.values["lead"][mine], measured.clean["lead"]
        if self.about == "slope":
            slope = torch.tensor(POINTS, dtype=torch.float64) @ lead.double()
            slope = slope / (sum(point**2 for point in POINTS) * abs(Word.of(cell).strength))
            return {"slope": slope, "anti_steerable": slope < 0}
        flipped = (lead[0] > 0) & (before <= 0)
        return {"logit_diff_change": lead[0] - before, "flipped": flipped, "kl": measured.values["kl"][mine][0]}

    def _placed(self, cell: Cell, steered: Sequence[tuple[int, Example]], values: dict[str, Tensor]) -> Values:
        """Values of all the block's examples, zero for those that do not count."""
        placed, at = self._nothing(cell.family), parse_component(cell.site).positions
        for row, (i, example) in enumerate(steered):
            placed[APPLIES][i] = float(at is None or bool(self.places(example, at)))
            for name, value in values.items():
                placed[name][i] = float(value[row])
        return placed

    def _nothing(self, family: str) -> Values:
        count = len(self.blocks[family].examples)
        return {name: [0.0] * count for name in (*NAMES[self.about], APPLIES)}


def answers_lead(answers: Sequence[int], own: Sequence[int], sign: int) -> Quantity:
    """sign (ln sum exp of the answers' logits - logit of the prompt's own), without its own among the answers."""

    def lead(contrast: Contrast) -> Tensor:
        logits, device = contrast.other, contrast.other.device
        columns = torch.tensor(answers, device=device)
        mine = torch.tensor(own, device=device)[contrast.clean.prompt]
        others = logits[..., columns].double().masked_fill(columns == mine[:, None], -torch.inf)
        kept = logits.gather(-1, mine.expand(logits.shape[:2])[..., None])[..., 0].double()
        return sign * (others.logsumexp(-1) - kept)

    return lead


def _sites(cells: Sequence[Cell]) -> list[Site]:
    """Those of all cells, and the streams whose norms are units."""
    every = {site for cell in cells for site in parse_component(cell.site).sites}
    residual = any(Word.of(cell).residual for cell in cells)
    return sorted(every | ({Site(site.layer, "residual") for site in every} if residual else set()))


def _order(cell: Cell) -> tuple[str, bool, str, str, int]:
    """Cells of one family and one sign stand together."""
    return cell.family, Word.of(cell).strength > 0, cell.site, cell.intervention, cell.seed


EVALUATOR = Steering
