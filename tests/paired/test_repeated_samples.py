"""Samples that occur more than once do not spoil the choice of a ridge strength."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.spatial.distance import pdist
from sklearn.linear_model import Ridge

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces
from skalign.federated import client_sums, fit_from_sums
from skalign.paired._distinct import Distinct, equal_rows, near_rows

CHOICES = ["gcv", "loo"]


def _split(n_samples, n_features=40, n_targets=20, seed=0, **kwargs):
    X, y = make_paired_spaces(
        n_samples + 1000,
        n_features,
        n_targets,
        noise=0.5,
        random_state=seed,
        return_X_y=True,
        **kwargs,
    )
    return X[:n_samples], y[:n_samples], X[n_samples:], y[n_samples:]


def _error(aligner, X, y):
    return np.mean((y - aligner.transform(X)) ** 2)


@cache
def _split_with_error(n_samples, n_features, seed):
    """Return the split and the error before there are copies."""
    X, y, *new = _split(n_samples, n_features, seed=seed)
    return X, y, new, _error(LinearAligner("loo").fit(X, y), *new)


def _copies(kind, X, y, share, times, seed):
    """Return the pairs and copies of a share of them."""
    rng = np.random.RandomState(seed)
    rows = rng.permutation(len(X))[: max(1, round(share * len(X)))]
    rows = np.repeat(rows, times)
    again_X, again_y = X[rows], y[rows]
    if "source" in kind:
        again_X = again_X + 0.1 * X.std(axis=0) * rng.standard_normal(again_X.shape)
    if "target" in kind:
        again_y = again_y + 0.1 * y.std(axis=0) * rng.standard_normal(again_y.shape)
    if kind == "another":
        again_y = again_y + 0.7 * rng.standard_normal(again_y.shape)
    return np.vstack([X, again_X]), np.vstack([y, again_y])


@pytest.mark.long
@pytest.mark.parametrize("ratio", [0.6, 0.95, 1.2])
@pytest.mark.parametrize("kind", ["exact", "source", "target", "source target"])
def test_copies_cost_at_most_five_percent(kind, ratio):
    ratios = {}
    for seed in range(10):
        X, y, *new = _split(round(ratio * 40), seed=seed)
        before = _error(LinearAligner("loo").fit(X, y), *new)
        for share in (0.01, 0.03, 0.1):
            rows = _copies(kind, X, y, share, 1, seed)
            for alpha in CHOICES:
                error = _error(LinearAligner(alpha).fit(*rows), *new) / before
                ratios.setdefault((share, alpha), []).append(error)
    assert max(np.mean(found) for found in ratios.values()) <= 1.05


@pytest.mark.parametrize("kind", ["source", "source target"])
def test_many_near_copies_of_few_samples_are_found(kind):
    ratios = []
    for seed in range(3):
        X, y, new, before = _split_with_error(120, 100, seed)
        rows = _copies(kind, X, y, 0.03, 49, seed)
        ratios.append(_error(LinearAligner().fit(*rows), *new) / before)
    assert np.mean(ratios) <= 1.05


@pytest.mark.parametrize("alpha", CHOICES)
@pytest.mark.parametrize(
    ("kind", "share", "times"),
    [
        ("exact", 0.05, 49),
        ("source", 0.05, 49),
        ("target", 0.05, 49),
        ("another", 0.1, 1),
        ("another", 0.05, 49),
        ("exact", 1.0, 1),
        ("exact", 1.0, 3),
        ("source target", 1.0, 1),
    ],
)
def test_many_copies_and_copies_of_everything_are_safe(alpha, kind, share, times):
    errors, errors_before = [], []
    for seed in range(5):
        X, y, new, before = _split_with_error(36, 40, seed)
        errors_before.append(before)
        rows = _copies(kind, X, y, share, times, seed)
        errors.append(_error(LinearAligner(alpha).fit(*rows), *new))
    assert np.mean(errors) <= 1.05 * np.mean(errors_before)


@pytest.mark.parametrize("alpha", CHOICES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_targets", [1, 20])
def test_the_example_of_one_pair_twice(alpha, fit_intercept, n_targets):
    X, y, *new = _split(95, 100, n_targets, offset=0.0)
    kwargs = {"alpha": alpha, "fit_intercept": fit_intercept}
    before = _error(LinearAligner(**kwargs).fit(X, y), *new)
    twice = LinearAligner(**kwargs).fit(X[[0, *range(95)]], y[[0, *range(95)]])
    weight = LinearAligner(**kwargs).fit(X, y, sample_weight=[2] + [1] * 94)
    assert _error(twice, *new) <= 1.05 * before
    assert_allclose(weight.alpha_, twice.alpha_)
    assert_allclose(weight.coef_, twice.coef_, atol=1e-10)
    assert_allclose(weight.alpha_errors_, twice.alpha_errors_)
    assert_allclose(weight.noise_variance_, twice.noise_variance_)
    assert twice.gcv_reliable_


@pytest.mark.parametrize("alpha", CHOICES)
def test_copies_in_rows_of_low_rank(alpha):
    X, y, X_new, y_new = _split(30, 8, 5)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(60, 60)))[0][:8]
    before = LinearAligner("loo").fit(X @ turn, y)
    rows = _copies("exact", X @ turn, y, 0.1, 1, 0)
    after = LinearAligner(alpha).fit(*rows)
    new = X_new @ turn, y_new
    assert _error(after, *new) <= 1.05 * _error(before, *new)


def _left_out(X, y, groups, alpha):
    """Squared errors of ridge regressions fitted without each group."""
    errors = np.empty(len(X))
    for group in np.unique(groups):
        out = groups == group
        model = Ridge(alpha).fit(X[~out], y[~out])
        errors[out] = np.square(y[out] - model.predict(X[out])).sum(axis=1)
    return errors


@pytest.mark.parametrize("kind", ["exact", "source target"])
def test_leaving_out_groups_equals_fits_without_them(kind):
    X, y, *_ = _split(30)
    X, y = _copies(kind, X, y, 0.1, 1, 0)
    groups = np.r_[np.arange(30), np.random.RandomState(0).permutation(30)[:3]]
    aligner = LinearAligner("loo", alphas=[0.5, 5.0, 50.0]).fit(X, y)
    root = np.mean(np.sqrt(np.bincount(groups)))
    size = np.bincount(groups)[groups]
    weights = np.minimum(size, root**2) / size
    expected = [
        np.average(_left_out(X, y, groups, alpha), weights=weights)
        for alpha in aligner.alphas_
    ]
    assert_allclose(aligner.alpha_errors_, expected)
    gcv = LinearAligner("gcv", alphas=aligner.alphas_).fit(X, y)
    assert_allclose(gcv.alpha_errors_, expected)


@pytest.mark.parametrize("n_samples", [25, 40, 60, 200])
def test_without_repetition_gcv_is_that_of_golub_heath_and_wahba(n_samples):
    X, y, *_ = _split(n_samples)
    aligner = LinearAligner("gcv", alphas=[0.5, 5.0, 50.0]).fit(X, y)
    A, b = X - X.mean(axis=0), y - y.mean(axis=0)
    expected = []
    for alpha in aligner.alphas_:
        hat = A @ np.linalg.solve(A.T @ A + alpha * np.eye(40), A.T) + 1 / n_samples
        residual = np.square(b - hat @ b).sum() / n_samples
        expected.append(residual / (1 - np.trace(hat) / n_samples) ** 2)
    assert_allclose(aligner.alpha_errors_, expected)


@pytest.mark.parametrize("alpha", CHOICES)
def test_repeated_measurements_of_few_sources_are_samples_of_their_own(alpha):
    rng = np.random.default_rng(0)
    levels = rng.integers(6, size=600)
    X, means = np.eye(6)[levels], rng.normal(size=(6, 3))
    aligner = LinearAligner(alpha).fit(
        X, means[levels] + 0.5 * rng.normal(size=(600, 3))
    )
    assert_allclose(aligner.transform(np.eye(6)), means, atol=0.2)
    assert_allclose(aligner.noise_variance_, 0.25, rtol=0.2)
    x = rng.integers(2, size=600)
    y = np.where(rng.random(600) < 0.8, x, 1 - x)
    slope = LinearAligner(alpha).fit(x[:, None].astype(float), y).coef_
    assert_allclose(slope, 0.6, atol=0.1)


def test_the_noise_of_an_interpolating_map_is_unknown_with_copies_too():
    X, y, *_ = _split(20)
    rows = [0, *range(20)]
    assert np.isinf(LinearAligner(0.0).fit(X[rows], y[rows]).noise_variance_).all()


@pytest.mark.parametrize("fit", ["partial_fit", "merge", "federated"])
def test_gcv_from_few_sums_warns(fit):
    X, y, *_ = _split(79)

    def fitted(n_samples):
        halves = np.array_split(np.arange(n_samples), 2)
        if fit == "federated":
            sums = [client_sums(LinearAligner(), X[rows], y[rows]) for rows in halves]
            return fit_from_sums(LinearAligner(), sums)
        if fit == "merge":
            parts = [LinearAligner(1.0).partial_fit(X[r], y[r]) for r in halves]
            return parts[0].set_params(alpha="gcv").merge(parts[1])
        return LinearAligner().partial_fit(X[:n_samples], y[:n_samples])

    message = "from sums over 79 samples, fewer than twice the 40 features"
    with pytest.warns(UserWarning, match=message):
        aligner = fitted(79)
    assert not aligner.gcv_reliable_
    X, y, *_ = _split(80)
    aligner = fitted(80)
    assert aligner.gcv_reliable_
    assert_allclose(aligner.coef_, LinearAligner().fit(X, y).coef_, atol=1e-9)


def test_a_number_from_few_sums_does_not_warn():
    X, y, *_ = _split(30)
    assert LinearAligner(1.0).partial_fit(X, y).gcv_reliable_
    RigidAligner().partial_fit(X, y)


def test_equal_rows_are_found_among_rows_of_few_values():
    rng = np.random.default_rng(0)
    rows = rng.integers(-1, 2, size=(500, 5)).astype(np.float32)
    rows[rows == 0] *= rng.choice([-1, 1], size=(rows == 0).sum())
    labels = equal_rows(rows)
    expected = np.unique(rows + 0, axis=0, return_inverse=True)[1]
    pairs = np.unique(np.column_stack([labels, expected.ravel()]), axis=0)
    assert len(pairs) == labels.max() + 1 == expected.max() + 1


def test_rows_that_agree_in_some_columns_differ():
    rows = np.zeros((4, 100))
    rows[[0, 1], 99] = 1
    assert_array_equal(np.bincount(equal_rows(rows)), [2, 2])
    assert equal_rows(rows)[0] == equal_rows(rows)[1]
    assert_array_equal(np.bincount(equal_rows(rows[1:3])), [1, 1])


@pytest.mark.parametrize("n_features", [10, 200])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("scale", [1e-160, 1.0, 1e160])
def test_near_rows_are_found(n_features, offset, scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, n_features)) + offset
    copied = np.repeat(np.arange(5), 4)
    copies = X[copied] + 0.1 * rng.normal(size=(20, n_features))
    expected = np.r_[np.arange(50), copied]
    labels = near_rows(scale * np.vstack([X, copies]))
    pairs = np.unique(np.column_stack([labels, expected]), axis=0)
    assert len(pairs) == labels.max() + 1 == 50


def test_distances_in_few_columns_are_exact():
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(2, 30, 32))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    for share, n_labels in ((0.93, 30), (1.07, 60)):
        rows = np.vstack([X, X + share * np.sqrt(0.06 * 32) * noise])
        near = pdist(rows) < np.sqrt(0.06 * rows.var(axis=0).sum())
        assert near.sum() == 60 - n_labels
        assert near_rows(rows).max() + 1 == n_labels


@pytest.mark.parametrize("place", [10, 600, 699])
def test_a_near_copy_is_found_wherever_it_is(place):
    X = np.random.default_rng(0).normal(size=(700, 16))
    X[place] = X[5] + 0.01
    labels = near_rows(X)
    assert labels[place] == labels[5]
    assert labels.max() + 1 == len(X) - 1


@pytest.mark.parametrize("n_features", [5, 20, 300])
def test_rows_of_one_cloud_are_not_near(n_features):
    X = np.random.default_rng(0).normal(size=(2 * n_features, n_features))
    assert near_rows(X).max() + 1 == len(X)


def test_a_dense_curve_is_not_one_sample():
    t = np.linspace(0, 1, 200)[:, None]
    X = np.hstack([t, t**2, np.sin(3 * t)])
    assert near_rows(X).max() + 1 == len(X)
    X = np.vstack([X, 2 * np.eye(3) - 1])  # rows far from it make the gap wide
    assert near_rows(X).max() + 1 == len(X)


@pytest.mark.parametrize("alpha", CHOICES)
def test_samples_of_one_source_map_to_their_mean(alpha):
    y = np.random.default_rng(0).normal(size=(5, 2))
    aligner = LinearAligner(alpha).fit(np.ones((5, 3)), y)
    assert_allclose(aligner.transform(np.ones((1, 3))), y.mean(axis=0)[None])


def _with_unit_spread(cluster):
    """A cluster of rows near the origin, and others so that the total variance is 1."""
    cluster, n_others = np.asarray(cluster, dtype=float), 20
    width = cluster.shape[1]

    def table(radius):
        rows = np.zeros((len(cluster) + n_others, width + n_others))
        rows[: len(cluster), :width] = cluster
        rows[len(cluster) :, width:] = radius * np.eye(n_others)
        return rows

    spread = brentq(lambda r: table(r).var(axis=0).sum() - 1, 0.1, 100)
    return table(spread)


@pytest.mark.parametrize(
    ("cluster", "near"),
    [
        # A pair less than the root of .06 apart, .245.
        ([0, 0.24], [0, 0]),
        ([0, 0.25], [0, 1]),
        # A third row that is too far, more and less than twice as far as the pair.
        ([0, 0.13, 0.45], [0, 0, 1]),
        ([0, 0.13, 0.40], [0, 0, 1]),
        ([0, 0.13, 0.38], [0, 1, 2]),
        # A third row that is near enough to be one more.
        ([0, 0.1, 0.31], [0, 0, 0]),
        # Chains of steps that are short enough, with a variance of .027, .05 and .03.
        ([0, 0.2, 0.4], [0, 0, 0]),
        ([0, 0.2, 0.4, 0.6], [0, 1, 2, 3]),
        ([0, 0.15, 0.3, 0.45], [0, 0, 0, 0]),
        ([0, 0.16, 0.32, 0.48], [0, 1, 2, 3]),
        # Equal rows in a wide chain.
        ([0, 0, 0.2, 0.4, 0.6], [0, 0, 1, 2, 3]),
        # Two pairs.
        ([0, 0.1, 0.4, 0.5], [0, 0, 1, 1]),
    ],
)
def test_a_tight_cluster_is_one_sample(cluster, near):
    labels = near_rows(_with_unit_spread(np.array(cluster)[:, None]))
    labels, others = labels[: len(near)], labels[len(near) :]
    assert len(set(others) - set(labels)) == len(others) == 20
    assert_array_equal(labels[:, None] == labels, np.equal.outer(near, near))


def test_equal_rows_alone_are_one_sample():
    for value in (0.1, 1.0):  # the mean of the first is rounded
        assert_array_equal(near_rows(np.full((3, 2), value)), [0, 0, 0])


def test_copies_of_a_pair_are_one_sample():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    rows = [0, 0, 0, 1, *range(1, 20)]
    y = y[rows]
    y[3] += 1  # the second source has two targets
    weight = np.ones(len(rows))
    for sample_weight in (None, weight):
        found = Distinct.from_rows(X[rows], y, sample_weight)
        order = np.lexsort(found.X.T)
        kept = np.array([0, *range(3, 23)])
        expected = np.lexsort(X[rows][kept].T)
        assert_allclose(found.X[order], X[rows][kept][expected])
        assert_allclose(found.y[order].sum(axis=0), y[kept].sum(axis=0))
        assert_array_equal(np.sort(found.weight), [1] * 20 + [3])
        assert found.n_units == found.n_pairs == 21
        assert found.even
        assert found.capped
        assert_array_equal(found.left_out, found.weight)
        assert_array_equal(found.groups, np.arange(21))


@pytest.mark.parametrize("n_sources", [5, 6])
def test_where_sources_are_few_their_targets_are_put_together(n_sources):
    # Twice the columns are six: from there on, pairs are counted.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_sources, 3)), rng.normal(size=(n_sources, 2))
    X, y = np.vstack([X, X[:1]]), np.vstack([y, y[:1] + 4])
    weight = np.r_[3.0, np.ones(n_sources)]
    found = Distinct.from_rows(X, y, weight)
    if n_sources == 5:
        assert_allclose(found.y[np.argmax(found.weight)], y[0] + 1)
        assert_array_equal(np.sort(found.weight), [1, 1, 1, 1, 4])
        assert (found.n_units, found.n_pairs, found.even) == (5, 6, False)
    else:
        assert_array_equal(np.sort(found.weight), [1] * 6 + [3])
        assert (found.n_units, found.n_pairs, found.even) == (7, 7, True)


@pytest.mark.parametrize(
    ("weight", "even"), [([1, 1, 1], True), ([2, 2, 2], True), ([1, 1, 1.1], False)]
)
def test_a_few_distinct_samples_are_even_if_they_weigh_alike(weight, even):
    X, y = np.random.default_rng(0).normal(size=(2, 3, 4))
    assert Distinct.from_rows(X, y, np.array(weight, dtype=float)).even == even


@pytest.mark.parametrize(
    ("n_each", "n_features", "measured"),
    [(8, 4, True), (7, 4, False), (8, 8, True), (8, 9, False)],
)
def test_eight_measurements_of_each_source_count_one_by_one(
    n_each, n_features, measured
):
    # At least twice the columns in all: 16 measurements of up to 8 columns.
    rng = np.random.default_rng(0)
    levels = np.tile([0, 1], n_each)
    X, y = rng.normal(size=(2, n_features))[levels], rng.normal(size=(2 * n_each, 2))
    found = Distinct.from_rows(X, y, None)
    n_units = 2 * n_each if measured else 2
    assert len(found.X) == found.n_units == n_units
    assert found.n_pairs == 2 * n_each
    assert found.capped == (not measured)
    assert_array_equal(found.left_out, 1 if measured else n_each)


def test_left_out_residuals_and_their_squares_are_those_of_refits():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    found = Distinct.from_rows(X, y, None)
    found.groups = np.r_[np.arange(8), 0, 0, 1, 8]
    eigenvalues, axes = np.linalg.eigh(found.X.T @ found.X)
    P, curvature = found.X @ axes, eigenvalues + 0.5
    model = Ridge(0.5, fit_intercept=False)
    residual = found.y - model.fit(found.X, found.y).predict(found.X)
    expected = np.empty_like(residual)
    for group in range(9):
        out = found.groups == group
        model.fit(found.X[~out], found.y[~out])
        expected[out] = found.y[out] - model.predict(found.X[out])
    arguments = [residual, P, P**2 @ (1 / curvature), curvature, 0.0]
    assert_allclose(found.left_out_residuals(*arguments), expected)
    squares = np.sum(expected**2, axis=1)
    assert_allclose(found.left_out_squares(*arguments), squares)
    arguments[2][11] = 1.0  # it decides alone
    assert np.isnan(found.left_out_residuals(*arguments)[11]).all()
    assert_array_equal(
        np.isnan(found.left_out_squares(*arguments)), np.arange(12) == 11
    )


def test_measurements_that_never_differ_are_copies():
    rng = np.random.default_rng(0)
    levels = np.tile([0, 1], 8)
    X, y = rng.normal(size=(2, 4))[levels], rng.normal(size=(2, 2))[levels]
    found = Distinct.from_rows(X, y, None)
    assert (found.n_units, found.n_pairs, found.capped) == (2, 2, True)


def test_rows_of_no_weight_are_no_samples():
    X, y = np.random.default_rng(0).normal(size=(2, 10, 3))
    weight = np.arange(10) % 3.0
    found = Distinct.from_rows(X, y, weight)
    alone = Distinct.from_rows(X[weight > 0], y[weight > 0], weight[weight > 0])
    for name in ("X", "y", "weight", "groups", "left_out", "n_units"):
        assert_array_equal(getattr(found, name), getattr(alone, name))
