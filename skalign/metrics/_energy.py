"""Energy distance: twice the way between two sets, less the ways within each."""

import numpy as np
from sklearn.utils._param_validation import validate_params

from skalign.metrics._kernels import discrepancy, negative_distance
from skalign.metrics._validation import check_mass, check_spaces


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def energy_distance(X, Y, *, X_weight=None, Y_weight=None):
    """Root of twice the mean distance between two sets, less those within each.

    Zero only if both sets come from one distribution with finite mean [1]_, with
    nothing to choose. Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative. None spreads
        it evenly.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.

    Returns
    -------
    distance : float
        In the root of the unit of the rows; at least 0. Pairs of a row with itself
        count, so that it is zero on equal sets, and above zero on average between two
        draws of one distribution.

    Raises
    ------
    ValueError
        If a set is empty or not finite, the widths differ, or a weight is negative or
        all are zero.

    See Also
    --------
    energy_test : Whether the value is more than chance.
    mmd : The same of another kernel.
    scipy.stats.energy_distance : The same of one column.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y)**2 / 2`` distances, held in blocks as in `mmd`,
    in double precision: a root of what has cancelled has few digits.

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
    return float(np.sqrt(max(square, 0.0)))  # rounding can pass 0
