"""The permutation tests: exact values, uniform p-values, power."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn import config_context

from skalign.metrics import energy_distance, energy_test, mmd, mmd_test

TESTS = [mmd_test, energy_test]


def draw(n, m, n_features=3, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.normal(shift, 1, (m, n_features))


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"gamma": [0.1, 1.0]},
        {"kernel": "laplacian"},
        {"kernel": "polynomial", "degree": 2},
        {"kernel": "linear"},
    ],
)
def test_the_statistic_of_mmd_test_is_mmd(keywords):
    X, Y = draw(23, 31, shift=0.5)
    value = mmd_test(X, Y, n_permutations=3, random_state=0, **keywords).statistic
    assert_allclose(value, mmd(X, Y, unbiased=False, **keywords), rtol=1e-10)


def test_the_statistic_of_energy_test_is_energy_distance():
    X, Y = draw(23, 31, shift=0.5)
    value = energy_test(X, Y, n_permutations=3, random_state=0).statistic
    assert_allclose(value, energy_distance(X, Y), rtol=1e-10)


@pytest.mark.parametrize("test", TESTS)
def test_the_null_distribution_is_that_of_rows_that_change_sides(test):
    X, Y = draw(3, 4, shift=1.0)
    rows = np.concatenate([X, Y])
    metric = energy_distance
    if test is mmd_test:
        gamma = 0.3

        def metric(A, B):
            return mmd(A, B, gamma=gamma, unbiased=False)

        result = mmd_test(X, Y, gamma=gamma, n_permutations=2000, random_state=0)
    else:
        result = energy_test(X, Y, n_permutations=2000, random_state=0)
    every = [
        metric(rows[list(kept)], np.delete(rows, kept, axis=0))
        for kept in combinations(range(7), 3)
    ]
    found = np.unique(result.null_distribution.round(9))
    assert_allclose(found, np.unique(np.round(every, 9)), atol=1e-8)
    share = np.mean(np.array(every) >= result.statistic - 1e-12)
    assert_allclose(result.pvalue, share, atol=0.03)


def test_equal_sets_have_a_pvalue_of_one():
    X, _ = draw(20, 1)
    for test in TESTS:
        assert test(X, X[::-1], random_state=0).pvalue == 1
        assert test(np.ones((4, 2)), np.ones((5, 2)), random_state=0).pvalue == 1


@pytest.mark.long
@pytest.mark.parametrize("test", TESTS)
def test_pvalues_of_500_draws_of_one_distribution_are_uniform(test):
    pvalues = []
    for seed in range(500):
        X, Y = draw(15, 25, seed=seed)
        pvalues.append(test(X, Y, n_permutations=199, random_state=seed).pvalue)
    assert stats.kstest(pvalues, "uniform").pvalue > 0.01
    rejected = np.mean(np.array(pvalues) <= 0.05)
    # Binomial, of 500 at 0.05: four standard deviations are 0.039.
    assert abs(rejected - 0.05) < 0.039


@pytest.mark.parametrize("test", TESTS)
def test_a_shift_of_half_a_deviation_is_found_nearly_always(test):
    pvalues = []
    for seed in range(50):
        X, Y = draw(50, 50, shift=0.5, seed=seed)
        pvalues.append(test(X, Y, n_permutations=199, random_state=seed).pvalue)
    assert np.mean(np.array(pvalues) <= 0.05) > 0.9


@pytest.mark.parametrize("test", TESTS)
def test_blocks_of_any_size_add_up(test):
    X, Y = draw(700, 900, shift=0.1)
    whole = test(X, Y, n_permutations=19, random_state=0)
    with config_context(working_memory=1):
        tracemalloc.start()
        blocks = test(X, Y, n_permutations=19, random_state=0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert_allclose(blocks.statistic, whole.statistic, rtol=1e-9)
    assert_allclose(blocks.null_distribution, whole.null_distribution, rtol=1e-6)
    assert blocks.pvalue == whole.pvalue
    assert test is mmd_test or peak < 2 * 2**20  # the median of mmd takes 4


@pytest.mark.parametrize("test", TESTS)
def test_the_permutations_are_those_of_the_random_state(test):
    X, Y = (rows.astype(np.float32) for rows in draw(20, 30))
    first, again = (test(X, Y, random_state=0) for _ in range(2))
    assert (first.null_distribution == again.null_distribution).all()
    assert len(first.null_distribution) == 999
    assert not np.array_equal(
        first.null_distribution, test(X, Y, random_state=1).null_distribution
    )


@pytest.mark.parametrize("test", TESTS)
def test_bad_input_is_refused(test):
    X, Y = draw(5, 6)
    with pytest.raises(ValueError, match="'n_permutations' parameter"):
        test(X, Y, n_permutations=0)
    with pytest.raises(ValueError, match="X has 3 features, but Y has 2"):
        test(X, Y[:, :2])
    with pytest.raises(ValueError, match="Input Y contains NaN"):
        test(X, np.full((6, 3), np.nan))


@pytest.mark.parametrize("test", [mmd_test, energy_test])
def test_rounding_below_zero_is_zero(test):
    for seed in range(10):
        X = np.random.default_rng(seed).normal(size=(9, 2)) + 100
        result = test(X, X[::-1], n_permutations=9, random_state=0)
        assert 0 <= result.statistic < 1e-4
        assert result.pvalue == 1
