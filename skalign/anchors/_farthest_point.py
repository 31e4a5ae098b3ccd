"""Anchors by farthest-point selection."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.metrics.pairwise import euclidean_distances

from skalign._rescale import near_one
from skalign.anchors._greedy import lazy_greedy
from skalign.anchors._selector import AnchorSelector


def _farthest_points(X, n_picks):
    """Greedy k-centre of [1]_ from the sample nearest to the mean, for centred `X`."""
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
    r"""Greedy selection of the sample farthest from all previous anchors.

    The selection approximately minimises the largest distance from a sample to its
    nearest anchor (k-centre),

    .. math::

        \min_A \max_i \min_{a \in A} \lVert x_i - x_a \rVert .

    This distance is at most twice the optimal one [1]_. Extreme samples are selected
    first, including outliers: suits clean data that must be covered up to its boundary,
    and is less suitable if few anchors have to represent most samples. Nested: the
    anchors are the first ones of any larger `n_anchors`. Read more in the
    :ref:`User Guide <anchors>`.

    Parameters
    ----------
    n_anchors : int or float, default=0.1
        Number of anchors; a float above 0 and at most 1 is a share of the samples.
    random_state : int, RandomState instance or None, default=None
        Ignored; present for API consistency.

    See Also
    --------
    KMeansAnchors : Selection that represents most samples well, but not outliers.

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

    def _choose(self, X, counts, labels):
        order = _farthest_points(X - X.mean(axis=0), max(counts))
        return [order[:count] for count in counts]
