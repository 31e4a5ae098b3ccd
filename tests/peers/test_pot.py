"""Values and cases that POT 0.9.7 tests its own functions with, met by ours.

Of test/test_gaussian.py, test/test_da.py and test/sliced/test_sliced_distances.py, at
commit aed0120.
"""

import numpy as np
import ot
import pytest
from numpy.testing import assert_allclose
from ot.datasets import make_data_classif

from skalign import GaussianOTAligner, OptimalTransportAligner
from skalign.metrics import (
    gaussian_wasserstein_distance,
    max_sliced_wasserstein_distance,
    sliced_wasserstein_distance,
    wasserstein_distance,
)


@pytest.fixture(name="sides")
def three_gaussians():
    X, _ = make_data_classif("3gauss", 50, random_state=0)
    y, _ = make_data_classif("3gauss2", 50, random_state=1)
    return X, y


# Gaussians


def test_gaussians_ten_apart_are_ten_apart():
    # test_bures_wasserstein_distance: means 0 and 10, variances 1
    X, Y = np.array([[-1.0], [1.0]]), np.array([[9.0], [11.0]])
    assert_allclose(gaussian_wasserstein_distance(X, Y), 10)
    assert_allclose(gaussian_wasserstein_distance(X, Y - 10), 0, atol=1e-12)


@pytest.mark.parametrize("shift", [0, 10])
def test_samples_of_gaussians(shift):
    # test_empirical_bures_wasserstein_distance: 10 to a hundredth, and 0 centred
    rng = np.random.RandomState(10)
    X, Y = rng.normal(0, 1, (400, 1)), rng.normal(shift, 1, (400, 1))
    if not shift:
        X, Y = X - X.mean(), Y - Y.mean()
    value = gaussian_wasserstein_distance(X, Y)
    assert_allclose(value, shift, rtol=1e-2, atol=1e-1)
    assert_allclose(value, np.hypot(X.mean() - Y.mean(), X.std() - Y.std()))


@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_the_covariance_arrives_and_comes_back(sides, solver):
    # test_bures_wasserstein_mapping, test_empirical_bures_wasserstein_mapping and
    # test_linear_mapping_class, where a hundredth is allowed
    X, y = sides
    aligner = GaussianOTAligner(reg=0, solver=solver).fit(X, y)
    mapped, back = aligner.transform(X), aligner.inverse_transform(y)
    assert_allclose(np.cov(mapped.T), np.cov(y.T))
    assert_allclose(np.cov(back.T), np.cov(X.T))
    assert_allclose(mapped.mean(axis=0), y.mean(axis=0))
    A, _ = ot.gaussian.empirical_bures_wasserstein_mapping(X, y, reg=0)
    assert_allclose(aligner.coef_, A, atol=1e-8)


def test_fewer_rows_than_columns_give_numbers():
    # test_empirical_bures_wasserstein_mapping_numerical_error_warning, an eighth of its
    # size: there the map is NaN.
    rng = np.random.RandomState(42)
    X, y = rng.rand(96, 100) * 5, rng.rand(37, 100) * 2
    with pytest.warns(UserWarning, match="reg"):
        aligner = GaussianOTAligner(reg=1e-8).fit(X, y)
    spread, expected = (np.cov(rows.T) for rows in (aligner.transform(X), y))
    assert_allclose(spread, expected, atol=1e-6)


def test_a_plan_keeps_the_weights_of_both_sides(sides):
    # test_emd_transport_class
    X, y = sides
    aligner = OptimalTransportAligner(reg=0).fit(X, y[:40])
    assert_allclose(aligner.plan_.sum(axis=1), 1 / 50, atol=1e-12)
    assert_allclose(aligner.plan_.sum(axis=0), 1 / 40, atol=1e-12)
    expected = ot.emd2([], [], ot.dist(X, y[:40]))
    assert_allclose(np.sum(aligner.plan_ * ot.dist(X, y[:40])), expected)
    new, _ = make_data_classif("3gauss", 51, random_state=2)
    assert aligner.transform(new).shape == new.shape


def test_iterations_that_run_out_are_an_error(sides):
    # Seen: ot.emd gives up after 100,000 iterations, which 2,000 x 2,000 rows need,
    # with a warning and a plan that is not the best.
    for reg in (0, 0.01):
        with pytest.raises(RuntimeError, match="did not converge"):
            OptimalTransportAligner(reg=reg, max_iter=1).fit(*sides)
    with pytest.raises(RuntimeError, match="failed with max_iter=1"):
        wasserstein_distance(*sides, max_iter=1)


# Slices


@pytest.mark.parametrize(
    "distance", [sliced_wasserstein_distance, max_sliced_wasserstein_distance]
)
def test_sliced_distances(distance):
    # test_sliced_same_dist, test_sliced_different_dists, test_sliced_bad_shapes, and
    # the same of max_sliced
    rng = np.random.RandomState(0)
    X, Y = rng.randn(100, 2), rng.randn(100, 2)
    assert distance(X, X, n_projections=10, random_state=0) < 1e-7
    assert distance(X, Y, n_projections=10, random_state=0) > 0
    with pytest.raises(ValueError, match="X has 2 features, but Y has 4"):
        distance(X, rng.randn(100, 4))


def test_one_column_is_the_exact_distance():
    # test_1d_sliced_equals_emd
    rng = np.random.RandomState(0)
    X, a, Y = rng.randn(100, 1), rng.uniform(0, 1, 100), rng.randn(120, 1)
    expected = ot.emd2_1d(X.ravel(), Y.ravel(), a / a.sum(), ot.unif(120)) ** 0.5
    for distance in (
        sliced_wasserstein_distance,
        max_sliced_wasserstein_distance,
        wasserstein_distance,
    ):
        assert_allclose(distance(X, Y, X_weight=a), expected)


def test_the_same_lines_give_the_same_value():
    # test_sliced_same_proj, and test_sliced_backend with its weights
    rng = np.random.RandomState(0)
    X, Y = rng.randn(8, 2), rng.randn(8, 2)
    expected = ot.sliced_wasserstein_distance(X, Y, n_projections=10, seed=12)
    value = sliced_wasserstein_distance(X, Y, n_projections=10, random_state=12)
    assert_allclose(value, expected)
    X, Y = rng.randn(100, 2), rng.randn(200, 2)
    a, b = rng.uniform(0, 1, 100), rng.uniform(0, 1, 200)
    expected = ot.sliced_wasserstein_distance(
        X, Y, a / a.sum(), b / b.sum(), n_projections=20, seed=0
    )
    weights = {"X_weight": a, "Y_weight": b}
    value = sliced_wasserstein_distance(
        X, Y, n_projections=20, random_state=0, **weights
    )
    assert_allclose(value, expected)


def test_a_shift_of_a_small_column_is_seen_once_columns_are_scaled():
    # TestSlicedWassersteinScaler.test_scaler_surfaces_small_scale_signal
    rng = np.random.RandomState(0)
    X = np.c_[rng.normal(1000, 100, 500), rng.normal(0, 1, 500)]
    Y = np.c_[rng.normal(1000, 100, 500), rng.normal(5, 1, 500)]
    both = np.concatenate([X, Y])
    scaled = ((rows - both.mean(axis=0)) / both.std(axis=0) for rows in (X, Y))
    assert sliced_wasserstein_distance(*scaled, n_projections=200, random_state=0) > 1
