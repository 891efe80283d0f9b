"""tests of engine/grade: means, errors and p-values against scipy.stats, literal formulas and tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mi_atlas.engine.grade import benjamini_hochberg
from mi_atlas.engine.grade.inference import Layout, Sample, missable_share, more_than_half, needed, t_probability
from mi_atlas.engine.grade.replicates import distinct, too_alike
from scipy import stats


def layout(*sizes: int) -> Layout:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    names = tuple(f"f{i}" for i in range(len(sizes)))
    return Layout(names, tuple(starts.tolist()), np.array(sizes, dtype=float))


def test_one_family_is_the_one_sample_t() -> None:
    values = np.random.default_rng(0).standard_normal(30) + 0.3
    mean = Sample(values[:, None], layout(30)).within
    oracle = stats.ttest_1samp(values, 0.1, alternative="greater")
    assert mean.below(0.1)[0] == pytest.approx(oracle.pvalue, rel=1e-12)
    assert mean.above(0.1)[0] == pytest.approx(1 - oracle.pvalue, rel=1e-12)
    assert mean.limit(0.05, -1)[0] == pytest.approx(oracle.confidence_interval(0.95).low, rel=1e-12)


def test_two_families_have_the_degrees_of_freedom_of_welch() -> None:
    """The mean of two family means is half a Welch contrast of one against the negative of the other."""
    random = np.random.default_rng(1)
    one, other = random.standard_normal(10), 3 * random.standard_normal(17) + 1
    mean = Sample(np.concatenate([one, other])[:, None], layout(10, 17)).within
    oracle = stats.ttest_ind(one, -other, equal_var=False, alternative="greater")
    assert mean.df[0] == pytest.approx(oracle.df, rel=1e-12)
    assert mean.below(0.0)[0] == pytest.approx(oracle.pvalue, rel=1e-10)


def test_families_weigh_alike_whatever_their_size() -> None:
    sample = Sample(np.array([1.0, 1.0, 1.0, 1.0, 5.0, 5.0])[:, None], layout(4, 2))
    assert sample.within.value[0] == 3.0


def test_beyond_the_suite_is_a_t_over_family_means() -> None:
    values = np.random.default_rng(2).standard_normal((12, 5))
    mean = Sample(values.reshape(-1, 1), layout(*[5] * 12)).between
    oracle = stats.ttest_1samp(values.mean(axis=1), 0.0, alternative="greater")
    assert mean.below(0.0)[0] == pytest.approx(oracle.pvalue, rel=1e-12)


def test_skewed_units_are_judged_by_hall_s_transformation() -> None:
    """Literal formula of Hall (1992) for one family: g(T) = T + a T^2 / 3 + a^2 T^3 / 27 + a / 6."""
    values = -np.random.default_rng(3).exponential(1, 30) + 1.6
    a = stats.skew(values, bias=False) / math.sqrt(30)
    t = values.mean() / (values.std(ddof=1) / math.sqrt(30))
    expected = stats.t.sf(t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6, 29)
    mean = Sample(values[:, None], layout(30)).guarded
    assert mean.below(0.0)[0] == pytest.approx(expected, rel=1e-9)
    assert expected > stats.t.sf(t, 29), "the guard is the more cautious of the two here"
    assert mean.above(0.0)[0] == pytest.approx(stats.t.cdf(t, 29), rel=1e-9), "and leaves the other side alone"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-4, 0.2), st.sampled_from([-1, 1]))
def test_limits_and_p_values_say_the_same(seed: int, alpha: float, side: int) -> None:
    values = np.random.default_rng(seed).gamma(0.7, 1, (40, 2)) * side
    mean = Sample(values, layout(15, 25)).guarded
    limit = mean.limit(alpha, side)
    for column in range(2):
        p_values = mean.below(limit[column]) if side < 0 else mean.above(limit[column])
        assert p_values[column] == pytest.approx(alpha, rel=1e-6)


def test_without_spread_the_sign_decides_and_zero_decides_nothing() -> None:
    p = t_probability(np.array([-1.0, 0.0, 1.0]), np.zeros(3), np.full(3, 5.0))
    assert p.tolist() == [0.0, 1.0, 1.0]


def test_a_family_of_one_template_decides_nothing() -> None:
    each = Sample(np.array([1.0, 2.0, 3.0, 9.0])[:, None], layout(3, 1)).each_family
    assert each.below(0.0)[1, 0] == 0.5


@pytest.mark.parametrize(
    ("count", "of", "p"),
    [(11, 12, 13 / 4096), (10, 12, 79 / 4096), (12, 12, 1 / 4096), (17, 20, 1351 / 2**20), (16, 20, 6196 / 2**20)],
)
def test_more_than_half_of_families_is_the_exact_binomial_tail(count: int, of: int, p: float) -> None:
    """Tails of Pascal's triangle, by hand: 1 + 12 of 2^12; 1 + 20 + 190 + 1140 of 2^20."""
    assert more_than_half(count, of) == pytest.approx(p, rel=1e-12)


def test_high_beyond_the_suite_needs_11_of_12_or_17_of_20() -> None:
    assert [next(k for k in range(of + 1) if more_than_half(k, of) < 0.005) for of in (12, 20)] == [11, 17]


def test_the_share_that_could_be_missing() -> None:
    """(1 - q)^12 = .005 at q = .357, and .233 for 20 families."""
    assert missable_share(12, 0.005) == pytest.approx(0.357, abs=5e-4)
    assert missable_share(20, 0.005) == pytest.approx(0.233, abs=5e-4)


def test_needed_n_reaches_80_percent_power() -> None:
    """Monte Carlo: with the n that is asked for, about 80 % of replications decide."""
    units, distance, sd, alpha = 40, 0.3, 1.0, 0.005
    n = needed(units, distance, sd / math.sqrt(units), alpha)
    assert n is not None
    values = np.random.default_rng(4).standard_normal((20_000, n)) * sd + distance
    p = stats.ttest_1samp(values, 0.0, axis=1, alternative="greater").pvalue
    assert (p < alpha).mean() == pytest.approx(0.8, abs=0.03)


def test_needed_n_is_not_promised_where_there_is_none() -> None:
    assert needed(30, -0.1, 0.2, 0.005) is None
    assert needed(30, 1e-9, 0.2, 0.005) is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_scipy_s(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values).tolist(), abs=1e-12)


def test_no_p_values_have_no_q_values() -> None:
    assert benjamini_hochberg([]) == []


def slow_distinct(cells: np.ndarray, least: int) -> list[int]:
    """Every pair, cell by cell, as the rule is written."""
    kept: list[int] = []
    for i, row in enumerate(cells):
        for j in kept:
            compared = (row != 0) | (cells[j] != 0)
            equal = np.abs(row - cells[j]) <= 1e-4 * np.maximum(np.abs(row), np.abs(cells[j]))
            if compared.sum() >= least and equal[compared].sum() >= 0.99 * compared.sum():
                break
        else:
            kept.append(i)
    return kept


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([3, 40, 80]), st.sampled_from([5, 110, 230]), st.integers(0, 3))
def test_replicates_are_found_as_the_slow_rule_finds_them(seed: int, count: int, width: int, events: int) -> None:
    """80 replicates go through the probes, fewer through all pairs; a third of the columns, all or none are events."""
    random = np.random.default_rng(seed)
    cells = random.standard_normal((count, width)) * (random.random((count, width)) > 0.1)
    cells[:, : events * width // 3] = cells[:, : events * width // 3] > 0.5
    clones = random.integers(0, count, size=(count // 3, 2))
    for one, other in clones:
        cells[one] = cells[other] * (1 + 1e-5 * random.standard_normal(width))
        cells[one, random.integers(0, width, size=random.integers(0, 3))] += 1.0
    assert distinct(cells, 3) == slow_distinct(cells, 3)


def test_draws_that_share_their_scatter_are_too_alike() -> None:
    random = np.random.default_rng(5)
    independent = random.standard_normal((20, 60))
    assert not too_alike(independent)
    balanced = independent - independent.mean(axis=1, keepdims=True)
    assert too_alike(balanced), "means of draws that are all equal, while their cells scatter"
    assert not too_alike(np.full((20, 60), -9.2)), "draws at the floor have no scatter to compare with"
