"""tests of engine/grade: judged scores corrected by labels: by hand, unbiased, with the stated error."""

from __future__ import annotations

import numpy as np
import pytest
from mi_atlas.engine.grade.correction import corrected, counted, slope, to_label
from mi_atlas.engine.grade.inference import Layout, Sample

from .worlds import Floats

NAN = float("nan")


def test_by_hand() -> None:
    """Scores 0 0 1 1 1 0, of which the first four are labelled 0 1 1 1.

    Lambda: sum of (f - 1/2) Y is 1/2, of (f - 1/2)^2 is 1, so 1/2. r = Y - f/2 is 0 1 1/2 1/2, of mean 1/2. The
    estimate is 1/2 * 3/6 + 1/2 = 3/4; c^2 = 1 + 2 (1 - 4/6) / 2 = 4/3, so that the first two are off by 6/4 c / 2.
    """
    scores, labelled = np.array([0.0, 0, 1, 1, 1, 0]), np.arange(6) < 4
    labels = np.array([0.0, 1, 1, 1, NAN, NAN])
    assert slope(scores[labelled], labels[labelled]) == 0.5
    values = corrected(scores, labels, labelled)
    apart = 6 / 4 * (4 / 3) ** 0.5 / 2
    assert values == pytest.approx([0.5 - apart, 0.5 + apart, 1, 1, 1, 0.5])
    assert values.mean() == pytest.approx(0.75)
    assert scores.tolist() == [0, 0, 1, 1, 1, 0]


def test_where_all_are_labelled_the_labels_are_left() -> None:
    random = np.random.default_rng(0)
    scores, labels = random.standard_normal((2, 3, 40))
    assert corrected(scores, labels, np.ones((3, 40), dtype=bool)) == pytest.approx(labels)


def test_a_judge_that_says_nothing_is_left_out() -> None:
    """Its scores all one, or against the labels: lambda 0, and the mean of the labels remains."""
    labels, labelled = np.array([0.0, 1, 1, 0, NAN, NAN]), np.arange(6) < 4
    for scores in (np.full(6, 3.0), np.array([1.0, 0, 0, 1, 1, 1])):
        assert slope(scores[labelled], labels[labelled]) == 0
        assert corrected(scores, labels, labelled).mean() == pytest.approx(0.5)
    random = np.random.default_rng(1)
    noise = [slope(*random.standard_normal((2, 400))) for _ in range(200)]
    assert np.mean(np.array(noise) == 0) > 0.4
    assert max(noise) < 0.2
    assert slope(np.array([0.0, 1]), np.array([0.0, 3])) == 1


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="2 labels correct nothing"):
        corrected(np.zeros(5), np.zeros(5), np.arange(5) < 2)


def biased(random: np.random.Generator, shape: tuple[int, ...], truth: float) -> tuple[Floats, Floats]:
    """Labels of this mean, and the scores of a judge that knows something and favours 64 % of the answers by .25."""
    labels = (random.random(shape) < truth).astype(float)
    longer = np.where(random.random(shape) < 0.637, 0.25, -0.25)
    return labels, (random.random(shape) < 0.5 + longer + 0.25 * (2 * labels - 1)).astype(float)


@pytest.mark.parametrize(("truth", "families", "count"), [(0.5, 12, 100), (2 / 3, 1, 100), (0.5, 12, 30)])
def test_it_is_unbiased_and_its_error_is_the_stated_one(truth: float, families: int, count: int) -> None:
    """2,000 times: the mean within four of its standard errors; 95 % intervals hold the truth 93.5-96.5 % of the time
    (three standard errors), one-sided ones of 99.5 % miss it at most 1 % of the time. The judge alone is off by .068.
    """
    reps, n = 2000, 300
    layout = Layout(
        tuple(map(str, range(families))), tuple(range(0, n, n // families)), np.full(families, n / families)
    )
    random = np.random.default_rng(7)
    labels, scores = biased(random, (reps, n), truth)
    labelled = random.random((reps, n)).argsort(axis=1) < count
    units = np.stack([corrected(*each) for each in zip(scores, labels, labelled, strict=True)], axis=1)
    mean = Sample(units, layout).guarded
    assert scores.mean() - 0.5 == pytest.approx(0.25 * (2 * 0.637 - 1) + 0.5 * (truth - 0.5), abs=0.003)
    assert mean.value.mean() == pytest.approx(truth, abs=4 * mean.value.std() / reps**0.5)
    assert mean.se.mean() == pytest.approx(mean.value.std(), rel=0.06)
    covered = (mean.limit(0.025, -1) <= truth) & (truth <= mean.limit(0.025, 1))
    assert 0.935 <= covered.mean() <= 0.965
    assert (mean.below(truth) < 0.005).mean() <= 0.01
    assert (mean.above(truth) < 0.005).mean() <= 0.01


def test_a_good_judge_makes_labels_worth_more() -> None:
    """Of scores that correlate .9 with labels, 100 of 1,000 labels are worth 100 / (1 - .81 * .9) = 369."""
    random = np.random.default_rng(3)
    labels = random.standard_normal((1000, 1000))
    scores = 0.9 * labels + (1 - 0.81) ** 0.5 * random.standard_normal(labels.shape)
    labelled = random.random(labels.shape).argsort(axis=1) < 100
    found = np.array([corrected(*each).mean() for each in zip(scores, labels, labelled, strict=True)])
    assert found.std() == pytest.approx((1 / 369) ** 0.5, rel=0.1)


def test_who_is_labelled_is_drawn_before_the_labels_and_a_larger_draw_begins_with_a_smaller() -> None:
    ids = [f"generate(256)/{number:04x}" for number in range(300)]
    drawn = to_label(ids)
    assert len(drawn) == len(set(drawn)) == 100
    assert to_label(ids, 40) == drawn[:40]
    turned = to_label(ids[::-1])
    assert [299 - index for index in turned] == drawn
    assert abs(np.mean(drawn) - 149.5) < 3 * 300 / 12**0.5 / 10


def test_labels_behind_a_gap_do_not_count() -> None:
    ids = [str(number) for number in range(50)]
    labels = np.full(50, NAN)
    drawn = to_label(ids, 10)
    labels[drawn] = 1.0
    assert counted(ids, labels).sum() == 10
    labels[drawn[4]] = NAN
    assert counted(ids, labels).nonzero()[0].tolist() == sorted(drawn[:4])
