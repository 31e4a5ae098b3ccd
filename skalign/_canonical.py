"""Canonical correlations of pairs, with a ridge."""

import numpy as np
from scipy.linalg import svd
from sklearn.utils.extmath import svd_flip

from skalign._arrays import beside, namespace, to_numpy
from skalign._rescale import power_of, times_power
from skalign._validation import cast_finite
from skalign.moments import (
    centre,
    relative_ridge,
    rounding_of_columns,
    truncated_svd,
)


def _whiten(rows, shrinkage, name):
    """Return samples whitened with a ridge, and the whitening map."""
    power = power_of(rows) if namespace(rows).any(rows != 0) else 0
    rows = times_power(rows, -power)  # squares near 1 are numbers, of any rows
    rounding = rounding_of_columns(rows)
    rows, _ = centre(rows)
    U, s, Vt = truncated_svd(rows, rounding)
    s, Vt = to_numpy(s), to_numpy(Vt)
    if len(s) == 0:
        raise ValueError(f"All samples of {name} are equal: there is nothing to map.")
    length = np.sqrt(s**2 + relative_ridge(shrinkage, rows))
    with np.errstate(over="ignore"):
        back = np.ldexp(Vt.T / length, -power)
    return U * beside(s / length, U), cast_finite(
        back, back.dtype, f"The map of {name}"
    )


def canonical_maps(X, y, shrinkage, n_components):
    """Return the maps from centred pairs to their common canonical space.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples, n_targets)
    shrinkage : float
        Ridge as a multiple of the mean eigenvalue of the Gram matrix of each side.
    n_components : int
        Dimension of the common space; the rank of the samples if smaller.

    Returns
    -------
    x_coef : ndarray of shape (n_features, n_components)
    y_coef : ndarray of shape (n_targets, n_components)
    correlations : ndarray of shape (n_components,)
        Canonical correlations in descending order.

    Raises
    ------
    ValueError
        If all samples of a side are equal.
    """
    (x_white, x_map), (y_white, y_map) = (
        _whiten(X, shrinkage, "X"),
        _whiten(y, shrinkage, "y"),
    )
    U, correlations, Vt = svd(
        to_numpy(x_white.T @ y_white), full_matrices=False, check_finite=False
    )
    x_coef, y_coef = svd_flip(x_map @ U[:, :n_components], Vt[:n_components] @ y_map.T)
    correlations = correlations[:n_components]
    weights = np.sqrt(X.shape[0]) * correlations
    return x_coef * weights, y_coef.T * weights, correlations


def check_n_components(n_components, X, y):
    """Validate and return the number of canonical components."""
    limit = min(X.shape[1], y.shape[1])
    if n_components is not None and n_components > limit:
        raise ValueError(
            f"n_components={n_components} must be at most min(n_features, n_targets)="
            f"{limit}."
        )
    return n_components or limit
