"""Energy distance between two sets of samples."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import validate_params

from skalign.metrics._kernels import discrepancy, negative_distance
from skalign.metrics._validation import WEIGHTED_SPACES, check_mass, check_spaces


@validate_params(WEIGHTED_SPACES, prefer_skip_nested_validation=True)
def energy_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
) -> float:
    r"""Energy distance between two sets of samples.

    With sample weights :math:`a_i` and :math:`b_j` that sum to one, the distance is

    .. math::

        \Bigl( 2 \sum_{i, j} a_i b_j \lVert x_i - y_j \rVert
        - \sum_{i, i'} a_i a_{i'} \lVert x_i - x_{i'} \rVert
        - \sum_{j, j'} b_j b_{j'} \lVert y_j - y_{j'} \rVert \Bigr)^{1/2} .

    Between distributions with finite means, the distance is zero only if they are equal
    [1]_. It has no parameter to choose. Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.

    Returns
    -------
    distance : float
        In the square root of the unit of the features; at least 0. The sums include the
        pairs of a sample with itself, so that the distance of equal sets is zero.
        Between two independent samples of one distribution, it is positive on average.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of features differ, or a
        weight is negative or all weights are zero.

    See Also
    --------
    energy_test : Permutation test based on this distance.
    mmd : Discrepancy under other kernels.
    scipy.stats.energy_distance : Energy distance of a single feature.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y)**2 / 2`` distances, computed in blocks as in
    `mmd`, in double precision: subtraction leaves few correct digits in single
    precision.

    References
    ----------
    .. [1] G. J. Székely and M. L. Rizzo, "Energy statistics: a class of statistics
       based on distances", Journal of Statistical Planning and Inference 143(8), 2013,
       pp. 1249-1272: Eq. 5.

    Examples
    --------
    >>> from skalign.metrics import energy_distance
    >>> X, Y = [[0.0], [1.0]], [[3.0], [4.0]]
    >>> print(f"{energy_distance(X, Y):.3f}")  # sqrt(2 * 3 - 0.5 - 0.5)
    2.236
    """
    X, Y = check_spaces(X, Y)
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    square = discrepancy(negative_distance, X, Y, a, b)
    return float(np.sqrt(max(square, 0.0)))  # rounding may fall below 0
