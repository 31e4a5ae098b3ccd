"""LinearAligner: known answers, limits, streaming, choice of strength, intervals."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import lstsq
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict, cross_val_score

from skalign import LinearAligner


def _pairs(n_samples=80, n_features=6, n_targets=4, noise=0.3, seed=0, mean=5.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) * np.arange(1, n_features + 1) + mean
    coef = rng.normal(size=(n_features, n_targets))
    return X, X @ coef + rng.normal(size=(n_samples, n_targets)) * noise + 7


def _truncated(matrix, rank):
    U, s, Vt = np.linalg.svd(matrix, full_matrices=False)
    return (U[:, :rank] * s[:rank]) @ Vt[:rank]


@pytest.mark.parametrize("solver", ["auto", "moments", "svd"])
def test_least_squares_equals_linear_regression(solver):
    X, y = _pairs()
    aligner = LinearAligner(alpha=0, solver=solver).fit(X, y)
    assert_allclose(aligner.transform(X), LinearRegression().fit(X, y).predict(X))


@pytest.mark.parametrize("solver", ["moments", "svd"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_given_strength_equals_ridge(solver, fit_intercept, weighted):
    X, y = _pairs()
    weights = np.random.default_rng(1).uniform(0, 3, len(X)) if weighted else None
    aligner = LinearAligner(3.0, solver=solver, fit_intercept=fit_intercept)
    ridge = Ridge(3.0, fit_intercept=fit_intercept)
    assert_allclose(
        aligner.fit(X, y, sample_weight=weights).predict(X),
        ridge.fit(X, y, sample_weight=weights).predict(X),
    )


def test_the_intercept_is_not_penalised():
    X, y = _pairs(mean=0.0)
    aligner = LinearAligner(1e12).fit(X, y)
    assert_allclose(aligner.transform(X), np.tile(y.mean(axis=0), (len(X), 1)))


def test_translating_either_side_only_translates_the_map():
    X, y = _pairs()
    plain = LinearAligner().fit(X, y)
    moved = LinearAligner().fit(X + 1e5, y - 1e5)
    assert_allclose(moved.transform(X + 1e5), plain.transform(X) - 1e5, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_underdetermined_least_squares_has_the_minimum_norm(fit_intercept):
    X, y = _pairs(n_samples=10, n_features=25, mean=0.0)
    aligner = LinearAligner(0, fit_intercept=fit_intercept).fit(X, y)
    shift = (X.mean(0), y.mean(0)) if fit_intercept else (0, 0)
    assert aligner.solver_ == "svd"
    assert_allclose(aligner.coef_, lstsq(X - shift[0], y - shift[1])[0], atol=1e-10)


def test_a_singular_system_takes_the_minimum_norm_solution():
    X, y = _pairs()
    X = np.c_[X, X[:, :2], np.ones(len(X))]
    aligner = LinearAligner(0).fit(X, y)
    assert aligner.solver_ == "svd"
    expected = lstsq(X - X.mean(0), y - y.mean(0), cond=1e-12)[0]
    assert_allclose(aligner.coef_, expected, atol=1e-9)
    streamed = LinearAligner(0).partial_fit(X, y)
    assert streamed.solver_ == "moments"
    assert_allclose(streamed.coef_, expected, atol=1e-7)


def test_loo_errors_equal_leaving_out_one_row_after_another():
    X, y = _pairs(n_samples=25)
    aligner = LinearAligner("loo", alphas=[0.1, 10.0, 1000.0]).fit(X, y)
    for alpha, error in zip(aligner.alphas_, aligner.alpha_errors_, strict=True):
        left_out = cross_val_predict(Ridge(alpha), X, y, cv=LeaveOneOut())
        assert_allclose(error, np.mean(np.sum((y - left_out) ** 2, axis=1)))


def test_loo_chooses_as_ridge_cv():
    X, y = _pairs(n_samples=30, n_features=20, noise=5.0)
    alphas = np.logspace(-2, 5, 15)
    aligner = LinearAligner("loo", alphas=alphas).fit(X, y)
    assert aligner.alpha_ == RidgeCV(alphas).fit(X, y).alpha_


@pytest.mark.parametrize("n_samples", [15, 20, 21, 22, 30, 200])
def test_gcv_never_interpolates_and_is_close_to_loo(n_samples):
    X, y = _pairs(n_samples=n_samples, n_features=20, noise=10.0)
    X_new, y_new = _pairs(n_samples=500, n_features=20, noise=10.0)
    gcv, loo = LinearAligner("gcv").fit(X, y), LinearAligner("loo").fit(X, y)
    errors = [np.mean((a.transform(X_new) - y_new) ** 2) for a in (gcv, loo)]
    assert errors[0] < 1.2 * errors[1]
    assert gcv.alpha_ > gcv.alphas_.min()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_rounding_does_not_judge_maps_that_meet_every_pair(fit_intercept, weighted):
    """With as many slopes as pairs, what is left of the sums is all rounding."""
    rng = np.random.default_rng(0)
    n_pairs = 3 + fit_intercept
    X = (4 * np.eye(n_pairs, 3) + 0.3 * rng.normal(size=(n_pairs, 3))).astype("f")
    y = rng.normal(size=(n_pairs, 2)).astype("f")
    weight = np.full(n_pairs, 2.0) if weighted else None
    aligner = LinearAligner(fit_intercept=fit_intercept).fit(X, y, weight)
    centring = np.eye(n_pairs) - fit_intercept / n_pairs
    gram = centring @ X @ X.T.astype(np.float64) @ centring * (2 if weighted else 1)
    for alpha, error in zip(aligner.alphas_, aligner.alpha_errors_, strict=True):
        kept_back = centring @ np.linalg.inv(gram / alpha + np.eye(n_pairs))
        residual, free = kept_back @ y, np.trace(kept_back) / n_pairs
        if np.isfinite(error):
            assert_allclose(error, np.sum(residual**2) / n_pairs / free**2, rtol=1e-4)
    assert np.isfinite(aligner.alpha_errors_).sum() > 10


def test_the_default_grid_has_ten_decades_and_follows_the_scale_of_the_data():
    X, y = _pairs()
    small, large = LinearAligner().fit(X, y), LinearAligner().fit(1e4 * X, y)
    assert len(small.alphas_) >= 20
    assert_allclose(small.alphas_[-1] / small.alphas_[0], 1e10)
    assert_allclose(large.alphas_, 1e8 * small.alphas_)
    assert_allclose(large.transform(1e4 * X), small.transform(X))


@pytest.mark.filterwarnings("ignore:'gcv' selected")  # of the first batches
@pytest.mark.parametrize("alpha", ["gcv", 0, 2.5])
@pytest.mark.parametrize("n_samples", [12, 90])
def test_batches_equal_the_same_data_at_once(alpha, n_samples):
    X, y = _pairs(n_samples=n_samples, n_features=20, noise=2.0)
    at_once, streamed = LinearAligner(alpha).fit(X, y), LinearAligner(alpha)
    for rows in np.array_split(np.arange(n_samples), 5):
        streamed.partial_fit(X[rows], y[rows])
    assert_allclose(streamed.alpha_, at_once.alpha_, rtol=1e-6)
    assert_allclose(streamed.transform(X), at_once.transform(X), rtol=1e-6)


def test_merged_halves_equal_the_same_data_at_once():
    X, y = _pairs()
    first, second = LinearAligner().fit(X[:30], y[:30]), LinearAligner()
    second.fit(X[30:], y[30:])
    kept = second.coef_.copy()
    assert first.merge(second) is first
    at_once = LinearAligner().fit(X, y)
    assert_allclose(first.coef_, at_once.coef_, rtol=1e-9)
    assert_allclose(first.noise_variance_, at_once.noise_variance_)
    assert_array_equal(second.coef_, kept)


def test_what_keeps_no_sums_cannot_be_merged():
    X, y = _pairs()
    for aligner in (LinearAligner("loo").fit(X, y), LinearAligner(1, solver="svd")):
        assert not hasattr(aligner, "merge")
        assert not hasattr(aligner, "partial_fit")
        with pytest.raises(AttributeError, match="has no attribute 'merge'"):
            aligner.merge(aligner)


@pytest.mark.parametrize("rank", [2, None])
def test_the_inverse_of_float32_inverts_no_rounding(rank):
    X, y = _pairs(300, 20, 20, mean=0.0)
    if rank is None:
        X[:, 10:] = X[:, :10]
    double, single = (
        LinearAligner(rank=rank).fit(X.astype(dtype), y.astype(dtype))
        for dtype in (np.float64, np.float32)
    )
    expected = double.inverse_transform(y)
    found = single.inverse_transform(y.astype(np.float32))
    assert_allclose(found, expected, atol=1e-2 * np.abs(expected).max())


def test_std_has_the_shape_of_what_is_predicted():
    X, y = _pairs()
    flat, column = LinearAligner().fit(X, y[:, 0]), LinearAligner().fit(X, y[:, :1])
    assert flat.predict_std(X).shape == flat.predict(X).shape == (80,)
    assert_allclose(flat.predict_std(X), column.predict_std(X)[:, 0])


@pytest.mark.parametrize("alpha", ["gcv", "loo", 0.0, 5.0])
@pytest.mark.parametrize("solver", ["auto", "svd"])
def test_a_weight_of_k_equals_k_repeated_rows(alpha, solver):
    X, y = _pairs(n_samples=40, noise=4.0)
    weights = np.random.default_rng(3).integers(0, 4, len(X))
    weighted = LinearAligner(alpha, solver=solver).fit(X, y, sample_weight=weights)
    repeated = LinearAligner(alpha, solver=solver).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0)
    )
    assert_allclose(weighted.alpha_, repeated.alpha_)
    assert_allclose(weighted.coef_, repeated.coef_)
    assert_allclose(weighted.predict_std(X), repeated.predict_std(X))


def test_reduced_rank_beats_truncating_the_map():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 12)) * np.logspace(0, 3, 12)
    y = X @ (rng.normal(size=(12, 10)) / np.logspace(0, 2, 12)[:, None])
    y += rng.normal(size=y.shape)
    full = LinearAligner(0).fit(X, y)
    for rank in (1, 2, 4, 8):
        reduced = LinearAligner(0, rank=rank).fit(X, y)
        assert np.linalg.matrix_rank(reduced.coef_) == rank
        residual = np.sum((y - reduced.transform(X)) ** 2)
        map_ = _truncated(full.coef_, rank)
        truncated = (X - full.x_mean_) @ map_ + full.y_mean_
        assert residual < 0.9 * np.sum((y - truncated) ** 2)
        # Eckart-Young on the fitted values is the optimum.
        fitted = full.transform(X) - full.y_mean_
        best = _truncated(fitted, rank) + full.y_mean_
        assert_allclose(residual, np.sum((y - best) ** 2), rtol=1e-9)


def test_reduced_rank_ridge_is_optimal_for_its_own_objective():
    X, y = _pairs(n_samples=60, noise=3.0)
    alpha, rank = 50.0, 2
    reduced = LinearAligner(alpha, rank=rank).fit(X, y)
    root = np.sqrt(alpha) * np.eye(X.shape[1])
    X_long = np.r_[X - X.mean(0), root]
    y_long = np.r_[y - y.mean(0), np.zeros((X.shape[1], y.shape[1]))]
    fitted = X_long @ lstsq(X_long, y_long)[0]
    assert_allclose(X_long @ reduced.coef_, _truncated(fitted, rank), atol=1e-8)


def test_a_full_rank_changes_nothing():
    X, y = _pairs()
    assert_allclose(
        LinearAligner(rank=4).fit(X, y).coef_, LinearAligner().fit(X, y).coef_
    )


@pytest.mark.parametrize("widths", [(6, 6), (4, 9), (9, 4)])
def test_a_round_trip_returns_what_the_map_keeps(widths):
    X, y = _pairs(n_features=widths[0], n_targets=widths[1])
    aligner = LinearAligner().fit(X, y)
    if widths[0] <= widths[1]:
        there_and_back = aligner.inverse_transform(aligner.transform(X))
        assert_allclose(there_and_back, X, rtol=1e-8)
    if widths[0] >= widths[1]:
        back_and_there = aligner.transform(aligner.inverse_transform(y))
        assert_allclose(back_and_there, y, rtol=1e-8)


@pytest.mark.parametrize("solver", ["moments", "svd"])
def test_predicted_intervals_are_calibrated_on_gaussian_data(solver):
    rng = np.random.default_rng(0)
    inside, inside_map = [], []
    for _ in range(30):
        coef = rng.normal(size=(8, 5))
        X, X_new = rng.normal(size=(120, 8)), rng.normal(size=(200, 8))
        noise = np.array([0.5, 1, 2, 3, 4])
        y = X @ coef + rng.normal(size=(120, 5)) * noise
        y_new = X_new @ coef + rng.normal(size=(200, 5)) * noise
        aligner = LinearAligner(solver=solver).fit(X, y)
        mean = aligner.predict(X_new)
        inside.append(np.abs(mean - y_new) <= 1.96 * aligner.predict_std(X_new))
        std = aligner.predict_std(X_new, include_noise=False)
        inside_map.append(np.abs(mean - X_new @ coef) <= 1.96 * std)
    assert 0.93 < np.mean(inside) < 0.97
    assert 0.93 < np.mean(inside_map) < 0.97


def test_predicted_intervals_are_calibrated_for_a_reduced_rank():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(30):
        coef = rng.normal(size=(8, 2)) @ rng.normal(size=(2, 6))
        X, X_new = rng.normal(size=(150, 8)), rng.normal(size=(200, 8))
        y = X @ coef + rng.normal(size=(150, 6))
        y_new = X_new @ coef + rng.normal(size=(200, 6))
        aligner = LinearAligner(rank=2).fit(X, y)
        std = aligner.predict_std(X_new)
        inside.append(np.abs(aligner.predict(X_new) - y_new) <= 1.96 * std)
    assert 0.93 < np.mean(inside) < 0.97


@pytest.mark.parametrize("n_samples", [10, 80])
def test_predicted_std_grows_off_the_training_rows(n_samples):
    X, y = _pairs(n_samples=n_samples, n_features=20)
    aligner = LinearAligner().fit(X, y)
    far = X.mean(axis=0) + 50 * (X - X.mean(axis=0))
    assert np.all(aligner.predict_std(far) > aligner.predict_std(X))
    assert np.all(aligner.predict_std(X, include_noise=False) < aligner.predict_std(X))


def test_what_the_rows_cannot_tell_has_an_infinite_std():
    X, y = _pairs(n_samples=30)
    X = np.c_[X, np.ones(30)]  # a column that never varied
    aligner = LinearAligner(0).fit(X, y)
    assert np.isfinite(aligner.predict_std(X)).all()
    noiseless = LinearAligner(0).fit(X, 0 * y)
    X[:, -1] = 2
    assert np.isinf(aligner.predict_std(X)).all()
    assert np.isinf(noiseless.predict_std(X)).all()
    interpolating = LinearAligner(0).fit(X[:5], y[:5])
    assert np.isinf(interpolating.predict_std(X[:5])).all()
    # At the mean, where nothing but the noise counts, it is as unknown.
    assert np.isinf(interpolating.predict_std(interpolating.x_mean_[None])).all()
    still = LinearAligner(0.0, fit_intercept=False).fit(X[:4], y[:4])
    origin = np.zeros((1, X.shape[1]))
    assert np.isinf(still.predict_std(origin)).all()
    assert_array_equal(still.predict_std(origin, include_noise=False), 0)


def test_sums_too_tell_which_columns_never_varied():
    X, y = _pairs(n_samples=30)
    X = np.c_[X, np.ones(30)]
    aligner = LinearAligner(0).partial_fit(X, y)
    assert np.isfinite(aligner.predict_std(X)).all()
    X[:, -1] = 2
    assert np.isinf(aligner.predict_std(X)).all()


def test_the_std_is_that_of_the_method_of_moments():
    X, y = _pairs(n_samples=12, n_features=6, noise=3.0)
    alpha, centred = 40.0, X - X.mean(axis=0)
    gram = centred.T @ centred
    inverse = np.linalg.inv(gram + alpha * np.eye(6))
    shrunk = gram @ inverse
    coef = inverse @ centred.T @ y
    residual = y - y.mean(axis=0) - centred @ coef
    noise = np.square(residual).sum(axis=0) / (11 - np.trace(shrunk))
    # coef is shrunk.T @ slopes, plus noise of covariance inverse @ gram @ inverse.
    slopes = np.square(coef).sum(axis=0) - noise * np.trace(inverse @ shrunk)
    slopes /= np.trace(shrunk @ shrunk)
    assert np.all(slopes > noise / alpha)
    new = np.random.default_rng(1).normal(size=(5, 6)) * 9
    by_noise = np.einsum("ij,jk,ik->i", new, inverse @ shrunk, new)
    by_shrinkage = alpha**2 * np.square(new @ inverse).sum(axis=1)
    variance = np.outer(by_noise + 1 / 12, noise) + np.outer(by_shrinkage, slopes)
    aligner = LinearAligner(alpha).fit(X, y)
    std = aligner.predict_std(new + X.mean(axis=0), include_noise=False)
    assert_allclose(std, np.sqrt(variance))


def test_rounding_leaves_no_negative_noise():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 4))
    y = X @ rng.normal(size=(4, 2)) @ rng.normal(size=(2, 30))
    noise = LinearAligner(0, rank=2).fit(X, y).noise_variance_
    assert np.all(noise >= 0)
    assert_allclose(noise, 0, atol=1e-12)


@pytest.mark.parametrize("size", [1e-8, 1, 1e8])
@pytest.mark.parametrize(("spread", "solver"), [(1e-3, "moments"), (1e-7, "svd")])
def test_auto_judges_sums_in_any_unit(size, spread, solver):
    X, y = _pairs(n_samples=50, n_features=3)
    X = np.linalg.qr(X - X.mean(axis=0))[0] * [1, 1, spread]
    # The system's condition number is spread ** -2, and the limit 2.7e10.
    assert LinearAligner(0).fit(size * X, y).solver_ == solver


def test_sums_suffice_for_as_many_rows_as_columns():
    X, y = _pairs(n_samples=6, n_features=6)
    aligner = LinearAligner(3.0, solver="moments").fit(X, y)
    assert_allclose(aligner.transform(X), Ridge(3.0).fit(X, y).predict(X))


def test_auto_takes_the_rows_where_sums_are_not_accurate_and_says_so():
    X, y = _pairs(n_samples=200)
    assert LinearAligner().fit(X, y).solver_ == "moments"
    assert LinearAligner().fit(X[:5], y[:5]).solver_ == "svd"
    nearly_singular = np.c_[X, X[:, :1] + 1e-7 * X[:, 1:2]]
    target = nearly_singular @ np.random.default_rng(0).normal(size=(7, 2))
    aligner = LinearAligner(0).fit(nearly_singular, target)
    assert aligner.solver_ == "svd"
    assert_allclose(aligner.transform(nearly_singular), target, rtol=1e-7)
    with pytest.raises(ValueError, match="condition number"):
        LinearAligner(0, solver="moments").fit(nearly_singular, target)
    with pytest.raises(ValueError, match="at least as many samples as features"):
        LinearAligner(solver="moments").fit(X[:5], y[:5])


@pytest.mark.parametrize("arguments", [{"alpha": "loo"}, {"solver": "svd"}])
def test_what_needs_all_rows_does_not_stream(arguments):
    aligner = LinearAligner(**arguments)
    assert not hasattr(aligner, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        aligner.partial_fit(*_pairs())


def test_sums_that_were_never_formed_cannot_be_continued():
    X, y = _pairs(n_samples=10, n_features=20)
    aligner = LinearAligner().fit(X, y)
    with pytest.raises(ValueError, match="start with partial_fit"):
        aligner.partial_fit(X, y)
    with pytest.raises(TypeError, match="cannot be merged with Ridge"):
        aligner.merge(Ridge())


def test_partial_fit_continues_after_fit():
    X, y = _pairs()
    aligner = LinearAligner().fit(X[:50], y[:50]).partial_fit(X[50:], y[50:])
    assert_allclose(aligner.coef_, LinearAligner().fit(X, y).coef_)


def test_a_refused_batch_leaves_the_batches_before_it():
    X, y = _pairs()
    aligner = LinearAligner().partial_fit(X[:50], y[:50])
    before = clone(aligner).partial_fit(X[:50], y[:50])
    bad = X[50:].copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        aligner.partial_fit(bad, y[50:])
    with pytest.raises(ValueError, match="features"):
        aligner.partial_fit(X[50:, :3], y[50:])
    with pytest.raises(ValueError, match="y has 2 columns"):
        aligner.partial_fit(X[50:], y[50:, :2])
    assert_array_equal(aligner.coef_, before.coef_)
    assert aligner.moments_.n_samples == 50


def test_a_failed_fit_leaves_no_half_fitted_estimator():
    X, y = _pairs()
    aligner = LinearAligner(rank=5)
    with pytest.raises(ValueError, match=r"rank=5 must be at most .*=4"):
        aligner.fit(X, y)
    with pytest.raises(NotFittedError):
        aligner.transform(X)
    assert not hasattr(aligner, "n_features_in_")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": "cv"}, "alpha"),
        ({"alphas": [1.0, -1.0]}, "alphas must be"),
        ({"alphas": [[1.0]]}, "alphas must be"),
        ({"alphas": []}, "alphas must be .* not empty"),
        *[
            ({"alphas": bad}, "alphas must be .* not below 0 and finite; got")
            for bad in (
                [1, np.inf],
                [np.nan],
                ["a", "b"],
                ["1"],
                [1j],
                [True, 2.0],
                np.array([True]),
                [None],
                [pd.NA],
                [[1, 2], [3]],
                {},
                np.array(1.0),
                [10**400],
                range(0),
            )
        ],
        ({"rank": 0}, "rank"),
        ({"solver": "lbfgs"}, "solver"),
    ],
)
def test_parameters_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LinearAligner(**arguments).fit(*_pairs())


@pytest.mark.parametrize("alpha", ["gcv", "loo"])
@pytest.mark.parametrize("factor", [1e-3, 0.5, 2.0, 50.0])
@pytest.mark.parametrize("n_samples", [15, 30, 200])
def test_the_chosen_map_does_not_depend_on_the_unit_of_weights(
    alpha, factor, n_samples
):
    X, y = _pairs(n_samples=n_samples, n_features=20, noise=2.0)
    weights = np.random.default_rng(0).uniform(0.5, 2, n_samples)
    plain = LinearAligner(alpha).fit(X, y, sample_weight=weights)
    scaled = LinearAligner(alpha).fit(X, y, sample_weight=factor * weights)
    assert_allclose(scaled.alpha_, factor * plain.alpha_)
    assert_allclose(scaled.coef_, plain.coef_, rtol=1e-6)
    assert_allclose(scaled.noise_variance_, plain.noise_variance_, rtol=1e-6)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones((4, 2)), np.ones((5, 2)), "inconsistent numbers of samples"),
        (np.full((4, 2), np.nan), np.ones((4, 2)), "NaN"),
        (np.ones((4, 2)), np.full((4, 2), np.inf), "infinity"),
        (np.ones((1, 2)), np.ones((1, 2)), "minimum of 2"),
        (np.ones((0, 2)), np.ones((0, 2)), "0 sample"),
    ],
)
def test_rows_that_do_not_fit_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        LinearAligner().fit(X, y)


def test_constant_rows_map_to_the_mean():
    X, y = np.ones((6, 3)), np.arange(12.0).reshape(6, 2)
    for alpha in ("gcv", "loo", 0.0):
        aligner = LinearAligner(alpha).fit(X, y)
        assert_allclose(aligner.transform(X), np.tile(y.mean(axis=0), (6, 1)))
        if alpha != 0:
            assert_allclose(aligner.alphas_, np.logspace(-9, 1, 41))


def test_it_is_a_multi_output_regressor():
    X, y = _pairs()
    aligner = LinearAligner().fit(X, y)
    assert_array_equal(aligner.predict(X), aligner.transform(X))
    assert aligner.score(X, y) == r2_score(y, aligner.predict(X))
    assert cross_val_score(LinearAligner(), X, y).mean() > 0.9
    assert LinearAligner().fit(X, y[:, 0]).predict(X).shape == (len(X),)


def test_float32_stays_float32_and_agrees_with_float64():
    X, y = _pairs(n_samples=500)
    exact = LinearAligner().fit(X, y)
    X, y = X.astype(np.float32), y.astype(np.float32)
    single = LinearAligner().fit(X, y)
    assert single.coef_.dtype == single.transform(X).dtype == np.float32
    assert_allclose(single.transform(X), exact.transform(X), rtol=1e-3)
    assert single.inverse_transform(y).dtype == np.float32


def test_the_callers_arrays_stay_as_they_are():
    X, y = _pairs(n_samples=8, n_features=20)
    X.flags.writeable = y.flags.writeable = False
    weights = np.ones(8)
    weights.flags.writeable = False
    for solver in ("auto", "svd"):
        LinearAligner(solver=solver).fit(X, y, sample_weight=weights).transform(X)


def test_target_rows_stay_where_they_are():
    X, y = _pairs()
    aligner = LinearAligner().fit(X, y)
    assert_array_equal(aligner.transform_target(y), y)
    with pytest.raises(ValueError, match="y has 6 columns, but the target space has 4"):
        aligner.transform_target(X)
    with pytest.raises(ValueError, match="y has 6 columns"):
        aligner.inverse_transform(X)


@pytest.mark.long
def test_gcv_agrees_with_leave_one_out_on_sentence_embeddings(news):
    X, y, _ = news
    for n_anchors in (20, 100, 380, 400, 1000):
        gcv = LinearAligner("gcv").fit(X[:n_anchors], y[:n_anchors])
        loo = LinearAligner("loo").fit(X[:n_anchors], y[:n_anchors])
        errors = [np.mean((a.transform(X[3000:]) - y[3000:]) ** 2) for a in (gcv, loo)]
        assert errors[0] < 1.02 * errors[1]  # one step of the grid at most


@pytest.mark.parametrize("scale", [2.0**-330, 2.0**260])
def test_the_strength_follows_the_size_of_the_rows(scale):
    rng = np.random.default_rng(0)
    X = rng.gamma(2, size=(150, 4))
    y = X @ rng.normal(size=(4, 3)) + rng.normal(size=(150, 3))
    expected = LinearAligner().fit(X, y)
    aligner = LinearAligner().fit(scale * X, scale * y)
    assert_allclose(aligner.alpha_ / scale / scale, expected.alpha_)
    assert_allclose(aligner.coef_, expected.coef_)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("offset", [0, 50, 1e6])
@pytest.mark.parametrize("n_samples", [12, 30])
def test_least_squares_far_from_the_origin(n_samples, offset, weighted):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_samples, 20)) + offset, rng.normal(size=(n_samples, 3))
    X = np.c_[X, X.sum(axis=1)]  # of no new direction
    new = rng.normal(size=(5, 20)) + offset
    new = np.c_[new, new.sum(axis=1)]
    weights = rng.integers(1, 4, size=n_samples) if weighted else None
    model = LinearRegression().fit(X - offset, y, sample_weight=weights)
    found = LinearAligner(0).fit(X, y, sample_weight=weights).transform(new)
    expected = model.predict(new - offset)
    assert_allclose(found, expected, atol=1e-10 + 1e-14 * offset)


@pytest.mark.parametrize("spread", [0, 1e12])
def test_a_column_far_from_the_origin_hides_no_other(spread):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X @ rng.normal(size=(3, 2))
    X = np.c_[X, 1.7e18 + spread * rng.uniform(size=200)]  # nanoseconds of a day
    assert LinearAligner(0).fit(X, y).score(X, y) > 0.999999


@pytest.mark.parametrize("alphas", [(1, 2.0), np.array([1, 2]), pd.Series([1, 2.0])])
def test_strengths_may_be_any_list_of_numbers(alphas):
    X, y = np.eye(9, 3), np.eye(9, 2)
    assert_array_equal(LinearAligner(alphas=alphas).fit(X, y).alphas_, [1, 2])


@pytest.mark.parametrize("scale", [1e160, 1e300])
@pytest.mark.parametrize("include_noise", [False, True])
def test_far_from_the_training_rows_deviations_grow_with_the_distance(
    scale, include_noise
):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    aligner = LinearAligner().fit(X, y)
    near, far = (
        aligner.predict_std(X * size, include_noise=include_noise) / size
        for size in (1e9, scale)
    )
    assert_allclose(far, near, rtol=1e-6)
    for bad in (slice(3), np.array([1, 2]), None, "no"):
        with pytest.raises(TypeError, match="include_noise must be an instance of"):
            aligner.predict_std(X, include_noise=bad)


@pytest.mark.parametrize("alpha", [0, 1.0])
@pytest.mark.parametrize("decades", [6, 8, 15, 30, 100])
def test_columns_of_any_units_are_used(alpha, decades):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5)) * 10.0 ** (decades * np.array([0, 0, 1, -0.5, 0.3]))
    y = (X / np.linalg.norm(X, axis=0)) @ rng.normal(size=(5, 3)) * 14
    # A ridge is a row per column more; columns of one length leave all their digits.
    centred = X - X.mean(axis=0)
    rows = np.vstack([centred, np.sqrt(alpha) * np.eye(5)])
    length = np.linalg.norm(rows, axis=0)
    targets = np.vstack([y - y.mean(axis=0), np.zeros((5, 3))])
    expected = (centred / length) @ np.linalg.lstsq(rows / length, targets)[0]
    expected += y.mean(axis=0)
    for aligner in (
        LinearAligner(alpha).fit(X, y),
        LinearAligner(alpha, solver="svd").fit(X, y),
        LinearAligner(alpha).partial_fit(X[:90], y[:90]).partial_fit(X[90:], y[90:]),
    ):
        assert_allclose(aligner.transform(X), expected, atol=1e-9)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_least_map_that_rounding_decides_is_refused(method):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 5)), rng.normal(size=(200, 2))
    X[:, 4] = 3 * X[:, 0]
    getattr(LinearAligner(0), method)(X * [1, 1, 1e6, 1e-4, 1], y)
    for columns, alpha in (([0, 1, 2, 3], 0), ([0, 1, 2, 3, 4], 1.0)):
        Z = (X * [1, 1, 1e30, 1e-15, 1e10])[:, columns]
        assert getattr(LinearAligner(alpha), method)(Z, y).score(Z, y) >= -1e-9
    with pytest.raises(ValueError, match="Features of X are linearly dependent"):
        getattr(LinearAligner(0), method)(X * [1, 1, 1e30, 1e-15, 1e10], y)
