"""Wasserstein distances between Gaussian approximations of two sets of samples."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign._dask import is_dask
from skalign.metrics._sums import mean_and_covariance_of_dask
from skalign.metrics._validation import (
    WEIGHTED_SPACES,
    check_mass,
    check_no_overflow,
    check_pair_mass,
    check_spaces,
)

_BLOCK_ROWS = 8192


@validate_params(WEIGHTED_SPACES, prefer_skip_nested_validation=True)
@autocast_off()
def gaussian_wasserstein_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
) -> float:
    r"""2-Wasserstein distance between Gaussian approximations of `X` and `Y`.

    With the means :math:`\mu` and the covariances :math:`\Sigma` of both sets, the
    distance is

    .. math::

        \Bigl( \lVert \mu_X - \mu_Y \rVert^2 + \operatorname{tr} \bigl(
        \Sigma_X + \Sigma_Y - 2 (\Sigma_X^{1/2} \Sigma_Y \Sigma_X^{1/2})^{1/2}
        \bigr) \Bigr)^{1/2} .

    It depends on the means and covariances only. Read more in the
    :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.

    Returns
    -------
    distance : float
        In the unit of the features; at least 0, and at most ``wasserstein_distance(X,
        Y)`` [1]_.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of features differ, or a
        weight is negative or all weights are zero.

    See Also
    --------
    wasserstein_distance : Distance that depends on all moments.
    frechet_distance : Squared distance with unbiased covariances, as in FID.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y) * n_features**2`` operations and three
    decompositions of square matrices of size `n_features`. Covariances divide by
    `n_samples`. With fewer samples than features they are poor estimates, and the
    distance is far too large even between two samples of one distribution.

    The trace is the squared Bures distance [2]_ of the covariances. It is computed as
    the Procrustes distance between their square roots: unlike the difference of traces,
    this does not cancel if the covariances are similar.

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
    X, Y = check_spaces(X, Y, any_library=True, dask=True)
    return _distance(
        *mean_and_covariance(X, X_weight), *mean_and_covariance(Y, Y_weight), X.dtype
    )


@validate_params(WEIGHTED_SPACES, prefer_skip_nested_validation=True)
@autocast_off()
def frechet_distance(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
) -> float:
    r"""Squared 2-Wasserstein distance between Gaussian approximations, as in FID.

    With the means :math:`\mu` and the covariances :math:`\Sigma`, which divide by
    ``n_samples - 1``, the distance is

    .. math::

        \lVert \mu_X - \mu_Y \rVert^2 + \operatorname{tr} \bigl(
        \Sigma_X + \Sigma_Y - 2 (\Sigma_X^{1/2} \Sigma_Y \Sigma_X^{1/2})^{1/2}
        \bigr) .

    On the features of an Inception network this is the FID [1]_. Suits comparisons with
    published values. Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.

    Returns
    -------
    distance : float
        In the squared unit of the features; at least 0.

    Raises
    ------
    ValueError
        As in `gaussian_wasserstein_distance`, and if `X` or `Y` has a single sample.

    See Also
    --------
    gaussian_wasserstein_distance : Distance in the unit of the features.
    mmd : With a polynomial kernel the KID, whose estimate from few samples is unbiased.

    Notes
    -----
    With sample weights that sum to one, the factor ``1 - 1 / n_samples`` of the
    covariances becomes one minus the sum of the squared weights.

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
    X, Y = check_spaces(X, Y, any_library=True, dask=True)
    x = mean_and_covariance(X, X_weight, unbiased=True)
    y = mean_and_covariance(Y, Y_weight, unbiased=True)
    return _distance(*x, *y, X.dtype) ** 2


def mean_and_covariance(X, weight, *, unbiased=False):
    """Return the weighted mean and covariance of the samples.

    Raises
    ------
    ValueError
        If the weights are invalid or, if `unbiased`, only one sample has positive
        weight.
    """
    if is_dask(X):
        return mean_and_covariance_of_dask(X, weight, unbiased)
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
            scaled = xp.asarray(scaled, dtype=rows.dtype)  # faster products
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
    # Rounding may give eigenvalues below 0.
    return axes * xp.sqrt(xp.where(variances > 0, variances, 0.0))
