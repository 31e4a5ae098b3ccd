"""The distance between fitted Gaussians against POT and closed forms."""

import numpy as np
import ot
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import sqrtm
from scipy.stats import ortho_group

from skalign.metrics import (
    frechet_distance,
    gaussian_wasserstein_distance,
    wasserstein_distance,
)


def draw(n, m, n_features=4, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_features, n_features))
    return rng.normal(size=(n, n_features)), rng.gamma(
        2.0, size=(m, n_features)
    ) @ mixing


def test_equals_pot():
    X, Y = draw(60, 90)
    expected = ot.gaussian.empirical_bures_wasserstein_distance(X, Y, reg=0)
    assert_allclose(gaussian_wasserstein_distance(X, Y), expected, rtol=1e-10)


def test_equals_the_formula_with_matrix_roots():
    X, Y = draw(50, 70)
    A, B = np.cov(X.T, bias=True), np.cov(Y.T, bias=True)
    root = sqrtm(A)
    square = np.sum((X.mean(0) - Y.mean(0)) ** 2)
    square += np.trace(A + B - 2 * sqrtm(root @ B @ root).real)
    assert_allclose(gaussian_wasserstein_distance(X, Y), np.sqrt(square), rtol=1e-10)


@given(n=st.integers(2, 30), m=st.integers(2, 30), seed=st.integers(0, 2**32 - 1))
def test_one_column_is_a_difference_of_means_and_of_spreads(n, m, seed):
    X, Y = draw(n, m, n_features=1, seed=seed)
    expected = np.hypot(X.mean() - Y.mean(), X.std() - Y.std())
    assert_allclose(gaussian_wasserstein_distance(X, Y), expected, rtol=1e-9)


@given(n=st.integers(1, 12), m=st.integers(1, 12), seed=st.integers(0, 2**32 - 1))
def test_is_at_most_the_exact_distance(n, m, seed):
    X, Y = draw(n, m, seed=seed)
    value = gaussian_wasserstein_distance(X, Y)
    assert value <= wasserstein_distance(X, Y) * (1 + 1e-7)


@given(scale=st.floats(0.5, 3.0), seed=st.integers(0, 2**32 - 1))
def test_a_positive_map_costs_what_it_moves(scale, seed):
    rng = np.random.default_rng(seed)
    X, _ = draw(40, 1, seed=seed)
    axes = ortho_group.rvs(4, random_state=rng)
    stretch = axes @ np.diag(rng.uniform(0.2, scale, 4)) @ axes.T
    Y = X @ stretch + rng.normal(size=4)  # the gradient of a convex function
    expected = np.sqrt(((X - Y) ** 2).sum(axis=1).mean())
    assert_allclose(gaussian_wasserstein_distance(X, Y), expected, rtol=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_rotation_and_order_of_rows_change_nothing(seed):
    X, Y = draw(20, 30, seed=seed)
    rng = np.random.default_rng(seed)
    rotation = ortho_group.rvs(4, random_state=rng)
    moved = gaussian_wasserstein_distance(rng.permutation(X) @ rotation, Y @ rotation)
    assert_allclose(moved, gaussian_wasserstein_distance(X, Y), rtol=1e-9)


@pytest.mark.parametrize("distance", [1e-9, 1e-6, 1e-3])
def test_small_distances_keep_their_digits(distance):
    X, _ = draw(200, 1)
    Y = X + [distance, 0, 0, 0]
    assert_allclose(gaussian_wasserstein_distance(X, Y), distance, rtol=1e-4)
    assert gaussian_wasserstein_distance(X, X[::-1]) < 1e-13


def test_fewer_rows_than_columns_is_no_trouble():
    X, Y = draw(5, 3, n_features=20)
    A = (X - X.mean(axis=0)).T / np.sqrt(len(X))
    B = (Y - Y.mean(axis=0)).T / np.sqrt(len(Y))
    square = np.sum((X.mean(axis=0) - Y.mean(axis=0)) ** 2)
    square += np.sum(A**2) + np.sum(B**2) - 2 * np.linalg.norm(A.T @ B, "nuc")
    assert_allclose(gaussian_wasserstein_distance(X, Y), np.sqrt(square), rtol=1e-7)


def test_single_rows_are_as_far_apart_as_they_are():
    assert_allclose(gaussian_wasserstein_distance([[0.0, 0.0]], [[3.0, 4.0]]), 5.0)


def test_single_precision_overflows_as_such():
    X, Y = (rows.astype(np.float32) for rows in draw(10, 10))
    with pytest.raises(ValueError, match="overflow float32"):
        gaussian_wasserstein_distance(X * np.float32(1e30), Y)


def test_frechet_distance_is_the_formula_of_fid():
    X, Y = draw(50, 70)
    A, B = np.cov(X.T), np.cov(Y.T)
    expected = np.sum((X.mean(axis=0) - Y.mean(axis=0)) ** 2)
    expected += np.trace(A) + np.trace(B) - 2 * np.trace(sqrtm(A @ B)).real
    assert_allclose(frechet_distance(X, Y), expected, rtol=1e-9)


def test_frechet_distance_of_many_rows_is_the_square():
    X, Y = draw(5000, 5000)
    square = gaussian_wasserstein_distance(X, Y) ** 2
    assert_allclose(frechet_distance(X, Y), square, rtol=1e-3)
    assert frechet_distance(X, Y) != square


def test_frechet_distance_needs_two_rows_a_side():
    X, Y = draw(5, 1)
    with pytest.raises(ValueError, match="at least 2 samples per set; one set has 1"):
        frechet_distance(X, Y)


@given(n=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_a_weight_of_k_is_k_repeated_rows(n, seed):
    X, Y = draw(n, 10, seed=seed)
    counts = np.random.default_rng(seed).integers(1, 4, n)
    value = gaussian_wasserstein_distance(X, Y, X_weight=counts)
    repeated = gaussian_wasserstein_distance(X.repeat(counts, axis=0), Y)
    assert_allclose(value, repeated, rtol=1e-6)
