"""engine: truths that no formula gives, measured on large samples of a simulated world: what a claim is about there.

In the suite the families are the world's own; beyond it they are drawn anew. What all components of a template have
in common is left out, for it cancels in what is measured here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...specs.library import Library
from ...specs.metrics.simulated import World

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

IN_SUITE = 2000
"""Templates of each of the suite's families."""

BEYOND = (2000, 50)
"""New families, and templates of each."""


def logs(world: Mapping[str, Any], sites: Sequence[str], interventions: int = 1) -> Floats:
    """Logarithms of a positive quantity, (interventions, sites, families, templates), one prompt a template."""
    import numpy as np

    random, families = np.random.default_rng([world["seed"], 1]), _families(world, sites)
    shape = (interventions, *families.shape, IN_SUITE if world["fixed"] else BEYOND[1])
    own = [_tailed(random, world["tails"], size) for size in (shape[1:], shape)]
    levels = np.array([math.log(world["effects"][site]) for site in sites])
    x = (levels[:, None] + families)[..., None] + world["templates"] * (own[0] + own[1]) / math.sqrt(2)
    return np.asarray(x + world["items"] * random.standard_normal(shape))


def centre(world: Mapping[str, Any], values: Floats) -> float:
    """What the bound is held against: the mean over the suite's families, or the median over all such families."""
    import numpy as np

    each = values.mean(axis=-1)
    return float(each.mean() if world["fixed"] else np.median(each))


def _families(world: Mapping[str, Any], sites: Sequence[str]) -> Floats:
    """What a family adds to each site, (sites, families)."""
    import numpy as np

    from ...evaluators.simulated import Drawn
    from ...evaluators.tasks.example import Block

    if not world["fixed"]:
        random = np.random.default_rng([world["seed"], 0])
        return np.asarray(world["families"] * random.standard_normal((len(sites), BEYOND[0])))
    names = list(Library().suite("main-12").families or ())
    drawn = [Drawn(World.model_validate(world), Block.of(name, "verification", 1, (), {}), names) for name in names]
    return np.array([[each.of_family(site) for each in drawn] for site in sites])


def _tailed(random: np.random.Generator, tails: str, shape: tuple[int, ...]) -> Floats:
    match tails:
        case "skewed":
            return random.standard_exponential(shape) - 1
        case "heavy":
            return random.standard_t(5, shape) * math.sqrt(3 / 5)
    return random.standard_normal(shape)
