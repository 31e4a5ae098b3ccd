"""Similarities of paired sets: hand formulas, invariances, degenerate rows."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist, squareform
from scipy.stats import ortho_group, pearsonr, spearmanr
from sklearn.cross_decomposition import CCA
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors

from skalign.metrics import (
    cca_similarity,
    cka,
    mutual_knn,
    mutual_knn_samples,
    procrustes_distance,
    procrustes_samples,
    rsa_correlation,
    rsa_samples,
    rv_coefficient,
    svcca,
)

near = partial(mutual_knn, n_neighbors=3, metric="euclidean")
SIMILARITIES = {
    "cka": cka,
    "cka debiased": partial(cka, debiased=True),
    "cka rbf": partial(cka, kernel="rbf"),
    "cka rbf debiased": partial(cka, kernel="rbf", debiased=True),
    "rv": rv_coefficient,
    "rv modified": partial(rv_coefficient, modified=True),
    "cca": cca_similarity,
    "svcca": svcca,
    "mutual knn": near,
    "rsa": rsa_correlation,
    "rsa pearson": partial(rsa_correlation, correlation="pearson"),
}
MEASURES = {**SIMILARITIES, "procrustes": procrustes_distance}
every_similarity = pytest.mark.parametrize(
    "measure", SIMILARITIES.values(), ids=SIMILARITIES
)
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def draw(n=40, n_features=4, n_targets=3, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features)) * np.linspace(2, 1, n_features)
    Y = X @ rng.normal(size=(n_features, n_targets))
    return X, Y + noise * rng.normal(size=Y.shape)


def hsic(K, L, debiased):
    """Both forms as Song et al. write them, with whole matrices."""
    n = len(K)
    if not debiased:
        KH, LH = (A - A.mean(axis=1, keepdims=True) for A in (K, L))
        return np.sum(KH * LH.T)  # the trace of their product
    K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    one = np.ones(n)
    value = np.sum(K * L.T) + one @ K @ one * (one @ L @ one) / ((n - 1) * (n - 2))
    return value - 2 / (n - 2) * (one @ K @ L @ one)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("sizes", [(30, 4, 3), (12, 40, 50), (1100, 2, 3)])
def test_cka_equals_its_formula_with_whole_matrices(sizes, kernel, debiased):
    X, Y = draw(*sizes)
    K, L = X @ X.T, Y @ Y.T
    gamma = None
    if kernel == "rbf":
        gamma = 0.1 / sizes[1]
        K, L = rbf_kernel(X, gamma=gamma), rbf_kernel(Y, gamma=gamma)
    expected = hsic(K, L, debiased) / np.sqrt(
        hsic(K, K, debiased) * hsic(L, L, debiased)
    )
    value = cka(X, Y, kernel=kernel, gamma=gamma, debiased=debiased)
    assert_allclose(value, expected, rtol=1e-8)


def test_rv_is_linear_cka_and_modified_leaves_out_the_diagonals():
    X, Y = draw(12, 40, 50)
    assert_allclose(rv_coefficient(X, Y), cka(X, Y), rtol=1e-12)
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    K, L = X @ X.T, Y @ Y.T
    np.fill_diagonal(K, 0)
    np.fill_diagonal(L, 0)
    expected = np.sum(K * L) / np.sqrt(np.sum(K**2) * np.sum(L**2))
    assert_allclose(rv_coefficient(X, Y, modified=True), expected, rtol=1e-10)


def test_debiased_is_zero_on_average_where_sets_are_wide_and_unrelated():
    values = {False: [], True: []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, Y = rng.normal(size=(20, 100)), rng.normal(size=(20, 100))
        for debiased, found in values.items():
            found.append(cka(X, Y, debiased=debiased))
    assert np.mean(values[False]) > 0.7
    assert abs(np.mean(values[True])) < 4 * np.std(values[True]) / np.sqrt(60)


def test_cca_similarity_is_the_mean_correlation_of_scikit_learn():
    X, Y = draw(100, 4, 3, noise=2.0)
    x, y = CCA(3, max_iter=5000, tol=1e-12).fit(X, Y).transform(X, Y)
    expected = np.mean([pearsonr(a, b)[0] for a, b in zip(x.T, y.T, strict=True)])
    assert_allclose(cca_similarity(X, Y), expected, rtol=1e-5)


def test_cca_similarity_is_blind_to_linear_maps_and_to_repeated_columns():
    X, Y = draw(noise=2.0)
    mixing = np.random.default_rng(1).normal(size=(4, 4))
    value = cca_similarity(X, Y)
    assert_allclose(cca_similarity(X @ mixing + 3, 1e5 * Y), value, rtol=1e-9)
    assert_allclose(cca_similarity(np.hstack([X, X]), Y), value, rtol=1e-9)


def test_svcca_is_cca_of_leading_principal_components():
    X, Y = draw(100, 6, 5, noise=2.0)

    def leading(A):
        U, s, _ = np.linalg.svd(A - A.mean(axis=0), full_matrices=False)
        kept = np.cumsum(s**2) / np.sum(s**2) < 0.8
        rank = kept.sum() + 1
        return U[:, :rank] * s[:rank]

    value = svcca(X, Y, explained_variance=0.8)
    assert_allclose(value, cca_similarity(leading(X), leading(Y)), rtol=1e-9)
    assert leading(X).shape[1] < 6
    assert_allclose(svcca(X, Y, explained_variance=1.0), cca_similarity(X, Y))


@pytest.mark.parametrize("sizes", [(30, 4, 4), (30, 5, 2), (5, 20, 30)])
def test_procrustes_distance_is_its_formula_with_singular_values(sizes):
    X, Y = draw(*sizes)
    A, B = (side - side.mean(axis=0) for side in (X, Y))
    nuclear = np.linalg.norm(A.T @ B, "nuc") / np.linalg.norm(A) / np.linalg.norm(B)
    value = procrustes_distance(X, Y)
    assert_allclose(value, np.sqrt(2 - 2 * nuclear), rtol=1e-9)
    if X.shape == Y.shape:
        disparity = procrustes(X, Y)[2]
        assert_allclose(disparity, 1 - (1 - value**2 / 2) ** 2, rtol=1e-9)
    rows = procrustes_samples(X, Y)
    assert_allclose(np.sqrt(np.sum(rows**2)), value, rtol=1e-12)


def test_small_procrustes_distances_keep_their_digits():
    X, _ = draw(200)
    noise = np.random.default_rng(1).normal(size=X.shape)
    first, second = (procrustes_distance(X, X + e * noise) for e in (1e-9, 2e-9))
    assert_allclose(second / first, 2, rtol=1e-5)


def test_a_row_that_moved_stands_out():
    X, _ = draw(30, 4)
    Y = X @ ortho_group.rvs(4, random_state=0)
    Y[7] += 5
    assert procrustes_samples(X, Y).argmax() == 7
    assert mutual_knn_samples(X, Y, n_neighbors=5, metric="euclidean").argmin() == 7
    assert rsa_samples(X, Y).argmin() == 7


@given(seed=st.integers(0, 2**32 - 1))
def test_no_way_round_in_shape_space_is_shorter(seed):
    rng = np.random.default_rng(seed)
    X, Y, Z = (rng.normal(size=(6, width)) for width in (2, 3, 4))
    direct = procrustes_distance(X, Z)
    assert direct <= procrustes_distance(X, Y) + procrustes_distance(Y, Z) + 1e-12


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_mutual_knn_counts_common_neighbours(metric):
    X, Y = draw(60)
    found = [
        NearestNeighbors(n_neighbors=5, metric=metric, algorithm="brute")
        .fit(side)
        .kneighbors(return_distance=False)
        for side in (X, Y)
    ]
    expected = [
        len(set(a) & set(b)) / 5 for a, b in zip(*map(list, found), strict=True)
    ]
    values = mutual_knn_samples(X, Y, n_neighbors=5, metric=metric)
    assert_allclose(values, expected)
    assert_allclose(mutual_knn(X, Y, n_neighbors=5, metric=metric), np.mean(expected))


def test_rsa_is_the_correlation_of_scipy():
    X, Y = draw()
    for metric in ("euclidean", "cosine"):
        x, y = pdist(X, metric), pdist(Y, metric)
        for name, function in (("spearman", spearmanr), ("pearson", pearsonr)):
            value = rsa_correlation(X, Y, metric=metric, correlation=name)
            assert_allclose(value, function(x, y)[0], rtol=1e-9)


@pytest.mark.parametrize("block", [2**19, 100])
def test_rsa_of_each_row_is_the_correlation_of_scipy(block, monkeypatch):
    monkeypatch.setattr("skalign.metrics._neighbors._BLOCK_PAIRS", block)
    X, Y = draw()
    for metric in ("euclidean", "cosine"):
        x, y = (squareform(pdist(side, metric)) for side in (X, Y))
        for name, function in (("spearman", spearmanr), ("pearson", pearsonr)):
            values = rsa_samples(X, Y, metric=metric, correlation=name)
            expected = [
                function(np.delete(a, i), np.delete(b, i))[0]
                for i, (a, b) in enumerate(zip(x, y, strict=True))
            ]
            assert_allclose(values, expected, rtol=1e-9, atol=1e-12)


def test_rsa_of_rows_that_are_all_equal_is_zero():
    X, Y = draw(10)
    assert_allclose(rsa_samples(np.ones((10, 3)), Y), 0)
    X[1:] = X[1]  # all others are as far from the first
    values = rsa_samples(X, Y)
    assert values[0] == 0
    assert np.isfinite(values).all()


@every_measure
def test_rotation_shift_scale_and_order_change_nothing(measure):
    X, Y = draw()
    rng = np.random.default_rng(1)
    order = rng.permutation(len(X))
    moved = 3 * (X @ ortho_group.rvs(4, random_state=rng) + rng.normal(size=4))
    assert_allclose(measure(moved[order], Y[order]), measure(X, Y), rtol=1e-8)


@every_measure
def test_does_not_change_when_the_two_sides_change_places(measure):
    X, Y = draw()
    assert_allclose(measure(Y, X), measure(X, Y), rtol=1e-9)


@every_similarity
def test_is_one_on_equal_sets(measure):
    X, _ = draw()
    assert_allclose(measure(X, X), 1.0, rtol=1e-12)


def test_procrustes_distance_is_zero_on_equal_sets_and_bounded():
    X, _ = draw()
    assert procrustes_distance(X, 2 * X + 1) < 1e-14
    assert procrustes_distance([[0], [0], [1], [1]], [[0], [1], [0], [1]]) == (
        pytest.approx(np.sqrt(2))
    )


@every_measure
def test_noise_makes_it_worse(measure):
    values = [measure(*draw(200, noise=noise)) for noise in (0.01, 1.0, 10.0)]
    steps = np.diff(values)
    assert (steps > 0).all() if measure is procrustes_distance else (steps < 0).all()


@every_measure
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_constant_columns_and_duplicate_rows_never_give_nan(measure, dtype, value):
    X, Y = (side.astype(dtype) for side in draw())
    constant = np.full((len(X), 2), value, dtype=dtype)
    assert np.isfinite(measure(constant, Y))
    assert np.isfinite(measure(constant, constant))
    X[5:25] = X[0]
    found = measure(np.hstack([X, constant]), Y)
    assert np.isfinite(found)
    assert_allclose(found, measure(X, Y), atol=0.25 if measure is near else 1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_where_all_rows_are_equal_nothing_is_shared(value):
    _, Y = draw()
    constant = np.full((len(Y), 2), value)
    for name, measure in SIMILARITIES.items():
        if name != "mutual knn":
            assert measure(constant, Y) == 0, name
    assert_allclose(procrustes_distance(constant, Y), 1)
    assert procrustes_distance(constant, constant) == 0


@every_measure
def test_single_precision_gives_the_same_value_to_its_digits(measure):
    X, Y = (side.astype(np.float32) for side in draw())
    value = measure(X, Y)
    assert type(value) is float
    assert_allclose(value, measure(X.astype(float), Y.astype(float)), rtol=1e-5)


@every_measure
def test_bad_rows_are_refused(measure):
    X, Y = draw()
    with pytest.raises(ValueError, match="X has 40 samples, but Y has 39"):
        measure(X, Y[1:])
    with pytest.raises(ValueError, match="X has 39 samples, but Y has 40"):
        measure(X[1:], Y)
    with pytest.raises(ValueError, match="Input Y contains NaN"):
        measure(X, np.full_like(Y, np.nan))
    with pytest.raises(ValueError, match="0 sample"):
        measure(X[:0], Y[:0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X, Y: cka(X, Y, gamma=1.0), "a linear kernel has none"),
        (lambda X, Y: cka(X, Y, kernel="cosine"), "'kernel' parameter"),
        (lambda X, Y: cka(X[:3], Y[:3], debiased=True), "at least 4 samples; got 3"),
        (lambda X, Y: svcca(X, Y, explained_variance=0.0), "'explained_variance'"),
        (lambda X, Y: mutual_knn(X, Y, n_neighbors=40), "less than n_samples=40"),
        (lambda X, Y: rsa_correlation(X[:2], Y[:2]), "at least 3 samples; got 2"),
        (lambda X, Y: rsa_correlation(X, Y, metric="l1"), "'metric' parameter"),
    ],
)
def test_a_parameter_out_of_range_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(*draw())


def test_no_matrix_of_all_pairs_is_held_for_cka():
    X, Y = draw(3300, 4, 3)  # 83 MiB of pairs
    for keywords in ({}, {"kernel": "rbf", "gamma": 0.1}):
        tracemalloc.start()
        cka(X, Y, **keywords)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 80 * 2**20


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_constant_column_does_no_harm(dtype):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(2, 40, 3)).astype(dtype)
    constant = np.full((40, 1), 1e3 / np.finfo(dtype).eps, dtype=dtype)
    for measure in (procrustes_distance, cka, cca_similarity):
        expected = measure(X, Y)
        assert expected > 0.01
        assert_allclose(
            measure(np.hstack([constant, X]), np.hstack([constant, Y])), expected
        )


def test_neighbors_are_the_same_wherever_the_origin_is():
    X = np.random.default_rng(0).normal(size=(200, 20))
    assert mutual_knn(X, X + 1e8, metric="euclidean") == 1


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("scale", [2.0**-200, 2.0**700])
def test_neighbors_are_the_same_at_any_scale(metric, scale):
    X, Y = np.random.default_rng(0).normal(size=(2, 40, 3))
    expected = mutual_knn(X, Y, metric=metric)
    assert mutual_knn(scale * X, scale * Y, metric=metric) == expected


@pytest.mark.parametrize("value", [0.1, 0.3, 0.7])
def test_many_equal_rows_are_like_nothing(value):
    X, Y = np.full((1000, 3), value), np.random.default_rng(0).normal(size=(1000, 4))
    for similarity in (cka, rv_coefficient, cca_similarity, svcca):
        assert similarity(X, Y) == 0
    assert procrustes_distance(X, Y) == pytest.approx(1)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_independent_sides_are_not_alike_to_the_last_digit(kernel):
    # Every pair of values occurs once: the covariance of the kernels is 0.
    X, Y = np.meshgrid([0.0, 1.0, 2.5, 7.0], [0.0, 3.0, 4.0, -1.0, 0.1])
    similarity = cka(X.reshape(-1, 1), Y.reshape(-1, 1), kernel=kernel)
    assert 0 <= similarity < 1e-6


def test_the_fewest_rows_that_a_measure_needs_are_enough():
    X, Y = (rows[:4] for rows in draw())
    assert_allclose(cka(X, X, debiased=True), 1)
    expected = pearsonr(pdist(X[:3]), pdist(Y[:3])).statistic
    found = rsa_correlation(X[:3], Y[:3], metric="euclidean", correlation="pearson")
    assert_allclose(found, expected)


@pytest.mark.parametrize("unit", [1e-154, 1e-145, 1e-90, 1.0])
def test_small_columns_beside_a_constant_keep_their_digits(unit):
    X, Y = np.random.default_rng(0).normal(size=(2, 50, 3))
    beside = np.column_stack([unit * X, np.ones(50)])
    for measure in (procrustes_distance, cka):
        assert_allclose(measure(beside, Y), measure(X, Y), rtol=1e-10)


@pytest.mark.parametrize("unit", [1e-250, 1e-60, 1e120, 1e150, 1e300])
def test_shapes_do_not_depend_on_the_unit(unit):
    X, Y = np.random.default_rng(0).normal(size=(2, 50, 3)) + 5
    for measure in (procrustes_distance, cka):
        assert_allclose(measure(unit * X, Y), measure(X, Y), rtol=1e-10)


def test_part_of_the_wider_side_is_lost_sample_by_sample():
    X, Y = draw()
    A, B = (side - side.mean(axis=0) for side in (X, Y))
    A, B = A / np.linalg.norm(A), B / np.linalg.norm(B)
    for first, second in ((A, B[:, :2]), (A[:, :2], B), (A, B)):
        first, second = (side / np.linalg.norm(side) for side in (first, second))
        width = max(first.shape[1], second.shape[1])
        padded = [np.pad(s, ((0, 0), (0, width - s.shape[1]))) for s in (first, second)]
        turn, _ = orthogonal_procrustes(padded[1], padded[0])
        expected = np.linalg.norm(padded[0] - padded[1] @ turn)
        found = procrustes_samples(first, second)
        assert_allclose(np.linalg.norm(found), expected, rtol=1e-9)
