from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.exceptions import ConvergenceWarning

from skalign import LinearAligner
from skalign.unpaired import WassersteinProcrustesAligner
from skalign.unpaired._moment_start import pair_cost

doubtful = pytest.mark.filterwarnings(
    "ignore:WassersteinProcrustesAligner may have failed"
)


def on_few_rows(**parameters):
    return WassersteinProcrustesAligner(
        **{"n_starts": 1, "max_samples": 500, "random_state": 0, **parameters}
    )


def mean_error(aligner, clouds):
    """Mean squared error as a share of the variance of the target."""
    errors = (aligner.transform(clouds.X) - clouds.truth(clouds.X)) ** 2
    return np.mean(errors) / np.mean(clouds.y.var(axis=0))


@pytest.mark.parametrize("init", ["auto", "moments"])
def test_shuffled_rows_of_a_linear_map_are_all_found(make_clouds, init):
    coef = np.array([[1.0, 0.3, 0.0], [0.0, 0.8, 0.4], [0.2, 0.0, 1.2]])
    clouds = make_clouds(same_rows=True, coef=coef)
    aligner = on_few_rows(init=init)
    aligner.fit(clouds.X, clouds.y)
    assert aligner.map_ == "least_squares"
    assert_allclose(aligner.coef_, coef, atol=1e-5)
    assert 0 <= aligner.matching_cost_ < 1e-5


def test_shuffled_noisy_rows_are_mapped_as_well_as_pairs_would(make_clouds):
    clouds = make_clouds(3000, 8, same_rows=True)
    rng = np.random.default_rng(0)
    y = clouds.y + 0.1 * rng.normal(size=clouds.y.shape)
    aligner = on_few_rows().fit(clouds.X, y)
    paired = LinearAligner().fit(clouds.X, clouds.truth(clouds.X))
    assert_allclose(aligner.coef_, paired.coef_, atol=0.02)
    assert aligner.map_ == "least_squares"


def test_rows_that_are_not_the_same_items_are_aligned_without_shrinking(make_clouds):
    clouds = make_clouds(3000, 10)
    aligner = on_few_rows(max_samples=None).fit(clouds.X, clouds.y)
    assert aligner.map_ == "covariance"
    assert aligner.matching_cost_ > 0.1
    assert mean_error(aligner, clouds) < 0.02
    mapped = aligner.transform(clouds.X)
    assert_allclose(np.cov(mapped.T, ddof=0), np.cov(clouds.y.T, ddof=0), atol=1e-10)


@doubtful
def test_least_squares_can_be_asked_for_and_refused(make_clouds):
    clouds = make_clouds(2000, 10)
    shrunk = on_few_rows(least_squares=True)
    shrunk.fit(clouds.X, clouds.y)
    assert shrunk.map_ == "least_squares"
    variances = shrunk.transform(clouds.X).var(axis=0).sum(), clouds.y.var(axis=0).sum()
    assert variances[0] < 0.95 * variances[1]
    dense = make_clouds(same_rows=True)
    kept = on_few_rows(least_squares=False)
    assert kept.fit(dense.X, dense.y).map_ == "covariance"


def test_with_few_rows_the_map_is_a_rotation_with_a_scale(make_clouds):
    clouds = make_clouds(800, 10, seed=2)
    aligner = on_few_rows().fit(clouds.X, clouds.y)
    assert aligner.map_ == "rotation"
    square = aligner.coef_.T @ aligner.coef_
    assert_allclose(square, np.eye(10) * square[0, 0], atol=1e-10)
    assert mean_error(aligner, clouds) < 0.1


def test_without_iterations_the_start_is_returned(make_clouds):
    clouds = make_clouds(2000, 10)
    aligner = on_few_rows(max_iter=0)
    aligner.fit(clouds.X, clouds.y)
    assert aligner.map_ == "rotation"
    assert aligner.n_iter_ == 0
    refined = on_few_rows().fit(clouds.X, clouds.y)
    assert refined.matching_cost_ < aligner.matching_cost_
    assert refined.n_iter_ > 0


@doubtful
def test_known_pairs_decide_where_moments_cannot():
    rng = np.random.default_rng(0)
    spreads = np.linspace(2, 1, 4)
    turn = ortho_group.rvs(4, random_state=0)
    X = rng.normal(size=(2000, 4)) * spreads
    y = rng.normal(size=(2000, 4)) * spreads @ turn
    y[:8] = X[100:108] @ turn
    pairs = np.column_stack([np.arange(100, 108), np.arange(8)])
    aligner = on_few_rows()
    with_pairs = aligner.fit(X, y, pairs=pairs).transform(X)
    assert np.mean((with_pairs - X @ turn) ** 2) < 0.1 * np.mean(y**2)
    without = aligner.fit(X, y).transform(X)
    assert np.mean((without - X @ turn) ** 2) > 0.5 * np.mean(y**2)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            [[0.5, 1.0]],
            r"integers of shape \(n_pairs, 2\).*got float64 of shape \(1, 2",
        ),
        ([[0, 1, 2]], r"got int64 of shape \(1, 3\)"),
        ([[0, 1], [2000, 1]], "2000 of X, which has 2000"),
        ([[0, -1]], "-1 of y, which has 2100"),
    ],
)
def test_pairs_must_be_positions_of_rows(make_clouds, pairs, message):
    clouds = make_clouds()
    with pytest.raises(ValueError, match=message):
        on_few_rows().fit(clouds.X, clouds.y, pairs=pairs)


def test_gaussian_rows_are_found_out():
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(3000, 4)) * [3, 2, 1.5, 1] for _ in range(2))
    with pytest.warns(UserWarning, match="about Gaussian determine no rotation"):
        on_few_rows().fit(X, y)


def test_a_gaussian_part_of_skewed_rows_is_found_out():
    rng = np.random.default_rng(0)
    X, y = (
        np.hstack([rng.gamma(1.0, size=(2000, 3)), rng.normal(size=(2000, 2))])
        for _ in range(2)
    )
    with pytest.warns(UserWarning, match="another map has a similar agreement"):
        on_few_rows().fit(X, y @ ortho_group.rvs(5, random_state=0))


def test_too_few_rows_are_found_out(make_clouds):
    clouds = make_clouds(200, 12)
    with pytest.warns(UserWarning, match="there are too few samples"):
        on_few_rows().fit(clouds.X, clouds.y)


def test_shifted_class_shares_are_found_out(make_clouds):
    clouds = make_clouds(4000, 8)
    rare = np.flatnonzero((clouds.target_labels > 1) | (np.arange(4100) % 5 == 0))
    with pytest.warns(UserWarning, match="class proportions may differ"):
        on_few_rows().fit(clouds.X, clouds.y[rare])


def test_stopping_early_warns(make_clouds):
    clouds = make_clouds(2000, 10)
    with pytest.warns(ConvergenceWarning, match="after 1 iterations"):
        on_few_rows(max_iter=1, tol=0).fit(clouds.X, clouds.y)


@pytest.mark.parametrize("widths", [(3, 5), (5, 3)])
def test_widths_may_differ(make_clouds, widths):
    semi = ortho_group.rvs(5, random_state=0)[:3]
    clouds = make_clouds(same_rows=True, coef=semi)
    X, y = (clouds.X, clouds.y) if widths == (3, 5) else (clouds.y, clouds.X)
    aligner = on_few_rows().fit(X, y)
    assert aligner.coef_.shape == widths
    truth = clouds.truth(X) if widths == (3, 5) else (X - clouds.shift) @ semi.T
    assert_allclose(aligner.transform(X), truth, atol=1e-4)


@doubtful
def test_the_seed_determines_the_map(make_clouds):
    clouds = make_clouds(300, 3)
    maps = [
        on_few_rows(max_samples=100, random_state=seed).fit(clouds.X, clouds.y).coef_
        for seed in (0, 0, np.random.RandomState(0))
    ]
    assert_array_equal(maps[0], maps[1])
    assert_array_equal(maps[0], maps[2])


def test_the_cost_of_pairs_is_a_share_of_the_variance_of_the_target():
    X, y = np.random.default_rng(0).normal(size=(2, 20, 3)) * 2
    pairs = np.array([[3, 7], [5, 5], [0, 19]])
    fit = SimpleNamespace(aligner=LinearAligner().fit(X, y))
    left = fit.aligner.transform(X)[[3, 5, 0]] - y[[7, 5, 19]]
    expected = np.sum(left**2) / 3 / y.var(axis=0).sum()
    assert_allclose(pair_cost(fit, X, y, pairs), expected)
