"""evaluators: numbers drawn from a stated distribution in place of a model's, to try the grades on. Never evidence.

With m the true effect of a component (its logarithm, where the quantity is positive), example i of template t of family
f has, under any intervention,

    x = m + a_f + b_t + c_t + e_i        a of component and family, b of component and template,
                                         c of the template alone, e of example, component and intervention

    positive   exp(x)        signed   x        part   x d of d, with d lognormal
    event      1 with probability p_t, which is beta-distributed around the family's rate, and that around m

Half the variance of b is of the component under any intervention, half of the one intervention. In a repetition (a
training, a session) every number of a component is off by what is the repetition's own. In a `fixed` world the
families' own a sum to zero (events: their rates have the mean m). A draw of the control has control * m in place of m,
and a level of its own. All follows from the world's seed and the names of things: a cell is the same alone or not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from ..specs.metrics.simulated import World
from .cells import OF, Cell, CellResult
from .models.load import LoadedModel
from .registry import Materials
from .tasks.example import Block

Floats = NDArray[np.float64]

LEAST = 1e-12
"""A positive effect that is none."""


class Simulated:
    """See the module's docstring."""

    def measure(self, model: LoadedModel, materials: Materials, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """Yield one result a cell; the model is not asked."""
        world, families = World.model_validate(materials.settings["world"]), [b.family for b in materials.blocks]
        name, quantity = model.located.spec.model or "", materials.settings.get("quantity")
        drawn = {block.family: Drawn(world, block, families, name) for block in materials.blocks}
        for cell in cells:
            start = time.perf_counter()
            values = drawn[cell.family].values(cell, quantity)
            yield CellResult(cell, values, time.perf_counter() - start)


class Drawn:
    """The numbers of one block of a world."""

    def __init__(self, world: World, block: Block, families: Sequence[str], model: str = "") -> None:
        self._world, self._family, self._families = world, block.family, families
        self._model, self._effects = (model if world.models else ""), world.models.get(model, world.effects)
        names = list(dict.fromkeys(example.template for example in block.examples))
        self._template = np.array([names.index(example.template) for example in block.examples])
        self._common = world.common * self._random("common").standard_normal(len(names))
        self.of_family, self._of_site = cache(self._family_effect), cache(partial(self._tailed, "templates"))
        self._chances = cache(self._probabilities)

    def values(self, cell: Cell, quantity: str | None = None) -> dict[str, list[float]]:
        """The quantity and what goes with it; None: every one."""
        world, own = self._world, [cell.site, cell.intervention, cell.seed]
        drawn, n = cell.intervention == "matched_norm_noise", len(self._template)
        effect = self._effects[cell.site] * (world.control[cell.site] if drawn else 1)
        level = self._level(cell, drawn)
        random = self._random("examples", *own)
        x = self.of_family(cell.site) + (self._common + self._of_templates(cell))[self._template]
        x = x + level + world.items * random.standard_normal(n)
        whole = np.exp(1 + 0.3 * random.standard_normal(n))
        values = {
            "positive": np.exp(math.log(max(effect, LEAST)) + x),
            "signed": effect + x,
            "part": (effect + x) * whole,
            f"part{OF}": whole,
        }
        if quantity in ("event", None):
            chance = self._chances(self._rate(cell, effect, drawn), cell.site)[self._template]
            values["event"] = (random.random(n) < chance).astype(float)
        if cell.site in world.parameters:
            values["parameters"] = np.full(n, float(world.parameters[cell.site]))
        wanted = values if quantity is None else (quantity, quantity + OF, "parameters", world.beside)
        return {name: numbers.tolist() for name, numbers in values.items() if name in wanted}

    def _level(self, cell: Cell, drawn: bool) -> float:
        """How far off a draw of the control, or a repetition, is as a whole."""
        repeated = self._world.repeated
        spread = self._world.draws if drawn else repeated.spread if repeated else 0.0
        name = "level" if drawn else f"repetition {cell.intervention}"
        return spread * float(self._random(name, cell.site, cell.seed, family="").standard_normal())

    def _rate(self, cell: Cell, mean: float, drawn: bool) -> float:
        """The rate of events in a repetition."""
        if drawn or self._world.repeated is None:
            return mean
        random = self._random("repeated rate", cell.site, cell.intervention, cell.seed, family="")
        return _beta(random, mean, self._world.repeated.spread)

    def _family_effect(self, site: str) -> float:
        each = {f: float(self._random("family", site, family=f).standard_normal()) for f in self._families}
        centre = sum(each.values()) / len(each) if self._world.fixed else 0.0
        return self._world.families * (each[self._family] - centre)

    def _of_templates(self, cell: Cell) -> Floats:
        own = self._tailed("templates", cell.site, cell.intervention, cell.seed)
        return self._world.templates * (self._of_site(cell.site) + own) / math.sqrt(2)

    def _tailed(self, *names: Any) -> Floats:
        """A number of mean 0 and variance 1 for each template."""
        random, n = self._random(*names), len(self._common)
        match self._world.tails:
            case "normal":
                return random.standard_normal(n)
            case "skewed":
                return random.standard_exponential(n) - 1
            case "heavy":
                return random.standard_t(5, n) * math.sqrt(3 / 5)

    def _probabilities(self, mean: float, site: str) -> Floats:
        """The probability of an event in each template."""
        rates = {f: _beta(self._random("rate", site, family=f), mean, self._world.families) for f in self._families}
        scale = mean * len(rates) / sum(rates.values()) if self._world.fixed and any(rates.values()) else 1.0
        rate = min(rates[self._family] * scale, 1.0)
        random = self._random("chance", site)
        return np.array([_beta(random, rate, self._world.templates) for _ in self._common])

    def _random(self, *names: Any, family: str | None = None) -> np.random.Generator:
        where = self._family if family is None else family
        content = repr((self._world.seed, self._model, where, names)).encode()
        return np.random.Generator(np.random.PCG64(_Hashed(content)))  # type: ignore[arg-type]


class _Hashed(ISeedSequence):
    """A seed that is hashed already."""

    def __init__(self, content: bytes) -> None:
        self._digest = sha256(content).digest()

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """As many words of the digest; PCG64 asks for four of 64 bits."""
        return np.frombuffer(self._digest, dtype=dtype)[:n_words]


def _beta(random: np.random.Generator, mean: float, spread: float) -> float:
    """A rate of that mean; the variance is the share s^2 / (1 + s^2) of the largest there can be."""
    if not 0 < mean < 1 or spread == 0:
        return mean
    return float(random.beta(mean / spread**2, (1 - mean) / spread**2))


EVALUATOR = Simulated
