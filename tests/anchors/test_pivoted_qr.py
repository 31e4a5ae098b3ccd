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
