"""One anchor from each cluster."""

from heapq import heappop, heappush
from typing import Literal

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from skalign.anchors._selector import AnchorSelector

_POWER_ITERATIONS = 4
_MAX_ITER = 5


@np.errstate(invalid="ignore")  # BLAS may raise it for finite X: numpy #24067
def _split(X):
    """Split centred samples by 2-means, from the sign along the principal axis.

    Requires a few products of a matrix and a vector. Calling scikit-learn's KMeans for
    each of the many small clusters would be dominated by its overhead.
    """
    direction = X[np.einsum("ij,ij->i", X, X).argmax()]
    for _ in range(_POWER_ITERATIONS):
        direction = (X @ (direction / np.linalg.norm(direction))) @ X
    right = X @ direction > 0
    for _ in range(_MAX_ITER):
        if right.all() or not right.any():  # equal, up to rounding: any split is valid
            return np.arange(len(X)) == 0
        total, n_right = right.astype(X.dtype) @ X, np.count_nonzero(right)
        centre, other = total / n_right, -total / (len(X) - n_right)
        nearer = X @ (centre - other) > (centre @ centre - other @ other) / 2
        if np.array_equal(nearer, right):
            break
        right = nearer
    return right


class _Cluster:
    """Subset of samples, whose medoid is the anchor; sorted by decreasing inertia."""

    def __init__(self, X, rows):
        centred = X[rows]
        centred -= centred.mean(axis=0)
        squares = np.einsum("ij,ij->i", centred, centred)
        self.rows, self.anchor = rows, rows[squares.argmin()]
        self.inertia = squares.sum()

    def __lt__(self, other):
        return (self.inertia, len(self.rows)) > (other.inertia, len(other.rows))

    def halves(self, X):
        if self.inertia == 0:
            return _Cluster(X, self.rows[:1]), _Cluster(X, self.rows[1:])
        centred = X[self.rows]
        centred -= centred.mean(axis=0)
        right = _split(centred)
        return _Cluster(X, self.rows[~right]), _Cluster(X, self.rows[right])


class KMeansAnchors(AnchorSelector):
    r"""Selection of one sample per cluster, the nearest to its mean or a random one.

    The clusters :math:`C_1, \dots, C_k` approximately minimise the sum of squares

    .. math::

        \sum_{c=1}^{k} \sum_{i \in C_c} \lVert x_i - \bar x_c \rVert^2 .

    Suits numbers of anchors close to the number of features, for which random selection
    is least reliable, and, with the samples nearest to the means, data with outliers.
    Bisecting k-means [1]_ repeatedly splits the cluster with the largest sum of squares
    by 2-means, initialised by the sign along the principal axis [2]_. It costs
    ``n_samples * n_features * log(n_anchors)`` operations, is deterministic and needs
    no restarts. On text embeddings, the remaining sum of squares is 4 to 12 % larger
    than that of scikit-learn's `KMeans`, in 1/30 to 1/4 of its time. Not nested: a
    larger `n_anchors` gives other anchors. Read more in the
    :ref:`User Guide <anchors>`.

    Parameters
    ----------
    n_anchors : int or float, default=0.1
        Number of anchors; a float above 0 and at most 1 is a share of the samples.
    member : {"middle", "random"}, default="middle"
        Sample selected from a cluster: the one nearest to its mean, or a uniformly
        drawn one. Samples near the means vary less than the data, and are less
        informative about a linear map: on clean data, random members reduce the error
        of the map by 4 to 5 % with 1.5 to 2 anchors per feature.
    random_state : int, RandomState instance or None, default=None
        Generator of the members; ignored if `member` is "middle".

    See Also
    --------
    FarthestPointAnchors : Selection that also covers extreme samples.

    References
    ----------
    .. [1] M. Steinbach, G. Karypis and V. Kumar, "A comparison of document clustering
       techniques", KDD Workshop on Text Mining, 2000.

    .. [2] T. Su and J. G. Dy, "In search of deterministic methods for initializing
       K-means and Gaussian mixture clustering", Intelligent Data Analysis 11(4), 2007,
       pp. 319-338: PCA-Part.

    Examples
    --------
    >>> from skalign.anchors import KMeansAnchors
    >>> X = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [13.0], [14.0]]
    >>> KMeansAnchors(2).select(X)
    array([1, 5])
    """

    _parameter_constraints = {
        **AnchorSelector._parameter_constraints,
        "member": [StrOptions({"middle", "random"})],
    }

    def __init__(
        self,
        n_anchors: int | float = 0.1,
        *,
        member: Literal["middle", "random"] = "middle",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_anchors = n_anchors
        self.member = member
        self.random_state = random_state

    @property
    def _draws(self):
        return self.member == "random"

    def _choose(self, X, counts, labels):
        X = X - X.mean(axis=0)
        # Scaled, squares cannot overflow; float32 is precise enough for clusters.
        X = np.divide(X, np.abs(X).max() or 1, dtype=X.dtype).astype(np.float32)
        clusters = [_Cluster(X, np.arange(len(X)))]
        anchors = {}
        for count in sorted(set(counts)):
            while len(clusters) < count:
                for half in heappop(clusters).halves(X):
                    heappush(clusters, half)
            anchors[count] = np.sort(self._members(clusters))
        return [anchors[count] for count in counts]

    def _members(self, clusters):
        if self.member == "middle":
            return [cluster.anchor for cluster in clusters]
        # One generator per count, and an order independent of the heap: the anchors of
        # a count are then the same in every path.
        rng = check_random_state(self.random_state)
        clusters = sorted(clusters, key=lambda cluster: cluster.rows[0])
        return [rng.choice(cluster.rows) for cluster in clusters]
