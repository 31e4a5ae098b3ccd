"""Wasserstein distance between the Gaussians that two sets suggest."""

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign.metrics._validation import (
    check_mass,
    check_no_overflow,
    check_pair_mass,
    check_spaces,
)

_BLOCK_ROWS = 8192


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
def gaussian_wasserstein_distance(X, Y, *, X_weight=None, Y_weight=None):
    """2-Wasserstein distance between two sets as if both were Gaussian.

    Sees means and covariances only. Read more in the :ref:`User Guide <metrics>`.

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
        In the unit of the rows; at least 0, and at most ``wasserstein_distance(X, Y)``
        [1]_.

    Raises
    ------
    ValueError
        If a set is empty or not finite, the widths differ, or a weight is negative or
        all are zero.

    See Also
    --------
    wasserstein_distance : Sees more than the first two moments.
    frechet_distance : The square, with unbiased covariances, as in FID.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y) * n_features**2`` and three decompositions of
    matrices of n_features columns. With fewer rows than columns the covariances are
    poor, and the distance is too large by far even between draws of one distribution.
    They are those with ``1 / n_samples``.

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
    X, Y = check_spaces(X, Y, any_library=True)
    return _distance(
        *mean_and_covariance(X, X_weight), *mean_and_covariance(Y, Y_weight), X.dtype
    )


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
def frechet_distance(X, Y, *, X_weight=None, Y_weight=None):
    """Squared 2-Wasserstein distance between Gaussians, as FID takes it.

    On the features of an Inception network this is the FID [1]_: the square of
    `gaussian_wasserstein_distance`, with covariances that divide by
    ``n_samples - 1``. For numbers to be compared with published ones. Read more in the
    :ref:`User Guide <metrics>`.

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
        In the squared unit of the rows; at least 0.

    Raises
    ------
    ValueError
        As `gaussian_wasserstein_distance`, and if a set has a single row.

    See Also
    --------
    gaussian_wasserstein_distance : In the unit of the rows.
    mmd : With a polynomial kernel the KID, which few rows do not make too large.

    Notes
    -----
    With weights that sum to one, ``1 - 1 / n_samples`` is one less the sum of their
    squares.

    References
    ----------
    .. [1] M. Heusel, H. Ramsauer, T. Unterthiner, B. Nessler and S. Hochreiter, "GANs
       trained by a two time-scale update rule converge to a local Nash equilibrium",
       NeurIPS 2017: Eq. 6.

    Examples
    --------
    >>> from skalign.metrics import frechet_distance
    >>> X, Y = [[0.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [2.0, 3.0]]  # shifted by 3
    >>> print(f"{frechet_distance(X, Y):.3f}")
    9.000
    """
    X, Y = check_spaces(X, Y, any_library=True)
    x = mean_and_covariance(X, X_weight, unbiased=True)
    y = mean_and_covariance(Y, Y_weight, unbiased=True)
    return _distance(*x, *y, X.dtype) ** 2


def mean_and_covariance(X, weight, *, unbiased=False):
    """Return the weighted mean and covariance of rows.

    Raises
    ------
    ValueError
        If the weights are bad or, where `unbiased`, of a single row.
    """
    rows, mass = check_mass(weight, X)
    if unbiased:
        check_pair_mass(mass)
    xp, mean, covariance = namespace(rows), 0.0, 0.0
    blocks = list(gen_batches(rows.shape[0], _BLOCK_ROWS))
    for block in blocks:
        mean += mass[block] @ xp.asarray(rows[block, :], dtype=xp.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in blocks:
            scaled = (rows[block, :] - mean) * xp.sqrt(mass[block])[:, None]
            scaled = xp.asarray(scaled, dtype=rows.dtype)  # products are fast in it
            covariance += xp.asarray(scaled.T @ scaled, dtype=xp.float64)
        return mean, covariance / (1 - mass @ mass) if unbiased else covariance


def _distance(x_mean, x_covariance, y_mean, y_covariance, dtype):
    xp = namespace(x_mean, y_mean)
    x_root, y_root = _root(x_covariance, dtype), _root(y_covariance, dtype)
    U, _, Vt = xp.linalg.svd(y_root.T @ x_root)
    bures = xp.linalg.matrix_norm(x_root - y_root @ (U @ Vt))
    shift = xp.linalg.vector_norm(x_mean - y_mean)
    return check_no_overflow(np.hypot(float(shift), float(bures)), dtype)


def _root(covariance, dtype):
    """Return a square `root` such that ``root @ root.T`` is `covariance`."""
    xp = namespace(covariance)
    check_no_overflow(xp.linalg.trace(covariance), dtype)
    variances, axes = xp.linalg.eigh(covariance)
    # Rounding can pass 0.
    return axes * xp.sqrt(xp.where(variances > 0, variances, 0.0))
