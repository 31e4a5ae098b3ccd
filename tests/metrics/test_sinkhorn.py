"""The Sinkhorn divergence against POT and its limits."""

import numpy as np
import ot
import pytest
from hypothesis import given, reject, strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist, pdist

from skalign.metrics import energy_distance, sinkhorn_divergence, wasserstein_distance
from skalign.metrics._sinkhorn import _cost_within


def draw(n, m, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.gamma(2.0, size=(m, n_features))


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("reg", [2.0, 10.0])
def test_equals_the_full_values_of_pot_debiased(p, reg):
    X, Y = draw(25, 40)
    rng = np.random.default_rng(1)
    a, b = rng.dirichlet(np.ones(25)), rng.dirichlet(np.ones(40))
    metric = "sqeuclidean" if p == 2 else "euclidean"

    def value(A, B, p, q):
        costs = ot.dist(A, B, metric=metric)
        return ot.solve(
            costs, p, q, reg=reg, reg_type="KL", max_iter=50_000, tol=1e-8
        ).value

    expected = value(X, Y, a, b) - (value(X, X, a, a) + value(Y, Y, b, b)) / 2
    found = sinkhorn_divergence(X, Y, reg=reg, p=p, X_weight=a, Y_weight=b)
    assert_allclose(found, expected, rtol=1e-5)


def test_little_smoothing_gives_the_exact_cost():
    X, Y = draw(20, 30)
    exact = wasserstein_distance(X, Y)
    value = sinkhorn_divergence(X, Y, reg=0.1)
    assert_allclose(value, exact**2, rtol=0.02)


def test_much_smoothing_gives_half_the_squared_energy_distance():
    X, Y = draw(20, 30)
    value = sinkhorn_divergence(X, Y, reg=1e4, p=1)
    assert_allclose(value, energy_distance(X, Y) ** 2 / 2, rtol=1e-3)


@given(
    n=st.integers(1, 15),
    m=st.integers(1, 15),
    p=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**32 - 1),
)
def test_is_not_negative_symmetric_and_zero_on_equal_sets(n, m, p, seed):
    X, Y = draw(n, m, seed=seed)
    try:
        value = sinkhorn_divergence(X, Y, p=p)
    except RuntimeError:  # one of many sets wants more iterations
        reject()
    assert value >= 0
    assert_allclose(sinkhorn_divergence(Y, X, p=p), value, rtol=1e-4, atol=1e-6)
    assert sinkhorn_divergence(X, X[::-1], p=p) < 1e-6


def test_a_shift_costs_its_square_beside_the_smoothing():
    X, _ = draw(12, 1)
    for reg in (0.5, 5.0):
        value = sinkhorn_divergence(X, X + [3, 0, 4], reg=reg)
        assert_allclose(value, 25, rtol=1e-6)


def test_an_iteration_that_does_not_converge_is_an_error():
    with pytest.raises(RuntimeError, match="did not reach tol=1e-05 in max_iter=3"):
        sinkhorn_divergence(*draw(30, 40), reg=0.01, max_iter=3)


@pytest.mark.parametrize(
    "bad", [{"reg": 0}, {"p": 3}, {"max_iter": 0}, {"tol": 0}, {"reg": -1.0}]
)
def test_a_parameter_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=f"'{next(iter(bad))}' parameter"):
        sinkhorn_divergence(*draw(5, 5), **bad)


@pytest.mark.parametrize("p", [1, 2])
def test_a_tenth_of_the_median_cost_is_the_smoothing_by_default(p):
    X, Y = draw(20, 30)
    costs = pdist(np.vstack([X, Y]), "sqeuclidean" if p == 2 else "euclidean")
    expected = sinkhorn_divergence(X, Y, p=p, reg=0.1 * np.median(costs))
    assert_allclose(sinkhorn_divergence(X, Y, p=p), expected)


def test_the_cost_of_a_set_to_itself_is_the_dual_of_the_last_potential():
    X, _ = draw(20, 30)
    a = np.random.default_rng(1).dirichlet(np.ones(20))
    value = _cost_within(X, a, "sqeuclidean", reg=0.5, max_iter=1, tol=10.0)
    # At potentials of zero, where the iterations begin.
    plan = np.outer(a, a) * np.exp(-cdist(X, X, "sqeuclidean") / 0.5)
    assert_allclose(value, 0.5 * (1 - plan.sum()))
