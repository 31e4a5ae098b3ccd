import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.linalg import qr

from skalign.anchors import PivotedQRAnchors


def _lapack(X, n_pivots):
    return qr((X - X.mean(axis=0)).T, mode="r", pivoting=True)[1][:n_pivots]


@pytest.mark.parametrize("n_samples", [40, 100, 1000])
def test_anchors_are_the_pivots_of_lapack(n_samples):
    X = np.random.default_rng(0).normal(size=(n_samples, 30)) * np.logspace(0, -4, 30)
    assert_array_equal(PivotedQRAnchors(30).select(X), _lapack(X, 30))


def test_beyond_the_rank_it_starts_again_among_the_rows_left():
    X = np.random.default_rng(0).normal(size=(500, 20))
    X -= X.mean(axis=0)
    X[:, 15:] = X[:, :5]  # rank 15
    anchors = PivotedQRAnchors(40).select(X)
    assert_array_equal(anchors[:15], _lapack(X, 15))
    for first in (0, 15):
        span = X[anchors[first : first + 15]]
        assert np.linalg.matrix_rank(span) == 15
    left = np.delete(X, anchors[:15], axis=0)
    longest = np.linalg.norm(left, axis=1).max()
    assert np.isclose(np.linalg.norm(X[anchors[15]]), longest)


def test_least_squares_is_better_posed_than_on_rows_at_random():
    X = np.random.default_rng(0).normal(size=(1000, 20)) * np.logspace(0, -2, 20)
    X -= X.mean(axis=0)
    chosen = np.linalg.cond(X[PivotedQRAnchors(20).select(X)])
    drawn = [np.linalg.cond(X[rows : rows + 20]) for rows in range(0, 1000, 20)]
    assert chosen < np.min(drawn)


def test_a_long_crowd_does_not_take_all_places():
    # More rows than are looked at together: one of them brings the others down.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 30))
    X[:200] = 40 * np.eye(30)[0] + 1e-3 * rng.normal(size=(200, 30))
    X[200:400] = -30 * np.eye(30)[1] + 1e-3 * rng.normal(size=(200, 30))
    assert_array_equal(PivotedQRAnchors(30).select(X), _lapack(X, 30))


def test_copies_of_the_mean_come_last():
    X = np.zeros((20, 3))
    X[[4, 9]] = [[1.0, 2, 3], [-1, -2, -3]]
    for n_anchors in (1, 3, 19, 20):
        anchors = PivotedQRAnchors(n_anchors).select(X)
        assert len(np.unique(anchors)) == n_anchors
        assert set(anchors[:2]) <= {4, 9}
