"""benchmarks: the power that the design of the grades states (GRADING.md), measured again on simulated claims.

It states how far a true effect is from its bound, not how much numbers vary; the spreads chosen here are printed.
Fewer than ten templates a family are not graded, and no suite has more than thirty: of the stated 3, 10, 30 and 100 a
family two can be measured.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mi_atlas.engine.calibrate.report import Rate
from mi_atlas.engine.calibrate.run import Graded
from mi_atlas.engine.calibrate.warm import single
from mi_atlas.engine.calibrate.worlds import SIZES, Draft, Known, measured

SPREADS: Mapping[str, Any] = {"families": 1.0, "templates": 1.0, "items": 0.5, "common": 0.7, "draws": 0.5}
SHARP: Mapping[str, Any] = {"families": 0.0, "templates": 0.0, "items": 0.0, "common": 0.0, "draws": 0.0}


@dataclass(frozen=True)
class Setting:
    """A line of the design's table."""

    name: str
    draft: Draft
    power: tuple[float, float]
    """Stated, percent, at 10 and at 30 templates a family."""
    spreads: str


def _threshold(expect: float, effect: float, control: float, **world: Any) -> Draft:
    bound = {"form": "threshold", "component": "L1", "at_least": expect}
    return Draft("positive", {"L1": effect}, bound, control, world={**SPREADS, **world})


_TOP = Draft(
    "positive",
    {"L0": 0.2, "L1": 0.2, "L2": 0.4, "L3": 0.2, "L4": 0.2, "L5": 0.2},
    {"form": "top_component", "component": "L2"},
    world={**SPREADS, "tails": "normal"},
)
_NULL = Draft("event", {"L1": 0.0025}, {"form": "null", "component": "L1", "at_most": 0.05}, 240.0, world=SHARP)
_EQUAL = Draft(
    "event",
    {"L1": 0.99, "L3": 0.99},
    {
        "form": "non_inferiority",
        "test": {"component": "L1"},
        "reference": {"component": "L3"},
        "difference": 0.05,
        "larger": "better",
    },
    0.05,
    world={**SHARP, "repeated": {"what": "training seeds", "count": 8, "spread": 0.0}},
)

SETTINGS = (
    Setting("threshold, twice the bound", _threshold(0.1, 0.2, 0.1, tails="heavy", templates=2.0), (81, 89), "2.0"),
    Setting("top_component, twice its rivals", _TOP, (96, 96), "1.0"),
    Setting("specificity, five times the control", _threshold(0.02, 0.2, 0.2, tails="normal"), (87, 87), "1.0"),
    Setting("null, a rate of .0025 against .05", _NULL, (74, 100), "none"),
    Setting("non_inferiority, eight equal adapters at .99", _EQUAL, (96, 100), "none"),
)

AT_BOUND: Mapping[str, tuple[float, float]] = {
    "threshold": (0.61, 0.45),
    "top_component": (0.12, 0.18),
    "specificity": (0.31, 0.38),
    "ratio": (0.50, 0.68),
    "null": (0.09, 0.20),
    "non_inferiority": (0.07, 0.0),
}
"""Stated false High at the bound, percent, at 10 and at 30 templates a family."""


def claims(count: int, seed: int) -> Iterator[Known]:
    """So many true claims of every setting and size."""
    for setting in SETTINGS:
        for templates in SIZES:
            for number in range(count):
                chance = random.Random(f"published {setting.name} {templates} {seed} {number}")
                name = f"published/{SETTINGS.index(setting)}-{templates}-{number}"
                document = {**measured(setting.draft, name, "in_suite", templates, chance), "suite": single(templates)}
                yield Known((document,), setting.name, "in_suite", "true", templates)


def page(graded: Iterable[Graded], at_bound: Mapping[tuple[str, int], Counter[bool]]) -> list[str]:
    """Markdown: stated and measured, and whether they agree within the Monte-Carlo error (99% intervals).

    `at_bound`: (form, templates a family) -> whether a claim that is false by nothing was High -> how many.
    """
    high: dict[tuple[str, int], Counter[bool]] = {}
    for each in graded:
        place = (each.known.recipe, each.known.templates)
        high.setdefault(place, Counter())[each.verdict.grade == "High"] += 1
    lines = [
        "| power (High) | spread of templates | templates a family | stated | measured | agree |",
        "|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        for templates, stated in zip(SIZES, setting.power, strict=True):
            seen = high.get((setting.name, templates), Counter())
            lines.append(_line(f"{setting.name} | {setting.spreads}", templates, stated, seen))
    lines += [
        "",
        "| false High with the truth at the bound | templates a family | stated | measured | agree |",
        "|---|---|---|---|---|",
    ]
    for form, rates in AT_BOUND.items():
        for templates, stated in zip(SIZES, rates, strict=True):
            lines.append(_line(form, templates, stated, at_bound.get((form, templates), Counter())))
    return lines


def _line(what: str, templates: int, stated: float, seen: Counter[bool]) -> str:
    rate = Rate(seen[True], seen.total())
    if not rate.of:
        return f"| {what} | {templates} | {stated:g}% | - | not measured |"
    low, high = rate.limits(0.99)
    agree = "yes" if 100 * low <= stated <= 100 * high else "no: more" if stated < 100 * low else "no: less"
    return f"| {what} | {templates} | {stated:g}% | {rate} | {agree} |"
