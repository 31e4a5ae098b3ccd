"""Rescaling by powers of two, so that squares neither overflow nor underflow."""

import numpy as np
from sklearn.preprocessing import normalize

from skalign._arrays import (
    beside,
    dtype_name,
    floats,
    namespace,
    take_rows,
    to_numpy,
)


def power_of(rows, axis=None):
    """Exponent of the power of two just above the largest entry along an axis."""
    xp = namespace(rows)
    largest = xp.max(xp.abs(rows), axis=axis, keepdims=axis is not None)
    return np.frexp(to_numpy(largest))[1]


def times_power(rows, power):
    """Multiply rows by powers of two, exactly.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats
    power : int or ndarray of int
        Exponents, to be broadcast.
    """
    dtype = dtype_name(rows)
    info, parts = np.finfo(dtype), [np.asarray(power)]
    if np.any(parts[0] < info.minexp) or np.any(parts[0] >= info.maxexp):
        half = parts[0] // 2  # the factor itself overflows or underflows
        parts = [half, power - half]
    for part in parts:
        factor = np.ldexp(np.ones_like(part, dtype=dtype), part)
        rows = rows * beside(factor, rows)
    return rows


def largest_about_mean(rows):
    """Largest absolute value of each centred column; 0 for columns of rounding errors.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats

    Returns
    -------
    largest : ndarray of shape (n_features,), float64
        Infinite where the mean overflows.
    """
    xp = namespace(rows)
    most, least = (to_numpy(f(rows, axis=0)) for f in (xp.max, xp.min))
    with np.errstate(over="ignore"):
        mean = to_numpy(column_means(rows))
        largest = np.maximum(most - mean, mean - least)
    size = np.maximum(np.abs(most), np.abs(least)).astype(np.float64)
    largest[largest <= 8 * np.finfo(most.dtype).eps * size] = 0
    return largest


def near_one(rows, axis=None):
    """Scale rows by an exact power of two, with the largest entry between 1/2 and 1.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats
    axis : int or None, default=None
        1 takes a power for each row, None one for all.

    Returns
    -------
    rescaled : array of shape (n_samples, n_features)
    """
    return times_power(rows, -power_of(rows, axis))


def signed(axes):
    """Flip the sign of columns so that their largest absolute entry is positive."""
    xp = namespace(axes)
    largest = to_numpy(xp.argmax(xp.abs(axes), axis=0))
    entries = np.diagonal(to_numpy(take_rows(axes, largest)))
    return axes * beside(np.where(entries < 0, -1.0, 1.0), axes)


def unit_rows(rows):
    """Scale rows to unit length without overflow or underflow; rows of zeros remain.

    Parameters
    ----------
    rows : array of shape (n_samples, n_features), of floats

    Returns
    -------
    rescaled : array of shape (n_samples, n_features)
    """
    with np.errstate(over="ignore"):
        squares = _squared_lengths(rows)
    info, xp = np.finfo(dtype_name(rows)), namespace(rows)
    if xp.all((squares > float(info.tiny / info.eps)) & xp.isfinite(squares)):
        return rows / xp.sqrt(squares)[:, None]
    return normalized(near_one(rows, axis=1))


def _squared_lengths(rows):
    if isinstance(rows, np.ndarray):
        return np.einsum("ij,ij->i", rows, rows)
    return namespace(rows).vecdot(rows, rows)


def normalized(rows):
    """Divide rows by their lengths, whose squares must not overflow."""
    if isinstance(rows, np.ndarray):
        return normalize(rows)
    length = namespace(rows).linalg.vector_norm(rows, axis=1, keepdims=True)
    return rows / namespace(rows).where(length == 0, 1.0, length)


def column_means(rows):
    """Return the mean of each column, summed in float64."""
    total = namespace(rows).sum(rows, axis=0, dtype=floats(rows)[0])
    return total / rows.shape[0]
