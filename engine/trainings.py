"""engine: what a training needs before it can run: its data, and the measured maps that say which weights it trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..evaluators.finetuning.job import TRAINER, atlas_name
from ..specs.canonical import digest
from ..specs.recipe import AtlasTargets, Data, Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .memo import BlockInfo
    from .needs import Run

    Values = Mapping[str, Mapping[str, NDArray[np.float64]]]

MAP_DRAW = 1
"""Maps are measured on the discovery examples of this draw, whichever is verified: a training stays what it is."""


@dataclass(frozen=True)
class MapRuns:
    """The runs from which a map is read."""

    dtype: str
    blocks: tuple[BlockInfo, ...]
    series: Mapping[str, tuple[str, ...]]
    """Component -> keys of its runs, one a block."""
    runs: tuple[Run, ...]

    @classmethod
    def of(cls, dtype: str, blocks: tuple[BlockInfo, ...], runs: Mapping[str, tuple[Run, ...]]) -> MapRuns:
        """A map of the runs of each component."""
        series = {site: tuple(run.key for run in some) for site, some in runs.items()}
        return cls(dtype, blocks, series, tuple(run for some in runs.values() for run in some))

    @property
    def keys(self) -> Iterator[str]:
        """Of all runs."""
        return (run.key for run in self.runs)

    @cached_property
    def digest(self) -> str:
        """Of the keys of all runs (64 hex digits)."""
        return digest("map", {component: list(keys) for component, keys in self.series.items()})

    def effects(self, values: Values) -> dict[str, float]:
        """Component -> typical KL, nats: exp of the mean over families of the mean over templates of the floored log.

        Raises:
            KeyError: a run has not been measured.
        """
        import numpy as np

        from .grade.evidence import Evidence
        from .grade.table import Table

        series = {site: np.concatenate([values[key]["kl"] for key in keys]) for site, keys in self.series.items()}
        rows = [(b.family, *row) for b in self.blocks for row in zip(b.templates, b.examples, strict=True)]
        table = Table(Evidence.of_map(rows, {("map", site): one for site, one in series.items()}, self.dtype))
        means = {site: table.layout.means(table.logs(table.series(("map", site)))) for site in series}
        return {site: float(np.exp(by_family.mean())) for site, by_family in means.items()}


@dataclass(frozen=True)
class Training:
    """A recipe, written out in full, and what it needs."""

    recipe: Recipe
    maps: Mapping[str, MapRuns]
    """Name of a map -> its runs."""
    parts: Mapping[str, Any]
    """What decides a training beside the model it starts from and its seed."""

    @classmethod
    def of(cls, recipe: Recipe, maps: Mapping[str, MapRuns], data_digest: Callable[[Data], str]) -> Training:
        """A recipe with those of the maps that it is aimed by.

        Raises:
            NotEvaluated: the data are not here; the text says how to get them.
        """
        own = {name: maps[name] for name in maps_of([recipe])}
        parts = {
            "recipe": recipe.model_dump(mode="json", exclude={"recipe", "notes"}, exclude_defaults=True),
            "data": [data_digest(each.data) for each in recipe.lineage() if each.data],
            "map": [each.digest for each in own.values()],
            "trainer": TRAINER,
        }
        return cls(recipe, own, parts)

    @property
    def passes(self) -> int:
        """Examples that one training runs forward and back, each counted as three passes."""
        return sum(3 * each.steps * each.batch for each in self.recipe.lineage() if each.data)


def maps_of(recipes: Iterable[Recipe]) -> dict[str, AtlasTargets]:
    """Name of a map -> how it is measured, of all maps that one of the recipes is aimed by."""
    aims = (each.targets for recipe in recipes for each in recipe.lineage())
    return {atlas_name(aim): aim for aim in aims if isinstance(aim, AtlasTargets)}
