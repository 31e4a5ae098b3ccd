"""The maximum mean discrepancy against its definition."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist
from scipy.stats import ortho_group
from sklearn.metrics.pairwise import rbf_kernel

from skalign.metrics import mmd


def mmd_by_definition(X, Y, gammas, unbiased):
    def kernel(A, B):
        return np.mean([rbf_kernel(A, B, gamma) for gamma in gammas], axis=0)

    def mean_within(K):
        n = len(K)
        if not unbiased:
            return K.mean()
        return sum(K[i, j] for i in range(n) for j in range(n) if i != j) / (
            n * (n - 1)
        )

    return (
        mean_within(kernel(X, X)) + mean_within(kernel(Y, Y)) - 2 * kernel(X, Y).mean()
    )


def draw(n, m, n_features=4, shift=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.normal(shift, 1.2, (m, n_features))


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("gamma", [0.3, [0.3], [0.05, 0.3, 4.0]])
def test_equals_its_definition(gamma, unbiased):
    X, Y = draw(23, 41)
    expected = mmd_by_definition(X, Y, np.atleast_1d(gamma), unbiased)
    assert_allclose(mmd(X, Y, gamma=gamma, unbiased=unbiased), expected, rtol=1e-12)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("sizes", [(1024, 1025), (2500, 700), (1, 1)])
def test_blocks_of_any_size_add_up(sizes, unbiased):
    if unbiased and sizes == (1, 1):
        sizes = (2, 2)
    X, Y = draw(*sizes)
    n, m = sizes
    within_x, within_y = rbf_kernel(X, gamma=0.1).sum(), rbf_kernel(Y, gamma=0.1).sum()
    between = rbf_kernel(X, Y, gamma=0.1).mean()
    if unbiased:
        expected = (within_x - n) / (n * (n - 1)) + (within_y - m) / (m * (m - 1))
    else:
        expected = within_x / n**2 + within_y / m**2
    value = mmd(X, Y, gamma=0.1, unbiased=unbiased)
    assert_allclose(value, expected - 2 * between, rtol=1e-10, atol=1e-14)


def test_single_precision_loses_no_digits_in_the_sum():
    X, Y = (rows.astype(np.float32) for rows in draw(3000, 3000, shift=0.05))
    value = mmd(X, Y, gamma=0.1)
    assert_allclose(value, mmd(X.astype(float), Y.astype(float), gamma=0.1), atol=1e-8)


def test_the_unbiased_value_is_zero_on_average_and_the_biased_one_is_not():
    values = {True: [], False: []}
    for seed in range(300):
        X, Y = draw(20, 30, shift=0.0, seed=seed)
        Y /= 1.2
        for unbiased, found in values.items():
            found.append(mmd(X, Y, gamma=0.2, unbiased=unbiased))
    unbiased, biased = np.array(values[True]), np.array(values[False])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / np.sqrt(len(unbiased))
    assert (unbiased < 0).any()
    assert (biased > unbiased).all()
    assert (biased < unbiased + 1 / 20 + 1 / 30).all()


def test_biased_is_zero_on_equal_sets_in_any_order():
    X, _ = draw(700, 2)
    shuffled = np.random.default_rng(1).permutation(X)
    value = mmd(X, shuffled, unbiased=False)
    assert 0 <= value < 1e-14


def test_no_gamma_takes_one_over_the_median_squared_distance():
    X, Y = draw(40, 60)
    gamma = 1 / np.median(pdist(np.vstack([X, Y]), "sqeuclidean"))
    assert_allclose(mmd(X, Y), mmd(X, Y, gamma=gamma), rtol=1e-12)
    gamma = 1 / np.median(pdist(Y, "sqeuclidean"))
    assert_allclose(mmd(X, Y, gamma="target"), mmd(X, Y, gamma=gamma), rtol=1e-12)


def test_the_median_leaves_out_equal_rows():
    X = np.array([[0.0]] * 9 + [[1.0]])
    Y = np.array([[0.0]] * 9 + [[1.0]])
    assert_allclose(mmd(X, Y), mmd(X, Y, gamma=1.0), rtol=1e-12)


def test_the_median_of_many_rows_is_drawn_the_same_way_every_time():
    X, Y = draw(1500, 1200)
    assert mmd(X, Y) == mmd(X, Y)
    gamma = 1 / np.median(pdist(np.vstack([X, Y]), "sqeuclidean"))
    assert_allclose(mmd(X, Y), mmd(X, Y, gamma=gamma), rtol=0.05)


@settings(deadline=None)
@given(
    scale=st.sampled_from([1e-8, 1.0, 1e8]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_without_gamma_rotation_shift_and_scale_change_nothing(scale, dtype, seed):
    X, Y = draw(30, 20, seed=seed)
    rng = np.random.default_rng(seed)
    rotation = ortho_group.rvs(X.shape[1], random_state=rng)
    shift = rng.normal(size=X.shape[1])
    moved = ((scale * (A @ rotation + shift)).astype(dtype) for A in (X, Y))
    atol = 1e-12 if dtype is np.float64 else 1e-5
    assert_allclose(mmd(*moved), mmd(X, Y), atol=atol)


def test_far_from_the_origin_no_digits_are_lost():
    X, Y = draw(50, 40)
    X, Y = np.round(X, 6), np.round(Y, 6)
    assert_allclose(mmd(X + 1e6, Y + 1e6, gamma=0.3), mmd(X, Y, gamma=0.3), atol=1e-9)


def test_no_matrix_of_all_pairs_is_held():
    X, Y = draw(5000, 5000, n_features=8)  # 190 MiB of pairs
    mmd(X, Y, gamma=0.1)
    tracemalloc.start()
    mmd(X, Y, gamma=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20


@pytest.mark.parametrize(
    "gamma", [0, -1.0, np.nan, "median", [0.1, 0.0], [0.1, np.inf], np.inf, [], [[0.1]]]
)
def test_a_gamma_that_is_not_positive_is_refused(gamma):
    with pytest.raises(ValueError, match="gamma"):
        mmd(*draw(5, 5), gamma=gamma)


def test_unbiased_needs_two_rows_a_side():
    X, Y = draw(5, 1)
    with pytest.raises(ValueError, match="X has 5 rows and Y has 1: unbiased=True"):
        mmd(X, Y)
    assert mmd(X, Y, unbiased=False) > 0
