"""Exact Wasserstein distance, by linear programming."""

import warnings
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.utils._param_validation import validate_params

from skalign._rescale import power_of
from skalign._validation import Interval
from skalign.metrics._validation import (
    WEIGHTED_SPACES,
    check_mass,
    check_no_overflow,
    check_pairs_fit,
    check_spaces,
)


@validate_params(
    {
        **WEIGHTED_SPACES,
        "p": [Interval(Real, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def wasserstein_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    p: float = 2,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
    max_iter: int = 10_000_000,
) -> float:
    r"""Wasserstein distance between two sets of samples, by linear programming.

    With weights :math:`a_i` and :math:`b_j` that sum to one, the distance is [1]_

    .. math::

        W_p(X, Y) = \Bigl( \min_{\pi \ge 0} \sum_{i, j} \pi_{ij}
        \lVert x_i - y_j \rVert^p \Bigr)^{1/p}
        \quad \text{with} \quad \sum_j \pi_{ij} = a_i, \; \sum_i \pi_{ij} = b_j .

    Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    p : float, default=2
        Power of the Euclidean distances; at least 1.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.
    max_iter : int, default=10_000_000
        Maximum number of pivots of the network simplex.

    Returns
    -------
    distance : float
        In the unit of the features; at least 0.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of features differ, a weight
        is negative or all weights are zero, `p` is below 1, or a matrix of all pairs
        exceeds scikit-learn's `working_memory`.
    RuntimeError
        If the solver did not converge.

    See Also
    --------
    sliced_wasserstein_distance : Distance for more than a few thousand samples.
    sinkhorn_divergence : Entropic distance, which is faster to compute.
    gaussian_wasserstein_distance : Distance from means and covariances alone.

    Notes
    -----
    Solved by POT, with two matrices of shape (n_samples_x, n_samples_y). The time grows
    with about the cube of the number of samples: 2,000 samples on each side take
    seconds.

    References
    ----------
    .. [1] G. Peyré and M. Cuturi, "Computational optimal transport", Foundations and
       Trends in Machine Learning 11(5-6), 2019, pp. 355-607: Eq. 2.18.

    Examples
    --------
    >>> from skalign.metrics import wasserstein_distance
    >>> X, Y = [[0.0, 0.0], [1.0, 0.0]], [[1.0, 2.0], [0.0, 2.0]]  # shifted by 2
    >>> print(f"{wasserstein_distance(X, Y):.3f}")
    2.000
    """
    from ot import emd2  # imports torch if it is installed

    X, Y = check_spaces(X, Y)
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    check_pairs_fit(len(X), len(Y))
    with np.errstate(over="ignore"):
        costs = cdist(X, Y, "sqeuclidean") if p == 2 else cdist(X, Y) ** p
    check_no_overflow(costs.max(), costs.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of POT are raised below
        # POT ignores cost differences below about 1e-13: scale costs to near 1.
        power = power_of(costs)
        costs = np.ldexp(costs, -power)
        cost, log = emd2(a, b, costs, numItermax=max_iter, log=True)
    if log["warning"] is not None:
        raise RuntimeError(
            f"The transport solver failed with max_iter={max_iter}: {log['warning']}"
        )
    return float(np.ldexp(max(cost, 0.0), power) ** (1 / p))
