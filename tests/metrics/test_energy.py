"""The energy distance against scipy and its definition."""

import tracemalloc

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group

from skalign.metrics import energy_distance


def draw(n, m, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.gamma(2.0, size=(m, n_features))


@given(n=st.integers(1, 20), m=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_one_column_equals_scipy_with_weights(n, m, seed):
    X, Y = draw(n, m, n_features=1, seed=seed)
    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 5, n), rng.integers(1, 5, m)
    expected = scipy.stats.energy_distance(X.ravel(), Y.ravel(), a, b)
    value = energy_distance(X, Y, X_weight=a, Y_weight=b)
    assert_allclose(value, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("sizes", [(1, 1), (30, 70), (1100, 2100)])
def test_equals_its_definition_in_blocks_too(sizes):
    X, Y = draw(*sizes)
    square = 2 * cdist(X, Y).mean() - cdist(X, X).mean() - cdist(Y, Y).mean()
    assert_allclose(energy_distance(X, Y), np.sqrt(square), rtol=1e-9)


@given(
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    n=st.integers(2, 30),
    seed=st.integers(0, 2**32 - 1),
)
def test_rotation_and_shift_change_nothing_and_scale_its_root(scale, n, seed):
    X, Y = draw(n, 20, seed=seed)
    rng = np.random.default_rng(seed)
    rotation, shift = ortho_group.rvs(3, random_state=rng), rng.normal(size=3)
    moved = [scale * (A @ rotation + shift) for A in (X, Y)]
    expected = np.sqrt(scale) * energy_distance(X, Y)
    assert_allclose(energy_distance(*moved), expected, rtol=1e-7)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("n", [5, 1500])
def test_is_zero_on_equal_sets_in_any_order(n, offset):
    X, _ = draw(n, 1, n_features=20)
    X[: n // 2] = X[0]  # with duplicates
    X += offset
    assert energy_distance(X, X[::-1]) < 1e-6


@pytest.mark.parametrize("shift", [1e-6, 1e-3])
def test_small_distances_keep_their_digits(shift):
    X, _ = draw(300, 1)
    square = 2 * cdist(X, X + shift).mean() - 2 * cdist(X, X).mean()
    assert_allclose(energy_distance(X, X + shift), np.sqrt(square), rtol=1e-4)


def test_no_matrix_of_all_pairs_is_held():
    X, Y = draw(4000, 4000)  # 122 MiB of pairs
    tracemalloc.start()
    energy_distance(X, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20
