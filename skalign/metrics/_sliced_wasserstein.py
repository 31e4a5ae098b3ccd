"""Wasserstein distances on lines: the mean of many, the largest, one a column."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign._parameters import Interval
from skalign._rescale import near_one
from skalign.metrics._validation import check_mass, check_no_overflow, check_spaces

_BLOCK_VALUES = 2**18
_MIN_BLOCK_PROJECTIONS = 16
_LEAST_CLIMB = 1e-6


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 1, None, closed="left")],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def sliced_wasserstein_distance(
    X, Y, *, n_projections=100, p=2, X_weight=None, Y_weight=None, random_state=None
):
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
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative. None spreads
        it evenly.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.
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
        If a set is empty or not finite, the widths differ, a weight is negative or all
        are zero, or a parameter is out of its range.

    See Also
    --------
    wasserstein_distance : Without lines, at a cost that grows with the cube.
    max_sliced_wasserstein_distance : The line that shows most.
    feature_wasserstein_distances : One for each column.
    ot.sliced_wasserstein_distance : The same value from the same `random_state`.

    Notes
    -----
    Costs ``n_projections`` sorts of each set, and some more with weights, where POT
    merges the quantiles. As random lines carry a share of about
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
    X, Y = check_spaces(X, Y, any_library=True)
    xp = namespace(X, Y)
    directions = _draw_directions(n_projections, X, random_state)
    sides = _check_sides(X, Y, X_weight, Y_weight)
    mean = float(xp.mean(_costs_along(directions, *sides, p)))
    return check_no_overflow(mean ** (1 / p), X.dtype)


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def max_sliced_wasserstein_distance(
    X,
    Y,
    *,
    n_projections=100,
    p=2,
    max_iter=100,
    X_weight=None,
    Y_weight=None,
    random_state=None,
):
    """Wasserstein distance on the line that shows most of it.

    Does not dilute a difference that few directions show, as the mean over lines does
    [1]_. The best of random lines and of the line through the means is turned uphill
    until it shows no more.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    n_projections : int, default=100
        Number of random lines to begin with.
    p : float, default=2
        Power of the distances that are averaged; at least 1.
    max_iter : int, default=100
        Most turns of the best line. The value counts with 0, too.
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative. None spreads
        it evenly.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.
    random_state : int, RandomState instance or None, default=None
        Draws the lines. An int draws the same ones on every call.

    Returns
    -------
    distance : float
        In the unit of the rows. At least `sliced_wasserstein_distance` of the same
        lines, and at most `wasserstein_distance`. A lower bound of the maximum over all
        lines, as the climb may end on a lesser hill.

    Raises
    ------
    ValueError
        As `sliced_wasserstein_distance`.

    See Also
    --------
    sliced_wasserstein_distance : The mean over lines.

    Notes
    -----
    Between two draws of one distribution it is much larger than the mean over lines,
    the more so the wider the rows.

    References
    ----------
    .. [1] I. Deshpande, Y.-T. Hu, R. Sun, A. Pyrros, N. Siddiqui, S. Koyejo, Z. Zhao,
       D. Forsyth and A. Schwing, "Max-sliced Wasserstein distance and its use for
       GANs", CVPR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import max_sliced_wasserstein_distance
    >>> X = np.random.default_rng(0).normal(size=(50, 9))
    >>> Y = X + [3, 0, 0, 0, 0, 0, 0, 0, 0]
    >>> print(f"{max_sliced_wasserstein_distance(X, Y, random_state=0):.3f}")
    3.000
    """
    from ot import emd_1d  # imports torch where there is one

    X, Y = check_spaces(X, Y)
    directions = _draw_directions(n_projections, X, random_state)
    X, Y, a, b = _check_sides(X, Y, X_weight, Y_weight)
    with np.errstate(over="ignore"):
        shift = np.subtract(*(np.average(A, 0, w) for A, w in ((X, a), (Y, b))))
        length = np.linalg.norm(shift)
    if 0 < length < np.inf:
        directions = np.vstack([directions, (shift / length).astype(X.dtype)])
    costs = _costs_along(directions, X, Y, a, b, p)
    check_no_overflow(costs.max(), X.dtype)
    line, best = directions[costs.argmax()], costs.max()
    for _ in range(max_iter):
        x, y = (rows @ line for rows in (X, Y))
        plan = emd_1d(*(side.astype(np.float64) for side in (x, y)), a, b, dense=False)
        gap = x[plan.row] - y[plan.col]
        pull = plan.data * np.sign(gap) * np.abs(gap) ** (p - 1)
        uphill = np.bincount(plan.row, pull, len(X)) @ X
        uphill -= np.bincount(plan.col, pull, len(Y)) @ Y
        uphill = near_one(uphill)
        if not (length := np.linalg.norm(uphill)):
            break
        # As far as the slope points, and less far where that goes too far.
        turned = line + 2.0 ** -np.arange(8)[:, None] * (uphill / length - line)
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        turned = turned.astype(X.dtype)
        costs = _costs_along(turned, X, Y, a, b, p)
        if costs.max() <= best * (1 + _LEAST_CLIMB):
            break
        line, best = turned[costs.argmax()], costs.max()
    return float(best ** (1 / p))


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "p": [Interval(Real, 1, None, closed="left")],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def feature_wasserstein_distances(X, Y, *, p=1, X_weight=None, Y_weight=None):
    """Wasserstein distance of each column, looked at alone.

    Says which features differ, and by how much. Blind to how columns go together. Read
    more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    p : float, default=1
        Power of the distances that are averaged; at least 1.
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative. None spreads
        it evenly.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.

    Returns
    -------
    distances : ndarray of shape (n_features,)
        Each in the unit of its column; at least 0. In the library of `X` and `Y`.

    Raises
    ------
    ValueError
        As `sliced_wasserstein_distance`.

    See Also
    --------
    sliced_wasserstein_distance : One number, of all directions.
    scipy.stats.wasserstein_distance : The same of one column, with `p` of 1.

    Examples
    --------
    >>> from skalign.metrics import feature_wasserstein_distances
    >>> X, Y = [[0.0, 1.0], [1.0, 2.0]], [[4.0, 2.0], [3.0, 1.0]]
    >>> feature_wasserstein_distances(X, Y)
    array([3., 0.])
    """
    X, Y = check_spaces(X, Y, any_library=True)
    xp = namespace(X, Y)
    sides = _check_sides(X, Y, X_weight, Y_weight)
    columns = xp.eye(X.shape[1], dtype=X.dtype, device=X.device)
    costs = _costs_along(columns, *sides, p)
    check_no_overflow(xp.max(costs), X.dtype)
    return costs ** (1 / p)


def _draw_directions(n_projections, X, random_state):
    """Return random unit vectors, of shape (n_projections, n_features)."""
    random_state = check_random_state(random_state)
    directions = random_state.standard_normal((X.shape[1], n_projections))
    directions = (directions / np.linalg.norm(directions, axis=0)).T
    return namespace(X).asarray(directions, dtype=X.dtype, device=X.device)


def _check_sides(X, Y, X_weight, Y_weight):
    """Return rows of positive weight and their weights; None if there are none."""
    if X_weight is None and Y_weight is None:
        return X, Y, None, None
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    return X, Y, a, b


def _costs_along(directions, X, Y, a, b, p):
    """Return the least mean power of the way along each direction."""
    xp, n, m = namespace(X, Y), X.shape[0], Y.shape[0]
    block = max(_BLOCK_VALUES // max(n, m), _MIN_BLOCK_PROJECTIONS)
    if a is None:
        facing = _facing_quantiles(n, m)
        facing = tuple(xp.asarray(part, device=X.device) for part in facing)
    costs = []
    with np.errstate(over="ignore", invalid="ignore"):
        for lines in gen_batches(directions.shape[0], block):
            x, y = directions[lines, :] @ X.T, directions[lines, :] @ Y.T
            if a is None:
                costs.append(_transport_cost(xp, x, y, *facing, p))
            else:
                costs.append(_weighted_transport_cost(xp, x, y, a, b, p))
    return xp.concat(costs)


def _transport_cost(xp, x, y, x_facing, y_facing, mass, p):
    """Return costs from values of shape (n_lines, n) and (n_lines, m)."""
    x, y = xp.sort(x, axis=1), xp.sort(y, axis=1)
    if x.shape != y.shape:
        x, y = xp.take(x, x_facing, axis=1), xp.take(y, y_facing, axis=1)
    x -= y
    ways = xp.abs(x)
    ways **= p
    return xp.asarray(ways, dtype=xp.float64) @ mass


def _weighted_transport_cost(xp, x, y, a, b, p):
    from ot import wasserstein_1d

    x, y = (xp.asarray(side.T, dtype=xp.float64) for side in (x, y))
    return wasserstein_1d(x, y, a, b, p)


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
