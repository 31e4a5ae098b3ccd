"""The CORAL distance against its formula."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

from skalign.metrics import coral_distance


def draw(n, m, n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.gamma(2.0, size=(m, n_features))


@given(n=st.integers(2, 20), m=st.integers(2, 20), seed=st.integers(0, 2**32 - 1))
def test_equals_the_loss_of_deep_coral(n, m, seed):
    X, Y = draw(n, m, seed=seed)
    gap = np.cov(X.T) - np.cov(Y.T)
    expected = np.linalg.norm(gap, "fro") ** 2 / (4 * 4**2)
    assert_allclose(coral_distance(X, Y), expected, rtol=1e-9)


def test_weights_are_those_of_numpy():
    X, Y = draw(20, 30)
    weight = np.random.default_rng(1).dirichlet(np.ones(20))
    gap = np.cov(X.T, aweights=weight) - np.cov(Y.T)
    value = coral_distance(X, Y, X_weight=weight)
    assert_allclose(value, np.sum(gap**2) / 64, rtol=1e-9)


def test_is_blind_to_means_and_zero_on_equal_sets():
    X, _ = draw(20, 1)
    assert_allclose(coral_distance(X, X[::-1] + 5), 0, atol=1e-25)


def test_a_single_row_has_no_covariance():
    X, Y = draw(5, 1)
    with pytest.raises(ValueError, match="at least 2 samples per set; one set has 1"):
        coral_distance(X, Y)


def test_squares_that_overflow_are_an_error():
    X, Y = draw(5, 5)
    with pytest.raises(ValueError, match="overflow float64"):
        coral_distance(1e120 * X, Y)
