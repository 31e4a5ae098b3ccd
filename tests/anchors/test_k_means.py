import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from skalign import LinearAligner
from skalign.anchors import KMeansAnchors, RandomAnchors


def _error(X, anchors):
    """Mean squared distance of a row from its nearest anchor."""
    return np.mean(cdist(X, X[anchors], "sqeuclidean").min(axis=1))


def test_of_clusters_far_apart_each_gives_the_row_nearest_to_its_mean():
    rng = np.random.default_rng(0)
    means = 100 * rng.normal(size=(9, 5))
    X = (means[:, None] + rng.normal(size=(9, 30, 5))).reshape(-1, 5)
    expected = [
        30 * i + np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmin()
        for i, rows in enumerate(X.reshape(9, 30, 5))
    ]
    assert KMeansAnchors(9).select(X).tolist() == expected


def test_any_member_of_a_cluster_has_its_chance():
    rng = np.random.default_rng(0)
    X = 100 * np.repeat(np.eye(3), 20, axis=0) + rng.normal(size=(60, 3))
    draws = [
        KMeansAnchors(3, member="random", random_state=seed).select(X)
        for seed in range(100)
    ]
    assert np.all(np.array(draws) // 20 == [0, 1, 2])
    assert len(np.unique(draws)) > 50
    assert KMeansAnchors(3, member="random").__sklearn_tags__().non_deterministic
    assert not KMeansAnchors(3).__sklearn_tags__().non_deterministic


def test_an_outlier_takes_no_more_than_its_own_anchor():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(200, 4)), [[50.0, 0.0, 0.0, 0.0]]])
    anchors = KMeansAnchors(10).select(X)
    assert np.sum(np.abs(X[anchors]) > 10) == 1


def test_rows_are_nearer_than_to_as_many_at_random_and_near_to_as_good_as_lloyd():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 10)) @ rng.normal(size=(10, 10))
    error = _error(X, KMeansAnchors(60).select(X))
    drawn = [_error(X, RandomAnchors(60, random_state=s).select(X)) for s in range(10)]
    assert error < 0.9 * np.min(drawn)
    lloyd = KMeans(60, n_init=1, random_state=0).fit(X)
    centre_rows = cdist(lloyd.cluster_centers_, X).argmin(axis=1)
    assert error < 1.15 * _error(X, centre_rows)


def test_huge_and_tiny_values_are_taken():
    X = np.random.default_rng(0).normal(size=(100, 3))
    anchors = KMeansAnchors(20).select(X)
    for scale in (2.0**600, 2.0**-600):
        assert np.array_equal(KMeansAnchors(20).select(scale * X), anchors)
    single = X.astype(np.float32)
    for scale in (2.0**80, 2.0**-80):
        scaled = (scale * single).astype(np.float32)
        assert np.array_equal(
            KMeansAnchors(20).select(scaled), KMeansAnchors(20).select(single)
        )


@pytest.mark.long
def test_near_as_many_anchors_as_columns_text_embeddings_map_better(news):
    X, y, _ = news
    X_train, y_train, X_test, y_test = X[:3000], y[:3000], X[3000:], y[3000:]

    def score(selector):
        rows = selector.select(X_train)
        return LinearAligner().fit(X_train[rows], y_train[rows]).score(X_test, y_test)

    drawn = [score(RandomAnchors(400, random_state=seed)) for seed in range(5)]
    assert score(KMeansAnchors(400)) > np.max(drawn)


def _two_means(X):
    """Anchors of two clusters by Lloyd's steps from the sign along the main axis."""
    centred = X - X.mean(axis=0)
    right = centred @ np.linalg.svd(centred)[2][0] > 0
    for _ in range(50):
        means = np.stack([X[~right].mean(axis=0), X[right].mean(axis=0)])
        right = cdist(X, means).argmin(axis=1) == 1
    return sorted(
        np.flatnonzero(side)[cdist(X[side], mean[None]).argmin()]
        for side, mean in zip((~right, right), means, strict=True)
    )


@pytest.mark.parametrize("seed", range(8))
def test_two_clusters_are_those_of_two_means(seed):
    rng = np.random.default_rng(seed)
    sizes = np.repeat([0, 6], [120, 30])[:, None]
    X = sizes * [0.6, 0, -0.8] + rng.normal(size=(150, 3)) * [1.2, 0.5, 1.2]
    assert KMeansAnchors(2).select(X).tolist() == _two_means(X)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_split_is_across_the_longer_side(sign):
    # Four groups at the corners of a rectangle, of which either pair of sides is a
    # fixed point of the steps.
    along, across = np.array([1.0, -1, 0]), np.array([1.0, 1, 0])
    corners = [3 * i * along + 2.5 * j * across for i in (-1, 1) for j in (-1, 1)]
    rng = np.random.default_rng(0)
    X = sign * (np.repeat(corners, 25, axis=0) + 0.2 * rng.normal(size=(100, 3)))
    anchors = X[KMeansAnchors(2).select(X)]
    assert np.ptp(anchors @ along) > 8
    assert KMeansAnchors(2).select(X).tolist() == _two_means(X)


def test_far_from_the_origin_anchors_are_the_same():
    X = np.random.default_rng(0).normal(size=(200, 4))
    expected = KMeansAnchors(30).select(X)
    assert KMeansAnchors(30).select(X + 1e7).tolist() == expected.tolist()


@pytest.mark.parametrize("n_copies", [3, 10, 49])
def test_rows_that_are_equal_but_for_rounding_are_split_anyhow(n_copies):
    # The mean of equal rows is rounded, so that all are to the same side of it.
    values = np.random.default_rng(0).normal(size=(20, 5))
    X = np.repeat(values, n_copies, axis=0)
    anchors = KMeansAnchors(30).select(X)
    assert len(np.unique(anchors)) == 30
    assert len(np.unique(anchors // n_copies)) == 20  # each value before any twice
