"""The sliced Wasserstein distance against POT and scipy."""

import numpy as np
import ot
import pytest
import scipy.stats
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose

from skalign.metrics import (
    feature_wasserstein_distances,
    max_sliced_wasserstein_distance,
    sliced_wasserstein_distance,
    wasserstein_distance,
)


def draw(n, m, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.gamma(2.0, size=(m, n_features))


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
@pytest.mark.parametrize("sizes", [(50, 50), (50, 70), (60, 90), (1, 7), (1, 1)])
def test_equals_pot_on_the_same_lines(sizes, p):
    X, Y = draw(*sizes)
    expected = ot.sliced_wasserstein_distance(X, Y, n_projections=40, p=p, seed=3)
    value = sliced_wasserstein_distance(X, Y, n_projections=40, p=p, random_state=3)
    assert_allclose(value, expected, rtol=1e-10)


@given(n=st.integers(1, 40), m=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_one_column_equals_scipy_for_any_sizes(n, m, seed):
    X, Y = draw(n, m, n_features=1, seed=seed)
    expected = scipy.stats.wasserstein_distance(X.ravel(), Y.ravel())
    value = sliced_wasserstein_distance(X, Y, n_projections=2, p=1, random_state=0)
    assert_allclose(value, expected, rtol=1e-12)


@given(
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    k=st.integers(2, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_repeating_every_row_changes_nothing(n, m, k, seed):
    X, Y = draw(n, m, seed=seed)
    value = sliced_wasserstein_distance(X, Y, random_state=0)
    repeated = sliced_wasserstein_distance(X, Y.repeat(k, axis=0), random_state=0)
    assert_allclose(repeated, value, rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), p=st.sampled_from([1, 2, 4]))
def test_is_at_most_the_exact_distance(seed, p):
    X, Y = draw(12, 9, seed=seed)
    sliced = sliced_wasserstein_distance(X, Y, p=p, random_state=seed)
    assert sliced <= wasserstein_distance(X, Y, p=p) * (1 + 1e-12)


@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 2**32 - 1))
def test_scales_with_the_rows_and_ignores_their_order(factor, seed):
    X, Y = draw(15, 10, seed=seed)
    value = sliced_wasserstein_distance(X, Y, random_state=0)
    shuffled = np.random.default_rng(seed).permutation(X)
    moved = sliced_wasserstein_distance(factor * shuffled, factor * Y, random_state=0)
    assert_allclose(moved, factor * value, rtol=1e-10)


def test_is_zero_on_equal_sets_in_any_order():
    X, _ = draw(50, 1)
    assert_allclose(sliced_wasserstein_distance(X, X[::-1]), 0, atol=1e-12)


def test_a_shift_costs_its_length_over_the_root_of_the_width():
    X, _ = draw(20, 1, n_features=16)
    value = sliced_wasserstein_distance(X, X + 3, n_projections=20_000, random_state=0)
    assert_allclose(value, 3.0, rtol=0.02)


def test_blocks_of_lines_add_up(monkeypatch):
    X, Y = draw(40, 30)
    value = sliced_wasserstein_distance(X, Y, n_projections=77, random_state=0)
    module = "skalign.metrics._sliced_wasserstein"
    monkeypatch.setattr(f"{module}._BLOCK_VALUES", 1)
    monkeypatch.setattr(f"{module}._MIN_BLOCK_PROJECTIONS", 1)
    one_by_one = sliced_wasserstein_distance(X, Y, n_projections=77, random_state=0)
    assert_allclose(one_by_one, value, rtol=1e-12)


def test_an_int_draws_the_same_lines():
    X, Y = draw(20, 30)
    first = sliced_wasserstein_distance(X, Y, random_state=4)
    assert first == sliced_wasserstein_distance(X, Y, random_state=4)
    assert first != sliced_wasserstein_distance(X, Y, random_state=5)


@pytest.mark.parametrize(
    "bad", [{"p": 0.5}, {"n_projections": 0}, {"n_projections": 2.5}, {"p": "2"}]
)
def test_a_parameter_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        sliced_wasserstein_distance(*draw(5, 5), **bad)


@pytest.mark.parametrize("p", [1, 2])
def test_weights_give_what_pot_gives(p):
    X, Y = draw(40, 25)
    rng = np.random.default_rng(1)
    a, b = rng.dirichlet(np.ones(40)), rng.dirichlet(np.ones(25))
    value = sliced_wasserstein_distance(
        X, Y, p=p, X_weight=a, Y_weight=b, random_state=0
    )
    expected = ot.sliced_wasserstein_distance(X, Y, a, b, 100, p, seed=0)
    assert_allclose(value, expected, rtol=1e-9)


@pytest.mark.parametrize("p", [1, 2])
def test_the_largest_without_a_turn_is_at_least_that_of_pot(p):
    X, Y = draw(40, 25)
    value = max_sliced_wasserstein_distance(X, Y, p=p, max_iter=0, random_state=0)
    expected = ot.max_sliced_wasserstein_distance(X, Y, None, None, 100, p, seed=0)
    assert value >= expected * (1 - 1e-12)


@given(angle=st.floats(0, np.pi), p=st.sampled_from([1, 2]), seed=st.integers(0, 99))
def test_in_the_plane_the_largest_is_that_of_all_lines(angle, p, seed):
    rng = np.random.default_rng(seed)
    stretch = np.array([[np.cos(angle)], [np.sin(angle)]])
    X = rng.normal(size=(30, 2))
    Y = rng.normal(size=(40, 2)) + 3 * rng.normal(size=(40, 1)) @ stretch.T
    value = max_sliced_wasserstein_distance(X, Y, p=p, random_state=0)
    angles = np.linspace(0, np.pi, 2000)
    lines = np.array([np.cos(angles), np.sin(angles)])
    every = ot.max_sliced_wasserstein_distance(X, Y, p=p, projections=lines)
    assert_allclose(value, every, rtol=1e-3)


@given(n=st.integers(2, 12), m=st.integers(2, 12), seed=st.integers(0, 2**32 - 1))
def test_the_largest_lies_between_the_mean_and_the_exact_distance(n, m, seed):
    X, Y = draw(n, m, seed=seed)
    largest = max_sliced_wasserstein_distance(X, Y, random_state=0)
    assert largest >= sliced_wasserstein_distance(X, Y, random_state=0)
    assert largest <= wasserstein_distance(X, Y) * (1 + 1e-9)


def test_the_largest_starts_along_the_shift_too():
    X = np.random.default_rng(0).normal(size=(30, 40))
    shift = np.linspace(-1, 1, 40)
    found = max_sliced_wasserstein_distance(
        X, X + shift, n_projections=1, max_iter=0, random_state=0
    )
    assert_allclose(found, np.linalg.norm(shift))


def test_the_largest_finds_the_one_direction_of_many():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, 2000, 50))
    Y[:, 7] *= 3  # means agree
    found = max_sliced_wasserstein_distance(X, Y, random_state=0)
    alone = feature_wasserstein_distances(X, Y, p=2)[7]
    assert found >= alone
    assert sliced_wasserstein_distance(X, Y, random_state=0) < alone / 4


@given(n=st.integers(1, 20), m=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_each_column_equals_scipy_with_weights(n, m, seed):
    X, Y = draw(n, m, seed=seed)
    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 5, n), rng.integers(1, 5, m)
    for keywords, weights in (({}, ()), ({"X_weight": a, "Y_weight": b}, (a, b))):
        values = feature_wasserstein_distances(X, Y, **keywords)
        expected = [
            scipy.stats.wasserstein_distance(x, y, *weights)
            for x, y in zip(X.T, Y.T, strict=True)
        ]
        assert_allclose(values, expected, rtol=1e-8, atol=1e-12)


def test_the_largest_distance_is_found_of_large_rows():
    X, Y = np.random.default_rng(0).normal(size=(2, 40, 4))
    expected = max_sliced_wasserstein_distance(X, Y, random_state=0)
    value = max_sliced_wasserstein_distance(X * 2.0**300, Y * 2.0**300, random_state=0)
    assert_allclose(value / 2.0**300, expected)
