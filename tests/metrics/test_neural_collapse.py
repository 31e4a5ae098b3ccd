"""Facts about the measures of neural collapse."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.neighbors import NearestCentroid

from skalign.metrics import (
    class_prototypes,
    etf_distance,
    nc1_trace_ratio,
    nc1_variability,
    nc2_equiangularity,
    nc3_duality,
    nc4_disagreement,
    prototype_distance,
    simplex_etf,
)

WITHOUT_HEAD = [nc1_variability, nc1_trace_ratio, nc2_equiangularity, class_prototypes]


def make_features(n_classes=4, width=6, n_samples=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % n_classes
    means = rng.normal(size=(n_classes, width))
    return means[y] + 0.3 * rng.normal(size=(n_samples, width)), y


def make_collapsed(n_classes, width, seed=0, n_each=3):
    """Rows at the corners of a frame, shifted and scaled; the labels are not sorted."""
    etf = simplex_etf(n_classes, width, random_state=seed)
    y = np.tile(np.arange(n_classes)[::-1], n_each)
    return 7 * etf.T[y] + np.arange(width), y, etf


def in_full(X, y):
    """Return means and both covariances as the papers write them, d x d."""
    classes = np.unique(y)
    means = np.array([X[y == k].mean(axis=0) for k in classes])
    centred = means - means.mean(axis=0)
    within = np.mean([np.cov(X[y == k].T, bias=True) for k in classes], axis=0)
    return centred, within, centred.T @ centred / len(classes)


@pytest.mark.parametrize("width", [2, 6, 9])
def test_nc1_is_that_of_the_papers(width):
    X, y = make_features(width=width)
    _, within, between = in_full(X, y)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / 4
    assert_allclose(nc1_variability(X, y), expected)
    ratio = np.trace(within) / np.trace(between)
    assert_allclose(nc1_trace_ratio(X, y), ratio)


def test_nc2_and_nc3_are_those_of_the_papers():
    X, y = make_features()
    H = in_full(X, y)[0].T
    simplex = (np.eye(4) - 1 / 4) / np.sqrt(3)
    gram = H.T @ H
    expected = np.linalg.norm(gram / np.linalg.norm(gram) - simplex)
    assert_allclose(nc2_equiangularity(X, y), expected)
    W = np.random.default_rng(1).normal(size=(4, 6))
    product = W @ H
    expected = np.linalg.norm(product / np.linalg.norm(product) - simplex)
    assert_allclose(nc3_duality(X, y, W), expected)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_f_norm_is_that_of_the_papers(n_classes):
    X, y = make_features(n_classes)
    M = simplex_etf(n_classes, 6, random_state=0)
    H = in_full(X, y)[0].T
    expected = np.linalg.norm(H / np.linalg.norm(H) - M / np.linalg.norm(M))
    assert_allclose(etf_distance(X, y, M), expected)
    assert_allclose(etf_distance(X, y, M, squared=True), expected**2)


def test_nc4_counts_rows_where_the_nearest_mean_says_otherwise():
    X, y = make_features(seed=2)
    nearest = NearestCentroid().fit(X, y).predict(X)
    y_pred = np.random.default_rng(0).integers(4, size=len(X))
    expected = np.mean(nearest != y_pred)
    assert 0.5 < expected < 1
    assert_allclose(nc4_disagreement(X, y, y_pred), expected)
    names = np.array(["w", "x", "y", "z"])
    assert_allclose(nc4_disagreement(X, names[y], names[y_pred]), expected)
    assert nc4_disagreement(X, y, nearest) == 0


@given(n_classes=st.integers(3, 8), seed=st.integers(0, 2**32 - 1))
def test_every_measure_is_zero_where_classes_have_collapsed(n_classes, seed):
    X, y, etf = make_collapsed(n_classes, n_classes + 2, seed)
    assert_allclose(nc1_variability(X, y), 0, atol=1e-12)
    assert_allclose(nc1_trace_ratio(X, y), 0, atol=1e-12)
    assert_allclose(nc2_equiangularity(X, y), 0, atol=1e-12)
    assert_allclose(nc3_duality(X, y, 3 * etf.T), 0, atol=1e-12)
    assert nc4_disagreement(X, y, y) == 0
    assert_allclose(etf_distance(X, y, etf), 0, atol=1e-12)


@given(n_classes=st.integers(3, 6), seed=st.integers(0, 2**32 - 1))
def test_shift_scale_and_rotation_change_what_they_should(n_classes, seed):
    rng = np.random.default_rng(seed)
    X, y = make_features(n_classes, seed=seed)
    rotation = ortho_group.rvs(6, random_state=rng)
    scale, shift = np.exp(rng.normal()), rng.normal(size=6)
    moved = scale * X @ rotation + shift
    for measure in (nc1_variability, nc1_trace_ratio, nc2_equiangularity):
        assert_allclose(measure(moved, y), measure(X, y), rtol=1e-8)
    W, etf = rng.normal(size=(n_classes, 6)), simplex_etf(n_classes, 6, seed)
    assert_allclose(nc3_duality(moved, y, W @ rotation), nc3_duality(X, y, W))
    assert_allclose(nc3_duality(scale * X + shift, y, 5 * W), nc3_duality(X, y, W))
    distance = etf_distance(X, y, etf)
    assert_allclose(etf_distance(moved, y, rotation.T @ etf), distance)
    assert_allclose(etf_distance(scale * X + shift, y, 5 * etf), distance)
    assert abs(etf_distance(X @ rotation, y, etf) - distance) > 1e-6


@given(n_classes=st.integers(3, 6), seed=st.integers(0, 2**32 - 1))
def test_values_lie_in_their_ranges(n_classes, seed):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), 2)
    X = rng.normal(size=(len(y), 6)) * np.exp(4 * rng.normal(size=6))
    highest = np.sqrt(2 - 2 / np.sqrt(n_classes - 1))
    assert 0 <= nc2_equiangularity(X, y) <= highest + 1e-12
    assert 0 <= nc3_duality(X, y, rng.normal(size=(n_classes, 6))) <= 2
    assert 0 <= etf_distance(X, y, simplex_etf(n_classes, 6, seed)) <= 2
    assert 0 <= prototype_distance(X, y, np.arange(len(y)) % 2) <= 2


def test_the_ends_of_the_ranges_are_reached():
    line = np.arange(5.0)[:, np.newaxis] @ np.ones((1, 3))
    assert_allclose(nc2_equiangularity(line, np.arange(5)), 1)  # root of 2 - 2 / 2
    X, y, etf = make_collapsed(3, 4)
    assert_allclose(nc3_duality(X, y, -etf.T), 2)
    assert_allclose(etf_distance(X, y, -etf), 2)
    assert_allclose(etf_distance(X, y, -etf, squared=True), 4)
    assert_allclose(
        prototype_distance([[1], [2], [-1], [-2]], [0, 1] * 2, [0, 0, 1, 1]), 2
    )


@pytest.mark.parametrize("measure", WITHOUT_HEAD)
def test_each_domain_is_measured_by_its_rows_alone(measure):
    X, y = make_features()
    domain = np.random.default_rng(0).permutation(np.repeat([5, 2, -1], 20))
    values = measure(X, y, sample_domain=domain)
    for value, one in zip(values, [-1, 2, 5], strict=True):
        kept = domain == one
        assert_allclose(value, measure(X[kept], y[kept]), rtol=1e-12)


def test_measures_with_a_head_or_a_frame_take_domains_too():
    X, y = make_features()
    domain = np.arange(60) // 30
    W, etf = np.random.default_rng(0).normal(size=(4, 6)), simplex_etf(4, 6, 0)
    y_pred = np.roll(y, 7)
    for measure, other in ((nc3_duality, W), (etf_distance, etf)):
        values = measure(X, y, other, sample_domain=domain)
        halves = [measure(X[r], y[r], other) for r in (slice(30), slice(30, 60))]
        assert_allclose(values, halves, rtol=1e-12)
    values = nc4_disagreement(X, y, y_pred, sample_domain=domain)
    halves = [
        nc4_disagreement(X[r], y[r], y_pred[r]) for r in (slice(30), slice(30, 60))
    ]
    assert_array_equal(values, halves)


def test_rows_of_a_class_count_as_one_mean():
    X, y = make_features()
    heavy = np.concatenate([X, np.repeat(X[y == 0], 5, axis=0)])
    labels = np.concatenate([y, np.zeros(5 * np.sum(y == 0), dtype=int)])
    for measure in WITHOUT_HEAD:
        assert_allclose(measure(heavy, labels), measure(X, y))


def test_two_classes_that_exchange_places_are_seen_by_the_fixed_frame_only():
    X, y, etf = make_collapsed(2, 5)
    exchanged = np.concatenate([X, X[::-1]])
    labels, domain = np.tile(y, 2), np.repeat([0, 1], len(y))
    values = etf_distance(exchanged, labels, etf, sample_domain=domain)
    assert_allclose(values, [0, 2], atol=1e-12)
    assert_allclose(
        nc1_variability(exchanged, labels, sample_domain=domain), 0, atol=1e-12
    )
    centred = exchanged - X.mean(axis=0)
    assert_allclose(prototype_distance(centred, labels, domain), 2)


def test_measures_that_two_classes_always_pass_are_refused():
    X, y = make_features(2)
    with pytest.raises(ValueError, match=r"NC2 needs at least 3 classes.*etf_distance"):
        nc2_equiangularity(X, y)
    with pytest.raises(ValueError, match=r"NC3 needs at least 3 classes.*etf_distance"):
        nc3_duality(X, y, np.eye(2, 6))


@pytest.mark.parametrize("scale", [1e-170, 1e-150, 1e150, 1e160])
def test_size_costs_nothing(scale):
    X, y = make_features()
    etf, W = simplex_etf(4, 6, 0), np.random.default_rng(0).normal(size=(4, 6))
    for measure in (nc1_variability, nc1_trace_ratio, nc2_equiangularity):
        assert_allclose(measure(scale * X, y), measure(X, y))
    assert_allclose(nc3_duality(scale * X, y, W / scale), nc3_duality(X, y, W))
    assert_allclose(etf_distance(scale * X, y, etf), etf_distance(X, y, etf))
    domain = np.arange(60) // 30
    distance = prototype_distance(X, y, domain)
    assert_allclose(prototype_distance(scale * X, y, domain), distance)
    rows = X + np.random.default_rng(1).normal(size=X.shape)
    assert 0 < nc4_disagreement(rows, y, y) == nc4_disagreement(scale * rows, y, y)


def test_nc4_is_blind_to_where_the_origin_is():
    X, y = make_features()
    X += np.random.default_rng(1).normal(size=X.shape)
    share = nc4_disagreement(X, y, y)
    assert share > 0
    assert nc4_disagreement(X + 1e8, y, y) == share
    assert nc4_disagreement(np.c_[X, np.full(60, 1e9)], y, y) == share


def test_directions_without_between_class_spread_are_left_out_of_nc1_only():
    X, y = make_features()
    noise = np.random.default_rng(0).normal(size=(60, 1))
    for k in range(4):
        noise[y == k] -= noise[y == k].mean()
    wider = np.hstack([X, 100 * noise])
    assert_allclose(nc1_variability(wider, y), nc1_variability(X, y), rtol=1e-6)
    assert nc1_trace_ratio(wider, y) > 100 * nc1_trace_ratio(X, y)


@pytest.mark.parametrize(
    "measure",
    [
        nc1_variability,
        nc1_trace_ratio,
        nc2_equiangularity,
        lambda X, y: nc3_duality(X, y, np.eye(3)),
        lambda X, y: etf_distance(X, y, np.eye(3)),
    ],
)
def test_equal_class_means_are_refused(measure):
    X = np.tile([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]], (3, 1))
    with pytest.raises(ValueError, match="All class means are equal"):
        measure(X, [0, 0, 1, 1, 2, 2])


def test_one_row_a_class_has_no_spread_within():
    for measure in (nc1_variability, nc1_trace_ratio):
        with pytest.raises(ValueError, match="must have two samples"):
            measure(np.eye(3), [0, 1, 2])


@pytest.mark.parametrize("measure", WITHOUT_HEAD)
def test_rows_that_do_not_suit_are_refused(measure):
    X, y = make_features(3, n_samples=9)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        measure(X, y[:-1])
    with pytest.raises(ValueError, match=r"one class, 1; at least 2 are needed"):
        measure(X, np.ones(9, dtype=int))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        measure(X, y, sample_domain=[0, 1])
    with pytest.raises(
        ValueError, match=r"Domain 'b' of sample_domain has no sample of class 1;"
    ):
        measure(X, y, sample_domain=list("aaababaaa"))
    names = np.array(["ant", "bee", "cow"], dtype=object)[y]  # as pandas keeps them
    with pytest.raises(ValueError, match=r"'b' .* has no sample of class 'bee'"):
        measure(X, names, sample_domain=list("aaababaaa"))
    with pytest.raises(ValueError, match="y holds NaN"):
        measure(X, np.where(y == 1, np.nan, y))
    with pytest.raises(ValueError, match="y holds None"):
        measure(X, np.where(y == 1, None, names))
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        measure(X, y)


def test_heads_and_frames_that_do_not_suit_are_refused():
    X, y = make_features(3)
    with pytest.raises(ValueError, match=r"coef has shape \(6, 3\), .* need \(3, 6\)"):
        nc3_duality(X, y, np.ones((6, 3)))
    with pytest.raises(ValueError, match=r"etf has shape \(3, 6\), .* need \(6, 3\)"):
        etf_distance(X, y, np.eye(3, 6))
    with pytest.raises(ValueError, match="orthogonal to all"):
        nc3_duality(X, y, np.zeros((3, 6)))
    with pytest.raises(ValueError, match="All columns of etf are equal"):
        etf_distance(X, y, np.ones((6, 3)))
    with pytest.raises(ValueError, match=r"y_pred holds classes.*: \[3, 9\]; y has"):
        nc4_disagreement(X, y, np.where(np.arange(60) == 5, 9, 3))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        nc4_disagreement(X, y, y[1:])


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_directions_of_rounding_do_not_count(offset, dtype):
    rng = np.random.default_rng(0)
    y = np.arange(1000) % 5
    narrow = 3 * rng.normal(size=(5, 2))[y] + rng.normal(size=(1000, 2))
    wide = (narrow @ rng.normal(size=(2, 16)) + offset).astype(dtype)
    assert_allclose(nc1_variability(wide, y), nc1_variability(narrow, y), rtol=1e-2)


def test_equal_means_far_from_the_origin_span_no_direction():
    X, y = make_features(n_classes=3)
    X[y == 2] = X[y == 1][::-1]  # the same rows in another order
    assert_allclose(nc1_variability(X + 100, y), nc1_variability(X, y), rtol=1e-9)


@pytest.mark.parametrize(("value", "dtype"), [(1e17, np.float64), (1e7, np.float32)])
def test_a_constant_column_hides_no_other(value, dtype):
    X, y = make_features()
    wide = np.c_[X, np.full(len(X), value)].astype(dtype)
    assert_allclose(nc1_variability(wide, y), nc1_variability(X, y), rtol=1e-4)


def test_a_column_twice_is_one_direction_beside_a_large_one():
    X, y = make_features(n_classes=5, width=2)
    twice = np.c_[1e8 * X[:, 0], X[:, 1], X[:, 1]]
    once = np.c_[1e8 * X[:, 0], np.sqrt(2) * X[:, 1]]
    assert_allclose(nc1_variability(twice, y), nc1_variability(once, y), rtol=1e-6)
