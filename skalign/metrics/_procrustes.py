"""Procrustes distance between the shapes of two representations."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import validate_params

from skalign._arrays import beside, namespace, to_numpy
from skalign._autocast import autocast_off
from skalign._rescale import near_one
from skalign.metrics._validation import SPACES, check_no_overflow, check_paired_rows
from skalign.moments import storage_precision, sums_of_squares, varying_columns

_SMALL = 1e-100  # squares of smaller columns underflow
_SAFE = 1e-50, 1e140  # sizes of samples whose squares need no scaling


@validate_params(SPACES, prefer_skip_nested_validation=True)
@autocast_off()
def procrustes_distance(X: ArrayLike, Y: ArrayLike) -> float:
    r"""Distance of two representations after the best rotation or reflection.

    Both representations are centred and scaled to unit Frobenius norm; the one with
    fewer features is embedded in the space of the other. With :math:`\tilde X` and
    :math:`\tilde Y` after scaling, the distance is

    .. math::

        \min_{Q^\top Q = I} \lVert \tilde X - \tilde Y Q \rVert_F
        = \sqrt{2 - 2 \lVert \tilde X^\top \tilde Y \rVert_*} ,

    where :math:`\lVert \cdot \rVert_*` is the sum of the singular values. It is a
    metric on shapes: the triangle inequality holds [1]_. Read more in the :ref:`User
    Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.

    Returns
    -------
    distance : float
        Between 0, for representations that are equal up to shift, scale and rotation or
        reflection, and the square root of 2, for representations with no linear
        relation. It is 0 if all samples of both sides are equal, and 1 if those of one
        side are, since there is nothing to scale.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, or if their numbers of samples differ.

    See Also
    --------
    procrustes_samples : Distance of each sample.
    scipy.spatial.procrustes : Also fits the scale: its disparity is ``1 - (1 -
        distance**2 / 2)**2``.

    References
    ----------
    .. [1] A. H. Williams, E. Kunz, S. Kornblith and S. W. Linderman, "Generalized shape
       metrics on neural representations", NeurIPS 2021: section 2.

    Examples
    --------
    >>> from skalign.metrics import procrustes_distance
    >>> X, Y = [[0, 0], [1, 0], [0, 1]], [[5, 5], [5, 7], [3, 5]]  # rotated and doubled
    >>> print(f"{procrustes_distance(X, Y):.3f}")
    0.000
    """
    distances = procrustes_samples(X, Y)
    return float(namespace(distances).linalg.vector_norm(distances))


@validate_params(SPACES, prefer_skip_nested_validation=True)
@autocast_off()
def procrustes_samples(X: ArrayLike, Y: ArrayLike) -> np.ndarray:
    r"""Distance of each sample after the best rotation or reflection.

    For the scaled representations :math:`\tilde X` and :math:`\tilde Y` of
    `procrustes_distance`, with samples :math:`\tilde x_i` and :math:`\tilde y_i` as
    rows, and the singular value decomposition :math:`\tilde Y^\top \tilde X = U S
    V^\top`, the distance of sample :math:`i` is

    .. math::

        d_i = \sqrt{\lVert \tilde x_i - \tilde y_i U V^\top \rVert^2
        + \lVert \tilde y_i - \tilde y_i U U^\top \rVert^2} .

    Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.

    Returns
    -------
    distances : ndarray of shape (n_samples,)
        At least 0, in the array library of `X` and `Y`. The square root of their sum of
        squares is `procrustes_distance`.

    Raises
    ------
    ValueError
        As in `procrustes_distance`.

    Examples
    --------
    >>> from skalign.metrics import procrustes_samples
    >>> X = [[0, 0], [4, 0], [0, 4], [4, 4]]
    >>> Y = [[0, 0], [4, 0], [0, 4], [4, 8]]  # the last sample differs
    >>> print(procrustes_samples(X, Y).argmax())
    3
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    xp, X, Y = namespace(X, Y), to_length_one(X), to_length_one(Y)
    U, _, Vt = xp.linalg.svd(Y.T @ X, full_matrices=False)
    rotation, squares = U @ Vt, 0.0
    turned = Y @ rotation
    # For small distances, 2 - 2 * (sum of singular values) would cancel.
    if U.shape[0] > U.shape[1]:  # part of Y is beyond the axes
        lost = Y - turned @ rotation.T
        squares = xp.vecdot(lost, lost)
    turned -= X
    squares = squares + xp.vecdot(turned, turned)
    return xp.sqrt(squares)


def to_length_one(X):
    """Centre samples and scale them to unit Frobenius norm; zeros if all are equal."""
    xp = namespace(X)
    if not (largest := max(float(xp.max(X)), -float(xp.min(X)))):
        return xp.zeros_like(X, dtype=xp.float64)
    check_no_overflow(largest, X.dtype)
    centred = xp.asarray(X, dtype=xp.float64)
    if not _SAFE[0] < largest < _SAFE[1]:
        centred = centred / largest
    first = centred[:1, :]
    centred = centred - first  # constant columns leave no rounding errors
    mean = xp.mean(centred, axis=0)
    centred -= mean
    kept, n_samples = _column_norms(centred), X.shape[0]
    norm = np.hypot(kept, n_samples**0.5 * np.abs(to_numpy(first[0, :] + mean)))
    kept *= varying_columns(kept, storage_precision(X), norm, n_samples)
    varies = kept > 0
    if not varies.any():
        return xp.zeros_like(centred)
    if (total := np.linalg.norm(kept)) < _SMALL:  # beside larger, constant columns
        centred = near_one(centred * beside(varies.astype(float), centred))
        return centred / xp.linalg.matrix_norm(centred)
    centred *= beside(varies / total, centred)
    return centred


def _column_norms(rows):
    return np.sqrt(to_numpy(sums_of_squares(rows)))
