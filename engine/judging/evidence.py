"""engine/judging: what speaks for the judges of a claim: their gates, their scores as a whole, and people's labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...evaluators.models.locate import Located
from ...judges.gate import sets_of
from ...specs.judge import Judge
from ..grade.gate import gate
from ..grade.judge_checks import GateCheck, failures, order_consistency, panel
from ..grade.judged import SCORED, Judging
from .answers import GATE, label_place, rubric_of, turned
from .commands import verdicts_of
from .panel import FIRST, SWAPPED, comparing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ...store import Ledger
    from ..needs import Address, Resolved

    Values = Mapping[str, Mapping[str, NDArray[np.float64]]]

WINNERS = {1.0: "first", -1.0: "second", 0.0: "tie"}


def judging_of(resolved: Resolved, values: Values, ledger: Ledger, workspace: Path) -> Judging | None:
    """Of a claim whose numbers are what judges say; None of any other."""
    metric = resolved.claim.metric
    if not metric.panel or metric.quantity not in SCORED:
        return None
    main = {address: keys for address, keys in resolved.series.items() if address.arm == "main"}
    gates = {address.site: keys[0] for address, keys in resolved.series.items() if address.role == GATE}
    with ledger.reading():
        texts = ledger.texts(gates.values())
        labels = _labels(resolved, main, ledger)
    compares = metric.versus is not None
    judges = [comparing(judge) if compares else judge for judge in metric.judges]
    low, high = rubric_of(judges[0]).scale
    return Judging(
        gates=tuple(
            gate(judge, metric.dimension, verdicts_of(texts[gates[name]]), sets_of(judge, workspace))
            for name, judge in zip(metric.panel, judges, strict=True)
        ),
        checks=tuple(_checks(resolved, judges, values, main)),
        scale=(0.0, 1.0) if compares else (float(low), float(high)),
        labels=labels,
    )


def _checks(
    resolved: Resolved, judges: list[Judge], values: Values, main: Mapping[Address, tuple[str, ...]]
) -> Iterator[GateCheck]:
    metric = resolved.claim.metric
    yield panel(judges, list(_names(resolved)))
    scored: dict[str, list[NDArray[np.bool_]]] = {}
    for address, keys in resolved.series.items():
        arm = {"effect": address.site, "control": "the control"}.get(address.role)
        for key in keys if arm else ():
            if metric.quantity in values.get(key, {}):
                scored.setdefault(str(arm), []).append(~np.isnan(values[key][metric.quantity]))
    yield from failures({arm: np.concatenate(each) for arm, each in scored.items()})
    if metric.versus is not None:
        every = [key for some in main.values() for key in some]
        first, swapped = (np.concatenate([values[key][name] for key in every]) for name in (FIRST, SWAPPED))
        yield order_consistency([WINNERS.get(each) for each in first], [WINNERS.get(-each) for each in swapped])


def _names(resolved: Resolved) -> Iterator[str]:
    """Of the models whose answers are judged: their own names, those on the hub, and those of their architectures."""
    located = resolved.located
    assert isinstance(located, Located)
    others = [each for run in resolved.runs.values() if run.group.writing for each in run.group.writing.others.values()]
    for each in {id(one): one for one in (located, *others)}.values():
        source = each.spec.source
        yield from (name for name in (each.spec.model, source.hub, source.pocket, each.architecture) if name)


def _labels(
    resolved: Resolved, main: Mapping[Address, tuple[str, ...]], ledger: Ledger
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """What people say of the answers behind each effect, turned as the scores are; NaN where nobody said."""
    metric = resolved.claim.metric
    written = [resolved.runs[key].reads[0] for keys in main.values() for key in keys]
    known = ledger.labels(written, *label_place(metric))
    if not known:
        return {}
    rubric = rubric_of(metric.judges[0])
    found = {}
    for address, keys in main.items():
        parts = []
        for key, block in zip(keys, resolved.blocks, strict=True):
            labels = np.full(len(block.examples), np.nan)
            for place, score in known.get(resolved.runs[key].reads[0], {}).items():
                if place < len(labels):
                    labels[place] = score if metric.versus else turned(rubric, metric.dimension, score)
            parts.append(labels)
        found[address.intervention, address.site] = np.concatenate(parts)
    return found
