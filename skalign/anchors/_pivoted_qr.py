"""Anchors that span the feature space, by column-pivoted QR."""

import numpy as np
from sklearn.utils import gen_batches

from skalign.anchors._greedy import lazy_greedy
from skalign.anchors._selector import AnchorSelector
from skalign.moments import rounding_of_rows

_BATCH_ROWS = 4096


def _pivots(X, n_picks, rounding):
    """Pivots of a QR factorisation of ``X.T``, at most as many as its rank [1]_."""
    residual = np.einsum("ij,ij->i", X, X)
    basis = np.empty((0, X.shape[1]), dtype=X.dtype)

    def pick(rows, bound, n_picks):
        nonlocal basis
        rest = X[rows]
        rest -= (rest @ basis.T) @ basis
        squares = np.einsum("ij,ij->i", rest, rest)
        new, directions = [], []
        while len(new) < n_picks:
            best = squares.argmax()
            if squares[best] <= rounding or (new and squares[best] < bound):
                break
            direction = rest[best] - (rest[best] @ basis.T) @ basis
            direction /= np.linalg.norm(direction)
            along = rest @ direction
            rest -= np.outer(along, direction)
            squares -= along**2
            squares[best] = -np.inf
            directions.append(direction)
            new.append(int(rows[best]))
        basis = np.vstack([basis, *directions])
        return new

    def lower(new):
        directions = basis[-len(new) :].T
        for rows in gen_batches(len(X), _BATCH_ROWS):
            along = X[rows] @ directions
            residual[rows] -= np.einsum("ij,ij->i", along, along)

    return lazy_greedy(residual, min(n_picks, *X.shape), pick, lower)


def _pivoted_rows(X, n_picks, rounding):
    """Pivots of the samples, then of the remaining samples, and so on."""
    picked, left = [], np.arange(len(X))
    while len(picked) < n_picks:
        pivots = _pivots(X[left], n_picks - len(picked), rounding)
        if not pivots:  # only copies of the mean are left
            pivots = range(n_picks - len(picked))
        picked.extend(left[pivots])
        left = np.delete(left, pivots)
    return np.array(picked)


class PivotedQRAnchors(AnchorSelector):
    r"""Greedy selection of the sample least explained by the previous anchors.

    With the projection :math:`P_A` onto the span of the anchors :math:`A` selected so
    far, the next anchor is

    .. math::

        \operatorname*{arg\,max}_i \lVert x_i - P_A x_i \rVert

    for centred samples: column-pivoted QR of the transposed data [1]_. Suits clean data
    and numbers of anchors of at least its rank, for which it greedily improves the
    conditioning of least squares on the anchors. Samples of large norm are selected
    first, including outliers. Once the anchors span the data, the selection starts anew
    among the remaining samples, so `n_anchors` may exceed `n_features`. Nested: the
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
    FarthestPointAnchors : Selection far from each anchor instead of from their span.

    References
    ----------
    .. [1] P. Businger and G. H. Golub, "Linear least squares solutions by Householder
       transformations", Numerische Mathematik 7, 1965, pp. 269-276.

    Examples
    --------
    >>> from skalign.anchors import PivotedQRAnchors
    >>> X = [[4.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]  # the mean is 0
    >>> PivotedQRAnchors(4).select(X)
    array([0, 2, 1, 3])
    """

    def _choose(self, X, counts, labels):
        order = _pivoted_rows(
            X - X.mean(axis=0), max(counts), rounding_of_rows(X).max() ** 2
        )
        return [order[:count] for count in counts]
