"""Rescaling by powers of two, so that squares neither overflow nor underflow."""

import numpy as np
from sklearn.preprocessing import normalize


def power_of(rows, axis=None):
    """Exponent of the power of two just above the largest entry along an axis."""
    return np.frexp(np.abs(rows).max(axis=axis, keepdims=axis is not None))[1]


def largest_about_mean(rows):
    """Largest absolute value of each centred column; 0 for columns of rounding errors.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), of floats

    Returns
    -------
    largest : ndarray of shape (n_features,), float64
        Infinite where the mean overflows.
    """
    most, least = rows.max(axis=0), rows.min(axis=0)
    with np.errstate(over="ignore"):
        mean = rows.mean(axis=0, dtype=np.float64)
        largest = np.maximum(most - mean, mean - least)
    size = np.maximum(np.abs(most), np.abs(least)).astype(np.float64)
    largest[largest <= 8 * np.finfo(rows.dtype).eps * size] = 0
    return largest


def near_one(rows, axis=None):
    """Scale rows by an exact power of two, with the largest entry between 1/2 and 1.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), of floats
    axis : int or None, default=None
        1 takes a power for each row, None one for all.

    Returns
    -------
    rescaled : ndarray of shape (n_samples, n_features)
    """
    return np.ldexp(rows, -power_of(rows, axis))


def signed(axes):
    """Flip the sign of columns so that their largest absolute entry is positive."""
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1, 1)


def unit_rows(rows):
    """Scale rows to unit length without overflow or underflow; rows of zeros remain.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features), of floats

    Returns
    -------
    rescaled : ndarray of shape (n_samples, n_features)
    """
    return normalize(near_one(rows, axis=1))
