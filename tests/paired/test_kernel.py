"""Linear maps with a smooth correction."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist, pdist
from sklearn.datasets import make_friedman1
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from skalign import KernelAligner, LinearAligner
from skalign.paired._kernel import _inverse_root


def _curved(n_samples=120, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 3))
    y = np.column_stack([X[:, 0] ** 2, X[:, 1] * X[:, 2], X[:, 2]])
    return X + 5, y + noise * rng.normal(size=y.shape) - 2


def _left_out(X, y, weight=None):
    """Residuals of ridge regressions, each fitted without one sample."""
    ridge = Ridge(LinearAligner().fit(X, y, weight).alpha_)
    params = {"sample_weight": weight}
    return y - cross_val_predict(ridge, X, y, cv=LeaveOneOut(), params=params)


def test_the_correction_is_kernel_ridge_regression_of_residuals():
    X, y = _curved(40)
    aligner = KernelAligner(gamma=0.2, alpha=0.3).fit(X, y)
    ridge = KernelRidge(alpha=0.3, kernel="rbf", gamma=0.2).fit(X, _left_out(X, y))
    new = np.random.default_rng(1).normal(size=(7, 3)) + 5
    expected = LinearAligner().fit(X, y).transform(new) + ridge.predict(new)
    assert_allclose(aligner.transform(new), expected, atol=1e-8)


def test_weights_are_those_of_kernel_ridge_regression():
    X, y = _curved(40)
    weight = np.arange(40) % 3 + 0.5
    aligner = KernelAligner(gamma=0.2, alpha=0.3).fit(X, y, weight)
    assert aligner.linear_.alpha_ == LinearAligner().fit(X, y, weight).alpha_
    left = _left_out(X, y, weight)
    ridge = KernelRidge(alpha=0.3, kernel="rbf", gamma=0.2).fit(X, left, weight)
    expected = aligner.linear_.transform(X) + ridge.predict(X)
    assert_allclose(aligner.transform(X), expected, atol=1e-8)


@pytest.mark.parametrize("n_landmarks", [60, 1000])
def test_as_many_landmarks_as_samples_are_exact(n_landmarks):
    X, y = _curved(60)
    exact = KernelAligner(gamma=0.2, alpha=0.3).fit(X, y)
    aligner = KernelAligner(0.2, alpha=0.3, n_landmarks=n_landmarks).fit(X, y)
    assert_allclose(aligner.transform(X), exact.transform(X), atol=1e-10)


def test_landmarks_give_the_best_fit_in_their_span():
    X, y = _curved(60)
    aligner = KernelAligner(0.2, alpha=0.3, n_landmarks=9, random_state=0).fit(X, y)
    assert aligner.landmarks_.shape == (9, 3)
    residual, landmarks = _left_out(X, y), aligner.landmarks_ + X.mean(axis=0)
    K = np.exp(-0.2 * cdist(X, landmarks, "sqeuclidean"))
    M = np.exp(-0.2 * cdist(landmarks, landmarks, "sqeuclidean"))
    expected = np.linalg.solve(K.T @ K + 0.3 * M, K.T @ residual)
    assert_allclose(aligner.dual_coef_, expected, atol=1e-6)


@pytest.mark.parametrize("alpha", ["gcv", "loo"])
@pytest.mark.parametrize("n_landmarks", [40, 1000])
def test_a_curved_relation_is_learnt(alpha, n_landmarks):
    X, y = _curved(320)
    aligner = KernelAligner(alpha=alpha, n_landmarks=n_landmarks, random_state=0)
    assert LinearAligner().fit(X[:160], y[:160]).score(X[160:], y[160:]) < 0.5
    assert aligner.fit(X[:160], y[:160]).score(X[160:], y[160:]) > 0.9


@pytest.mark.parametrize("scale", [1e-140, 1e150])
def test_the_scale_of_the_targets_does_not_decide(scale):
    X, y = _curved(60)
    aligner = KernelAligner().fit(X, y)
    scaled = KernelAligner().fit(X, scale * y)
    assert len(aligner.landmarks_) == len(scaled.landmarks_) == 60
    assert_allclose(scaled.transform(X) / scale, aligner.transform(X), rtol=1e-6)


@pytest.mark.parametrize("n_samples", [12, 40, 200])
@pytest.mark.parametrize("seed", range(3))
def test_a_linear_relation_stays_linear(n_samples, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples + 500, 8))
    y = X @ rng.normal(size=(8, 4)) + 2 * rng.normal(size=(len(X), 4))
    train, test = slice(n_samples), slice(n_samples, None)
    linear = LinearAligner().fit(X[train], y[train])
    aligner = KernelAligner().fit(X[train], y[train])
    errors = [np.mean((m.transform(X[test]) - y[test]) ** 2) for m in (linear, aligner)]
    assert errors[1] <= 1.02 * errors[0]


def test_the_strength_chosen_by_loo_has_the_least_error():
    X, y = _curved(30)
    aligner = KernelAligner(gamma=0.2, alpha="loo").fit(X, y)
    residual, K = _left_out(X, y), np.exp(-0.2 * cdist(X, X, "sqeuclidean"))

    def error(alpha):
        total = 0.0
        for i in range(30):
            kept = np.arange(30) != i
            system = K[np.ix_(kept, kept)] + alpha * np.eye(29)
            found = K[i, kept] @ np.linalg.solve(system, residual[kept])
            total += np.sum((residual[i] - found) ** 2)
        return total

    largest = np.linalg.eigvalsh(K)[-1]
    grid = largest * np.logspace(-9, 1, 21)
    assert_allclose(aligner.alpha_, grid[np.argmin([error(a) for a in grid])])


def test_the_width_is_a_power_of_two_about_the_median_distance():
    X, y = _curved(80)
    aligner = KernelAligner().fit(X, y)
    squares = pdist((X - X.mean(axis=0)) / aligner.scale_, "sqeuclidean")
    power = np.log2(aligner.gamma_ * np.median(squares))
    assert_allclose(power, np.round(power), atol=1e-9)
    assert -4 <= power <= 4


def test_units_of_features_are_found_out():
    X, y = make_friedman1(160, random_state=0)
    y = np.column_stack([y, y**2])
    scores = []
    for units in (np.ones(10), [1, 1e-3, 1, 1, 1, 1e3, 1e2, 1, 1, 1]):
        aligner = KernelAligner().fit(X[:100] * units, y[:100])
        scores.append(aligner.score(X[100:] * units, y[100:]))
    assert_allclose(aligner.scale_, (X[:100] * units).std(axis=0))
    assert scores[1] > scores[0] - 0.05


def test_constant_features_have_no_part_in_the_kernel():
    X, y = _curved(80)
    wide = np.column_stack([X, np.full(80, 0.1), np.full(80, 7.0)])
    assert_allclose(
        KernelAligner().fit(wide, y).transform(wide),
        KernelAligner().fit(X, y).transform(X),
        atol=1e-6,
    )


def test_far_from_the_samples_the_map_is_linear():
    X, y = _curved()
    aligner = KernelAligner().fit(X, y)
    far = np.array([[1e6, 0, 0], [-1e150, 1e150, 3]])
    assert_allclose(aligner.transform(far), aligner.linear_.transform(far))


def test_copies_do_not_lead_to_a_map_that_learns_them_by_heart():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(15, 4)), rng.normal(size=(15, 3))
    near = np.concatenate([X, X + 1e-4 * rng.normal(size=X.shape)])
    twice = np.concatenate([y, y + 1e-4 * rng.normal(size=y.shape)])
    new, target = rng.normal(size=(500, 4)), rng.normal(size=(500, 3))
    linear, aligner = (
        kind().fit(near, twice) for kind in (LinearAligner, KernelAligner)
    )
    errors = [np.mean((m.transform(new) - target) ** 2) for m in (linear, aligner)]
    assert errors[1] < 1.1 * errors[0]


def test_samples_that_are_all_equal_have_no_correction():
    aligner = KernelAligner().fit(np.ones((5, 2)), np.eye(5))
    assert aligner.gamma_ is None
    assert aligner.alpha_ == np.inf
    assert aligner.landmarks_.shape == (0, 2)
    assert_allclose(aligner.transform([[1, 1]]), np.full((1, 5), 0.2))


def test_a_strength_that_leaves_nothing_to_choose_by_is_refused():
    X, y = _curved(12)
    with pytest.raises(ValueError, match="leaves no degrees of freedom to select gam"):
        KernelAligner(alpha=1e-12).fit(X, y)
    KernelAligner(gamma=50.0, alpha=1e-12).fit(X, y)


def test_draws_of_landmarks_are_repeatable():
    X, y = _curved()
    one, two = (
        KernelAligner(n_landmarks=20, random_state=3).fit(X, y) for _ in range(2)
    )
    assert_allclose(one.landmarks_, two.landmarks_)
    assert len(np.unique(one.landmarks_, axis=0)) == 20


def test_float32_stays_float32():
    X, y = _curved()
    expected = KernelAligner().fit(X, y).transform(X)
    X, y = X.astype(np.float32), y.astype(np.float32)
    mapped = KernelAligner().fit(X, y).transform(X)
    assert mapped.dtype == np.float32
    assert_allclose(mapped, expected, atol=1e-3)


@pytest.mark.parametrize("width", [0.1, 1.0, 100.0, 1e5])
def test_features_have_the_inner_products_of_the_kernel(width):
    points = np.random.default_rng(0).normal(size=(30, 3))
    points[-1] = points[0]  # one direction less
    squares = cdist(points, points, "sqeuclidean")
    for kernel in (np.exp(-squares / width**2), np.exp(-squares / width**2)[1:, 1:]):
        features = kernel @ _inverse_root(kernel).matrix
        assert_allclose(features @ features.T, kernel, atol=1e-9)
