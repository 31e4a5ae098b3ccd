"""Procrustes distance: what no shift, scale and rotation takes away."""

from sklearn.utils._param_validation import validate_params

from skalign._arrays import namespace, to_numpy
from skalign._autocast import autocast_off
from skalign.metrics._validation import check_no_overflow, check_paired_rows
from skalign.moments import storage_precision, varying_columns


@validate_params(
    {"X": ["array-like"], "Y": ["array-like"]}, prefer_skip_nested_validation=True
)
@autocast_off()
def procrustes_distance(X, Y):
    """Distance of two representations after the best rotation.

    Rows are centred and each side is scaled to length one as a whole; a side of fewer
    columns is turned into the space of the other. A metric on shapes: no way round is
    shorter [1]_. Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.

    Returns
    -------
    distance : float
        From 0, equal up to shift, scale and rotation or reflection, to the root of 2,
        nothing in common. 0 where all rows of both sides are equal, 1 where those of
        one are: there is nothing to scale.

    Raises
    ------
    ValueError
        If a set is empty or not finite, or the lengths differ.

    See Also
    --------
    procrustes_samples : What each row has to do with it.
    scipy.spatial.procrustes : With scaling fitted too: its disparity is
        ``1 - (1 - distance**2 / 2)**2``.

    References
    ----------
    .. [1] A. H. Williams, E. Kunz, S. Kornblith and S. W. Linderman, "Generalized shape
       metrics on neural representations", NeurIPS 2021: section 2.

    Examples
    --------
    >>> from skalign.metrics import procrustes_distance
    >>> X, Y = [[0, 0], [1, 0], [0, 1]], [[5, 5], [5, 7], [3, 5]]  # turned, doubled
    >>> print(f"{procrustes_distance(X, Y):.3f}")
    0.000
    """
    distances = procrustes_samples(X, Y)
    return float(namespace(distances).linalg.vector_norm(distances))


@validate_params(
    {"X": ["array-like"], "Y": ["array-like"]}, prefer_skip_nested_validation=True
)
@autocast_off()
def procrustes_samples(X, Y):
    """How far off each row is after the best rotation.

    Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.

    Returns
    -------
    distances : ndarray of shape (n_samples,)
        At least 0, in the library of `X` and `Y`. The root of the sum of squares is
        `procrustes_distance`.

    Raises
    ------
    ValueError
        As `procrustes_distance`.

    Examples
    --------
    >>> from skalign.metrics import procrustes_samples
    >>> X = [[0, 0], [4, 0], [0, 4], [4, 4]]
    >>> Y = [[0, 0], [4, 0], [0, 4], [4, 8]]  # the last one has moved
    >>> print(procrustes_samples(X, Y).argmax())
    3
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    xp, X, Y = namespace(X, Y), to_length_one(X), to_length_one(Y)
    U, _, Vt = xp.linalg.svd(Y.T @ X, full_matrices=False)
    turned = Y @ (U @ Vt)
    # No less exact for small distances, as 2 - 2 * (sum of singular values) would be.
    lost = Y - turned @ (U @ Vt).T
    return xp.sqrt(xp.sum((X - turned) ** 2, axis=1) + xp.sum(lost**2, axis=1))


def to_length_one(X):
    """Centre rows and scale them as a whole to length one; zeros if all are equal."""
    xp = namespace(X)
    centred = xp.asarray(X, dtype=xp.float64, copy=True)
    if not (largest := xp.max(xp.abs(centred))):
        return centred
    check_no_overflow(largest, X.dtype)
    centred /= largest  # squares of large values would overflow
    norm = to_numpy(xp.linalg.vector_norm(centred, axis=0))
    centred -= xp.mean(centred, axis=0)
    centred -= xp.mean(centred, axis=0)  # what rounding left of a constant column
    varies = varying_columns(
        to_numpy(xp.linalg.vector_norm(centred, axis=0)),
        storage_precision(X),
        norm,
        X.shape[0],
    )
    centred *= xp.asarray(varies, dtype=centred.dtype, device=centred.device)
    if not (largest := xp.max(xp.abs(centred))):
        return centred
    centred /= largest
    return centred / xp.linalg.matrix_norm(centred)
