"""Sliced Wasserstein distance: the mean over many one-dimensional views."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import Interval, validate_params

from skalign.metrics._validation import check_no_overflow, check_spaces

_BLOCK_VALUES = 2**21
_MIN_BLOCK_PROJECTIONS = 16


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def sliced_wasserstein_distance(X, Y, *, n_projections=100, p=2, random_state=None):
    """Wasserstein distance averaged over random lines.

    On a line, transport is a matter of sorting [1]_. Sets of unequal sizes are
    compared exactly, by merging their quantiles. Read more in the
    :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    n_projections : int, default=100
        Number of random lines. The error of the mean falls with its square root.
    p : float, default=2
        Power of the distances that are averaged; at least 1.
    random_state : int, RandomState instance or None, default=None
        Draws the lines. An int draws the same ones on every call, so that values can
        be compared.

    Returns
    -------
    distance : float
        In the unit of the rows; at least 0, and at most `wasserstein_distance`.

    Raises
    ------
    ValueError
        If a set is empty or not finite, the widths differ, or a parameter is out of
        its range.

    See Also
    --------
    wasserstein_distance : Without lines, at a cost that grows with the cube.
    ot.sliced_wasserstein_distance : The same value from the same `random_state`.

    Notes
    -----
    Costs ``n_projections`` sorts of each set. As random lines carry a share of about
    ``1 / n_features`` of a squared distance, values from spaces of different widths
    are not comparable.

    References
    ----------
    .. [1] N. Bonneel, J. Rabin, G. Peyré and H. Pfister, "Sliced and Radon Wasserstein
       barycenters of measures", Journal of Mathematical Imaging and Vision 51(1), 2015,
       pp. 22-45.

    Examples
    --------
    >>> from skalign.metrics import sliced_wasserstein_distance
    >>> X, Y = [[0.0], [1.0], [2.0]], [[5.0], [3.0], [4.0]]  # shifted by 3
    >>> print(f"{sliced_wasserstein_distance(X, Y, random_state=0):.3f}")
    3.000
    """
    X, Y = check_spaces(X, Y)
    random_state = check_random_state(random_state)
    directions = random_state.standard_normal((X.shape[1], n_projections))
    directions = (directions / np.linalg.norm(directions, axis=0)).T.astype(X.dtype)
    x_facing, y_facing, mass = _facing_quantiles(len(X), len(Y))
    block = max(_BLOCK_VALUES // max(len(X), len(Y)), _MIN_BLOCK_PROJECTIONS)
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in gen_batches(n_projections, block):
            x, y = directions[rows] @ X.T, directions[rows] @ Y.T
            x.sort(axis=1)
            y.sort(axis=1)
            if len(X) != len(Y):
                x, y = x.take(x_facing, axis=1), y.take(y_facing, axis=1)
            x -= y
            np.abs(x, out=x)
            x **= p
            total += (x @ mass).sum()
        distance = (total / n_projections) ** (1 / p)
    return check_no_overflow(distance, X.dtype)


def _facing_quantiles(n, m):
    """Pair the sorted values of two sets, piece of mass by piece of mass.

    Returns
    -------
    x_facing, y_facing : ndarray of shape (n_pieces,)
        Which of `n` and of `m` sorted values share a piece.
    mass : ndarray of shape (n_pieces,)
        How much of the whole mass a piece has.
    """
    # In units of 1 / (n * m) the ends of the pieces are whole numbers.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    return (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)
