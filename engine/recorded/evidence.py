"""engine: the recorded numbers that speak to a claim, as its evidence: of one table only, one value a family.

A table speaks to a claim if it is of its model, evaluator, quantity and intervention, and of the components and
families that the claim is about. Of several the one with most families is read; they are never put together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...specs.behaviour import Behaviour
from ...specs.claim import MeasuredClaim
from ...specs.interventions import label
from ...specs.load import LoadedClaim
from ...specs.metrics.base import ConditionMetric, Metric, SweptMetric
from ...specs.model import Model
from ...specs.recorded import Defect, Numbers, RecordedMap
from ...specs.sites import granularity_of, parse_component
from ...specs.suite import Suite
from ..grade import Evidence, intervention_label
from ..grade.forms import FormError, find_form
from .cells import cells_of, numbered, replicate_of, series_of, units_of
from .guards import COPY
from .rows import Row, unit_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Index = dict[tuple[str, str], list[Row]]
"""(evaluator, model in lower case) -> rows."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """What one table says to a claim."""

    source: str
    """Map and table."""
    quantity: str
    """What is recorded; where it is not the claim's own quantity, nothing but a count follows from it."""
    absent: tuple[str, ...]
    """`zero at L3`: what the claim compares and nobody recorded; not more than half of it."""
    spec: RecordedMap
    table: Numbers
    rows: tuple[Row, ...]
    """Of the claim's model, quantity and families; of its other components, too, and those that do not count."""
    evidence: Evidence
    means: Mapping[tuple[str, str], Floats]
    """(intervention, component) -> its mean in every unit, over all replicates."""
    units: tuple[str, ...]
    """Families; prompts, where there is no more than one family."""
    prompts: Mapping[str, int]
    """Unit -> prompts behind its value."""
    repetitions: int
    """Trainings, sessions or passes of each thing that the claim compares, without copies."""
    exact: Mapping[str, float]
    """Component -> the exact size that the claim compares; empty where none is recorded."""
    others: tuple[str, ...]
    """Tables that speak to the claim, too, and are not read."""
    missing: Mapping[str, int]
    """Component -> how many numbers its file lacks of those that the map expects, where it lacks some."""

    @property
    def copies(self) -> int:
        """Replicates that are copies of others, and do not count."""
        return len({(row.file, row.seed) for row in self.rows if row.void.startswith(COPY)})

    @property
    def void(self) -> str:
        """Why numbers that the claim needs do not count, other than copies; empty where all do."""
        return next((row.void for row in self.rows if row.void and not row.void.startswith(COPY)), "")

    @property
    def by_family(self) -> bool:
        """Whether the units are families."""
        return any(row.family in self.units for row in self.rows if row.family)

    @property
    def layers(self) -> int:
        """Of the model; 0: not known."""
        return max(row.layers for row in self.rows)

    @property
    def unit(self) -> str:
        """The unit of the numbers."""
        return unit_of(self.table)

    @property
    def defects(self) -> tuple[Defect, ...]:
        """What is known to be wrong."""
        return (*self.spec.defects, *self.table.defects)

    @property
    def files(self) -> tuple[str, ...]:
        """The files, each once."""
        return tuple(dict.fromkeys(row.file for row in self.rows if not row.void.startswith(COPY)))


def names_of(model: Model) -> frozenset[str]:
    """What recorded files may call a model."""
    whole = model.quantization is None and model.adapter is None
    return frozenset(name.lower() for name in (model.model, model.source.hub if whole else None) if name)


def indexed(rows: Sequence[Row]) -> Index:
    """Rows by evaluator and model, so that a claim looks at its own only."""
    index: Index = defaultdict(list)
    for row in rows:
        index[row.evaluator, row.model.lower()].append(row)
    return index


def speaks(
    loaded: LoadedClaim, model: Model, suite: Suite, index: Index, maps: Mapping[str, RecordedMap]
) -> Recorded | None:
    """What speaks to a measured claim; None if no table does.

    Where the claim's own quantity is not recorded, another one of the same evaluator says at least what was recorded.
    """
    claim: Any = loaded.claim
    recipes, families = _recipes(loaded), _families(suite)
    tables: dict[str, list[Row]] = defaultdict(list)
    every = [row for name in sorted(names_of(model)) for row in index.get((claim.metric.evaluator, name), ())]
    for row in every:
        known = families is None or not row.family or row.family in families
        same = all(getattr(claim.metric, name, None) == value for name, value in row.settings)
        if known and same and (not row.recipe or row.recipe in recipes):
            tables[row.source].append(row)
    for quantity in _quantities(claim.metric):
        found = [_read(claim, quantity, source, tables, maps) for source in tables]
        if spoken := [each for each in found if each is not None]:
            best, *others = sorted(spoken, key=_preference)
            missing = _missing(best, every) if best.table.expected else {}
            return replace(best, others=tuple(each.source for each in others), missing=missing)
    return None


def _missing(found: Recorded, every: Sequence[Row]) -> dict[str, int]:
    there = Counter((row.component, row.file) for row in every if row.source == found.source)
    lacking = {place: (found.table.expected or 0) - count for place, count in sorted(there.items())}
    return {component: count for (component, _), count in lacking.items() if count > 0}


def _preference(found: Recorded) -> tuple[Any, ...]:
    blocked = any(defect.blocks for defect in found.defects)
    return not found.units, bool(found.absent), blocked, -len(found.units), found.source


def _quantities(metric: Metric) -> tuple[str, ...]:
    """The metric's own quantity, and those of its kind, of which a record may say at least what was recorded."""
    own = metric.kind
    alike = (name for name, kind in metric.QUANTITIES.items() if kind.unit == own.unit and (own.unit or kind == own))
    return tuple(dict.fromkeys((metric.quantity, *alike)))


def _families(suite: Suite) -> frozenset[str] | None:
    """Task families of a suite, or categories of a behaviour set; None: any, where judges decide on open prompts."""
    behaviour = suite.behaviour if isinstance(suite.behaviour, Behaviour) else None
    if behaviour and behaviour.decided_by == "judge":
        return None
    return frozenset((*(suite.families or ()), *(behaviour.categories if behaviour else ())))


def _recipes(loaded: LoadedClaim) -> frozenset[str]:
    """The names of recipes in a claim's metric, before they were written out."""
    metric = loaded.document.get(("metric",)) or {}
    named = [metric.get("recipe"), *(metric.get("recipes") or {}).values()]
    return frozenset(name for name in named if isinstance(name, str))


def _read(
    claim: MeasuredClaim, quantity: str, source: str, tables: Mapping[str, list[Row]], maps: Mapping[str, RecordedMap]
) -> Recorded | None:
    name, _, index = source.rpartition("#")
    own = intervention_label(claim.counterfactual)
    every = [row for row in tables[source] if row.quantity == quantity]
    every += _controls(every, source, tables)
    every = _with_parameters(every, (own, *map(intervention_label, claim.robustness)))
    rows = [row for row in every if not row.void]
    sweep = _sweep(claim, every)
    form = find_form(claim.expect.form)
    try:
        effects = {(ref.intervention or own, ref.site) for ref in form.effects(claim, sweep)}
    except FormError:
        return None
    there = {(row.intervention, row.component) for row in every if not row.control}
    absent = tuple(sorted(f"{intervention} at {site}" for intervention, site in effects - there))
    if len(absent) > len(effects) / 2 or not effects:
        return None
    effects &= there
    cells = cells_of(rows, form.COUNTS)
    units, replicates = units_of(cells, effects), numbered(rows)
    return Recorded(
        source=source,
        quantity=quantity,
        absent=absent,
        spec=maps[name],
        table=maps[name].numbers[int(index)],
        rows=tuple(every),
        evidence=_evidence(claim, maps[name], rows, units, sweep, form.COUNTS),
        means={place: values for (place, drawn), values in series_of(cells, units).items() if not drawn},
        units=units,
        prompts={unit: max(cells[place, "", unit].prompts for place in effects) for unit in units},
        repetitions=min((sum(each[:2] == place for each in replicates) for place in effects), default=0),
        exact=_exact(claim, name, tables),
        others=(),
        missing={},
    )


def _controls(rows: Sequence[Row], source: str, tables: Mapping[str, list[Row]]) -> list[Row]:
    """The control draws of other tables of the same map, in the same unit."""
    units = {(row.quantity, row.unit) for row in rows}
    others = [each for name, each in tables.items() if name != source and _map_of(name) == _map_of(source)]
    return [row for each in others for row in each if row.control and (row.quantity, row.unit) in units]


def _map_of(source: str) -> str:
    return source.rpartition("#")[0]


def _with_parameters(rows: Sequence[Row], labels: Sequence[str]) -> list[Row]:
    """Interventions that are recorded without parameters, in the words of the claim."""
    full = {name.partition("(")[0]: name for name in reversed(labels)}
    return [row._replace(intervention=full.get(row.intervention, row.intervention)) for row in rows]


def _exact(claim: MeasuredClaim, name: str, tables: Mapping[str, list[Row]]) -> dict[str, float]:
    """Component -> its exact size, where the claim compares sizes and the same files record them."""
    wanted = getattr(claim.expect, "size", None)
    return {
        row.component: row.value
        for source, rows in tables.items()
        for row in rows
        if wanted and _map_of(source) == name and row.quantity == wanted and not row.void
    }


def _sweep(claim: MeasuredClaim, rows: Sequence[Row]) -> tuple[str, ...]:
    """The recorded components of the kinds that the claim compares, in the order of the layers."""
    labels = tuple(dict.fromkeys(row.component for row in rows if not row.control))
    if isinstance(claim.metric, ConditionMetric):
        return (*labels, *(each for each in claim.metric.conditions or () if each not in labels)) if labels else ()
    if not isinstance(claim.metric, SweptMetric):
        return labels
    sites = claim.metric.sites
    fitting = [
        each
        for each in labels
        if granularity_of(each) in sites.granularities and (each.partition("@")[2] or None) in sites.classes
    ]
    return tuple(sorted(fitting, key=_order))


def _order(component: str) -> tuple:  # type: ignore[type-arg]
    try:
        sites = parse_component(component).sites
    except ValueError:
        return (1, component)
    return (0, tuple((site.layer, site.head if site.head is not None else -1) for site in sites))


def _evidence(
    claim: MeasuredClaim,
    spec: RecordedMap,
    rows: Sequence[Row],
    units: tuple[str, ...],
    sweep: tuple[str, ...],
    counts: bool,
) -> Evidence:
    effects: dict[tuple[str, str], Floats] = {}
    control: dict[tuple[str, str, int], Floats] = {}
    numbers = numbered(rows) if claim.metric.repeated else {}
    for number in sorted({*numbers.values()}) or [0]:
        mine = [row for row in rows if numbers.get(replicate_of(row), 0) == number]
        series = series_of(cells_of(mine, counts), units)
        draws = dict.fromkeys(drawn for _, drawn in series if drawn.partition("#")[0] == claim.control.kind)
        for (place, drawn), values in series.items():
            if not drawn:
                effects[label(place[0], number), place[1]] = values
            elif drawn in draws:
                control[*place, [*draws].index(drawn)] = values
    return Evidence(
        families=("as recorded",) * len(units),
        templates=units,
        examples=units,
        effects=effects,
        control=control,
        positive=None,
        noise=None,
        absent={},
        look=1,
        registered_before_data=False,
        origin="recorded",
        sweep=sweep,
        dtype=spec.dtype,
    )
