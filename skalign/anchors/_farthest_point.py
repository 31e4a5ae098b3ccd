"""Anchors as far from one another as can be."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.metrics.pairwise import euclidean_distances

from skalign._rescale import near_one
from skalign.anchors._greedy import lazy_greedy
from skalign.anchors._selector import AnchorSelector


def _farthest_points(X, n_picks):
    """Greedy k-centre of [1]_ from the row nearest to the mean, for centred rows."""
    X = near_one(X)
    start = int(np.einsum("ij,ij->i", X, X).argmin())
    gap = euclidean_distances(X, X[start : start + 1], squared=True).ravel()
    gap[start] = -np.inf

    def pick(rows, bound, n_picks):
        nearest, between = gap[rows], euclidean_distances(X[rows], squared=True)
        new = []
        while len(new) < n_picks:
            best = nearest.argmax()
            if new and nearest[best] < bound:
                break
            new.append(int(rows[best]))
            nearest = np.minimum(nearest, between[best])
            nearest[best] = -np.inf
        return new

    def lower(new):
        _, squares = pairwise_distances_argmin_min(X, X[new], metric="sqeuclidean")
        np.minimum(gap, squares, out=gap)

    return np.array([start, *lazy_greedy(gap, n_picks - 1, pick, lower)])


class FarthestPointAnchors(AnchorSelector):
    """Rows far from one another: the next is the one farthest from those before.

    No row of `X` is more than twice as far from its nearest anchor as with the best
    choice of as many anchors [1]_. The extremes come first, outliers among them: suits
    clean data that must be covered to its edges, less so where few anchors stand for
    most rows. Nested: the anchors are the first of those of a larger `n_anchors`. Read
    more in the :ref:`User Guide <anchors>`.

    Parameters
    ----------
    n_anchors : int or float, default=0.1
        Number of anchors; a float above 0 and at most 1 is a share of the rows.

    random_state : int, RandomState instance or None, default=None
        Not used, since nothing is drawn; there so that one rule can stand in for
        another.

    See Also
    --------
    KMeansAnchors : Covers most rows well, and outliers badly.

    References
    ----------
    .. [1] T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance",
       Theoretical Computer Science 38, 1985, pp. 293-306.

    Examples
    --------
    >>> from skalign.anchors import FarthestPointAnchors
    >>> X = [[0.0], [1.0], [4.0], [5.0], [9.0]]  # the mean is 3.8
    >>> FarthestPointAnchors(3).select(X)
    array([2, 4, 0])
    """

    def __init__(self, n_anchors=0.1, *, random_state=None):
        self.n_anchors = n_anchors
        self.random_state = random_state

    def _choose(self, X, counts, labels):
        order = _farthest_points(X - X.mean(axis=0), max(counts))
        return [order[:count] for count in counts]
