"""evaluators: attribution patching: a screen by gradients, beside exact patching. No evidence for a cause by itself.

With u what passes a component in the receiving run, u' in the giving run (denoising: corrupt and clean; noising: clean
and corrupt) and LD = logit(target) - logit(wrong target) at the answer position,

    attributed   sum over tokens of  dLD/du . (u' - u)             (noising: its negative)
    exact        logit_diff_change of `patching`                   logits

One pass forward and one back attribute all components; the gradient of a component is total, through all that follows.
It is right to first order: wrong where the model is not linear between u and u', as where attention saturates. So it
only screens, and every number here is about how well:

    attribution_error   |attributed - exact| of one component, logits
    rank_agreement      Spearman's correlation of the two over the components that are patched, in each example
    missed              the largest exact effect outside the top over the least one in it: a ratio of means

The top are the components of largest |mean attributed effect| on the discovery examples. They and a random set outside
are patched; which member of each set counts for `missed`, with which sign, is found by patching the discovery examples.
The control `shuffled_attribution` deals the attributed effects to other components; `wrong_donor` takes u' from another
example, in the attribution only.
Sources: Nanda 2023, Attribution patching; Syed et al., arXiv 2310.10348; Kramar et al., arXiv 2403.00745 (failures).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import comb
from typing import Any

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import Component, Site, parse_component
from .ablation import aligned, kinds_of
from .anatomy import Anatomy
from .cells import OF, Cell, CellResult, NotEvaluated, Values, by_way, grouped, one_by_one
from .interventions import Edit, intervene
from .models.load import LoadedModel
from .patching import Twins
from .positions import Places
from .proofs import prove
from .registry import Materials
from .replay import Replay
from .replay.prompts import Prompts
from .tasks.example import Block

TOKENS = 1024
"""Of a pass that goes back, about."""

LEAST = 3
"""Components of which an order is made."""

TIED = 1e-5
"""logits: smaller effects are ties."""


class Attribution:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell; a cell of several sites is a screen of these; an error comes after all others.

        Raises:
            NotEvaluated: `proof_failed`; `unaligned`; `recovers_by_construction`; `no_such_site`;
                `no_such_intervention`; `no_discovery`; `too_few_components`; `too_few_sets`, of which
                draws could be distinct; `no_other_example`.
        """
        prove(model, materials.blocks[0].examples[:4], kinds_of(cells))
        replay, places = Replay(model.module), Places(model.tokenizer)
        blocks = {block.family: block for block in materials.blocks}
        learnt = {block.family: block for block in materials.discovery}

        def measuring(family: str, way: str) -> Callable[[Cell], Values]:
            here = Attributed(replay, places, blocks[family], way)
            there = Attributed(replay, places, learnt[family], way) if family in learnt else None

            def values(cell: Cell) -> Values:
                if len(parse_component(cell.site).sites) == 1:
                    return here.error(cell)
                if there is None:
                    raise NotEvaluated("no_discovery", f"a screen ranks on discovery examples: {family} has none")
                return Screen(here, there, cell, materials.settings).values()

            return values

        yield from one_by_one((mine, measuring(*key)) for key, mine in grouped(cells, by_way, 2))


class Attributed:
    """The examples of one block: what patching one way does to them, exactly and by gradients."""

    def __init__(self, replay: Replay, places: Places, block: Block, way: str) -> None:
        """`way` is denoising or noising.

        Raises:
            NotEvaluated: `unaligned`, `no_such_intervention`.
        """
        self.twins = Twins(replay, places, block.examples, way)
        self.family, self.way, self._replay = block.family, way, replay
        self._exact: dict[str, Tensor] = {}
        self._attributed: dict[tuple[str, int | None], Tensor] = {}

    def error(self, cell: Cell) -> dict[str, list[float]]:
        """The values of one component."""
        twist, component = cell.intervention.partition("|")[2], parse_component(cell.site)
        if twist not in ("", "wrong_donor"):
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} at {cell.site} is not defined: no screen")
        (attributed,) = self.attributed([component], cell.seed if twist else None)
        gap = (attributed - self.exact([cell.site])[0]).abs()
        return {"attribution_error": gap.tolist(), **self.twins.counts(component)}

    def exact(self, labels: Sequence[str]) -> Tensor:
        """What patching each component does to the logit difference, [component, example]."""
        if new := [label for label in labels if label not in self._exact]:
            cells = [Cell(self.family, label, self.way) for label in new]
            for label, values in zip(new, self.twins.patched(cells), strict=True):
                self._exact[label] = torch.tensor(values["logit_diff_change"], dtype=torch.float64)
        return torch.stack([self._exact[label] for label in labels])

    def attributed(self, components: Sequence[Component], wrong: int | None) -> Tensor:
        """The same by gradients, [component, example]; `wrong`: which draw of wrong donors, None for the twins."""
        if new := [one for one in components if (one.label, wrong) not in self._attributed]:
            total = torch.zeros(len(new), len(self.twins.examples), dtype=torch.float64)
            for which in self._batches():
                total[:, which] = self._some(new, which, wrong)
            self._attributed.update({(one.label, wrong): row for one, row in zip(new, total, strict=True)})
        return torch.stack([self._attributed[one.label, wrong] for one in components])

    def _some(self, components: Sequence[Component], which: Sequence[int], wrong: int | None) -> Tensor:
        """Attributed effects on some examples, [component, example]."""
        twins, sites = self.twins, sorted({one.sites[0] for one in components})
        receiving, examples = [twins.receiving[i] for i in which], [twins.examples[i] for i in which]
        giving = [twins.giving[i if wrong is None else twins.other(i, wrong)] for i in which]
        own, other = (self._replay.captures(prompts, sites) for prompts in (receiving, giving))
        answers = [(example.target_ids[0], example.wrong_target_ids[0]) for example in examples]
        slopes = gradients(self._replay.anatomy, receiving, sites, answers)
        prompts = Prompts.of(receiving, torch.device("cpu"))
        starts, taken = Prompts.of(giving, torch.device("cpu")).starts, list[int]()
        for start, donor, length in zip(starts, giving, prompts.lengths, strict=True):
            taken += [start + place for place in aligned(len(donor), length)]
        effects = torch.zeros(len(components), len(which), dtype=torch.float64)
        for row, component in zip(effects, components, strict=True):
            (site,) = component.sites
            moved = other[site].cpu().double()[torch.tensor(taken)] - own[site].cpu().double()
            product = (slopes[site].cpu().double() * moved).sum(-1)
            if component.positions is not None:
                at = tuple(twins.places(example, component.positions) for example in examples)
                kept = [token for tokens in prompts.rows(at) for token in tokens]
                product = torch.zeros_like(product).index_copy(0, torch.tensor(kept), product[kept])
            row.index_add_(0, prompts.prompt, twins.sign * product)
        return effects

    def _batches(self) -> Iterator[list[int]]:
        """The examples, shortest first, about so many tokens at a time."""
        batch: list[int] = []
        for i in sorted(range(len(self.twins.examples)), key=lambda i: len(self.twins.receiving[i])):
            if batch and (len(batch) + 1) * len(self.twins.receiving[i]) > TOKENS:
                yield batch
                batch = []
            batch.append(i)
        yield batch


class Screen:
    """One cell: the components of a sweep, of which the attributed effects pick the top."""

    def __init__(self, here: Attributed, there: Attributed, cell: Cell, settings: Mapping[str, Any]) -> None:
        """`there`: the discovery examples, on which the screen ranks.

        Raises:
            NotEvaluated: `too_few_components`, `no_such_intervention`, `too_few_sets`.
        """
        whole = parse_component(cell.site)
        self.here, self.there, self.cell, self._whole = here, there, cell, whole
        self._members = [Component((site,), whole.positions) for site in whole.sites]
        top, outside = int(settings.get("top", 0)), int(settings.get("outside", 20))
        if not 0 < top < len(self._members) or len(self._members) < LEAST:
            what = f"a screen of {len(self._members)} components has no top {top} and something outside it"
            raise NotEvaluated("too_few_components", what)
        twist = cell.intervention.partition("|")[2]
        if twist not in ("", "wrong_donor", "shuffled_attribution"):
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} is not defined")
        self._wrong = cell.seed if twist == "wrong_donor" else None
        size = there.attributed(self._members, self._wrong).mean(1).abs()
        self._dealt = list(range(len(size)))
        picked = size.argsort(descending=True, stable=True)[:top].tolist()
        if twist == "shuffled_attribution":
            self._dealt = self._dealing(set(picked))
            picked = [i for i, source in enumerate(self._dealt) if source in picked]
        self._top, others = sorted(picked), [i for i in range(len(size)) if i not in picked]
        choice = random.Random(digest("outside", {"family": here.family, "site": cell.site}))
        self._outside = sorted(choice.sample(others, min(outside, len(others))))

    def values(self) -> dict[str, list[float]]:
        """The values of the screen in each example."""
        both = self._top + self._outside
        attributed = self.here.attributed(self._members, self._wrong)[self._dealt][both]
        there = self.there.exact(self._labels(both)).mean(1)
        least = self._top[int(there[: len(self._top)].abs().argmin())]
        largest = self._outside[int(there[len(self._top) :].abs().argmax())]
        found, held = (
            self.here.exact(self._labels([i]))[0] * float(there[both.index(i)].sign()) for i in (largest, least)
        )
        return {
            "rank_agreement": spearman(attributed, self.here.exact(self._labels(both))).tolist(),
            "missed": found.tolist(),
            f"missed{OF}": held.tolist(),
            **self.here.twins.counts(self._whole),
        }

    def _labels(self, members: Sequence[int]) -> list[str]:
        return [self._members[i].label for i in members]

    def _dealing(self, top: set[int]) -> list[int]:
        """Whose attributed effect each component gets in this draw; the top it makes is no earlier draw's."""
        count, known = len(self._members), {frozenset(top)}
        if self.cell.seed >= (possible := comb(count, len(top)) - 1):
            what = f"draw {self.cell.seed}: {count} components have {possible} other sets of {len(top)}"
            raise NotEvaluated("too_few_sets", what)
        choice = random.Random(digest("dealing", {"family": self.here.family, "site": self.cell.site}))
        while True:
            dealt = choice.sample(range(count), count)
            made = frozenset(i for i, source in enumerate(dealt) if source in top)
            if made not in known:
                known.add(made)
                if len(known) == self.cell.seed + 2:
                    return dealt


def gradients(
    anatomy: Anatomy, prompts: Sequence[Sequence[int]], sites: Sequence[Site], answers: Sequence[tuple[int, int]]
) -> dict[Site, Tensor]:
    """d(logit(first) - logit(second)) after each prompt, by what passes some sites, [token, width].

    A site's tensor is passed on with zeros added to it, of which the gradient is taken; a layer's update has that of
    the stream it leaves. Prompts are padded on the right, which nothing reads.
    """
    packed = Prompts.of(prompts, anatomy.device)
    zeros: dict[Site, Tensor] = {}
    through = {site: Site(site.layer + 1, "residual") if site.granularity == "layer" else site for site in sites}

    def adding(site: Site) -> Edit:
        def add(update: Tensor, before: Tensor) -> Tensor:
            zeros[site] = torch.zeros_like(update, requires_grad=True)
            return update + zeros[site]

        return add

    at = set(through.values())
    with torch.enable_grad(), intervene(anatomy, {site: adding(site) for site in sorted(at)}):
        hidden = anatomy.decoder(input_ids=packed.ids[packed.padded], use_cache=False).last_hidden_state
        rows = torch.arange(len(prompts), device=anatomy.device)
        last = torch.tensor([length - 1 for length in packed.lengths], device=anatomy.device)
        logits = anatomy.unembedding(hidden[rows, last]).float()
        first, second = torch.tensor(answers, device=anatomy.device).T
        total = (logits[rows, first] - logits[rows, second]).sum()
        slopes = dict(zip(zeros, torch.autograd.grad(total, list(zeros.values())), strict=True))
    return {site: slopes[through[site]][packed.prompt, packed.position] for site in sites}


def spearman(one: Tensor, other: Tensor) -> Tensor:
    """Rank correlation over the components of each example, [component, example] twice -> [example].

    Effects of at most TIED are ties, ties share their mean rank, and where all tie it is 0.
    """
    ranks = [_ranks(values.where(values.abs() > TIED, torch.zeros_like(values))) for values in (one, other)]
    first, second = (rank - rank.mean(0) for rank in ranks)
    spread = ((first**2).sum(0) * (second**2).sum(0)).sqrt()
    return torch.where(spread > 0, (first * second).sum(0) / spread.clamp_min(1e-9), torch.zeros_like(spread))


def _ranks(values: Tensor) -> Tensor:
    """Mean ranks of the components in each example, [component, example]."""
    below = (values[None] < values[:, None]).sum(1)
    equal = (values[None] == values[:, None]).sum(1)
    return below.double() + (equal - 1) / 2


EVALUATOR = Attribution
