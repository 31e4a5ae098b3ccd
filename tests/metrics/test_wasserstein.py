"""The exact Wasserstein distance against assignment and scipy."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from skalign.metrics import wasserstein_distance


def draw(n, m, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.gamma(2.0, size=(m, n_features))


@pytest.mark.parametrize("p", [1, 2, 3.5])
def test_equal_sizes_equal_the_best_assignment(p):
    X, Y = draw(30, 30)
    costs = cdist(X, Y) ** p
    expected = costs[linear_sum_assignment(costs)].mean() ** (1 / p)
    assert_allclose(wasserstein_distance(X, Y, p=p), expected, rtol=1e-10)


@given(n=st.integers(1, 20), m=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_one_column_equals_scipy_with_weights(n, m, seed):
    X, Y = draw(n, m, n_features=1, seed=seed)
    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 5, n), rng.integers(1, 5, m)
    expected = scipy.stats.wasserstein_distance(X.ravel(), Y.ravel(), a, b)
    value = wasserstein_distance(X, Y, p=1, X_weight=a, Y_weight=b)
    assert_allclose(value, expected, rtol=1e-9, atol=1e-12)


@given(n=st.integers(1, 8), m=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_a_weight_of_k_is_k_repeated_rows(n, m, seed):
    X, Y = draw(n, m, seed=seed)
    counts = np.random.default_rng(seed).integers(1, 4, n)
    value = wasserstein_distance(X, Y, X_weight=counts)
    assert_allclose(value, wasserstein_distance(X.repeat(counts, axis=0), Y), rtol=1e-9)


def test_rows_of_weight_zero_do_not_count():
    X, Y = draw(10, 8)
    weight = np.r_[np.ones(6), np.zeros(4)]
    value = wasserstein_distance(X, Y, X_weight=weight)
    assert_allclose(value, wasserstein_distance(X[:6], Y), rtol=1e-10)


def test_a_shift_costs_its_length():
    X, _ = draw(25, 1)
    for p in (1, 2):
        assert_allclose(wasserstein_distance(X, X + [3, 0, 4], p=p), 5, rtol=1e-12)


def test_is_zero_on_equal_sets_in_any_order():
    X, _ = draw(40, 1)
    assert_allclose(wasserstein_distance(X, X[::-1]), 0, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), p=st.sampled_from([1, 2]))
def test_no_way_round_is_shorter(seed, p):
    X, Y = draw(10, 14, seed=seed)
    Z = np.random.default_rng(seed).normal(size=(6, 3)) ** 3
    direct = wasserstein_distance(X, Y, p=p)
    way_round = wasserstein_distance(X, Z, p=p) + wasserstein_distance(Z, Y, p=p)
    assert direct <= way_round * (1 + 1e-10)


def test_a_solver_that_does_not_converge_is_an_error():
    with pytest.raises(RuntimeError, match=r"failed with max_iter=5"):
        wasserstein_distance(*draw(50, 60), max_iter=5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"p": 0.9}, "'p' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"X_weight": [1, 2, 3]}, r"\(3,\), expected \(5,\)"),
        ({"Y_weight": [1, 2, 3, 4, -1]}, "Negative values"),
        ({"Y_weight": np.zeros(5)}, "at least one non-zero"),
        ({"X_weight": [1, 2, 3, 4, np.nan]}, "NaN"),
    ],
)
def test_a_parameter_out_of_range_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        wasserstein_distance(*draw(5, 5), **bad)


@pytest.mark.parametrize(("p", "scale"), [(2, 1e-8), (4, 1e-4), (6, 1e-3), (2, 1e100)])
def test_costs_of_any_size_are_told_apart(p, scale):
    X, Y = draw(40, 40)
    expected = scale * wasserstein_distance(X, Y, p=p)
    assert_allclose(wasserstein_distance(scale * X, scale * Y, p=p), expected)


def test_only_the_ratios_of_weights_count():
    X, Y = draw(10, 12)
    expected = wasserstein_distance(X, Y)
    value = wasserstein_distance(X, Y, X_weight=np.full(10, 1e308))
    assert_allclose(value, expected)
