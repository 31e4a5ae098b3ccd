"""Values and cases that scikit-learn 1.9.1 tests its own estimators with, met by ours.

Of ridge leave-one-out (linear_model/tests/test_ridge.py), and of partial least squares
and canonical correlations (cross_decomposition/tests/test_pls.py), where scikit-learn
took the numbers from the R packages plsdepot and plspm.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.cross_decomposition import CCA
from sklearn.datasets import load_linnerud, make_regression
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GroupKFold, LeaveOneOut, cross_val_predict
from sklearn.preprocessing import StandardScaler

from skalign import CanonicalAligner, LinearAligner, RigidAligner
from skalign.metrics import cca_similarity

ALPHAS = [1e-3, 0.1, 1.0, 10.0, 1e3]


def offset_regression(n_features, n_targets, noise):
    X, y = make_regression(
        11, n_features, n_targets=n_targets, n_informative=5, noise=noise,
        random_state=0, shuffle=False,
    )  # fmt: skip
    return X + 1, y.reshape(11, -1) + np.arange(n_targets)


@pytest.mark.parametrize("n_features", [8, 20])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n_targets", "noise"), [(1, 1.0), (1, 30.0), (3, 150.0)])
def test_leave_one_out_is_that_of_refits(n_features, fit_intercept, n_targets, noise):
    # test_ridge_gcv_vs_ridge_loo_cv
    X, y = offset_regression(n_features, n_targets, noise)
    aligner = LinearAligner("loo", alphas=ALPHAS, fit_intercept=fit_intercept).fit(X, y)
    # Each strength has a copy of the targets.
    ridge = Ridge(np.repeat(ALPHAS, n_targets), fit_intercept=fit_intercept)
    copies = np.tile(y, len(ALPHAS))
    left_out = cross_val_predict(ridge, X, copies, cv=LeaveOneOut())
    errors = np.square(copies - left_out).reshape(len(y), len(ALPHAS), -1)
    errors = errors.sum(axis=2).mean(axis=0)
    assert_allclose(aligner.alpha_errors_, errors, rtol=1e-8)
    ridge = RidgeCV(ALPHAS, fit_intercept=fit_intercept).fit(X, y)
    assert aligner.alpha_ == ridge.alpha_
    assert_allclose(aligner.coef_, ridge.coef_.reshape(n_targets, -1).T, atol=1e-8)
    assert_allclose(aligner.predict(X), ridge.predict(X).reshape(y.shape))


@pytest.mark.filterwarnings("ignore:y is one column of .* integers:UserWarning")
def test_leave_one_out_of_whole_numbers():
    # test_ridge_gcv_integer_arrays
    rng = np.random.RandomState(0)
    X, y = rng.randint(0, 5, size=(20, 10)), rng.randint(0, 5, size=20)
    ridge = RidgeCV([0.1, 1.0, 10.0], store_cv_results=True).fit(X, y)
    aligner = LinearAligner("loo", alphas=[0.1, 1.0, 10.0]).fit(X, y)
    assert_allclose(aligner.alpha_errors_, ridge.cv_results_.mean(axis=0))
    assert aligner.alpha_ == ridge.alpha_


@pytest.mark.parametrize("shape", [(100, 50), (50, 50), (50, 100)])
@pytest.mark.parametrize("alpha", ["gcv", "loo", None])
def test_an_endless_strength_leaves_the_mean(shape, alpha):
    # test_regularization_limits_ridge and test_regularization_limits_ridge_gcv
    X, y = make_regression(*shape, noise=0, bias=10, random_state=42)
    aligner = LinearAligner(alpha or 1e16, alphas=[1e16]).fit(X, y)
    assert aligner.alpha_ == 1e16
    assert_allclose(aligner.coef_, 0, atol=1e-10)
    assert_allclose(aligner.predict(X), np.full(len(y), y.mean()))


def test_weights_of_rows_with_one_target():
    # test_ridge_gcv_sample_weights: weights are numbers of equal rows, and the map is
    # that of the repeated rows. (Which rows are left out together is said elsewhere.)
    X, y = offset_regression(8, 3, 30.0)
    weight = 3 * np.random.RandomState(0).randn(11)
    weight = (weight - weight.min() + 1).astype(int)
    groups = np.repeat(np.arange(11), weight)
    cv = GroupKFold(11)
    errors = []
    for alpha in ALPHAS:
        left_out = cross_val_predict(
            Ridge(alpha), X[groups], y[groups], cv=cv, groups=groups
        )
        errors.append(np.sum((y[groups] - left_out) ** 2))
    best = ALPHAS[np.argmin(errors)]
    aligner = LinearAligner(best).fit(X, y, sample_weight=weight)
    expected = Ridge(best).fit(X[groups], y[groups])
    assert_allclose(aligner.coef_, expected.coef_.T, rtol=1e-8)


@pytest.fixture(scope="module")
def linnerud():
    """Three exercises and three sizes of 20 men, standardised."""
    return tuple(
        StandardScaler().fit_transform(part) for part in load_linnerud(return_X_y=True)
    )


def test_all_components_of_pls_are_least_squares(linnerud):
    # test_sanity_check_pls_regression, checked there against plsdepot in R: the map is
    # W (P' W)**-1 Q' of its weights and loadings.
    W = np.array(
        [
            [-0.61330704, -0.00443647, 0.78983213],
            [-0.74697144, -0.32172099, -0.58183269],
            [-0.25668686, 0.94682413, -0.19399983],
        ]
    )
    P = np.array(
        [
            [-0.61470416, -0.24574278, 0.78983213],
            [-0.65625755, -0.14396183, -0.58183269],
            [-0.51733059, 1.00609417, -0.19399983],
        ]
    )
    Q = np.array(
        [
            [0.32456184, 0.29892183, 0.20316322],
            [0.42439636, 0.61970543, 0.19320542],
            [-0.13143144, -0.26348971, -0.17092916],
        ]
    )
    expected = W @ np.linalg.solve(P.T @ W, Q.T)
    assert_allclose(LinearAligner(0).fit(*linnerud).coef_, expected, atol=1e-6)


def test_all_components_of_pls_with_a_constant_target():
    # test_sanity_check_pls_regression_constant_column_y, against plsdepot in R
    X, y = load_linnerud(return_X_y=True)
    X, y[:, 0] = StandardScaler().fit_transform(X), 1
    y[:, 1:] = StandardScaler().fit_transform(y[:, 1:])
    W = np.array(
        [
            [-0.6273573, 0.007081799, 0.7786994],
            [-0.7493417, -0.277612681, -0.6011807],
            [-0.2119194, 0.960666981, -0.1794690],
        ]
    )
    P = np.array(
        [
            [-0.6273512, -0.22464538, 0.7786994],
            [-0.6643156, -0.09871193, -0.6011807],
            [-0.5125877, 1.01407380, -0.1794690],
        ]
    )
    Q = np.array(
        [
            [0.0000000, 0.0000000, 0.0000000],
            [0.4357300, 0.5828479, 0.2174802],
            [-0.1353739, -0.2486423, -0.1810386],
        ]
    )
    expected = W @ np.linalg.solve(P.T @ W, Q.T)
    assert_allclose(LinearAligner(0).fit(X, y).coef_, expected, atol=1e-5)


def test_the_rotation_turns_the_first_weights_of_canonical_pls(linnerud):
    # test_sanity_check_pls_canonical, against plspm in R, which iterates to 1e-6. The
    # weights are the first singular vectors of the cross-products, and the rotation
    # takes one to the other.
    x_weights = [-0.61330704, -0.74697144, -0.25668686]
    y_weights = [0.58989127, 0.77134053, -0.23887670]
    rotation = RigidAligner().fit(*linnerud).rotation_
    assert_allclose(x_weights @ rotation, y_weights, atol=2e-6)


def test_the_rotation_from_wide_to_narrow_turns_the_first_weights():
    # test_sanity_check_pls_canonical_random, against plspm in R. Two singular values
    # are 3 % apart there: its iteration stops 1e-2 from the first singular vector on
    # the side of X, and 3e-4 from it on the side of y.
    rng = np.random.RandomState(11)
    first, second = rng.normal(size=500), rng.normal(size=500)
    shared = np.stack([first, first, second, second], axis=1)
    X = shared + rng.normal(size=2000).reshape(500, 4)
    y = shared + rng.normal(size=2000).reshape(500, 4)
    X = np.hstack([X, rng.normal(size=5000).reshape(500, 10)])
    y = np.hstack([y, rng.normal(size=2500).reshape(500, 5)])
    X, y = StandardScaler().fit_transform(X), StandardScaler().fit_transform(y)
    x_weights = [
        0.65803719, 0.7009113, 0.13528197, 0.16854574, -0.03232333, 0.1148816,
        0.04792138, -0.06781, -0.00266945, -0.00849528, -0.00949471, -0.03572177,
        0.05584937, 0.05744254,
    ]  # fmt: skip
    y_weights = [
        0.66101097, 0.69347861, 0.14462724, 0.22247955, 0.07035859, 0.07765351,
        -0.00917056, -0.01909512, 0.01756709,
    ]  # fmt: skip
    rotation = RigidAligner().fit(X, y).rotation_
    assert rotation.shape == (14, 9)
    assert_allclose(x_weights @ rotation, y_weights, atol=5e-4)


def test_canonical_correlations_of_linnerud():
    # Of the manual of SAS/STAT, PROC CANCORR, "Canonical Correlation Analysis of
    # Fitness Club Data", which are Linnerud's.
    X, y = load_linnerud(return_X_y=True)
    aligner = CanonicalAligner(shrinkage=0).fit(X, y)
    expected = [0.795608, 0.200556, 0.072570]
    assert_allclose(aligner.correlations_, expected, atol=5e-7)
    assert_allclose(cca_similarity(X, y), np.mean(expected), atol=5e-7)


def stability_cases():
    rng = np.random.RandomState(0)
    Q, y = rng.randn(5, 10), rng.randn(1000, 5)
    yield (y @ Q + 2 * rng.randn(1000, 10) + 1) * 1000, y
    X, y = load_linnerud(return_X_y=True)
    X[:, -1] = 1.0
    yield X, y
    X = [[0, 0, 1], [1, 0, 0], [2, 2, 2], [3, 5, 4]]
    yield np.array(X, dtype=float), [[0.1, -0.2], [0.9, 1.1], [6.2, 5.9], [11.9, 12.3]]


@pytest.mark.parametrize(("X", "y"), list(stability_cases()))
def test_canonical_correlations_do_not_see_the_scale(X, y):
    # test_scale_and_stability, with its data
    correlations = CanonicalAligner(2, shrinkage=0).fit(X, y).correlations_
    scaled = (StandardScaler().fit_transform(rows) for rows in (X, y))
    assert_allclose(
        CanonicalAligner(2, shrinkage=0).fit(*scaled).correlations_, correlations
    )
    scores = CCA(2, max_iter=20_000, tol=1e-14).fit(X, y).transform(X, y)
    first = np.corrcoef(*(score[:, 0] for score in scores))[0, 1]
    assert_allclose(correlations[0], first, rtol=1e-6)


@pytest.mark.parametrize("seed", [530, 741])
def test_as_many_directions_as_rows_allow_correlate_wholly(seed):
    # test_scale_and_stability, seeds of issue 18746: four rows of three columns lie in
    # a space of three, so each target column is reached exactly.
    rng = np.random.RandomState(seed)
    X, y = rng.randn(4, 3), rng.randn(4, 2)
    assert_allclose(CanonicalAligner(shrinkage=0).fit(X, y).correlations_, 1)


def test_more_components_than_columns_are_refused():
    # test_n_components_upper_bounds
    rng = np.random.RandomState(0)
    X, y = rng.randn(10, 5), rng.randn(10, 3)
    with pytest.raises(ValueError, match=r"n_components=10 must be at most .*=3"):
        CanonicalAligner(10).fit(X, y)


def test_a_map_that_scales_is_recovered():
    # test_pls_regression_scaling_coef
    rng = np.random.RandomState(0)
    coef = rng.uniform(size=(3, 5))
    X = rng.normal(scale=10, size=(30, 5))
    aligner = LinearAligner(0).fit(X, X @ coef.T)
    assert_allclose(aligner.coef_, coef.T)
