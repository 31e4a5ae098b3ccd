"""The rank rule: which directions of a set of samples are zero up to rounding.

Every entry of a column has been rounded to the precision in which it was stored, in
proportion to its size. A column therefore holds rounding errors whose norm is a known
share of the norm of the whole column, its mean included. Columns are divided by that
norm (and by the error of the decomposition itself), so that the errors have the same
size in all directions; a direction is zero where its singular value is then at most 1.
The rule does not depend on the units of the columns: a column of small values that are
exact is kept, and a column that is a large constant plus rounding is not.
"""

import numpy as np

from skalign._arrays import namespace, to_numpy
from skalign._rescale import power_of

_FORMATS = (8, 11, 24)  # significant bits of bfloat16, float16 and float32
_SEEN_ROWS = 128
_MIN_EVIDENCE = 16  # entries that must show the precision
_LAST_BIT = 0.3  # share of the values that use the last bit; half is expected
_SVD_ERROR = 16.0  # of singular values, in units of the largest
_SAFETY = 4.0  # a unit is twice the largest error, and several errors add up


def storage_precision(rows):
    """Relative precision in which each column was stored.

    This is the machine epsilon of the dtype, or a larger one if the values show that
    they come from a shorter format (float32, float16 or bfloat16). Rounded values fill
    the significand of their format: about half of them use its last bit. Integers and
    other values on a fixed grid do not, and count as exact.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats
        Samples before centring. About 128 of them are examined; none if they are no
        NumPy array.

    Returns
    -------
    precision : ndarray of shape (n_features,), float64
    """
    if not isinstance(rows, np.ndarray):  # no row leaves its device for this
        return np.full(rows.shape[1], float(namespace(rows).finfo(rows.dtype).eps))
    seen = rows[:: max(1, rows.shape[0] // _SEEN_ROWS)]
    info = np.finfo(seen.dtype)
    precision = np.full(seen.shape[1], float(info.eps))
    formats = [length for length in _FORMATS if length <= info.nmant]
    # A few samples show in most cases that a column fills its own format.
    open_ = _significant_bits(seen[:8])[0].max(axis=0, initial=0) <= formats[-1]
    if not open_.any():
        return precision
    bits, exponent = _significant_bits(seen)
    longest = np.where(open_, bits.max(axis=0, initial=0), 0)
    # On a fixed grid, only the largest entries of a column use the last bit.
    below = (bits > 0) & (exponent < exponent.max(axis=0, initial=0))
    shorter = 0
    for length in formats:
        columns = (shorter < longest) & (longest <= length)
        n_below = below[:, columns].sum(axis=0)
        n_last = (below & (bits == length))[:, columns].sum(axis=0)
        shown = n_below >= _MIN_EVIDENCE
        rounded = shown & (n_last > _LAST_BIT * n_below)
        # Columns with little evidence of their own are judged together.
        few = n_below[~shown].sum()
        if rounded.any() or (
            few >= _MIN_EVIDENCE and n_last[~shown].sum() > _LAST_BIT * few
        ):
            rounded |= ~shown
        precision[np.flatnonzero(columns)[rounded]] = 2.0 ** (1 - length)
        shorter = length
    return precision


def _significant_bits(values):
    """Significant bits of each value, and its exponent; 0 and 0 for a zero."""
    words = values.astype(np.float64).view(np.int64)
    exponent = (words >> 52) & 0x7FF
    fraction = words & 0xFFFFFFFFFFFFF
    lowest = (fraction & -fraction).astype(np.float64).view(np.int64) >> 52
    zeros = np.where(fraction == 0, 52, lowest - 1023)
    return np.where(exponent == 0, 0, 53 - zeros), exponent


def centre(rows):
    """Subtract the mean of each column, so that no more than rounding is left of it.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), of floats

    Returns
    -------
    centred : ndarray of shape (n_samples, n_features), float64
    mean : ndarray of shape (n_features,), float64
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean
    rest = centred.mean(axis=0)  # the error of the mean grows with the number of rows
    centred -= rest
    return centred, mean + rest


def rounding_of_columns(rows, sample_weight=None):
    """Norm of the rounding errors that each column may hold.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats
        Samples before centring.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights, not negative.

    Returns
    -------
    rounding : ndarray of shape (n_features,), float64
    """
    precision, xp = storage_precision(rows), namespace(rows)
    rows = xp.asarray(rows, dtype=xp.float64)
    if sample_weight is not None:
        rows = rows * np.sqrt(sample_weight)[:, None]
    largest = xp.max(xp.abs(rows), axis=0)
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    norm = largest * xp.linalg.vector_norm(rows / largest, axis=0)
    return rounding_from_norms(precision, to_numpy(norm), rows.shape[0])


def rounding_from_norms(precision, norm, n_samples):
    """Norm of the rounding errors of columns, from the norms of the columns.

    Parameters
    ----------
    precision : ndarray of shape (n_features,)
        Relative precision in which each column was stored.
    norm : ndarray of shape (n_features,)
        Norms of the columns before centring.
    n_samples : int

    Returns
    -------
    rounding : ndarray of shape (n_features,)
    """
    return _SAFETY * _spread(len(norm), n_samples) * precision * norm


def _spread(n_features, n_samples):
    """Largest error of a direction, in units of the error of one column."""
    # Independent errors of n x d entries have a largest singular value of about
    # sqrt(n) + sqrt(d). Where rows were normalised, the errors of a row go together.
    return 1 + np.sqrt(n_features / n_samples) + np.sqrt(n_features) / 8


def varying_columns(centred_norm, precision, norm, n_samples):
    """Whether each column varies by more than its own rounding.

    Parameters
    ----------
    centred_norm, norm : ndarray of shape (n_features,)
        Norms of the columns after and before centring.
    precision : ndarray of shape (n_features,)
        Relative precision in which each column was stored.
    n_samples : int

    Returns
    -------
    varies : ndarray of bool of shape (n_features,)
    """
    return centred_norm > _SAFETY * _spread(1, n_samples) * precision * norm


def rounding_of_rows(rows, precision=0.0):
    """Length of the rounding error that each row may hold.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), of floats
        Samples before centring.
    precision : float or ndarray of shape (n_features,), default=0.0
        Least relative precision to assume; that in which the rows are stored if larger.

    Returns
    -------
    rounding : ndarray of shape (n_samples,), float64
    """
    precision = np.maximum(storage_precision(rows), precision)
    return (
        _SAFETY
        * _spread(rows.shape[1], np.inf)
        * np.linalg.norm(rows * precision, axis=1)
    )


def truncated_svd(rows, rounding):
    """Singular value decomposition without the directions that are zero.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), float64
        Samples, centred or not.
    rounding : ndarray of shape (n_features,)
        Norm of the rounding errors of each column, see `rounding_of_columns`.

    Returns
    -------
    U : array of shape (n_samples, rank)
    s : array of shape (rank,), falling
    Vt : array of shape (rank, n_features)
    """
    xp = namespace(rows)
    norm = to_numpy(xp.linalg.vector_norm(rows, axis=0))
    floor = _SVD_ERROR * np.sqrt(min(rows.shape)) * np.finfo(np.float64).eps
    scale = np.hypot(rounding, floor * norm)
    U, s, Vt = xp.linalg.svd(rows, full_matrices=False)
    if not _undecided(to_numpy(s), scale):
        rank = int(np.sum(to_numpy(s) > scale.max(initial=0.0)))
        return U[:, :rank], s[:rank], Vt[:rank, :]
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    scale, inverse = (
        xp.asarray(factor, dtype=rows.dtype, device=rows.device)
        for factor in (scale, inverse)
    )
    U, s, Vt = xp.linalg.svd(rows * inverse, full_matrices=False)
    rank = int(np.sum(to_numpy(s) > 1))
    within, s, Vt = xp.linalg.svd(
        s[:rank, None] * Vt[:rank, :] * scale, full_matrices=False
    )
    return U[:, :rank] @ within, s, Vt


def truncated_eigh(gram, rounding, precision):
    """Eigendecomposition of a Gram matrix without the directions that are zero.

    Parameters
    ----------
    gram : ndarray of shape (n_features, n_features), float64
        Sum of products of columns, centred or not.
    rounding : ndarray of shape (n_features,)
        Norm of the rounding errors of each column.
    precision : float
        Relative precision in which the products were formed.

    Returns
    -------
    values : ndarray of shape (rank,), falling
    vectors : ndarray of shape (n_features, rank)
    """
    n_features, square = len(gram), np.diag(gram)
    eps = np.finfo(np.float64).eps
    floor = _SAFETY * (np.sqrt(n_features) * precision + n_features * eps)
    scale = np.sqrt(rounding**2 + floor * square)
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1], vectors[:, ::-1]
    if not _undecided(values, scale**2):
        rank = int(np.sum(values > scale.max(initial=0.0) ** 2))
        return values[:rank], vectors[:, :rank]
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    values, vectors = np.linalg.eigh(inverse[:, None] * gram * inverse)
    kept = values > 1
    root = scale[:, None] * vectors[:, kept] * np.sqrt(values[kept])
    vectors, s, _ = np.linalg.svd(root, full_matrices=False)
    return s**2, vectors


def _undecided(values, scale):
    """Whether a value lies where it depends on the column if it is zero."""
    scale = scale[scale > 0]
    return len(scale) > 0 and bool(
        np.any((values > scale.min()) & (values <= scale.max()))
    )


def svd_of_map(matrix, precision=0.0):
    """Singular value decomposition of a matrix without values of rounding size.

    Neither the units of the rows nor those of the columns change the rank.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_columns), of floats
    precision : float or ndarray of shape (n_columns,), default=0.0
        Least relative precision to assume; that in which the entries are stored if
        larger.

    Returns
    -------
    U : ndarray of shape (n_rows, rank), float64
    s : ndarray of shape (rank,), falling
    Vt : ndarray of shape (rank, n_columns)
    """
    precision = np.maximum(storage_precision(matrix), precision)
    power = power_of(matrix) if matrix.any() else 0
    rows = np.ldexp(matrix.astype(np.float64), -power)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    length[length == 0] = 1
    rows /= length
    norm = np.linalg.norm(rows, axis=0)
    U, s, Vt = truncated_svd(rows, rounding_from_norms(precision, norm, len(rows)))
    U, s, rotation = np.linalg.svd(length * U * s, full_matrices=False)
    return U, np.ldexp(s, power), rotation @ Vt


def pseudo_inverse(matrix, precision=0.0):
    """Moore-Penrose inverse by the singular values that `svd_of_map` keeps.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_columns), of floats
    precision : float or ndarray of shape (n_columns,), default=0.0
        Least relative precision to assume.

    Returns
    -------
    inverse : ndarray of shape (n_columns, n_rows)
        Of the dtype of `matrix`.
    """
    U, s, Vt = svd_of_map(matrix, precision)
    return (Vt.T / s @ U.T).astype(matrix.dtype, copy=False)
