"""evaluators: representation: what a clean pass looks like inside. It describes; it is no evidence for a cause.

`observe` looks at each prompt's last token, `observe(every)` at the mean over its tokens. What is measured follows from
the metric's setting `about`; with h_i the stream entering layer i, per example:

    lens_target        at Li.residual: is the target's first token the lens's first (0, 1); its log-probability, nats
    lens_kl            at Li.residual: KL(final || lens), nats; over every token its mean
    cka                of two sites over the family's examples: jackknife pseudo-values of debiased linear CKA
    cka_tokens         of two sites over the tokens of the prompt, where it has 8 or more
    residual_norm      at Li.residual: |h_i|; over every token its mean
    norm_jump          at Li: |h_(i+1)| / |h_i|; over every token its geometric mean
    current_tap_share  at Li.conv: of u = B * x and a kernel w whose last tap is the current token's (causal: the others
                       are those before it), sum_c (w_c0 u_c(t))^2 over sum_c sum_k (w_ck u_c(t - k))^2, 0 to 1; over
                       every token both sums are over the tokens too. A bias is no tap's.
    embedding_cosine   at L0.residual of the embedding's rows, at the end of the stream of the unembedding's:
                       cos(target, wrong target) less the mean cos(target, r) over 20 random tokens r

`observe|shuffled_examples` permutes the rows of one side within a family: no row stays in its place.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import Tensor, nn

from ..specs.canonical import digest
from ..specs.metrics.representation import ABOUT
from ..specs.sites import Site, parse_component
from .ablation import aligned, kinds_of
from .cells import APPLIES, Cell, CellResult, NotEvaluated, by_family, grouped, one_by_one
from .lens import lens_kl, lens_target
from .models.load import LoadedModel
from .proofs import prove
from .registry import Materials
from .replay import Replay
from .similarity import cka, pseudo_values
from .tasks.example import Example
from .views import View, shuffled

LEAST_TOKENS = 8
"""Of a prompt whose tokens are compared; others do not count."""

ROWS = 20
"""Random rows of the embedding that a cosine is compared with."""

KINDS = {about.name: about.kinds for about in ABOUT.values()}

Values = dict[str, list[float]]


class Representation:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell; a cell that has no value is an error only after all others were given.

        Raises:
            NotEvaluated: `constant_representation`, `too_few_rows`: there is no CKA; `no_such_site`, `no_norm`;
                `no_such_intervention`, `no_such_control`: a word that the quantity has no meaning for.
        """
        bench = Bench(model, materials, cells)
        yield from one_by_one(
            (some, bench.values)
            for (family,), mine in grouped(cells, by_family, 1)
            for some in bench.look_at(family, mine)
        )


@dataclass(frozen=True)
class Glance:
    """One cell, read."""

    site: Site
    every: bool
    """Over every token; else at the last."""
    seed: tuple[str | int, ...] | None
    """Of a shuffle; None where nothing is shuffled."""

    def order(self, count: int, *of: str) -> list[int]:
        """Which row of the other side each of so many rows is compared with."""
        return list(range(count)) if self.seed is None else shuffled(count, *self.seed, *of)


class Bench:
    """One model, and another where there is one, before the blocks of one draw."""

    def __init__(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> None:
        self.about: str = materials.settings["about"]
        self._measure: Callable[[Glance], Values] = getattr(self, f"_{self.about}")
        self.blocks = {block.family: block for block in materials.blocks}
        self._model, self._donor = model, materials.donor
        self.replay = Replay(model.module)
        self._other = self.replay if materials.donor is None else Replay(materials.donor.module)
        self.end = Site(len(self.replay.anatomy.layers), "residual")
        self.against = self.end
        """The site of the other side."""
        examples, compared = materials.blocks[0].examples[:4], []
        if against := materials.settings.get("against"):
            self.against = parse_component(against).sites[0]
            compared = [Cell("", against, "observe")]
        prove(model, examples, kinds_of([*cells, *(compared if materials.donor is None else ())]))
        if materials.donor is not None:
            prove(
                materials.donor, [self._read_by(materials.donor, example) for example in examples], kinds_of(compared)
            )

    def look_at(self, family: str, cells: Sequence[Cell]) -> Iterator[list[Cell]]:
        """Cells of one family, sorted by site, in groups while what they need is held."""
        block = self.blocks[family]
        self.examples = block.examples
        self.view = View(self.replay, [example.clean_ids for example in self.examples])
        texts = self.examples if self._donor is None else [self._read_by(self._donor, e) for e in self.examples]
        self.other = View(self._other, [example.clean_ids for example in texts])
        groups = [list(mine) for _, mine in groupby(cells, lambda cell: cell.site)]
        for first in range(0, len(groups), self.view.room):
            some = [cell for group in groups[first : first + self.view.room] for cell in group]
            self.view.hold(site for cell in some for site in self._needs(cell))
            yield some

    def values(self, cell: Cell) -> Values:
        """What a cell of the family under way gives."""
        word, _, twist = cell.intervention.partition("|")
        if word not in ("observe", "observe(every)") or twist not in ("", "shuffled_examples"):
            raise NotEvaluated("no_such_intervention", f"{cell.intervention} observes nothing")
        every, site = word != "observe", self._site(cell)
        if every and self.about in ("lens_target", "cka_tokens", "embedding_cosine"):
            raise NotEvaluated("no_such_intervention", f"{self.about} is at no other tokens: {word} has no meaning")
        if twist and self.about in ("residual_norm", "norm_jump", "current_tap_share"):
            raise NotEvaluated("no_such_control", f"{self.about} compares nothing with another example: no {twist}")
        return self._measure(Glance(site, every, (cell.family, cell.site, cell.seed) if twist else None))

    def _site(self, cell: Cell) -> Site:
        component = parse_component(cell.site)
        site = component.sites[0]
        if len(component.sites) > 1 or component.positions or site.granularity not in KINDS[self.about]:
            raise NotEvaluated(
                "no_such_site", f"{self.about} is of {' or '.join(KINDS[self.about])}, not of {cell.site}"
            )
        return site

    def _needs(self, cell: Cell) -> tuple[Site, ...]:
        site = self._site(cell)
        match self.about:
            case "norm_jump":
                return Site(site.layer, "residual"), Site(site.layer + 1, "residual")
            case "current_tap_share":
                return Site(site.layer, "conv_gate"), Site(site.layer, "conv_signal")
            case "embedding_cosine":
                return ()
        return (site,)

    def _read_by(self, donor: LoadedModel, example: Example) -> Example:
        """The example under the other model's tokenizer, its own ids where that is the same one."""
        if donor.reads_like(self._model):
            return example
        return replace(example, clean_ids=tuple(donor.tokenizer.encode(example.clean).ids))

    def _lens_target(self, glance: Glance) -> Values:
        order = glance.order(len(self.examples))
        targets = [self.examples[other].target_ids[0] for other in order]
        return lens_target(self.replay, self.view.vectors(glance.site, False), targets)

    def _lens_kl(self, glance: Glance) -> Values:
        start = 0 if glance.every else -1
        streams = [tokens[start:] for tokens in self.view.tokens(glance.site)]
        ends = [tokens[start:] for tokens in self.other.tokens(self.end)]
        order = glance.order(len(streams))
        other = [ends[j][aligned_to(len(ends[j]), len(streams[i]))] for i, j in enumerate(order)]
        kl = lens_kl(self.replay, torch.cat(other), torch.cat(streams))
        return {"lens_kl": [float(mine.mean()) for mine in torch.split(kl, [len(stream) for stream in streams])]}

    def _cka(self, glance: Glance) -> Values:
        own, other = self.view.vectors(glance.site, glance.every), self.other.vectors(self.against, glance.every)
        return {"cka": pseudo_values(own, other[glance.order(len(own))].to(own.device)).tolist()}

    def _cka_tokens(self, glance: Glance) -> Values:
        values, applies = [], []
        for own, other, example in zip(
            self.view.tokens(glance.site), self.other.tokens(self.against), self.examples, strict=True
        ):
            value = None
            if len(own) == len(other) >= LEAST_TOKENS:
                with suppress(NotEvaluated):
                    value = cka(own, other[glance.order(len(own), example.id)].to(own.device))
            applies.append(float(value is not None))
            values.append(value or 0.0)
        return {"cka_tokens": values, APPLIES: applies}

    def _residual_norm(self, glance: Glance) -> Values:
        return {"residual_norm": [float(norms.mean()) for norms in self.view.norms(glance.site, glance.every)]}

    def _norm_jump(self, glance: Glance) -> Values:
        before, after = (self.view.norms(Site(glance.site.layer + i, "residual"), glance.every) for i in range(2))
        ratios = (later.log() - earlier.log() for earlier, later in zip(before, after, strict=True))
        return {"norm_jump": [float(logs.mean().exp()) for logs in ratios]}

    def _current_tap_share(self, glance: Glance) -> Values:
        layer, operator = glance.site.layer, self.replay.anatomy.operators[glance.site.layer]
        kernel = operator.conv.weight[:, 0].double()  # type: ignore[union-attr, index]
        gates, signals = (self.view.tokens(Site(layer, kind)) for kind in ("conv_gate", "conv_signal"))
        shares = []
        for gate, signal in zip(gates, signals, strict=True):
            energy = tap_energies((gate * signal).double(), kernel)[0 if glance.every else -1 :].mean(0)
            if not energy.sum() > 0:
                raise NotEvaluated("no_norm", f"{glance.site.label} sums up nothing but zeros")
            shares.append(float(energy[0] / energy.sum()))
        return {"current_tap_share": shares}

    def _embedding_cosine(self, glance: Glance) -> Values:
        anatomy = self.replay.anatomy
        if glance.site.layer not in (0, self.end.layer):
            raise NotEvaluated("no_such_site", f"embeddings are at L0.residual and {self.end.label} only")
        module: nn.Module = anatomy.unembedding.module if glance.site == self.end else anatomy.embedding
        rows, order = module.weight, glance.order(len(self.examples))
        assert isinstance(rows, Tensor)
        values = []
        for example, other in zip(self.examples, order, strict=True):
            target, wrong = example.target_ids[0], self.examples[other].wrong_target_ids[0]
            others = [wrong, *_random_tokens(example, anatomy.vocabulary)]
            cosines = nn.functional.cosine_similarity(rows[target].double()[None], rows[others].double())
            values.append(float(cosines[0] - cosines[1:].mean()))
        return {"embedding_cosine": values}


def tap_energies(signal: Tensor, kernel: Tensor) -> Tensor:
    """Squares of what each tap of a causal convolution adds, summed over channels: [token, lag], lag 0 being itself.

    From what is convolved [token, channel] and the kernel [channel, tap], whose last tap is lag 0; before the first
    token there is nothing.
    """
    energies = torch.zeros(len(signal), kernel.shape[1], dtype=signal.dtype, device=signal.device)
    for lag in range(min(kernel.shape[1], len(signal))):
        energies[lag:, lag] = (signal[: len(signal) - lag] * kernel[:, -1 - lag]).square().sum(-1)
    return energies


def aligned_to(donor: int, length: int) -> list[int]:
    """Position in another prompt for each position of a prompt of so many tokens."""
    return [donor - 1] if length == 1 else aligned(donor, length)


def _random_tokens(example: Example, vocabulary: int) -> list[int]:
    """Tokens that are neither of the example's answers."""
    answers = {example.target_ids[0], example.wrong_target_ids[0]}
    if vocabulary < ROWS + len(answers):
        raise NotEvaluated("too_few_rows", f"a vocabulary of {vocabulary} has no {ROWS} tokens beside the answers")
    drawn = random.Random(digest("rows", example.id)).sample(range(vocabulary), ROWS + len(answers))
    return [token for token in drawn if token not in answers][:ROWS]


EVALUATOR = Representation
