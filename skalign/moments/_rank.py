"""The rank rule: which directions of a set of samples are zero up to rounding.

Every entry of a column was rounded to the precision in which it was stored, relative to
its size. The norm of the rounding errors of a column is therefore a known fraction of
the norm of the column, including its mean. Columns are divided by the norm of their
errors (and by the error of the decomposition), so that the errors have the same size in
all directions; a direction counts as zero if its singular value is then at most 1. The
rule does not depend on the units of the columns: a column of small exact values is
kept, and a column that is a large constant plus rounding is dropped.
"""

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_array, check_scalar

from skalign._arrays import beside, check_rows, floats, namespace, to_numpy
from skalign._rescale import column_means, power_of, times_power
from skalign._validation import FLOATS, cast_finite
from skalign.moments._scale import check_scale, check_sizes, check_sums

_FORMATS = (8, 11, 24)  # significant bits of bfloat16, float16 and float32
_SEEN_ROWS = 128
_MIN_EVIDENCE = 16  # entries that must show the precision
_LAST_BIT = 0.3  # fraction of rounded values that use the last bit; half is expected
_ON_GRID = 0.1  # the same fraction of exact values; none is expected
_UNEVEN = 2.0**10  # ratio of column sizes above which columns are rescaled
_SVD_ERROR = 16.0  # error of singular values, in machine epsilons of the largest
_SAFETY = 4.0  # a unit is twice the largest error, and several errors add up


def storage_precision(rows):
    """Relative precision in which each column was stored.

    This is the machine epsilon of the dtype, or a larger one if the values show that
    they come from a shorter format (float32, float16 or bfloat16). About half of the
    values rounded to a format use the last bit of its significand. Integers and other
    values on a fixed grid do not, and count as exact.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats
        Samples before centring. About 128 of them are examined, on the CPU.

    Returns
    -------
    precision : ndarray of shape (n_features,), float64
        Relative precision of each column.

    Raises
    ------
    ValueError
        If `rows` are empty, not 2-D or not finite.
    """
    return precision_of(check_rows(rows, "rows"))


def precision_of(rows):
    """Return `storage_precision` without validating `rows`."""
    seen = to_numpy(rows[:: max(1, rows.shape[0] // _SEEN_ROWS), :])
    info = np.finfo(seen.dtype)
    precision = np.full(seen.shape[1], float(info.eps))
    formats = [length for length in _FORMATS if length <= info.nmant]
    # In most cases a few samples show that a column uses all bits of its dtype.
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
        # Columns with too little evidence of their own are judged together.
        unclear = ~rounded & ~(shown & (n_last <= _ON_GRID * n_below))
        few = n_below[unclear].sum()
        if rounded.any() or (
            few >= _MIN_EVIDENCE and n_last[unclear].sum() > _LAST_BIT * few
        ):
            rounded |= unclear
        precision[np.flatnonzero(columns)[rounded]] = 2.0 ** (1 - length)
        shorter = length
    return precision


def _significant_bits(values):
    """Number of significant bits and exponent of each value; both 0 for a zero."""
    words = values.astype(np.float64).view(np.int64)
    exponent = (words >> 52) & 0x7FF
    fraction = words & 0xFFFFFFFFFFFFF
    lowest = (fraction & -fraction).astype(np.float64).view(np.int64) >> 52
    zeros = np.where(fraction == 0, 52, lowest - 1023)
    return np.where(exponent == 0, 0, 53 - zeros), exponent


def _check_sizes(values, length, name, most=np.inf):
    """Validate one size from 0 to `most` for each of `length` columns or rows."""
    values = check_sizes(values, name)
    if values.ndim and values.shape != (length,):
        raise ValueError(f"{name} has the shape {values.shape}; expected ({length},).")
    if (wrong := (values < 0) | (values > most)).any():
        bad = values[wrong].flat[0]
        raise ValueError(f"{name} holds {bad:.3g}; expected 0 to {most}.")
    return np.broadcast_to(values, length)


def centre(rows):
    """Subtract the mean of each column to the accuracy of float64.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats

    Returns
    -------
    centred : array of shape (n_samples, n_features), float64
    mean : ndarray of shape (n_features,), float64

    Raises
    ------
    ValueError
        If `rows` are empty, not 2-D or not finite, or their sums overflow.
    """
    rows = check_rows(rows, "rows")
    with np.errstate(over="ignore", invalid="ignore"):
        mean = column_means(rows)
        centred = rows - mean
        # The error of the mean grows with the number of rows.
        rest = column_means(centred)
    check_sums(to_numpy(rest))
    centred -= rest
    return centred, to_numpy(mean + rest)


def rounding_of_columns(rows, sample_weight=None):
    """Bound the norm of the rounding errors of each column.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats
        Samples before centring.
    sample_weight : ndarray of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    rounding : ndarray of shape (n_features,), float64
        Norm of the rounding errors of each column.

    Raises
    ------
    ValueError
        If `rows` are empty, not 2-D or not finite, or `sample_weight` has another
        length or a negative entry.
    """
    rows = check_rows(rows, "rows")
    precision = precision_of(rows)
    if sample_weight is not None:
        weight = _check_sizes(sample_weight, rows.shape[0], "sample_weight")
        rows = rows * beside(np.sqrt(weight), rows)[:, None]
    largest, share = _column_norms(rows)
    return largest * rounding_from_norms(precision, share, rows.shape[0])


def _column_norms(rows):
    """Return the largest entry of each column (1 for zeros), and norm / largest."""
    xp = namespace(rows)
    rows = xp.asarray(rows, dtype=floats(rows)[0])
    largest = xp.max(xp.abs(rows), axis=0)
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    return to_numpy(largest), to_numpy(xp.linalg.vector_norm(rows / largest, axis=0))


def rounding_from_norms(precision, norm, n_samples):
    """Bound the norm of the rounding errors of columns, from the norms of the columns.

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

    Raises
    ------
    ValueError
        If `n_samples` is not positive, or `precision` or `norm` has another length or a
        negative entry.
    """
    norm = _check_sizes(norm, np.size(norm), "norm")
    precision = _check_sizes(precision, len(norm), "precision", most=1)
    check_scalar(n_samples, "n_samples", Real, min_val=1)
    with np.errstate(over="ignore"):
        rounding = _SAFETY * _spread(len(norm), n_samples) * precision * norm
    check_sums(rounding)
    return rounding


def _spread(n_features, n_samples):
    """Largest error of a direction, in units of the error of one column."""
    # Independent errors of n x d entries have a largest singular value of about
    # sqrt(n) + sqrt(d). In normalised rows, the errors of a row are correlated.
    return 1 + np.sqrt(n_features / n_samples) + np.sqrt(n_features) / 8


def varying_columns(centred_norm, precision, norm, n_samples):
    """Return whether each column varies by more than its rounding errors.

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

    Raises
    ------
    ValueError
        As `rounding_from_norms`.
    """
    norm = _check_sizes(norm, np.size(norm), "norm")
    centred_norm = _check_sizes(centred_norm, len(norm), "centred_norm")
    precision = _check_sizes(precision, len(norm), "precision", most=1)
    check_scalar(n_samples, "n_samples", Real, min_val=1)
    return centred_norm > _SAFETY * _spread(1, n_samples) * precision * norm


def rounding_of_rows(rows, precision=0.0):
    """Bound the norm of the rounding errors of each row.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats
        Samples before centring.
    precision : float or ndarray of shape (n_features,), default=0.0
        Lower bound of the relative precision; the larger of this value and the storage
        precision of `rows` is used.

    Returns
    -------
    rounding : ndarray of shape (n_samples,), float64
        Norm of the rounding errors of each row.

    Raises
    ------
    ValueError
        If `rows` are empty, not 2-D or not finite, or `precision` is negative.
    """
    rows = check_rows(rows, "rows")
    precision = _check_sizes(precision, rows.shape[1], "precision", most=1)
    precision = np.maximum(precision_of(rows), precision)
    power = power_of(rows, axis=1)  # squares may overflow
    errors = times_power(rows, -power) * beside(precision, rows)
    length = to_numpy(namespace(rows).linalg.vector_norm(errors, axis=1))
    return _SAFETY * _spread(rows.shape[1], np.inf) * np.ldexp(length, power[:, 0])


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
    s : array of shape (rank,), in descending order
    Vt : array of shape (rank, n_features)

    Raises
    ------
    ValueError
        If `rows` are empty, not 2-D or not finite, a singular value overflows, the
        largest value of a column is below 1e-292 without being zero, or `rounding` has
        another length or a negative entry.
    """
    rows = check_rows(rows, "rows")
    rows = namespace(rows).asarray(rows, dtype=floats(rows)[0])
    rounding = _check_sizes(rounding, rows.shape[1], "rounding")
    largest, share = _column_norms(rows)
    check_scale(largest, np.float64, "rows", degree=1)
    xp = namespace(rows)
    floor = _SVD_ERROR * np.sqrt(min(rows.shape)) * np.finfo(np.float64).eps
    scale = np.hypot(rounding, floor * share * largest)
    U, s, Vt = xp.linalg.svd(rows, full_matrices=False)
    check_sums(to_numpy(s))
    uneven = scale.max() > _UNEVEN * scale[scale > 0].min(initial=np.inf)
    if not (uneven or _undecided(to_numpy(s), scale)):
        rank = int(np.sum(to_numpy(s) > scale.max()))
        return U[:, :rank], s[:rank], Vt[:rank, :]
    scale = np.where(share * largest > rounding, scale, 0)  # columns of rounding only
    # Small columns keep their precision as the last rows of the decomposed matrix.
    order = np.argsort(-scale)
    back, scale = np.argsort(order), scale[order]
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    scale, inverse, order, back = (
        beside(array, rows) for array in (scale, inverse, order, back)
    )
    rows = xp.take(rows, order, axis=1)
    U, s, Vt = xp.linalg.svd(rows * inverse, full_matrices=False)
    rank = int(np.sum(to_numpy(s) > 1))
    axes, s, within = xp.linalg.svd(
        (s[:rank, None] * Vt[:rank, :] * scale).T, full_matrices=False
    )
    return U[:, :rank] @ within.T, s, xp.take(axes, back, axis=0).T


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
    values : ndarray of shape (rank,), in descending order
    vectors : ndarray of shape (n_features, rank)

    Raises
    ------
    ValueError
        If `gram` is not square or not finite, a value on its diagonal is negative or
        below 1e-292 without being zero, or `rounding` has another length or a negative
        entry.
    """
    gram = check_array(gram, dtype=np.float64, input_name="gram")
    n_features, square = len(gram), np.diag(gram)
    if gram.shape[1] != n_features or (square < 0).any():
        raise ValueError(
            f"gram, of shape {gram.shape}, must be square, with no negative value on "
            "its diagonal."
        )
    check_scale(square, np.float64, "gram", degree=1)
    rounding = _check_sizes(rounding, n_features, "rounding")
    precision = _check_sizes(precision, 1, "precision", most=1)
    eps = np.finfo(np.float64).eps
    floor = _SAFETY * (np.sqrt(n_features) * precision + n_features * eps)
    scale = np.hypot(rounding, np.sqrt(floor * square))
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1], vectors[:, ::-1]
    with np.errstate(over="ignore"):
        limits = scale**2
    if not _undecided(values, limits):
        rank = int(np.sum(values > limits.max()))
        return values[:rank], vectors[:, :rank]
    scale = np.where(np.sqrt(square) > rounding, scale, 0)  # as in truncated_svd
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
    values, vectors = np.linalg.eigh(inverse[:, None] * gram * inverse)
    kept = values > 1
    root = scale[:, None] * vectors[:, kept] * np.sqrt(values[kept])
    order = np.argsort(-scale)
    vectors, s, _ = np.linalg.svd(root[order], full_matrices=False)
    return s**2, vectors[np.argsort(order)]


def svd_of_products(products, norms, roundings, factors=None):
    """Singular value decomposition of a cross product without values of rounding size.

    A singular value is the inner product of a direction of one side with a direction of
    the other. It counts as zero if the rounding errors of the two can explain it.

    Parameters
    ----------
    products : ndarray of shape (n_features, n_targets), float64
        Sum of products of centred columns of both sides.
    norms : pair of ndarray of shape (n_features,) and (n_targets,)
        Norms of the centred columns of each side.
    roundings : pair of ndarray of shape (n_features,) and (n_targets,)
        Norms of the rounding errors of these columns.
    factors : pair of ndarray, default=None
        Matrices of shape (n_samples, n_features) and (n_samples, n_targets), the first
        of which, transposed, times the second is `products`. They save time if they
        have few rows.

    Returns
    -------
    U : ndarray of shape (n_features, rank)
    s : ndarray of shape (rank,), in descending order
    Vt : ndarray of shape (rank, n_targets)
    """
    if factors is None:
        U, s, Vt = np.linalg.svd(products, full_matrices=False)
    else:
        axes, triangles = zip(*(np.linalg.qr(f.T) for f in factors), strict=True)
        U, s, Vt = np.linalg.svd(triangles[0] @ triangles[1].T, full_matrices=False)
        U, Vt = axes[0] @ U, Vt @ axes[1].T
    x_norm, y_norm, x_error, y_error = (
        np.linalg.norm(axes * part, axis=1)
        for axes, part in zip((U.T, Vt) * 2, (*norms, *roundings), strict=True)
    )
    size = min(products.shape)
    floor = _SVD_ERROR * np.sqrt(size) * np.finfo(np.float64).eps
    error = x_error * y_norm + x_norm * y_error + floor * s.max(initial=0.0)
    rank = int(np.sum(s > error))
    return U[:, :rank], s[:rank], Vt[:rank]


def _undecided(values, scale):
    """Return whether a value is zero for some of the scales and not for others."""
    scale = scale[scale > 0]
    return len(scale) > 0 and bool(
        np.any((values > scale.min()) & (values <= scale.max()))
    )


def svd_of_map(matrix, precision=0.0):
    """Singular value decomposition of a matrix without values of rounding size.

    The rank does not depend on the units of the rows or of the columns.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_columns), of floats
    precision : float or ndarray of shape (n_columns,), default=0.0
        Lower bound of the relative precision; the larger of this value and the storage
        precision of `matrix` is used.

    Returns
    -------
    U : ndarray of shape (n_rows, rank), float64
    s : ndarray of shape (rank,), in descending order
    Vt : ndarray of shape (rank, n_columns)

    Raises
    ------
    ValueError
        If `matrix` is empty, not 2-D or not finite, a singular value overflows, the
        largest entry is below 1e-292 without being zero, or `precision` is negative.
    """
    matrix = check_array(matrix, dtype=FLOATS, input_name="matrix")
    precision = _check_sizes(precision, matrix.shape[1], "precision", most=1)
    precision = np.maximum(precision_of(matrix), precision)
    check_scale([np.abs(matrix).max()], np.float64, "matrix", degree=1)
    power = power_of(matrix)
    rows = np.ldexp(matrix.astype(np.float64), -power)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    length[length == 0] = 1
    rows /= length
    norm = np.linalg.norm(rows, axis=0)
    U, s, Vt = truncated_svd(rows, rounding_from_norms(precision, norm, len(rows)))
    order = np.argsort(-length[:, 0])  # as in truncated_svd
    U, s, rotation = np.linalg.svd((length * U * s)[order], full_matrices=False)
    with np.errstate(over="ignore"):
        s = np.ldexp(s, power)
    check_sums(s)
    return U[np.argsort(order)], s, rotation @ Vt


def pseudo_inverse(matrix, precision=0.0):
    """Moore-Penrose inverse from the singular values that `svd_of_map` keeps.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_columns), of floats
    precision : float or ndarray of shape (n_columns,), default=0.0
        Lower bound of the relative precision, as in `svd_of_map`.

    Returns
    -------
    inverse : ndarray of shape (n_columns, n_rows), of the dtype of `matrix`

    Raises
    ------
    ValueError
        As in `svd_of_map`, or if an entry of the inverse would overflow.
    """
    matrix = check_array(matrix, dtype=FLOATS, input_name="matrix")
    U, s, Vt = svd_of_map(matrix, precision)
    with np.errstate(over="ignore", invalid="ignore"):
        inverse = Vt.T / s @ U.T
    return cast_finite(inverse, matrix.dtype, "The inverse")
