"""tests of engine/grade: claims, and evidence whose truth is known because it was drawn from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mi_atlas.engine.grade import Absent, Evidence
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SPREAD = 2.7
"""Standard deviation of log KL between templates, as measured on small trained transformers."""

BASE: dict[str, Any] = {
    "claim": "test/claim",
    "statement": "A claim about layers.",
    "model": "pocket-qwen",
    "suite": "main-12",
    "metric": {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "layer"}},
    "counterfactual": {"intervention": "zero"},
    "robustness": [{"intervention": "mean"}],
    "control": {"kind": "matched_norm_noise", "draws": 20, "ratio": 1.5},
    "threshold": {"high": 0.995, "medium": 0.95},
}


def claim(expect: Mapping[str, Any], **changed: Any) -> Any:
    """A claim document with this expectation, validated."""
    quantity = changed.pop("quantity", "kl")
    granularity = changed.pop("granularity", "layer")
    metric = {"evaluator": "ablation", "quantity": quantity, "sites": {"granularity": granularity}}
    return ClaimAdapter.validate_python({**BASE, "metric": metric, "expect": dict(expect), **changed})


def top(component: str = "L0", scope: str = "in_suite", **changed: Any) -> MeasuredClaim:
    return claim({"form": "top_component", "component": component, "scope": scope}, **changed)


def at_least(bound: float, scope: str = "in_suite", **changed: Any) -> MeasuredClaim:
    return claim({"form": "threshold", "component": "L0", "at_least": bound, "scope": scope}, **changed)


def at_most(bound: float, **changed: Any) -> MeasuredClaim:
    return claim({"form": "threshold", "component": "L0", "at_most": bound}, **changed)


def ratio(k: float, numerator: Any = "L0", denominator: Any = "L1", **changed: Any) -> MeasuredClaim:
    sides = [side if isinstance(side, dict) else {"component": side} for side in (numerator, denominator)]
    return claim({"form": "ratio", "numerator": sides[0], "denominator": sides[1], "at_least": k}, **changed)


@dataclass(frozen=True)
class Grid:
    """Families x templates x items; arrays run over all of them, families first."""

    families: int = 4
    templates: int = 30
    items: int = 4

    @property
    def n(self) -> int:
        return self.families * self.templates * self.items

    def labels(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Families, templates and ids of all examples."""
        cells = [(f, t, i) for f in range(self.families) for t in range(self.templates) for i in range(self.items)]
        names = tuple(f"family{f:02d}" for f, _, _ in cells)
        templates = tuple(f"family{f:02d}/t{t:02d}" for f, t, _ in cells)
        return names, templates, tuple(f"{f:04x}{t:04x}{i:08x}" for f, t, i in cells)

    def spread(self, random: np.random.Generator, within: float = SPREAD, item: float = 0.5) -> Floats:
        """Logs that vary between templates, and a little between the items of one."""
        templates = random.standard_normal((self.families, self.templates, 1)) * within
        items = random.standard_normal((self.families, self.templates, self.items)) * item
        return np.asarray((templates + items).reshape(-1))


def evidence(
    grid: Grid,
    effects: Mapping[tuple[str, str], Floats],
    control: Mapping[tuple[str, str, int], Floats],
    **changed: Any,
) -> Evidence:
    """Measured, registered evidence at the first look, of the layers it names; the positive control lives."""
    families, templates, examples = grid.labels()
    random = np.random.default_rng(99)
    whole: dict[str, Any] = {
        "families": families,
        "templates": templates,
        "examples": examples,
        "effects": dict(effects),
        "control": dict(control),
        "positive": np.exp(random.standard_normal(grid.n) * 0.3 + 1.5),
        "noise": np.full(grid.n, 1e-9),
        "absent": {},
        "look": 1,
        "registered_before_data": True,
        "origin": "measured",
        "sweep": tuple(dict.fromkeys(site for _, site in effects)),
        "dtype": "float32",
    }
    return Evidence(**(whole | changed))


def sweep(
    levels: Sequence[float],
    grid: Grid | None = None,
    seed: int = 0,
    labels: Sequence[str] = ("zero", "mean"),
    within: float = 1.0,
    noise: float = 0.05,
    drawn: float = 0.2,
    **changed: Any,
) -> Evidence:
    """KL at L0, L1, ...: typical values `levels`; control draws typically `noise` everywhere, `drawn` apart in log."""
    grid, random = grid or Grid(), np.random.default_rng(seed)
    shared = grid.spread(random, within)
    effects, control = {}, {}
    for layer, level in enumerate(levels):
        base = shared + grid.spread(random, 0.4, 0.2)
        for label in labels:
            effects[label, f"L{layer}"] = level * np.exp(base + grid.spread(random, 0.1, 0.1))
        for draw in range(20):
            wobble = grid.spread(random, 0.2, 0.3) + drawn * random.standard_normal()
            control[labels[0], f"L{layer}", draw] = noise * np.exp(base + wobble)
    return evidence(grid, effects, control, **changed)


def without(whole: Evidence, arm: str, code: str = "out_of_memory") -> Evidence:
    """The same evidence with one arm that could not be had."""
    return replace(whole, absent={**whole.absent, arm: Absent(code, "could not be run here")})


def relabelled(found: Evidence, to: Mapping[str, str]) -> Evidence:
    """The same evidence with its sites under other names."""
    return replace(
        found,
        effects={(label, to[site]): values for (label, site), values in found.effects.items()},
        control={(label, to[site], draw): values for (label, site, draw), values in found.control.items()},
    )
