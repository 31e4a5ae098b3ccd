"""CORAL distance between two covariance matrices."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign.metrics._gaussian_wasserstein import mean_and_covariance
from skalign.metrics._validation import WEIGHTED_SPACES, check_no_overflow, check_spaces


@validate_params(WEIGHTED_SPACES, prefer_skip_nested_validation=True)
@autocast_off()
def coral_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
) -> float:
    r"""Squared Frobenius distance of covariances, as in the CORAL loss.

    With the covariances :math:`C_X` and :math:`C_Y`, which divide by ``n_samples - 1``,
    of data with :math:`d` features, the distance is [1]_

    .. math::

        \frac{1}{4 d^2} \lVert C_X - C_Y \rVert_F^2 .

    It does not depend on the means, nor on any moments other than the covariances. Read
    more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.

    Returns
    -------
    distance : float
        In the fourth power of the unit of the features; at least 0.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty, not finite or has a single sample of positive weight,
        their numbers of features differ, or a weight is negative or all weights are
        zero.

    See Also
    --------
    gaussian_wasserstein_distance : Distance that includes the means, in the unit of the
        features.

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
    X, Y = check_spaces(X, Y, any_library=True, dask=True)
    _, x_covariance = mean_and_covariance(X, X_weight, unbiased=True)
    _, y_covariance = mean_and_covariance(Y, Y_weight, unbiased=True)
    with np.errstate(over="ignore", invalid="ignore"):
        difference = x_covariance - y_covariance
        square = namespace(difference).sum(difference**2)
    return check_no_overflow(square / (4 * X.shape[1] ** 2), X.dtype)
