"""evaluators: activation patching between a prompt and its aligned corrupt twin.

`denoising` runs the corrupt prompt with the clean run's activations at the component, `noising` the clean prompt with
the corrupt run's: the one asks whether the component is sufficient, the other whether it is necessary. With
LD = logit(target) - logit(wrong target) at the answer position, per example,

    logit_diff_change = LD(patched) - LD(corrupt)  (denoising)      LD(clean) - LD(patched)  (noising)
    recovery          = that as a share of LD(clean) - LD(corrupt): a ratio of means over examples
    kl                = KL(unpatched || patched) of the run that is patched, nats

The logit difference is primary: a KL says how much changed, not towards what. The stream at every token, at the answer
behind the last layer, or before the first layer where the twins differ recovers 1 by construction and is refused; so
does an example whose twin differs only inside the class of tokens, which is left out and counted. What a control draws
stands behind a `|`: `wrong_donor` takes another example's activations, `matched_norm_patch` moves them as far in a
random direction.
Sources: Meng et al., arXiv 2202.05262; Zhang & Nanda, arXiv 2309.16042; Heimersheim & Nanda, arXiv 2404.15255.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import Component, Site, parse_component
from .ablation import aligned, kinds_of
from .cells import APPLIES, OF, Cell, CellResult, NotEvaluated, by_way, grouped, together
from .models.load import LoadedModel
from .positions import Places
from .proofs import prove
from .registry import Materials
from .replay import Donor, Intervention, Readout, Replay, Value, kl, logit_difference
from .replay.prompts import Positions, Rows
from .tasks.example import Example


@dataclass(frozen=True, eq=False)
class AsFar:
    """As far from what passes as a donor is, in a random direction drawn for each token."""

    donor: Donor
    seed: int

    def __call__(self, update: Tensor, before: Tensor, rows: Rows) -> Tensor:
        """What passes and a vector of the norm of donor - update."""
        direction = rows.prompts.gaussian(self.seed, update.shape[-1])[rows.at]
        unit: Tensor = (direction / direction.norm(dim=-1, keepdim=True)).to(update)
        distance = (self.donor(update, before, rows) - update).norm(dim=-1, keepdim=True)
        moved: Tensor = update + distance * unit
        return moved


class Patching:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell.

        Raises:
            NotEvaluated: `proof_failed`; `unaligned`, a twin has another length; `recovers_by_construction`;
                `no_such_intervention`.
        """
        prove(model, materials.blocks[0].examples[:4], kinds_of(cells))
        examples = {block.family: block.examples for block in materials.blocks}
        replay, places = Replay(model.module), Places(model.tokenizer)
        yield from together(
            (mine, Twins(replay, places, examples[family], way).patched)
            for (family, way), mine in grouped(cells, by_way, 2)
        )


class Twins:
    """The examples of one block, patched one way."""

    def __init__(self, replay: Replay, places: Places, examples: Sequence[Example], way: str) -> None:
        """`way` is denoising or noising.

        Raises:
            NotEvaluated: `unaligned`, `no_such_intervention`.
        """
        if way not in ("denoising", "noising"):
            raise NotEvaluated("no_such_intervention", f"patching is denoising or noising, not {way}")
        for example in examples:
            if len(example.clean_ids) != len(example.corrupt_ids):
                sizes = f"{len(example.clean_ids)} and {len(example.corrupt_ids)} tokens"
                raise NotEvaluated("unaligned", f"example {example.id} and its twin have {sizes}: they do not align")
        self.replay, self.places, self.examples = replay, places, examples
        both = [e.corrupt_ids for e in examples], [e.clean_ids for e in examples]
        self.receiving, self.giving = both if way == "denoising" else both[::-1]
        self.sign = 1 if way == "denoising" else -1
        self._starts = list(accumulate((len(prompt) for prompt in self.giving), initial=0))
        self._given: dict[Site, Tensor] = {}
        targets, wrong = ([ids[0] for ids in each] for each in zip(*map(_answers, examples), strict=True))
        self._logit_diff = logit_difference(targets, wrong)
        own = Readout({"logit_diff": self._logit_diff})
        given, received = (
            replay.run(prompts, [], own).clean["logit_diff"] for prompts in (self.giving, self.receiving)
        )
        self._whole = self.sign * (given - received)

    def patched(self, cells: Sequence[Cell]) -> list[dict[str, list[float]]]:
        """Values of some cells, each against the same unpatched run."""
        components = [parse_component(cell.site) for cell in cells]
        self.take(site for component in components for site in component.sites)
        sets = [self._acting(*both) for both in zip(cells, components, strict=True)]
        return self.effects(sets, [self.counts(component) for component in components])

    def take(self, sites: Iterable[Site]) -> None:
        """Capture what passes some sites in the giving run, and keep it.

        Raises:
            NotEvaluated: `no_such_site`.
        """
        if wanted := sorted(set(sites) - self._given.keys()):
            for site in wanted:
                self.replay.anatomy.port(site)
            self._given = self.replay.captures(self.giving, wanted + sorted(self._given))

    def effects(
        self, sets: Sequence[Sequence[Intervention]], applies: Sequence[dict[str, list[float]]]
    ) -> list[dict[str, list[float]]]:
        """Every quantity under each set of interventions on the receiving run, and where it applies."""
        measured = self.replay.run(self.receiving, sets, Readout({"kl": kl, "logit_diff": self._logit_diff}))
        changes = self.sign * (measured.values["logit_diff"] - measured.clean["logit_diff"])
        return [
            {
                "recovery": change.tolist(),
                f"recovery{OF}": self._whole.tolist(),
                "logit_diff_change": change.tolist(),
                "kl": divergence.tolist(),
                **where,
            }
            for change, divergence, where in zip(changes, measured.values["kl"], applies, strict=True)
        ]

    def _acting(self, cell: Cell, component: Component) -> list[Intervention]:
        at, depth = component.positions, len(self.replay.anatomy.layers)
        for site in component.sites:
            everything = at is None or site.layer == depth or (site.layer == 0 and at == "subject")
            if site.granularity == "residual" and everything:
                what = f"the stream at {cell.site} taken from the twin is the twin's: it recovers 1 by construction"
                raise NotEvaluated("recovers_by_construction", what)
        positions = self.positions(component)
        return [Intervention(site, self.value(cell, site), positions) for site in component.sites]

    def positions(self, component: Component) -> Positions | None:
        """The tokens of a component in each example; None: all of them."""
        at = component.positions
        return None if at is None else tuple(self.places(example, at) for example in self.examples)

    def value(self, cell: Cell, site: Site) -> Value:
        """What takes the place of the receiving run's tensor at a site that was taken.

        Raises:
            NotEvaluated: `no_such_intervention`; `no_other_example`, a wrong donor needs two examples of a family.
        """
        twist = cell.intervention.partition("|")[2]
        source, seed = self._given[site], int(digest("patch", [site.label, cell.family, cell.seed])[:12], 16)
        own = Donor(source, torch.arange(self._starts[-1]))
        match twist:
            case "":
                return own
            case "matched_norm_patch":
                return AsFar(own, seed)
            case "wrong_donor":
                return Donor(source, torch.tensor(self._of_others(cell.seed)))
        raise NotEvaluated("no_such_intervention", f"{cell.intervention} is not defined")

    def _of_others(self, seed: int) -> list[int]:
        """For each token of the run, the token of another example that gives in its place."""
        tokens: list[int] = []
        for i, prompt in enumerate(self.receiving):
            other = self.other(i, seed)
            tokens += [self._starts[other] + place for place in aligned(len(self.giving[other]), len(prompt))]
        return tokens

    def other(self, i: int, seed: int) -> int:
        """Another example than the i-th, drawn at random."""
        count = len(self.examples)
        if count < 2:
            raise NotEvaluated("no_other_example", "a wrong donor needs two examples of a family")
        choice = random.Random(digest("wrong-donor", {"seed": seed, "example": self.examples[i].id}))
        return (i + choice.randrange(1, count)) % count

    def applies(self, component: Component) -> dict[str, list[float]]:
        """Which examples have tokens of the component's class; nothing where it is at every token."""
        if (at := component.positions) is None:
            return {}
        return {APPLIES: self.places.apply(self.examples, at)}

    def counts(self, component: Component) -> dict[str, list[float]]:
        """The same, without the examples that recover 1 by construction: all that the twins differ in is in the class.

        Before the first layer they differ in their tokens, behind it everywhere from the first of these on.
        """
        if not (where := self.applies(component)):
            return {}
        first = min((site.layer for site in component.sites if site.granularity == "residual"), default=None)
        if first is None or component.positions is None:
            return where
        for i, example in enumerate(self.examples):
            tokens = self.places(example, "subject")
            differing = range(min(tokens, default=0), len(example.clean_ids)) if first else tokens
            if set(differing) <= set(self.places(example, component.positions)):
                where[APPLIES][i] = 0.0
        return where


def _answers(example: Example) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return example.target_ids, example.wrong_target_ids


EVALUATOR = Patching
