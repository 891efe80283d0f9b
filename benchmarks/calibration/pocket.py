"""benchmarks: claims on pocket models, whose truth is measured on a large sample of other prompts, never by a grade.

The sample has all thirty templates of each family, and as many prompts of each as the generator finds, in a draw that
no audit here uses: typical effects of the zero ablation, and their errors over prompts within templates. A claim that
is false "by as little as can be" has its bound three of these errors beyond what was measured.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mi_atlas.engine.calibrate.run import Graded, audited
from mi_atlas.engine.calibrate.warm import workspace_at
from mi_atlas.engine.calibrate.worlds import Known, Truth
from mi_atlas.evaluators.cells import Cell
from mi_atlas.evaluators.models.load import load
from mi_atlas.evaluators.models.locate import Located, locate
from mi_atlas.evaluators.registry import Materials, find_evaluator
from mi_atlas.evaluators.tasks import TaskError, generate
from mi_atlas.evaluators.tasks.example import Block
from mi_atlas.specs.library import Library
from mi_atlas.specs.suite import Suite

DRAW = 2
"""Of the large sample; audits begin with draw 1."""

TEMPLATES = 10
LEAST_FACTOR = 1.05
ERRORS = 3.0
FLOOR = 1e-4

Claim = tuple[str, Truth, dict[str, Any]]
"""Recipe, truth, expectation."""


@dataclass(frozen=True)
class Sample:
    """Logarithms of the effects of each site, (prompts,), and which template of which family each prompt is of."""

    logs: Mapping[str, np.ndarray]
    families: np.ndarray
    templates: np.ndarray

    def typical(self, site: str, over: str | None = None) -> tuple[float, float]:
        """Mean over families of template means, of a site or of what it exceeds another by; and its error."""
        units = self.logs[site] - (self.logs[over] if over else 0.0)
        means, variances = [], []
        for family in np.unique(self.families):
            own = units[self.families == family]
            names = self.templates[self.families == family]
            each = [own[names == name] for name in np.unique(names)]
            means.append(float(np.mean([some.mean() for some in each])))
            errors = [some.var(ddof=1) / len(some) for some in each if len(some) > 1]
            variances.append(float(np.sum(errors)) / len(each) ** 2)
        return float(np.mean(means)), math.sqrt(sum(variances)) / len(means)


@cache
def sample(name: str, granularity: str, prompts: int) -> Sample:
    """About so many prompts of main-12 under a zero ablation of each site."""
    located = locate(Library().model(name), Path())
    assert isinstance(located, Located)
    model = load(located)
    families = Library().suite("main-12").families or ()
    blocks = [_block(family, math.ceil(prompts / len(families)), model.tokenizer) for family in families]
    suffix = "" if granularity == "layer" else f".{granularity}"
    sites = [f"L{layer}{suffix}" for layer in range(located.layers)]
    cells = [Cell(block.family, site, "zero", 0) for block in blocks for site in sites]
    found: dict[tuple[str, str], np.ndarray] = {}
    for result in find_evaluator("ablation").measure(model, Materials(blocks), cells):
        found[result.cell.site, result.cell.family] = np.log(np.maximum(result.values["kl"], FLOOR))
    return Sample(
        {site: np.concatenate([found[site, block.family] for block in blocks]) for site in sites},
        np.concatenate([[block.family] * len(block.examples) for block in blocks]),
        np.concatenate([[example.template for example in block.examples] for block in blocks]),
    )


def _block(family: str, items: int, tokenizer: Any) -> Block:
    """As many prompts of a family as there are, up to `items`."""
    while True:
        try:
            (block,) = generate(Suite(families=(family,), items=items), tokenizer, "verification", DRAW)
        except TaskError:
            items = items * 3 // 4
            continue
        return block


def graded_claims(name: str, granularity: str, seed: int, prompts: int) -> list[Graded]:
    """Claims of several forms on one sweep of a model, through one audit of twelve families, ten templates of each."""
    known = list(_known(name, granularity, seed, sample(name, granularity, prompts)))
    with tempfile.TemporaryDirectory() as folder:
        return audited(workspace_at(Path(folder)), known)


def _known(name: str, granularity: str, seed: int, found: Sample) -> Iterator[Known]:
    suite = {"families": list(Library().suite("main-12").families or ()), "templates": TEMPLATES, "items": TEMPLATES}
    for number, (recipe, truth, expect) in enumerate(_claims(found, seed)):
        document = {
            "claim": f"pocket/{name}-{granularity}-{seed}-{number:03d}",
            "statement": f"A claim of form {expect['form']}.",
            "model": name,
            "suite": {**suite, "seed": seed},
            "metric": {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": granularity}},
            "counterfactual": {"intervention": "zero"},
            "robustness": [{"intervention": "mean"}],
            "control": {"kind": "matched_norm_noise", "draws": 20, "ratio": 1.5},
            "expect": {**expect, "scope": "in_suite"},
            "threshold": {"high": 0.995, "medium": 0.95},
        }
        yield Known((document,), f"{recipe}, pocket", "in_suite", truth, TEMPLATES)


def _claims(found: Sample, seed: int) -> Iterator[Claim]:
    """Bounds on two sites, each site as the largest, ratios between neighbours in rank, ranks."""
    order = sorted(found.logs, key=lambda site: -found.typical(site)[0])
    yield from _thresholds(found, (order[0], order[1 + seed % (len(order) - 1)]), "at_least")
    yield from _thresholds(found, (order[-1], order[seed % (len(order) - 1)]), "at_most")
    for site in (order[0], order[1]):
        yield from _tops(found, site, order)
    for above, below in ((order[0], order[1]), (order[0], order[-1]), (order[1], order[-1])):
        yield from _ratios(found, above, below)


def _thresholds(found: Sample, sites: tuple[str, ...], side: str) -> Iterator[Claim]:
    sign, recipe = (1, "threshold") if side == "at_least" else (-1, "threshold, at most")
    for site in sites:
        typical, error = found.typical(site)
        for away, truth in _bounds(error):
            yield recipe, truth, {"form": "threshold", "component": site, side: math.exp(typical + sign * away)}


def _bounds(error: float) -> Iterator[tuple[float, Truth]]:
    """Where a bound is, from what was measured, and whether the claim is true of it."""
    if ERRORS * error < math.log(2):
        yield -math.log(2), "true"
        yield math.log(2), "false"
    yield -math.log(4), "true"
    yield ERRORS * error, "at the bound"


def _tops(found: Sample, site: str, order: list[str]) -> Iterator[Claim]:
    leads = [found.typical(site, rival) for rival in order if rival != site]
    if all(lead - ERRORS * error > math.log(LEAST_FACTOR) for lead, error in leads):
        yield "top_component", "true", {"form": "top_component", "component": site}
    elif any(lead + ERRORS * error < 0 for lead, error in leads):
        yield "top_component", "false", {"form": "top_component", "component": site}
    within = 3
    behind = sum(lead - ERRORS * error > math.log(LEAST_FACTOR) for lead, error in leads)
    ahead = sum(lead + ERRORS * error < 0 for lead, error in leads)
    if behind >= len(leads) - within + 1 or ahead >= within:
        truth: Truth = "false" if ahead >= within else "true"
        yield "rank", truth, {"form": "rank", "component": site, "within": within}


def _ratios(found: Sample, above: str, below: str) -> Iterator[Claim]:
    lead, error = found.typical(above, below)
    sides = {"numerator": {"component": above}, "denominator": {"component": below}}
    for away, truth in _bounds(error):
        yield "ratio", truth, {"form": "ratio", **sides, "at_least": math.exp(lead + away)}
