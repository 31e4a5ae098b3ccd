import numpy as np
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist

from skalign.anchors import FarthestPointAnchors


def _one_by_one(X, n_anchors):
    distances = cdist(X, X)
    picked = [int(np.linalg.norm(X - X.mean(axis=0), axis=1).argmin())]
    while len(picked) < n_anchors:
        picked.append(int(distances[picked].min(axis=0).argmax()))
    return picked


def test_anchors_are_those_of_the_greedy_rule_row_by_row():
    rng = np.random.default_rng(0)
    for n_samples, n_features in ((100, 2), (300, 3), (300, 30)):
        X = rng.normal(size=(n_samples, n_features)) ** 3 + 10
        selector = FarthestPointAnchors(0.6)
        anchors = selector.select(X)
        assert_array_equal(anchors, _one_by_one(X, len(anchors)))


def test_no_row_is_twice_as_far_as_with_the_best_centres():
    rng = np.random.default_rng(0)
    centres = rng.uniform(-100, 100, size=(12, 2))
    X = (centres[:, None] + rng.uniform(-1, 1, size=(12, 50, 2))).reshape(-1, 2)
    radius = cdist(X, X[FarthestPointAnchors(12).select(X)]).min(axis=1).max()
    best = cdist(X, centres).min(axis=1).max()  # within the 12 squares
    assert radius <= 2 * best


def test_scale_changes_no_choice():
    X = np.random.default_rng(0).normal(size=(40, 3))
    expected = FarthestPointAnchors(10).select(X)
    for exponent in (500, -500):
        assert_array_equal(FarthestPointAnchors(10).select(X * 2.0**exponent), expected)


def test_a_far_crowd_does_not_take_all_places():
    # More rows than are looked at together: one of them brings the others down.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 3))
    X[:200] = [40, 0, 0] + 1e-3 * rng.normal(size=(200, 3))
    X[200:400] = [0, -30, 0] + 1e-3 * rng.normal(size=(200, 3))
    anchors = FarthestPointAnchors(60).select(X)
    assert_array_equal(anchors, _one_by_one(X, 60))
