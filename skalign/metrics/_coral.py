"""CORAL distance: how far apart two covariances are."""

import numpy as np
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign.metrics._gaussian_wasserstein import mean_and_covariance
from skalign.metrics._validation import check_no_overflow, check_spaces


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def coral_distance(X, Y, *, X_weight=None, Y_weight=None):
    """Squared difference of covariances, as the CORAL loss takes it.

    ``|cov(X) - cov(Y)|**2 / (4 * n_features**2)``, in the Frobenius norm [1]_. Blind to
    means, and to all beyond covariances. Read more in the :ref:`User Guide <metrics>`.

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
        In the fourth power of the unit of the rows; at least 0.

    Raises
    ------
    ValueError
        If a set is empty, has a single row of positive weight or is not finite, the
        widths differ, or a weight is negative or all are zero.

    See Also
    --------
    gaussian_wasserstein_distance : In the unit of the rows, with the means.

    References
    ----------
    .. [1] B. Sun and K. Saenko, "Deep CORAL: correlation alignment for deep domain
       adaptation", ECCV 2016 workshops: Eq. 1.

    Examples
    --------
    >>> from skalign.metrics import coral_distance
    >>> X, Y = [[0.0], [2.0]], [[0.0], [4.0]]  # of variances 2 and 8
    >>> print(f"{coral_distance(X, Y):.3f}")
    9.000
    """
    X, Y = check_spaces(X, Y, any_library=True)
    _, x_covariance = mean_and_covariance(X, X_weight, unbiased=True)
    _, y_covariance = mean_and_covariance(Y, Y_weight, unbiased=True)
    with np.errstate(over="ignore", invalid="ignore"):
        square = namespace(X, Y).sum((x_covariance - y_covariance) ** 2)
    return check_no_overflow(square / (4 * X.shape[1] ** 2), X.dtype)
