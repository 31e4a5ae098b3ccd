from itertools import permutations

import numpy as np
import pytest
from scipy.stats import ortho_group

from skalign._rescale import unit_rows
from skalign.unpaired._cluster_start import best_order, cluster_rotation


def cosines(rng, n):
    rows = unit_rows(rng.standard_normal((n, 4)))
    return rows @ rows.T


def all_orders(n):
    return np.array(list(permutations(range(n))))


def likeness(first, second, order):
    return float((first * second[np.ix_(order, order)]).sum())


@pytest.mark.parametrize("seed", range(5))
def test_the_best_order_is_that_of_all_permutations(seed):
    rng = np.random.default_rng(seed)
    first, second = cosines(rng, 6), cosines(rng, 6)
    best = max(likeness(first, second, order) for order in all_orders(6))
    found = best_order(first, second, all_orders(6)[::10])
    assert likeness(first, second, found) == pytest.approx(best, rel=1e-5)


def test_no_exchange_improves_the_best_order():
    rng = np.random.default_rng(0)
    first, second = cosines(rng, 12), cosines(rng, 12)
    found = best_order(first, second, rng.permutation(12)[None])
    reached = likeness(first, second, found)
    for r in range(12):
        for s in range(r):
            other = found.copy()
            other[[r, s]] = other[[s, r]]
            assert likeness(first, second, other) <= reached + 1e-3


def test_an_order_is_found_again():
    rng = np.random.default_rng(0)
    matrix, order = cosines(rng, 25), rng.permutation(25)
    shuffled = matrix[np.ix_(order, order)]
    starts = rng.random((100, 25)).argsort(axis=1)
    np.testing.assert_array_equal(best_order(shuffled, matrix, starts), order)


def test_equal_matrices_keep_their_order():
    ones = np.ones((7, 7))
    np.testing.assert_array_equal(best_order(ones, ones, np.arange(7)[None]), range(7))


def test_clusters_find_a_rotation():
    rng = np.random.default_rng(0)
    centers = 3 * rng.standard_normal((20, 8))
    source, other = (
        centers[rng.integers(20, size=600)] + 0.3 * rng.standard_normal((600, 8))
        for _ in range(2)
    )
    rotation = ortho_group.rvs(8, random_state=1)
    found = cluster_rotation(source, other @ rotation, 0)
    error = np.linalg.norm(source @ (found - rotation)) / np.linalg.norm(source)
    assert error < 0.3
