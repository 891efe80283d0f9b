"""tests of engine/grade: what must hold on any evidence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import Evidence, Verdict, grade

from .worlds import Grid, at_least, at_most, ratio, relabelled, sweep, top, without

ALLOWED = {
    "High": {"High", "Medium", "Pending"},
    "Medium": {"Medium", "Pending"},
    "Pending": {"Pending"},
    "Refuted": {"Refuted", "Pending"},
}
"""What a fault may make of a grade."""

GRID = Grid(3, 12, 2)

seeds = st.integers(0, 2**32 - 1)
levels = st.lists(st.sampled_from([0.02, 0.1, 0.3, 0.5, 0.6, 1.0, 2.0]), min_size=2, max_size=4)
noises = st.sampled_from([0.01, 0.1, 0.4, 1.0])
documents = st.sampled_from(
    [top("L0"), top("L1"), at_least(0.2), at_least(0.6), at_most(0.5), ratio(1.5), top("L0", robustness=[])]
)


def take(found: Evidence, index: np.ndarray, **changed: Any) -> Evidence:
    """The evidence with its examples picked in this order."""
    whole: dict[str, Any] = {
        "families": tuple(found.families[i] for i in index),
        "templates": tuple(found.templates[i] for i in index),
        "examples": tuple(found.examples[i] for i in index),
        "effects": {key: values[index] for key, values in found.effects.items()},
        "control": {key: values[index] for key, values in found.control.items()},
        "positive": found.positive[index],  # type: ignore[index]
        "noise": found.noise[index],  # type: ignore[index]
    }
    return replace(found, **(whole | changed))


@settings(max_examples=25, deadline=None)
@given(documents, levels, noises, seeds)
def test_the_order_of_examples_changes_nothing(document: Any, level: list[float], noise: float, seed: int) -> None:
    found = sweep(level, GRID, seed, noise=noise)
    shuffled = take(found, np.random.default_rng(seed).permutation(GRID.n))
    assert grade(document, shuffled).to_json() == grade(document, found).to_json()


@settings(max_examples=25, deadline=None)
@given(st.permutations([0, 1, 2, 3]), noises, seeds)
def test_relabelling_components_permutes_the_answer(order: list[int], noise: float, seed: int) -> None:
    found = sweep([1.0, 0.6, 0.3, 0.3], GRID, seed, noise=noise)
    to = {f"L{i}": f"L{order[i]}" for i in range(4)}
    renamed = relabelled(found, to)
    for component in to:
        before, after = grade(top(component), found), grade(top(to[component]), renamed)
        assert (after.grade, after.code) == (before.grade, before.code)
        for name in ("estimate", "lower", "upper", "p_value", "p_refute"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-9)
        assert re.sub(r"L\d", lambda match: to[match[0]], before.reason) == after.reason


def clone_prompts(found: Evidence) -> Evidence:
    """Every prompt a second time under its own template, with another id."""
    twice = np.repeat(np.arange(len(found.examples)), 2)
    ids = tuple(f"{found.examples[i]}-{n % 2}" for n, i in enumerate(twice))
    return take(found, twice, examples=ids)


def clone_templates(found: Evidence) -> Evidence:
    """Every template a second time under another name."""
    twice = np.concatenate([np.arange(len(found.examples))] * 2)
    half = len(found.examples)
    names = tuple(found.templates[i] + "-again" * (n >= half) for n, i in enumerate(twice))
    return take(found, twice, templates=names, examples=tuple(f"{i}-{n >= half}" for n, i in enumerate(twice)))


def clone_draws(found: Evidence) -> Evidence:
    """Every control draw a second time, as draw + 20."""
    again = {(label, site, draw + 20): values for (label, site, draw), values in found.control.items()}
    return replace(found, control={**found.control, **again})


@settings(max_examples=20, deadline=None)
@given(documents, levels, noises, seeds, st.sampled_from([clone_prompts, clone_templates, clone_draws]))
def test_a_replicate_that_is_a_clone_adds_nothing(
    document: Any, level: list[float], noise: float, seed: int, clone: Callable[[Evidence], Evidence]
) -> None:
    found = sweep(level, GRID, seed, noise=noise)
    before, after = grade(document, found), grade(document, clone(found))
    assert (after.grade, after.code, after.n_units) == (before.grade, before.code, before.n_units)
    assert after.p_value == pytest.approx(before.p_value, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(documents, levels, noises, seeds)
def test_clones_replacing_other_replicates_never_count_as_them(
    document: Any, level: list[float], noise: float, seed: int
) -> None:
    """Half of the draws become copies of the other half: too few are left, and nothing but refutation stands."""
    found = sweep(level, GRID, seed, noise=noise)
    halved = {key: found.control[key[0], key[1], key[2] % 10] for key in found.control}
    assert grade(document, replace(found, control=halved)).grade in {"Pending", "Refuted"}


def spoil(values: np.ndarray) -> np.ndarray:
    spoilt = values.copy()
    spoilt[0] = np.nan
    return spoilt


FAULTS: dict[str, Callable[[Evidence], Evidence]] = {
    "post hoc": lambda e: replace(e, registered_before_data=False),
    "second look": lambda e: replace(e, look=e.look + 1),
    "tenth look": lambda e: replace(e, look=10),
    "mock": lambda e: replace(e, origin="mock"),
    "no main": lambda e: without(e, "main"),
    "no control": lambda e: without(e, "control"),
    "no positive control": lambda e: without(e, "positive_control"),
    "no clean pass": lambda e: without(e, "clean"),
    "no robustness": lambda e: without(e, "robustness.mean"),
    "control lost": lambda e: replace(e, control={}),
    "draws lost": lambda e: replace(e, control={k: v for k, v in e.control.items() if k[2] < 11}),
    "draws cloned": lambda e: replace(
        e, control={k: e.control[k[0], k[1], min(d for *_, d in e.control)] for k in e.control}
    ),
    "control silent": lambda e: replace(e, control={k: 0 * v for k, v in e.control.items()}),
    "control not finite": lambda e: replace(e, control={k: spoil(v) for k, v in e.control.items()}),
    "positive control dead": lambda e: replace(e, positive=0 * e.positive),  # type: ignore[operator]
    "main not finite": lambda e: replace(e, effects={k: spoil(v) for k, v in e.effects.items()}),
    "mean repeats zero": lambda e: replace(e, effects={k: e.effects["zero", k[1]] for k in e.effects}),
    "robustness lost": lambda e: replace(e, effects={k: v for k, v in e.effects.items() if k[0] == "zero"}),
    "no-op": lambda e: replace(e, effects={k: 0 * v for k, v in e.effects.items()}, control={}),
    "prompts cloned": clone_prompts,
}


@settings(max_examples=60, deadline=None)
@given(documents, levels, noises, seeds, st.sampled_from(sorted(FAULTS)), st.sampled_from(sorted(FAULTS)))
def test_a_fault_never_raises_a_grade_nor_refutes(
    document: Any, level: list[float], noise: float, seed: int, first: str, second: str
) -> None:
    found = sweep(level, GRID, seed, noise=noise)
    one = FAULTS[first](found)
    before, after = grade(document, found), grade(document, one)
    assert after.grade in ALLOWED[before.grade], (first, before.reason, after.reason)
    both = grade(document, FAULTS[second](one))
    assert both.grade in ALLOWED[after.grade], (first, second, after.reason, both.reason)


@settings(max_examples=25, deadline=None)
@given(documents, levels, noises, seeds)
def test_verdicts_survive_json_and_are_deterministic(
    document: Any, level: list[float], noise: float, seed: int
) -> None:
    found = sweep(level, GRID, seed, noise=noise)
    verdict = grade(document, found)
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert grade(document, found).to_json() == verdict.to_json()
