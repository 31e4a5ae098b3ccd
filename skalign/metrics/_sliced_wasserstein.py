"""Wasserstein distances of one-dimensional projections."""

from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign._rescale import near_one
from skalign._validation import Interval
from skalign.metrics._validation import (
    WEIGHTED_SPACES,
    check_mass,
    check_no_overflow,
    check_spaces,
)

_BLOCK_VALUES = 2**18
_MIN_BLOCK_PROJECTIONS = 16
_LEAST_CLIMB = 1e-6


@validate_params(
    {
        **WEIGHTED_SPACES,
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def sliced_wasserstein_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_projections: int = 100,
    p: float = 2,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    r"""Wasserstein distance averaged over random one-dimensional projections.

    With random unit vectors :math:`\theta_1, \dots, \theta_L`, the distance is [1]_

    .. math::

        \Bigl( \frac{1}{L} \sum_{l=1}^{L} W_p(X \theta_l, Y \theta_l)^p \Bigr)^{1/p} .

    In one dimension the optimal transport is found by sorting. Sets of different sizes
    are compared exactly, by merging their quantiles. Read more in the
    :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    n_projections : int, default=100
        Number of random projections. The error of the mean decreases with the square
        root of this number.
    p : float, default=2
        Power of the distances; at least 1.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.
    random_state : int, RandomState instance or None, default=None
        Generator of the projections. Pass an int for the same projections in every
        call, so that values can be compared.

    Returns
    -------
    distance : float
        In the unit of the features; at least 0, and at most `wasserstein_distance`.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of features differ, a weight
        is negative or all weights are zero, or a parameter is out of its range.

    See Also
    --------
    wasserstein_distance : Distance without projections, at cubic cost.
    max_sliced_wasserstein_distance : Distance of the projection that maximises it.
    feature_wasserstein_distances : Distance of each feature.
    ot.sliced_wasserstein_distance : The same value for the same `random_state`.

    Notes
    -----
    Each set is sorted `n_projections` times; with weights, POT merges the quantiles at
    some extra cost. Random projections retain about ``1 / n_features`` of a squared
    distance, so values from spaces with different numbers of features are not
    comparable.

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
        **WEIGHTED_SPACES,
        "n_projections": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def max_sliced_wasserstein_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_projections: int = 100,
    p: float = 2,
    max_iter: int = 100,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    r"""Wasserstein distance of the one-dimensional projection that maximises it.

    The distance is [1]_

    .. math::

        \max_{\lVert \theta \rVert = 1} W_p(X \theta, Y \theta) .

    Unlike the mean over projections, it is not diluted if the sets differ in few
    directions. The best of random projections and of the direction between the means is
    improved by gradient ascent until it converges.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    n_projections : int, default=100
        Number of random projections to start from.
    p : float, default=2
        Power of the distances; at least 1.
    max_iter : int, default=100
        Maximum number of ascent steps. With 0 the best of the initial projections is
        used.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.
    random_state : int, RandomState instance or None, default=None
        Generator of the projections. Pass an int for the same projections in every
        call.

    Returns
    -------
    distance : float
        In the unit of the features. At least `sliced_wasserstein_distance` with the
        same projections, and at most `wasserstein_distance`. It is a lower bound of the
        maximum over all directions, since the ascent may end at a local maximum.

    Raises
    ------
    ValueError
        As in `sliced_wasserstein_distance`.

    See Also
    --------
    sliced_wasserstein_distance : Mean over random projections.

    Notes
    -----
    Between two samples of one distribution it is much larger than the mean over
    projections, increasingly so with the number of features.

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
    from ot import emd_1d  # imports torch if it is installed

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
        # Full step along the gradient, and shorter ones in case it overshoots.
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
        **WEIGHTED_SPACES,
        "p": [Interval(Real, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def feature_wasserstein_distances(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    p: float = 1,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
) -> np.ndarray:
    r"""Wasserstein distance of each feature.

    For feature :math:`j`, with the quantile functions :math:`F_j^{-1}` of `X` and
    :math:`G_j^{-1}` of `Y`, the distance is

    .. math::

        \Bigl( \int_0^1 \bigl| F_j^{-1}(u) - G_j^{-1}(u) \bigr|^p \, du \Bigr)^{1/p} .

    Shows which features differ, and by how much, but not how their dependence differs.
    Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    p : float, default=1
        Power of the distances; at least 1.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.

    Returns
    -------
    distances : ndarray of shape (n_features,)
        At least 0, each in the unit of its feature. In the array library of `X` and
        `Y`.

    Raises
    ------
    ValueError
        As in `sliced_wasserstein_distance`.

    See Also
    --------
    sliced_wasserstein_distance : Single distance from random directions.
    scipy.stats.wasserstein_distance : Distance of a single feature with `p=1`.

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
    """Return samples of positive weight and their weights, None if unweighted."""
    if X_weight is None and Y_weight is None:
        return X, Y, None, None
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    return X, Y, a, b


def _costs_along(directions, X, Y, a, b, p):
    """Return the transport cost along each direction."""
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
    """Match the sorted values of two sets by intervals of their quantiles.

    Returns
    -------
    x_facing, y_facing : ndarray of shape (n_pieces,)
        Indices of the sorted values of both sets that share an interval.
    mass : ndarray of shape (n_pieces,)
        Length of each interval; they sum to one.
    """
    # In units of 1 / (n * m) the ends of the intervals are integers.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    return (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)
