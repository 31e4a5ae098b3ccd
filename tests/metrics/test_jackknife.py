"""Jackknife intervals: exact cases, coverage, pairs, errors."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skalign.metrics import cka, energy_distance, jackknife_interval, mmd

DRAWS = 100


def draw(n, m, shift, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + [shift, 0]


def distance_of_means(X, Y):
    return np.linalg.norm(X.mean(axis=0) - Y.mean(axis=0))


def mean_difference(X, Y):
    return Y.mean() - X.mean()


def test_of_a_mean_of_differences_it_is_that_of_student():
    X, Y = draw(20, 1, 0.0, 0)[0], draw(20, 1, 0.0, 1)[0]
    interval = jackknife_interval(
        mean_difference, X[:, :1], Y[:, :1], paired=True, confidence_level=0.9
    )
    expected = stats.ttest_1samp((Y - X)[:, 0], 0).confidence_interval(0.9)
    assert_allclose(interval, expected, rtol=1e-10)
    assert (interval.low, interval.high) == tuple(interval)


def test_the_bias_of_a_variance_is_taken_off():
    X, Y = draw(15, 25, 0.0, 0)
    low, high = jackknife_interval(lambda A, B: A.var() + B.var(), X[:, :1], Y[:, :1])
    expected = X[:, 0].var(ddof=1) + Y[:, 0].var(ddof=1)
    assert_allclose((low + high) / 2, expected, rtol=1e-10)


@pytest.mark.long
@pytest.mark.parametrize(
    ("metric", "truth"),
    [
        (distance_of_means, 2.0),
        # Gaussians of variance 1, two columns, gamma 1/4: the means of the kernel.
        (partial(mmd, gamma=0.25), (2 / 2) * (1 - np.exp(-4 / 8))),
    ],
)
def test_nine_in_ten_intervals_hold_the_true_value(metric, truth):
    held = 0
    for seed in range(DRAWS):
        X, Y = draw(40, 60, 2.0, seed)
        low, high = jackknife_interval(
            metric, X, Y, confidence_level=0.9, n_groups=15, random_state=seed
        )
        held += low <= truth <= high
    # Three standard deviations either way.
    assert abs(held / DRAWS - 0.9) < 3 * np.sqrt(0.9 * 0.1 / DRAWS)


@pytest.mark.long
def test_groups_stand_for_rows_where_there_are_many():
    X, Y = draw(600, 900, 1.0, 0)
    few = jackknife_interval(energy_distance, X, Y, n_groups=30, random_state=0)
    again = jackknife_interval(energy_distance, X, Y, n_groups=30, random_state=0)
    assert few == again
    other = jackknife_interval(energy_distance, X, Y, n_groups=30, random_state=1)
    assert other != few
    assert few.low < energy_distance(X, Y) < few.high
    assert_allclose(few.high - few.low, other.high - other.low, rtol=0.5)


def test_pairs_stay_together():
    X, _ = draw(30, 1, 0.0, 0)
    low, high = jackknife_interval(distance_of_means, X, X + [3, 4], paired=True)
    assert_allclose([low, high], 5, rtol=1e-12)
    low, high = jackknife_interval(distance_of_means, X, X + [3, 4])
    assert high - low > 0.1
    noisy = X + 0.3 * np.random.default_rng(1).normal(size=X.shape)
    low, high = jackknife_interval(cka, X, noisy, paired=True)
    assert low < cka(X, noisy) < high
    with pytest.raises(ValueError, match="on draws or on the order"):
        jackknife_interval(cka, X, noisy)


def test_bad_input_is_refused():
    X, Y = draw(5, 6, 0.0, 0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        jackknife_interval(distance_of_means, X, Y, paired=True)
    with pytest.raises(ValueError, match="'confidence_level' parameter"):
        jackknife_interval(distance_of_means, X, Y, confidence_level=1.0)
    with pytest.raises(ValueError, match="'n_groups' parameter"):
        jackknife_interval(distance_of_means, X, Y, n_groups=1)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        jackknife_interval(distance_of_means, np.full((5, 2), np.nan), Y)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        jackknife_interval(distance_of_means, X[:1], Y)
