"""Wasserstein distance between the Gaussians that two sets suggest."""

import numpy as np
from scipy.linalg import eigh, norm, svd
from sklearn.utils._param_validation import validate_params

from skalign.metrics._validation import check_no_overflow, check_spaces
from skalign.moments import Moments


@validate_params(
    {"X": ["array-like"], "Y": ["array-like"]}, prefer_skip_nested_validation=True
)
def gaussian_wasserstein_distance(X, Y):
    """2-Wasserstein distance between two sets as if both were Gaussian.

    Sees means and covariances only. Its square is known as the Fréchet distance, and
    on features of an Inception network as FID. Read more in the
    :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.

    Returns
    -------
    distance : float
        In the unit of the rows; at least 0, and at most ``wasserstein_distance(X, Y)``
        [1]_.

    Raises
    ------
    ValueError
        If a set is empty or not finite, or the widths differ.

    See Also
    --------
    wasserstein_distance : Sees more than the first two moments.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y) * n_features**2`` and three decompositions of
    matrices of n_features columns. With fewer rows than columns the covariances are
    poor, and the distance is too large by far even between draws of one distribution.
    They are those with ``1 / n_samples``; FID divides by ``n_samples - 1``.

    The square is ``|mean_x - mean_y|**2`` plus that of the distance of Bures [2]_
    between covariances. This is computed as the Procrustes distance between their
    roots, which does not cancel where they are alike, as the usual traces do.

    References
    ----------
    .. [1] M. Gelbrich, "On a formula for the L2 Wasserstein metric between measures on
       Euclidean and Hilbert spaces", Mathematische Nachrichten 147, 1990, pp. 185-203.
    .. [2] R. Bhatia, T. Jain and Y. Lim, "On the Bures-Wasserstein distance between
       positive definite matrices", Expositiones Mathematicae 37(2), 2019, pp. 165-191:
       Theorem 1.

    Examples
    --------
    >>> from skalign.metrics import gaussian_wasserstein_distance
    >>> X, Y = [[0.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [2.0, 3.0]]  # shifted by 3
    >>> print(f"{gaussian_wasserstein_distance(X, Y):.3f}")
    3.000
    """
    X, Y = check_spaces(X, Y)
    x, y = Moments.from_arrays(X), Moments.from_arrays(Y)
    x_root, y_root = (_root(side.xx / side.weight, X.dtype) for side in (x, y))
    U, _, Vt = svd(y_root.T @ x_root)
    bures = norm(x_root - y_root @ (U @ Vt))
    return float(np.hypot(norm(x.x_mean - y.x_mean), bures))


def _root(covariance, dtype):
    """Return a square `root` such that ``root @ root.T`` is `covariance`."""
    check_no_overflow(covariance.trace(), dtype)
    variances, axes = eigh(covariance)
    return axes * np.sqrt(np.maximum(variances, 0))  # rounding can pass 0
