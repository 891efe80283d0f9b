"""evaluators: directions that steer: what discovery examples say of a site, and what else they could have said.

With A+ and A- what passes a site at the last token of positive and of negative discovery prompts, v = mean A+ - mean A-
(Rimsky et al. 2312.06681). Learnt in another model, v M stands for it, with M from the donor's width to this model's.
What a control makes of v has the norm of v, except where it is to keep its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache

import torch
from torch import Tensor

from ..specs.canonical import digest
from ..specs.sites import Site, parse_site
from .cells import NotEvaluated
from .maps import least_squares, procrustes, rotation
from .models.load import LoadedModel
from .registry import Materials
from .replay import Replay
from .sides import Row, Sides, find_sides, learnt_from
from .tasks.example import Example
from .views import shuffled

PROMPTS_AT_ONCE = 32
"""Of which every token is held until the last ones are taken."""

FITS = 24
"""Maps that are held, of so many draws of a control."""

ROUNDING = 1e-6
"""A difference of means that is less than this share of the vectors' own norm is none."""

STREAM = ("residual", "layer", "operator", "mlp")
"""Sites that are as wide as the stream, so that its norm is a unit there."""


class Activations:
    """What passes sites of a model at the last token of discovery prompts."""

    def __init__(self, replay: Replay, blocks: Mapping[str, Sequence[Example]], sites: Sequence[Site]) -> None:
        self.replay, self._blocks, self._sites = replay, blocks, set(sites)
        self._held: dict[str, dict[Site, Tensor]] = {}

    def at(self, family: str, site: Site) -> Tensor:
        """[prompt, width], float64 on the CPU: the family's clean prompts, then the corrupt ones.

        Raises:
            NotEvaluated: `no_such_site`.
        """
        if site not in self._sites:
            self._sites.add(site)
            self._held.clear()
        if family not in self._held:
            self._held[family] = self._captured(self._blocks[family])
        return self._held[family][site]

    def of(self, rows: Sequence[Row], site: Site) -> Tensor:
        """[row, width] of some prompts."""
        return torch.stack([self.at(family, site)[number] for family, number in rows])

    def _captured(self, examples: Sequence[Example]) -> dict[Site, Tensor]:
        prompts = [*(example.clean_ids for example in examples), *(example.corrupt_ids for example in examples)]
        sites, parts = sorted(self._sites), []
        for site in sites:
            self.replay.anatomy.port(site)
        for first in range(0, len(prompts), PROMPTS_AT_ONCE):
            some = prompts[first : first + PROMPTS_AT_ONCE]
            ends = torch.tensor([len(prompt) for prompt in some]).cumsum(0) - 1
            seen = self.replay.captures(some, sites)
            parts.append({site: seen[site][ends.to(seen[site].device)].double().cpu() for site in sites})
        return {site: torch.cat([part[site] for part in parts]) for site in sites}


class Directions:
    """The directions that a metric learns, by name: the family whose they are."""

    def __init__(self, model: LoadedModel, replay: Replay, materials: Materials, sites: Sequence[Site]) -> None:
        """Nothing is captured before it is asked for.

        Raises:
            NotEvaluated: `no_discovery`, `no_such_family`: there is nothing to learn from.
        """
        blocks, self._settings = {block.family: block for block in materials.discovery}, materials.settings
        if not blocks:
            raise NotEvaluated("no_discovery", "a direction is learnt from discovery examples, and there are none")
        self._map = self._settings.get("map", "identity")
        self._site = materials.donor and self._settings.get("donor_site")
        own = {family: block.examples for family, block in blocks.items()}
        self._own = self._source = Activations(replay, own, sites)
        if materials.donor is not None:
            texts = {family: [read_by(materials.donor, model, e) for e in some] for family, some in own.items()}
            asked = [parse_site(self._site)] if self._site else sites
            self._source = Activations(Replay(materials.donor.module), texts, asked)
        kept = {family: learnt_from(block, self._map == "identity") for family, block in blocks.items()}
        self._pairing = [
            (family, [i for i in range(len(own[family])) if i not in numbers]) for family, numbers in kept.items()
        ]
        self.sides = find_sides(self._settings, blocks, kept)
        """Name -> positive and negative prompts, of every family that has both."""
        self.named = cache(self._named)
        self._norm, self._fit = cache(self._stream_norm), lru_cache(FITS)(self._fitted)

    def vector(self, name: str, site: Site, twist: str = "", nth: int = 0) -> Tensor:
        """The direction at a site, or what the nth draw of a control puts in its place, [width], float64.

        Zero where the sides do not differ, as at the embedding of a last token that both sides share.

        Raises:
            NotEvaluated: `no_such_control`, `too_few_draws`, `widths_differ`, `too_few_texts`, `no_map`.
        """
        own, mapped = self.named(name, site), self._source is not self._own
        match twist:
            case "":
                return own
            case "random_direction":
                seed = int(digest("direction", [name, site.label, nth])[:12], 16)
                other = torch.randn(len(own), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            case "shuffled_labels":
                other = self._mapped(self.sides[name].dealt_anew(nth, name), site)
            case "shuffled_labels_own_norm":
                return self._mapped(self.sides[name].dealt_anew(nth, name), site)
            case "wrong_task":
                other = self._mapped(self._of_another(name, nth), site)
            case "random_map" if mapped:
                taken = self._difference(self.sides[name], site)
                other = taken @ rotation(len(taken), len(own), nth)
            case "shuffled_pairs" if self._map != "identity":
                other = self._difference(self.sides[name], site) @ self._fit(site, nth)
            case _:
                way = f"by map {self._map}" if mapped else "without a donor"
                raise NotEvaluated("no_such_control", f"there is no {twist} of a direction learnt {way}")
        return _as_long(other, float(own.norm()))

    def scaled(self, name: str, site: Site, vector: Tensor) -> Tensor:
        """A vector at the mean norm of the stream entering the layer, at the last tokens of a direction's prompts.

        Raises:
            NotEvaluated: `no_such_unit`, the site is not as wide as the stream.
        """
        if site.granularity not in STREAM:
            raise NotEvaluated("no_such_unit", f"the norm of the stream is no unit at {site.label}: name unit vector")
        return _as_long(vector, self._norm(name, site.layer))

    def _named(self, name: str, site: Site) -> Tensor:
        return self._mapped(self.sides[name], site)

    def _stream_norm(self, name: str, layer: int) -> float:
        sides = self.sides[name]
        rows = [*sides.positive, *sides.negative]
        return float(self._own.of(rows, Site(layer, "residual")).norm(dim=-1).mean())

    def _difference(self, sides: Sides, site: Site) -> Tensor:
        """In the model where it is learnt; zero where it is rounding."""
        there = parse_site(self._site) if self._site else site
        positive, negative = (self._source.of(rows, there) for rows in (sides.positive, sides.negative))
        difference = positive.mean(0) - negative.mean(0)
        noise = ROUNDING * float(torch.cat([positive, negative]).norm(dim=-1).mean())
        return difference if float(difference.norm()) > noise else torch.zeros_like(difference)

    def _mapped(self, sides: Sides, site: Site) -> Tensor:
        difference = self._difference(sides, site)
        if self._source is self._own:
            return difference
        if self._map != "identity":
            return difference @ self._fit(site)
        width = self._own.at(sides.positive[0][0], site).shape[1]
        if len(difference) != width:
            raise NotEvaluated("widths_differ", f"{len(difference)} there and {width} at {site.label}: no identity")
        return difference

    def _fitted(self, site: Site, shuffle: int | None = None) -> Tensor:
        """The map [donor's width, width]; with `shuffle` fitted to that draw of wrong pairs."""
        there, x, y = parse_site(self._site) if self._site else site, [], []
        for family, numbers in self._pairing:
            order = numbers if shuffle is None else [numbers[i] for i in shuffled(len(numbers), family, shuffle)]
            half = len(self._own.at(family, site)) // 2
            for first in (0, half):
                y.append(self._own.at(family, site)[[first + i for i in numbers]])
                x.append(self._source.at(family, there)[[first + i for i in order]])
        fit = procrustes if self._map == "procrustes" else least_squares
        return fit(torch.cat(x), torch.cat(y))

    def _of_another(self, name: str, nth: int) -> Sides:
        """Half of another family's examples; families take turns while they have halves that were not drawn."""
        halves, turn = {other: self.sides[other].halves for other in self.sides if other != name}, nth
        for rounds in range(max(halves.values(), default=0)):
            left = [other for other, count in halves.items() if count > rounds]
            if turn < len(left):
                return self.sides[left[turn]].half(rounds, left[turn])
            turn -= len(left)
        what = f"draw {nth} of another family than {name}: others with a direction have {sum(halves.values())} halves"
        raise NotEvaluated("too_few_draws", what)


def read_by(donor: LoadedModel, model: LoadedModel, example: Example) -> Example:
    """The example's prompts under another model's tokenizer; as they are where that is the same one."""
    if donor.reads_like(model):
        return example
    ids = [tuple(donor.tokenizer.encode(text).ids) for text in (example.clean, example.corrupt)]
    return replace(example, clean_ids=ids[0], corrupt_ids=ids[1])


def _as_long(vector: Tensor, length: float) -> Tensor:
    """The vector at another length; zero has no direction and stays zero."""
    norm = float(vector.norm())
    return vector * (length / norm if norm else 0.0)
