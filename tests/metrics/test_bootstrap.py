"""Bootstrap intervals: coverage, pairs, errors."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skalign.metrics import (
    bootstrap_interval,
    mmd,
    retrieval_accuracy,
)
from skalign.metrics._bootstrap import _check_order


def draw(n, m, shift, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + [shift, 0]


def distance_of_means(X, Y):
    return np.linalg.norm(X.mean(axis=0) - Y.mean(axis=0))


@pytest.mark.parametrize("method", ["basic", "percentile"])
def test_is_the_interval_of_scipy(method):
    X, Y = draw(20, 30, 1.0, 0)
    interval = bootstrap_interval(
        lambda A, B: B.mean() - A.mean(),
        X[:, :1],
        Y[:, :1],
        n_resamples=200,
        method=method,
        random_state=0,
    )
    expected = stats.bootstrap(
        (X[:, 0], Y[:, 0]),
        lambda a, b: b.mean() - a.mean(),
        n_resamples=200,
        batch=1,
        vectorized=False,
        method=method,
        random_state=np.random.RandomState(0),
    ).confidence_interval
    assert_allclose(interval, expected, rtol=1e-12)
    assert (interval.low, interval.high) == tuple(interval)


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
    for seed in range(60):
        X, Y = draw(40, 60, 2.0, seed)
        low, high = bootstrap_interval(
            metric, X, Y, confidence_level=0.9, n_resamples=39, random_state=seed
        )
        held += low <= truth <= high
    assert 46 <= held <= 60  # three standard deviations below nine in ten


def test_normal_is_made_of_the_bias_and_the_deviation_of_the_resamples():
    X, Y = draw(20, 30, 1.0, 0)
    low, high = bootstrap_interval(
        distance_of_means, X, Y, confidence_level=0.9, n_resamples=99, random_state=0
    )
    rng = np.random.RandomState(0)
    values = [
        distance_of_means(X[rng.randint(0, 20, 20)], Y[rng.randint(0, 30, 30)])
        for _ in range(99)
    ]
    own = distance_of_means(X, Y)
    assert_allclose((low + high) / 2, 2 * own - np.mean(values), rtol=0.02)
    assert_allclose(high - low, 2 * 1.645 * np.std(values, ddof=1), rtol=0.2)


def test_pairs_stay_together():
    X, _ = draw(30, 1, 0.0, 0)
    keywords = {"n_resamples": 199, "random_state": 0}
    shift = partial(bootstrap_interval, distance_of_means, X, X + [3, 4], **keywords)
    low, high = shift(paired=True)
    assert_allclose([low, high], 5, rtol=1e-12)
    low, high = shift()
    assert high - low > 0.1


def test_a_similarity_of_pairs_has_an_interval_too():
    X, _ = draw(30, 1, 0.0, 0)
    noisy = X + 0.3 * np.random.default_rng(1).normal(size=X.shape)
    metric = partial(retrieval_accuracy, metric="euclidean", k=5)
    low, high = bootstrap_interval(
        metric, X, noisy, paired=True, n_resamples=99, random_state=0
    )
    assert low < high


def test_bad_input_is_refused():
    X, Y = draw(5, 6, 0.0, 0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        bootstrap_interval(distance_of_means, X, Y, paired=True)
    with pytest.raises(ValueError, match="'confidence_level' parameter"):
        bootstrap_interval(distance_of_means, X, Y, confidence_level=1.0)
    with pytest.raises(ValueError, match="'method' parameter"):
        bootstrap_interval(distance_of_means, X, Y, method="bca")
    with pytest.raises(ValueError, match="Input X contains NaN"):
        bootstrap_interval(distance_of_means, np.full((5, 2), np.nan), Y)


@pytest.mark.parametrize(
    ("change", "error", "refused"),
    [(5.9, 1.0, False), (6.1, 1.0, True), (0.59, 0.1, False), (0.61, 0.1, True),
     (1e-5, 0.0, False), (1e-3, 0.0, True)],
)  # fmt: skip
def test_a_change_by_order_counts_from_six_errors_or_a_millionth(
    change, error, refused
):
    X = np.arange(50.0)[:, None]

    def metric(X, Y):
        return 100.0 + change * (Y[:, 0] != np.arange(50)).any()

    if refused:
        with pytest.raises(ValueError, match="depends on the order of the samples"):
            _check_order(metric, X, X, 100.0, error, 0)
    else:
        _check_order(metric, X, X, 100.0, error, 0)
